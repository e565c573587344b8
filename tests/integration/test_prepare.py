# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules prepare and backup_info on real backups."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from tests.integration.harness.backups import BACKUP_KEYS, raw_backup
from tests.integration.harness.faults import TOOL, kill_runner, wait_program
from tests.integration.harness.server import STATE_DIR, Server

MONDAY = "/srv/backup/monday"
READY = "/srv/ready/monday"
PREPARE_KEYS = BACKUP_KEYS | {"label"}


def test_prepare_makes_a_copy_and_running_it_again_changes_nothing(server: Server) -> None:
    """--prepare into dest: the backup stays as it is, the copy is prepared and restorable, again: changed false."""
    server.succeed("backup", target_dir=MONDAY)
    before = server.checksums(MONDAY), server.listing(MONDAY)
    planned = server.succeed("prepare", check=True, target_dir=MONDAY, dest=READY)
    assert planned["changed"] is True
    assert not server.exists("/srv/ready")
    result = server.succeed("prepare", target_dir=MONDAY, dest=READY)
    assert result["changed"] is True
    assert result["prepared"] is True
    assert result["path"] == READY
    assert set(result) >= PREPARE_KEYS, PREPARE_KEYS - set(result)
    assert (server.checksums(MONDAY), server.listing(MONDAY)) == before
    assert server.out(f"stat -c %a {READY}") == "700"
    ready = server.listing("/srv/ready")
    again = server.succeed("prepare", target_dir=MONDAY, dest=READY)
    assert again["changed"] is False
    assert server.listing("/srv/ready") == ready
    server.dataset("change")
    server.succeed("restore", target_dir=READY, existing_data="delete")
    server.assert_seeded()


def test_prepare_in_place_understands_log_applied(server: Server) -> None:
    """--prepare in place: log-applied is prepared; a second run, and one on what was prepared by hand, change nothing."""
    server.succeed("backup", target_dir=MONDAY)
    first = server.succeed("prepare", target_dir=MONDAY, in_place=True)
    assert first["changed"] is True
    state = server.listing("/srv/backup")
    again = server.succeed("prepare", target_dir=MONDAY, in_place=True)
    assert again["changed"] is False
    assert server.listing("/srv/backup") == state
    raw_backup(server, "/srv/hand")
    server.run("mariadb-backup --prepare --target-dir=/srv/hand 2>/srv/hand.log")
    state = server.listing("/srv/hand")
    assert server.succeed("prepare", target_dir="/srv/hand", in_place=True)["changed"] is False
    assert server.listing("/srv/hand") == state


@pytest.mark.suites("trixie")
def test_dest_that_holds_something_else_is_untouched(server: Server) -> None:
    """dest exists and holds files: refused with the names, untouched byte for byte, in check mode too."""
    server.succeed("backup", target_dir=MONDAY)
    server.run(f"mkdir -p {READY} && echo precious > {READY}/file")
    before = server.listing("/srv/ready")
    server.fail("prepare", "file", target_dir=MONDAY, dest=READY)
    server.fail("prepare", "file", check=True, target_dir=MONDAY, dest=READY)
    assert server.listing("/srv/ready") == before


@pytest.mark.suites("trixie")
@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "dest"),
        ({"in_place": True, "dest": READY}, "dest"),
        ({"dest": READY, "use_memory": "much"}, "use_memory"),
        ({"dest": READY, "use_memory": "900T"}, "use_memory"),
        ({"dest": MONDAY + "/inside"}, "dest"),
        ({"dest": MONDAY}, "dest"),
        ({"dest": READY, "extra_args": ["--export"]}, "--export"),
        ({"dest": READY, "extra_args": ["--incremental-dir=/srv/x"]}, "--incremental-dir"),
    ],
    ids=str,
)
def test_unknown_or_conflicting_options(server: Server, options: dict[str, Any], text: str) -> None:
    """Unknown or conflicting option values: refused with the option's name, the backup untouched."""
    raw_backup(server, MONDAY)
    before = server.listing("/srv/backup")
    server.fail("prepare", text, target_dir=MONDAY, **options)
    assert server.listing("/srv/backup") == before
    assert server.out("ls -A /srv") == "backup"


@pytest.mark.parametrize("use_memory", ["auto", "64M"])
@pytest.mark.suites("trixie")
def test_memory_is_sized_to_the_machine_or_as_told(server: Server, use_memory: str) -> None:
    """--prepare: memory sized to the machine (auto: at most a quarter of what is free), or as the task says."""
    server.succeed("backup", target_dir=MONDAY)
    result = server.succeed("prepare", target_dir=MONDAY, dest=READY, use_memory=use_memory)
    log = server.host.get(result["log_path"])
    (line,) = [line for line in log.splitlines() if "MiB of memory" in line]
    mebibytes = int(line.split(" with ")[1].split()[0])
    free = int(server.out("awk '/MemAvailable/ {print int($2 / 1024)}' /proc/meminfo"))
    assert mebibytes == 64 if use_memory == "64M" else 16 <= mebibytes <= free // 3


