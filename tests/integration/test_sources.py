# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sources that the modules prepare and backup_info must not take; test_restore_sources.py does the same for restore."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

from tests.integration.harness.backups import METADATA, raw_backup, server_goes_on
from tests.integration.harness.faults import TOOL
from tests.integration.harness.server import Server, show, wait_for

GOOD = "/srv/good"
BAD = "/srv/bad"


def damaged(server: Server, script: str, manifest: bool) -> None:
    """Make a copy of the good backup and damage it with a script that runs inside of it."""
    server.run(f"cd / && rm -rf {BAD} {BAD}.manifest.json /srv/ready && cp -a {GOOD} {BAD}")
    if manifest:
        server.run(f"cp -a {GOOD}.manifest.json {BAD}.manifest.json")
    server.run(f"cd {BAD} && {script}")


def refused(server: Server, *texts: str, verify: bool = False) -> None:
    """Assert that neither module takes the damaged backup, and that nothing of it or beside it has changed."""
    before = server.listing(BAD), server.out("ls -A /srv")
    info = server.succeed("backup_info", target_dir=BAD, verify=verify)
    assert info["valid"] is False
    assert info["problems"]
    result = server.fail("prepare", *texts, target_dir=BAD, dest="/srv/ready")
    assert result["action"], show(result)
    server.fail("prepare", *texts, target_dir=BAD, in_place=True)
    assert (server.listing(BAD), server.out("ls -A /srv")) == before


def _loaded_backup(server: Server) -> dict[str, object]:
    """Take a backup under a write load, so that its redo log is worth cutting."""
    server.bank("setup")
    server.bank("start", "--pause", "0")
    result = server.succeed("backup", target_dir=GOOD)
    server.bank("stop")
    return result


def test_damage_that_the_manifest_shows(server: Server) -> None:
    """Source with a manifest: a file missing, truncated, added, or with a flipped byte."""
    server.succeed("backup", target_dir=GOOD)
    table = server.out(f"cd {GOOD} && ls dba_innodb/*.ibd | head -1")
    other = server.out(f"cd {GOOD} && find . -name '*.MYD' -size +0 -printf '%P\\n' | head -1")
    damaged(server, f"rm {table}", manifest=True)
    refused(server, table)
    damaged(server, f"truncate -s -1 {other}", manifest=True)
    refused(server, other)
    damaged(server, "touch -r ibdata1 dba_innodb/stray.frm", manifest=True)
    refused(server, "stray.frm")
    flip = (
        'python3 -c \'import sys; f = open(sys.argv[1], "r+b"); f.seek(20000); b = f.read(1); f.seek(20000);'
        f" f.write(bytes([b[0] ^ 1]))' {table} && touch -r ibdata1 {table}"
    )
    damaged(server, flip, manifest=True)
    refused(server, table, verify=True)
    damaged(server, f"echo '{{' > {BAD}.manifest.json", manifest=False)
    refused(server, "manifest")
    server.assert_seeded()


