# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sources that cannot be restored: a clear error, the server as it was, and nothing that blocks the next restore.

The backups are damaged for real, and those of other kinds are made with the real tool.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.integration.harness.faults import TOOL, backup_half_way, kill_runner, wait_program
from tests.integration.harness.restores import (
    TARGET,
    by_hand,
    carry,
    checkpoints,
    copy_of,
    good_restore,
    info,
    prepare_by_hand,
    refused,
    refused_early,
    untouched,
)
from tests.integration.harness.server import Server, show
from tests.support.compare import diff


@pytest.mark.suites("trixie")
def test_files_that_a_manifest_misses(server: Server) -> None:
    """With a manifest: a file missing, truncated, or with a flipped byte, prepared or not."""
    server.succeed("backup", target_dir=TARGET)
    server.succeed("backup", target_dir="/srv/backup/prepared", prepare=True)
    server.dataset("change")
    table = "dba_engines/" + server.out(f"ls {TARGET}/dba_engines | grep -m1 MAD$")
    for source in (TARGET, "/srv/backup/prepared"):
        with untouched(server):
            damaged = copy_of(server, "missing", source)
            server.run(f"rm {damaged}/{table}")
            refused_early(server, table, "missing", target_dir=damaged)
            damaged = copy_of(server, "truncated", source)
            server.run(f"truncate -s -1 {damaged}/{table}")
            refused(server, table, "bytes", target_dir=damaged)
            damaged = copy_of(server, "more", source)
            server.run(f"touch {damaged}/stray.ibd")
            refused(server, "stray.ibd", target_dir=damaged)
            damaged = copy_of(server, "flipped", source)
            flip(server, f"{damaged}/{table}")
            refused(server, table, "checksum", phase="stage", target_dir=damaged)
    good_restore(server)


def flip(server: Server, path: str) -> None:
    """Turn one bit in the middle of a file, and leave its size and time."""
    script = (
        "import os, sys; p = sys.argv[1]; s = os.stat(p); f = open(p, 'r+b'); f.seek(s.st_size // 2); b = f.read(1);"
        " f.seek(-1, 1); f.write(bytes([b[0] ^ 1])); f.close(); os.utime(p, ns=(s.st_atime_ns, s.st_mtime_ns))"
    )
    server.run(["python3", "-c", script, path])


