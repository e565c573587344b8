# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup can be cancelled, killed and cut off at any time, and the server is not changed."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from tests.integration.harness.backups import server_goes_on
from tests.integration.harness.faults import (
    TOOL,
    backup_half_way,
    frozen,
    kill_runner,
    lose_connection,
    power_cut,
    runners,
    wait_program,
)
from tests.integration.harness.playbooks import Playbooks
from tests.integration.harness.server import Server, wait_for

TARGET = "/srv/backup/monday"


def _no_backup(server: Server) -> None:
    """Assert that nothing there can be mistaken for a backup, by a person or by a module, and that the server goes on."""
    assert not server.exists(TARGET)
    assert not server.exists(f"{TARGET}.manifest.json")
    left = [name for name in server.out("ls -A /srv/backup 2>/dev/null || true").split() if name]
    assert set(left) <= {"monday.partial", "monday.partial.owner"}
    for name in left:
        for module, options in (("prepare", {"in_place": True}), ("restore", {"existing_data": "keep"})):
            server.fail(module, target_dir=f"/srv/backup/{name}", **options)
    server_goes_on(server)


def _runs_again(server: Server) -> None:
    """Assert that the same task again makes the backup, and that no trace of the dead run is left."""
    server.succeed("backup", target_dir=TARGET)
    assert sorted(server.out("ls -A /srv/backup").split()) == ["monday", "monday.manifest.json"]
    server.succeed("restore", target_dir=TARGET, existing_data="delete")
    server.assert_seeded()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["term", "int"])
def test_cancelled_job_cleans_up(server: Server, number: signal.Signals) -> None:
    """The backup can be cancelled at any time: SIGTERM and SIGINT leave nothing, and the module says what happened."""
    with backup_half_way(server, TARGET) as running:
        kill_runner(server, number)
    result = running.result()
    assert result.get("failed"), result
    assert number.name in result["msg"]
    wait_for(lambda: not server.job_pids(), "the job is gone")
    assert server.out("ls -A /srv/backup 2>/dev/null || true") == ""
    _no_backup(server)
    _runs_again(server)


def test_stopped_unit_cleans_up(server: Server) -> None:
    """The backup can be cancelled with systemctl stop of its transient unit."""
    with backup_half_way(server, TARGET) as running:
        server.run("systemctl stop --no-block 'dba-mariabackup-*'")
    assert running.result().get("failed"), running.result()
    _no_backup(server)
    assert server.out("ls -A /srv/backup 2>/dev/null || true") == ""


def test_killed_job_leaves_no_backup(server: Server) -> None:
    """SIGKILL of our process in the middle: the tool dies with it, and what is left is no backup for anybody."""
    with backup_half_way(server, TARGET) as running:
        kill_runner(server)
    result = running.result()
    assert result.get("failed"), result
    assert "killed" in result["msg"]
    # A process that was killed has its name until the host's first process has buried it.
    wait_for(lambda: server.out("pgrep -x 'mariadb-backup|mariabackup' || true") == "", "the tool is gone", timeout=5)
    _no_backup(server)
    _runs_again(server)


def test_killed_tool_is_an_error(server: Server) -> None:
    """SIGKILL of mariadb-backup itself: the run fails with its return code, nothing is left."""
    running = server.start_module("backup", target_dir=TARGET)
    os.kill(wait_program(server, TOOL), signal.SIGKILL)
    result = running.result()
    assert result.get("failed"), result
    assert result["rc"] == 137
    assert server.out("ls -A /srv/backup 2>/dev/null || true") == ""
    _no_backup(server)


@pytest.mark.suites("trixie")
def test_power_cut_leaves_no_backup(fresh: Callable[..., Server]) -> None:
    """A host that loses power in the middle of a backup: after the boot, what is left is no backup, and a new run works."""
    server = fresh("trixie", disk="4G")
    with backup_half_way(server, TARGET):
        power_cut(server)
    _no_backup(server)
    _runs_again(server)


@pytest.mark.suites("bullseye", "trixie")
def test_a_finished_backup_survives_a_power_cut(server: Server, fresh: Callable[..., Server]) -> None:
    """A backup that was reported is on the disk: power lost right after it, and every checksum still holds."""
    host = fresh(server.suite, disk="4G")
    host.succeed("backup", target_dir=TARGET)
    power_cut(host)
    host.succeed("restore", target_dir=TARGET, existing_data="delete", verify_checksums=True, manifest="require")
    host.assert_seeded()


@pytest.mark.suites("trixie")
def test_module_that_is_killed_does_not_stop_the_job(server: Server) -> None:
    """Losing the controller does not stop it, and the same task again attaches to the job that runs."""
    with backup_half_way(server, TARGET) as running:
        running.disconnect()
        planned = server.succeed("backup", target_dir=TARGET, check=True)
        assert [step["action"] for step in planned["plan"]] == ["attach to the job that does this already"]
        again = server.start_module("backup", target_dir=TARGET)
        wait_for(lambda: "backup" in server.out("ps -eo comm=").splitlines(), "the second task")
        assert len(runners(server)) == 1
    result = again.result()
    assert not result.get("failed"), result
    assert result["path"] == TARGET
    assert len(server.out("ls /var/lib/mariabackup/jobs").split()) == 1


@pytest.mark.suites("bullseye", "bookworm", "trixie")
def test_lost_ssh_connection_does_not_stop_the_job(server: Server, playbooks: Callable[[], Playbooks]) -> None:
    """Losing the controller does not stop it: ansible-playbook and the host's ssh sessions are killed, the backup ends.

    The same task again returns what came of it, once; for the next one the directory is not empty.
    """
    ansible = playbooks()
    play = [
        {
            "hosts": server.name,
            "gather_facts": False,
            "tasks": [{"dba.mariabackup.backup": {"target_dir": TARGET}}],
        }
    ]
    process = ansible.start(play)
    pid = wait_program(server, TOOL)
    with frozen(server, pid):
        lose_connection(server, process)
    wait_for(lambda: server.exists(f"{TARGET}.manifest.json") and not server.job_pids(), "the backup ends", 60)
    again = ansible.succeed(play)
    assert (again.result("backup")["path"], again.result("backup")["changed"]) == (TARGET, True)
    assert "Nothing was begun" in again.output
    assert "not empty" in ansible.run(play).result("backup")["msg"]
    server.succeed("restore", target_dir=TARGET, existing_data="delete", manifest="require")
    server.assert_seeded()