def test_redo_log_that_was_cut(server: Server) -> None:
    """Source: a truncated redo log. Every cut is caught, with and without manifest, at 512-byte boundaries of 10.5 too."""
    _loaded_backup(server)
    size = int(server.out(f"stat -c %s {GOOD}/ib_logfile0"))
    start = 12288 if server.suite != "bullseye" else 2048
    assert size > start + 4096, "the load left no redo log to cut"
    blocks = (size - 1) // 512
    cuts = {
        size - 1,
        size - 512,
        blocks * 512,
        (blocks - 1) * 512,
        (start + size) // 2 // 512 * 512,
        start,
        start + 1,
        512,
        0,
    }
    for cut in sorted(cut for cut in cuts if cut < size):
        damaged(server, f"truncate -s {cut} ib_logfile0", manifest=False)
        assert server.succeed("backup_info", target_dir=BAD)["valid"] is False, f"{cut} of {size} bytes"
    for cut in (size - 512, (start + size) // 2 // 512 * 512):
        damaged(server, f"truncate -s {cut} ib_logfile0", manifest=False)
        refused(server)
    damaged(server, f"truncate -s {size - 512} ib_logfile0", manifest=True)
    refused(server, "ib_logfile0")
    # The tool itself prepares it and reports success; what it made is refused.
    damaged(server, f"truncate -s {(start + size) // 2 // 512 * 512} ib_logfile0", manifest=False)
    said = server.run(["mariadb-backup", "--prepare", f"--target-dir={BAD}"], check=False)
    assert server.suite == "bullseye" or said.returncode == 0
    refused(server)
    server_goes_on(server)


def test_sources_that_are_no_full_backup(server: Server) -> None:
    """Source: no metadata, an aborted run, another vendor, an increment, a partial backup, a datadir, an empty directory."""
    raw_backup(server, GOOD)
    checkpoints, info, config = METADATA[server.suite]
    for name in (checkpoints, info, config):
        damaged(server, f"rm {name}", manifest=False)
        refused(server)
    damaged(server, "rm *_checkpoints *_info", manifest=False)
    refused(server)
    damaged(
        server,
        f"sed -i 's/^server_version.*/server_version = 8.0.33-25/; s/^tool_version.*/tool_version = 8.0.33-28/' {info}",
        manifest=False,
    )
    refused(server, "vendor")
    server.run(f"cd / && rm -rf {BAD} && mariadb-backup --user=root --backup --target-dir={BAD}"
               f" --incremental-basedir={GOOD} 2>/srv/log")  # fmt: skip
    refused(server, "incremental")
    server.run(f"cd / && rm -rf {BAD} && mariadb-backup --user=root --backup --target-dir={BAD} --databases='dba_engines mysql'"
               " 2>/srv/log")  # fmt: skip
    # Tables can be imported from a partial one; a server cannot be restored from it.
    before = server.listing(BAD), server.out("ls -A /srv"), server.server_pid()
    assert server.succeed("backup_info", target_dir=BAD)["backup"]["partial"] is True
    result = server.fail("restore", "partial", "import_tables", target_dir=BAD, existing_data="delete")
    assert result["action"], show(result)
    assert (server.listing(BAD), server.out("ls -A /srv"), server.server_pid()) == before
    server.run(f"cd / && rm -rf {BAD} && mkdir {BAD}")
    refused(server)
    server.stop_server()
    server.run(f"rm -rf {BAD} && cp -a /var/lib/mysql {BAD}")
    server.start_server()
    refused(server)


def test_aborted_run_of_the_plain_tool(server: Server) -> None:
    """Source: a backup by hand whose run was killed in the middle, and one that died of an error."""
    process = server.start(f"exec mariadb-backup --backup --user=root --throttle=1 --target-dir={BAD} 2>/srv/log")
    wait_for(server.path(f"{BAD}/dba_innodb").exists, "the copy has begun")
    server.run(["pkill", "-KILL", "-x", "|".join(TOOL)])
    process.communicate()
    refused(server)
    server_goes_on(server)


@pytest.mark.suites("bookworm")
def test_backup_of_another_series(server: Server, take: Callable[..., Server]) -> None:
    """Source: a tool of another series is needed to prepare it: both versions named."""
    old = take("bullseye")
    raw_backup(old, BAD)
    _carry(old, server, BAD)
    assert server.succeed("backup_info", target_dir=BAD)["valid"] is True
    before = server.listing("/srv")
    for options in ({"dest": "/srv/ready"}, {"in_place": True}):
        result = server.fail("prepare", "10.5", "10.11", target_dir=BAD, **options)
        assert "mariadb-backup 10.5" in result["action"], show(result)
    assert server.listing("/srv") == before


def _carry(source: Server, target: Server, path: str) -> None:
    packed = subprocess.run(["tar", "-cf", "-", "-C", str(source.path(path)), "."], check=True, stdout=subprocess.PIPE)
    target.run(["mkdir", "-p", path])
    target.run(["tar", "-xf", "-", "-C", path], input=packed.stdout)
