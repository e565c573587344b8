# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the fault tests of restores share: backups of every kind, and the proof that a refused restore left nothing."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from typing import Any

from tests.integration.harness.server import STATE_DIR, Server, assert_same, show, wait_for

TARGET = "/srv/backup/monday"
# The metadata files of either generation.
CHECKPOINTS = {"bullseye": "xtrabackup_checkpoints", "bookworm": "xtrabackup_checkpoints"}
INFO = {"bullseye": "xtrabackup_info", "bookworm": "xtrabackup_info"}


def checkpoints(server: Server) -> str:
    """Return the name of the metadata file with the LSNs."""
    return CHECKPOINTS.get(server.suite, "mariadb_backup_checkpoints")


def info(server: Server) -> str:
    """Return the name of the metadata file with the versions."""
    return INFO.get(server.suite, "mariadb_backup_info")


def by_hand(server: Server, target: str = TARGET, *options: str) -> None:
    """Take a backup with the plain tool, as the documented procedure does."""
    server.run(f"mkdir -p $(dirname {target})")
    server.run(["mariadb-backup", "--backup", "--user=root", f"--target-dir={target}", *options])


def prepare_by_hand(server: Server, target: str) -> str:
    """Prepare a backup with the plain tool; return its log."""
    return server.run(["mariadb-backup", "--prepare", f"--target-dir={target}"]).stderr


def copy_of(server: Server, name: str, source: str = TARGET, manifest: bool = True) -> str:
    """Copy a backup, with its manifest where it has one; return the copy's path."""
    target = f"/srv/backup/{name}"
    server.run(f"rm -rf {target} {target}.manifest.json && cp -a --reflink=auto {source} {target}")
    if manifest:
        server.run(f"! [ -e {source}.manifest.json ] || cp {source}.manifest.json {target}.manifest.json")
    return target


def carry(origin: Server, target: Server, path: str = TARGET) -> None:
    """Copy a backup to another host; as a person does, without our manifest."""
    target.run(f"mkdir -p $(dirname {path})")
    shutil.copytree(origin.path(path), target.path(path), symlinks=True)


def state(server: Server) -> dict[str, Any]:
    """Return what a refused restore must not change around the data: sets, units, holds, who serves."""
    units = "find /etc/systemd/system /run/systemd/system -name '*mariabackup*'"
    sets = "ls -dA /var/lib/mysql* /var/lib/.mysql* /srv/data/* /mnt/*/mysql* /var/lib/mysql/.mariabackup/* 2>/dev/null"
    sockets = "systemctl list-units --plain --no-legend --state=active 'mariadb*.socket' | cut -d' ' -f1"
    return {
        "units": server.run(units, check=False).stdout.split(),
        "sets": server.run(sets, check=False).stdout.split(),
        "sockets": server.out(sockets).split(),
        "holds": server.run(f"ls -A {STATE_DIR}/hold", check=False).stdout.split(),
        "drop_ins": server.out(f"systemctl show -p DropInPaths --value {server.layout.service}"),
    }


@contextlib.contextmanager
def untouched(server: Server, same_process: bool = True) -> Iterator[None]:
    """Assert that the server, its data and everything around it are afterwards as they were.

    Args:
        server: that runs.
        same_process: False where the old server had to be stopped and started again.
    """
    before, data, pid = state(server), server.snapshot(), server.server_pid()
    yield
    wait_for(lambda: not server.job_pids(), f"{server.name}: the end of the job")
    assert server.server_pid(), "the server does not run"
    assert server.server_pid() == pid or not same_process, "the server was started anew"
    after = server.snapshot(check=not same_process)
    assert_same(data, after)
    assert server.sql("SELECT @@global.read_only") == "0"
    found = state(server)
    # A failed set may be kept under its name.
    found["sets"] = [path for path in found["sets"] if ".failed-" not in path]
    assert found == before


def refused(server: Server, *texts: str, phase: str = "plan", **options: Any) -> dict[str, Any]:
    """Assert that a restore fails with a clear error, in the phase ``phase``."""
    options = {"target_dir": TARGET, "existing_data": "delete", **options}
    result = server.fail("restore", *texts, **options)
    assert result["failed_phase"] == phase, show(result)
    assert result["cause"], show(result)
    assert result["action"], show(result)
    assert "Traceback" not in show(result)
    return result


def refused_early(server: Server, *texts: str, **options: Any) -> dict[str, Any]:
    """Assert that check mode and a real run refuse alike, in the plan."""
    options = {"target_dir": TARGET, "existing_data": "delete", **options}
    planned = server.run_module("restore", check=True, **options)
    result = refused(server, *texts, **options)
    assert planned.get("failed"), show(planned)
    assert planned["cause"] == result["cause"]
    return result


def good_restore(server: Server, **options: Any) -> dict[str, Any]:
    """Restore the good backup: what failed before must not block it."""
    result = server.succeed("restore", **{"target_dir": TARGET, "existing_data": "delete", **options})
    server.assert_seeded()
    assert server.sql("SELECT @@global.read_only") == "0"
    return result