@pytest.mark.suites("bullseye", "trixie")
def test_killed_prepare_in_place_is_never_put_into_service(server: Server) -> None:
    """A half-prepared directory is never put into service: killed in the middle, refused, and prepared by the same task."""
    server.succeed("backup", target_dir=MONDAY)
    running = server.start_module("prepare", target_dir=MONDAY, in_place=True)
    pid = wait_program(server, TOOL)
    os.kill(pid, signal.SIGSTOP)
    kill_runner(server)
    assert running.result()["failed"]
    server.fail("restore", target_dir=MONDAY, existing_data="keep")
    server.fail("restore", check=True, target_dir=MONDAY, existing_data="keep")
    info = server.succeed("backup_info", target_dir=MONDAY)
    assert info["valid"] is False
    result = server.succeed("prepare", target_dir=MONDAY, in_place=True)
    assert result["changed"] is True
    assert server.succeed("backup_info", target_dir=MONDAY, verify=True)["valid"] is True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["term", "kill"])
@pytest.mark.suites("trixie")
def test_killed_prepare_of_a_copy_leaves_no_backup(server: Server, number: signal.Signals) -> None:
    """A killed prepare into dest leaves nothing that looks prepared, and the same task again makes it."""
    server.succeed("backup", target_dir=MONDAY)
    before = server.listing(MONDAY)
    running = server.start_module("prepare", target_dir=MONDAY, dest=READY)
    pid = wait_program(server, TOOL)
    os.kill(pid, signal.SIGSTOP)
    kill_runner(server, number)
    if number != signal.SIGKILL:
        os.kill(pid, signal.SIGCONT)
    assert running.result()["failed"]
    assert not server.exists(READY)
    for name in server.out("ls -A /srv/ready 2>/dev/null || true").split():
        server.fail("restore", target_dir=f"/srv/ready/{name}", existing_data="keep")
    server.succeed("prepare", target_dir=MONDAY, dest=READY)
    assert sorted(server.out("ls -A /srv/ready").split()) == ["monday", "monday.manifest.json"]
    assert server.listing(MONDAY) == before


@pytest.mark.suites("trixie")
def test_disk_that_fills_up_while_preparing_a_copy(server: Server) -> None:
    """No room for the copy: refused in the plan with both numbers, nothing written."""
    server.succeed("backup", target_dir=MONDAY)
    server.mount("ext4", "40M", "/mnt/small", owner=None)
    server.fail("prepare", "room", target_dir=MONDAY, dest="/mnt/small/ready")
    assert server.out("ls -A /mnt/small") == "lost+found"


@pytest.mark.suites("trixie")
def test_export_writes_the_files_for_importing_tables(server: Server) -> None:
    """export: true writes a .cfg beside the InnoDB tables, and the copy is proven like any other."""
    server.succeed("backup", target_dir=MONDAY)
    result = server.succeed("prepare", target_dir=MONDAY, dest=READY, export=True)
    assert result["prepared"] is True
    assert int(server.out(f"ls {READY}/dba_innodb/*.cfg | wc -l")) > 3
    assert server.succeed("prepare", target_dir=MONDAY, dest=READY, export=True)["changed"] is False


@pytest.mark.suites("bookworm")
def test_prepare_needs_no_server(server: Server) -> None:
    """prepare works with the server down and with option files of another layout: the backup's own settings count."""
    server.succeed("backup", target_dir=MONDAY)
    server.stop_server()
    server.configure(innodb_page_size="4k", innodb_data_file_path="other:12M:autoextend")
    assert server.succeed("prepare", target_dir=MONDAY, dest=READY)["prepared"] is True


# backup_info


def test_backup_info_describes_a_backup_and_changes_nothing(server: Server) -> None:
    """backup_info of one directory: what it is, prepared or not, with and without manifest; never changed: true."""
    made = server.succeed("backup", target_dir=MONDAY, label="weekly")
    server.run(f"rm -rf {STATE_DIR}")
    before = server.listing("/srv", "/var/lib/mysql/mysql")
    info = server.succeed("backup_info", target_dir=MONDAY)
    deep = server.succeed("backup_info", target_dir=MONDAY, verify=True)
    assert server.listing("/srv", "/var/lib/mysql/mysql") == before
    assert not server.exists(STATE_DIR)
    assert (info["changed"], info["exists"], info["valid"], info["problems"]) == (False, True, True, [])
    assert (info["verified"], deep["verified"], deep["valid"]) == ("sizes", "sha256", True)
    same = ("id", "type", "from_lsn", "to_lsn", "last_lsn", "gtid", "size_bytes", "files", "prepared", "server_version")
    assert {key: info["backup"][key] for key in same} == {key: made[key] for key in same}
    assert info["backup"]["label"] == "weekly"
    assert "dba_engines" in info["backup"]["schemas"]
    raw_backup(server, "/srv/hand")
    hand = server.succeed("backup_info", target_dir="/srv/hand")
    assert (hand["valid"], hand["verified"]) == (True, "structure")
    assert hand["backup"]["prepared"] is False
    assert server.succeed("backup_info", target_dir="/srv/none")["exists"] is False