def test_truncated_redo_log(server: Server) -> None:
    """A truncated redo log, with and without a manifest: every cut is caught, at 512-byte boundaries of 10.5 too."""
    # What is written after the last checkpoint makes the backup's redo log longer.
    server.sql(
        "CREATE TABLE dba_empty.t (a LONGTEXT) ENGINE=InnoDB; INSERT INTO dba_empty.t VALUES (REPEAT('x', 60000))"
    )
    server.succeed("backup", target_dir=TARGET)
    server.sql("DROP TABLE dba_empty.t")
    size = int(server.out(f"stat -c %s {TARGET}/ib_logfile0"))
    assert size > 12288 + 40000
    head = 2048 if server.suite == "bullseye" else 12288
    blocks = [head, head + 512, head + 512 * 40, (size - 1) // 512 * 512, (size - 1) // 512 * 512 - 512]
    with untouched(server):
        for manifest, cuts in ((False, (0, head - 512, *blocks, size - 1)), (True, (blocks[2], size - 1))):
            damaged = copy_of(server, "cut", manifest=manifest)
            for cut in cuts:
                server.run(f"cp {TARGET}/ib_logfile0 {damaged}/ib_logfile0 && truncate -s {cut} {damaged}/ib_logfile0")
                result = server.run_module("restore", check=True, target_dir=damaged, existing_data="delete")
                assert "ib_logfile0" in result.get("msg", ""), f"{cut} of {size}\n{show(result)}"
                assert result["failed_phase"] == "plan", f"{cut} of {size}\n{show(result)}"
            refused(server, "ib_logfile0", target_dir=damaged)
        # As long as it should be, but the tail was never written: a copy that was cut and preallocated.
        damaged = copy_of(server, "hole", manifest=False)
        server.run(f"truncate -s {head + 512 * 20} {damaged}/ib_logfile0 && truncate -s {size} {damaged}/ib_logfile0")
        result = server.run_module("restore", target_dir=damaged, existing_data="delete")
        assert result.get("failed"), show(result)
        assert result["failed_phase"] in ("plan", "prepare", "verify"), show(result)
    server.succeed("restore", target_dir=TARGET, existing_data="delete")
    assert server.sql("SELECT LENGTH(a) FROM dba_empty.t") == "60000"


def test_redo_log_that_was_cut_before_the_tool_prepared_it(server: Server) -> None:
    """A prepared backup whose redo log had been cut, though the tool said "completed OK!": refused by its bytes."""
    server.sql(
        "CREATE TABLE dba_empty.t (a LONGTEXT) ENGINE=InnoDB; INSERT INTO dba_empty.t VALUES (REPEAT('x', 60000))"
    )
    by_hand(server)
    server.sql("DROP TABLE dba_empty.t")
    damaged = copy_of(server, "cut")
    size = int(server.out(f"stat -c %s {damaged}/ib_logfile0"))
    server.run(f"truncate -s {(size - 1024 * 20) // 512 * 512} {damaged}/ib_logfile0")
    assert "completed OK!" in prepare_by_hand(server, damaged)
    with untouched(server):
        refused_early(server, "LSN", target_dir=damaged)
    server.succeed("restore", target_dir=TARGET, existing_data="delete")
    assert server.sql("SELECT LENGTH(a) FROM dba_empty.t") == "60000"


@pytest.mark.parametrize("manifest", [False, True])
def test_metadata_that_is_missing(server: Server, manifest: bool) -> None:
    """No metadata, or a part of it: refused, with the file's name."""
    server.succeed("backup", target_dir=TARGET)
    server.dataset("change")
    with untouched(server):
        for name in (checkpoints(server), info(server), "backup-my.cnf", "ib_logfile0"):
            damaged = copy_of(server, "part", manifest=manifest)
            server.run(f"rm {damaged}/{name}")
            refused(server, target_dir=damaged)
        server.run(f"rm {damaged}/{checkpoints(server)} {damaged}/{info(server)} {damaged}/backup-my.cnf")
        refused_early(server, target_dir=damaged)
        server.run("mkdir /srv/backup/empty")
        refused_early(server, "empty", target_dir="/srv/backup/empty")
        refused(server, "/srv/backup/none", target_dir="/srv/backup/none")
        refused(server, "/srv/backup/file", target_dir=make_file(server, "/srv/backup/file"))
    good_restore(server)


def make_file(server: Server, path: str) -> str:
    """Make an ordinary file."""
    server.run(f"echo no backup > {path}")
    return path


def test_aborted_run(server: Server) -> None:
    """An aborted run, of the plain tool and of the module backup: what it left is no backup."""
    server.succeed("backup", target_dir=TARGET)
    server.dataset("change")
    with untouched(server):
        server.run(
            "cd /srv/backup; mariadb-backup --backup --user=root --target-dir=half 2>log & "
            "until [ -s /srv/backup/half/ibdata1 ]; do sleep 0.001; done; kill -KILL $!; wait $! || true"
        )
        refused_early(server, "aborted", target_dir="/srv/backup/half")
        with backup_half_way(server, "/srv/backup/ours") as running:
            kill_runner(server)
        assert running.result().get("failed")
        refused(server, "/srv/backup/ours", target_dir="/srv/backup/ours")
        refused_early(server, "/srv/backup/ours.partial", target_dir="/srv/backup/ours.partial")
    good_restore(server)


@pytest.mark.suites("bookworm", "trixie")
def test_half_prepared(server: Server) -> None:
    """A half-prepared directory is never put into service: mariadb-backup killed while it prepares."""
    server.sql(
        "CREATE TABLE dba_empty.t (a LONGTEXT) ENGINE=InnoDB; INSERT INTO dba_empty.t VALUES (REPEAT('x', 900000))"
    )
    server.succeed("backup", target_dir=TARGET)
    server.sql("DROP TABLE dba_empty.t")
    half = copy_of(server, "half")
    with untouched(server):
        running = server.start_module("prepare", target_dir=half, in_place=True)
        wait_program(server, TOOL)
        kill_runner(server)
        assert running.result().get("failed")
        refused_early(server, "half", target_dir=half)
    server.succeed("prepare", target_dir=half, in_place=True)
    server.succeed("restore", target_dir=half, existing_data="delete")
    assert server.sql("SELECT LENGTH(a) FROM dba_empty.t") == "900000"


@pytest.mark.suites("bullseye", "trixie")
@pytest.mark.parametrize("manifest", [False, True])
def test_another_vendor(server: Server, manifest: bool) -> None:
    """Another vendor: a server that is not MariaDB, a tool that is not Mariabackup, and Percona's log file."""
    server.succeed("backup", target_dir=TARGET)
    server.dataset("change")
    name = info(server)
    with untouched(server):
        damaged = copy_of(server, "mysql", manifest=manifest)
        server.run(f"sed -i 's/^server_version = .*/server_version = 8.0.36-28/' {damaged}/{name}")
        refused_early(server, "another vendor", "8.0.36-28", target_dir=damaged)
        damaged = copy_of(server, "percona", manifest=manifest)
        server.run(f"sed -i 's/^tool_version = .*/tool_version = 8.0.35-31/' {damaged}/{name}")
        refused(server, "another vendor", "8.0.35-31", target_dir=damaged)
        server.run(f"rm {damaged}/{checkpoints(server)} && mv {damaged}/ib_logfile0 {damaged}/xtrabackup_logfile")
        refused(server, "Percona", target_dir=damaged)
    good_restore(server)


def test_incremental_given_as_a_full_backup(server: Server) -> None:
    """An incremental given as a full backup (a real one): refused, beside the manifest of another backup too."""
    server.succeed("backup", target_dir=TARGET)
    server.dataset("change")
    by_hand(server, "/srv/backup/tuesday", f"--incremental-basedir={TARGET}")
    with untouched(server):
        refused(server, "incremental", target_dir="/srv/backup/tuesday")
        server.run(f"cp {TARGET}.manifest.json /srv/backup/tuesday.manifest.json")
        refused_early(server, "incremental", target_dir="/srv/backup/tuesday")
    good_restore(server)


@pytest.mark.suites("trixie")
def test_partial_backup(server: Server) -> None:
    """A backup of one schema alone is no backup of the server."""
    server.succeed("backup", target_dir=TARGET)
    by_hand(server, "/srv/backup/part", "--databases=dba_engines")
    with untouched(server):
        refused_early(server, "partial", target_dir="/srv/backup/part")
    good_restore(server)


@pytest.mark.suites("trixie")
@pytest.mark.parametrize(("suite", "series"), [("bookworm", "10.11"), ("bullseye", "10.5")])
def test_backups_of_another_series(server: Server, take: Callable[..., Server], suite: str, series: str) -> None:
    """A tool of another series needed to prepare it: refused, until it is prepared there; then restored and upgraded."""
    server.as_distributed()
    older = take(suite)
    by_hand(older)
    carry(older, server)
    with untouched(server):
        result = refused_early(server, series, "11.8")
        assert f"mariadb-backup {series}," in result["action"], show(result)
    prepare_by_hand(older, TARGET)
    server.run(f"rm -rf {TARGET}")
    carry(older, server)
    with untouched(server):
        refused_early(server, "upgrade", upgrade="never")
    server.dataset("change")
    result = server.succeed("restore", target_dir=TARGET, existing_data="delete")
    assert result["health"] == "ok"
    # The newer server writes definitions and the end of history in other words; every row and every function is there.
    after = server.snapshot(check=True)
    lines = diff(older.seeded, after, ignore_schemas=("sys", "mysql", "dba_history"))
    assert not [line for line in lines if ": data:" in line or "missing" in line], "\n".join(lines)
    assert not after["problems"]
    assert "all probes hold" in server.dataset("probe")
    if suite == "bullseye":
        return
    # The other way there is none.
    by_hand(server, "/srv/backup/newer")
    prepare_by_hand(server, "/srv/backup/newer")
    carry(server, older, "/srv/backup/newer")
    with untouched(older):
        refused_early(older, "no way down", target_dir="/srv/backup/newer")


@pytest.mark.parametrize("prepared", [False, True])
def test_backup_made_by_hand(server: Server, prepared: bool) -> None:
    """A backup made by hand with the plain tool, prepared or not: accepted, warned of, and left as it is."""
    by_hand(server)
    if prepared:
        prepare_by_hand(server, TARGET)
    server.dataset("change")
    before = server.listing("/srv/backup")
    result = good_restore(server)
    assert "no manifest" in str(result["warnings"]), show(result)
    assert server.listing("/srv/backup") == before
