# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kill -9 and power cuts while a backup is consumed (method: move): the only copy of it is never lost."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.harness.bench import Bench
from tests.integration.harness.cells import NEW, OLD, Lend, cut_at, kill_at, ready, stop_at
from tests.integration.harness.faults import (
    TOOL,
    clear_breakpoints,
    frozen,
    kill_program,
    kill_runner,
    proceed,
    set_breakpoint,
    wait_program,
    wait_stopped,
)
from tests.integration.harness.layouts import LAYOUTS
from tests.integration.harness.modules import end
from tests.integration.harness.server import wait_for

POINTS = ("prepare-before", "prepare-after", "stage-before", "stage-after", "verify-before", "verify-after", "stop-held",
          "stop-after", "step-0", "step-last")  # fmt: skip
HERE, ELSEWHERE = "/var/lib/moved", "/srv/elsewhere/moved"
GROUP = pytest.mark.xdist_group("kill-move")


def _lay(bench: Bench, backup: str, where: str) -> dict[str, Any]:
    """Lay a copy of a backup, with its manifest, for one restore to consume; return that restore's options."""
    if where == ELSEWHERE:
        # A file system of the host's own memory: no rename goes from there to the datadir.
        bench.server.run(
            "mkdir -p /srv/elsewhere && mountpoint -q /srv/elsewhere || mount -t tmpfs none /srv/elsewhere"
        )
    bench.server.run(f"rm -rf {where} {where}.* && cp -a {backup} {where}")
    bench.server.run(["cp", f"{backup}.manifest.json", f"{where}.manifest.json"])
    return {"target_dir": where, "method": "move"}


def _restore(bench: Bench, options: dict[str, Any]) -> None:
    """Run the same task again: it restores, and the backup is consumed."""
    assert bench.restore(**options)["method"] == "move"
    assert bench.server.out(f"find {options['target_dir']} -name '*.ibd'") == ""


@GROUP
@pytest.mark.parametrize(
    ("layout", "where", "point"),
    [*(("plain", where, point) for where in (HERE, ELSEWHERE) for point in POINTS),
     *(("separate", ELSEWHERE, point) for point in ("stage-after", "verify-after", "stop-after"))],
)  # fmt: skip
def test_kill_a_move(lend: Lend, layout: str, where: str, point: str) -> None:
    """kill -9 of our process at a point of a restore by move."""
    with lend("trixie", LAYOUTS[layout]) as bench:
        ready(bench, OLD)
        options = _lay(bench, bench.raw, where)
        kill_at(bench, point, **options)
        assert bench.on_disk() == (NEW if point == "step-last" else OLD)
        _restore(bench, options)


@GROUP
@pytest.mark.parametrize("copier", ["builtin", "mariadb-backup"])
def test_kill_a_move_between_its_files(lend: Lend, copier: str) -> None:
    """Killed when a part of the files has come to another file system: the next run gives all back before it does anything."""
    with lend("trixie", LAYOUTS["plain"]) as bench:
        ready(bench, OLD)
        server = bench.server
        options = {**_lay(bench, bench.prepared, ELSEWHERE), "copier": copier, "verify_checksums": False}
        before = server.checksums(ELSEWHERE)
        if copier == "builtin":
            running = server.start_module("restore", **bench.arguments(**options, bandwidth_limit="8M"))
            wait_for(lambda: server.out("ls -A /var/lib/mysql.restore-* 2>/dev/null || true"), "the copy has begun")
            kill_runner(server)
        else:
            running = server.start_module("restore", **bench.arguments(**options))
            with frozen(server, wait_program(server, TOOL)):
                kill_runner(server)
        assert running.result().get("failed")
        server.fail("restore", "is not empty", **bench.arguments(**{**options, "existing_data": "fail"}))
        assert server.checksums(ELSEWHERE) == before
        bench.assert_no_traces()
        _restore(bench, options)


@GROUP
def test_kill_the_prepare_of_a_move(lend: Lend) -> None:
    """mariadb-backup killed, and our process while it runs: the backup is half prepared where it lies, and is taken up again."""
    with lend("trixie", LAYOUTS["plain"]) as bench:
        ready(bench, OLD)
        options = _lay(bench, bench.raw, HERE)
        running = bench.server.start_module("restore", **bench.arguments(**options))
        kill_program(bench.server)
        assert running.result()["failed_phase"] == "prepare"
        assert bench.served() == OLD
        running = bench.server.start_module("restore", **bench.arguments(**options))
        with frozen(bench.server, wait_program(bench.server, TOOL)):
            kill_runner(bench.server)
        assert running.result().get("failed")
        _restore(bench, options)


@pytest.mark.xdist_group("kill-power-move")
@pytest.mark.parametrize("point", ["prepare-after", "stage-after", "verify-after", "stop-after"])
def test_power_cut_of_a_move(lend: Lend, point: str) -> None:
    """The power goes: what was renamed or synced is there, and the same task again restores."""
    with lend("trixie", LAYOUTS["plain"], "4G") as bench:
        ready(bench, OLD)
        options = _lay(bench, bench.raw, HERE)
        bench.server.run("sync")
        cut_at(bench, point, **options)
        assert bench.served() == OLD
        _restore(bench, options)


@GROUP
def test_a_move_that_fails_keeps_the_backup(lend: Lend) -> None:
    """Before a server has run on it, the backup is given back, byte for byte but prepared; after that it is kept as failed."""
    with lend("trixie", LAYOUTS["plain"]) as bench:
        ready(bench, OLD)
        options = {**_lay(bench, bench.raw, HERE), "failed_data": "delete"}
        server = bench.server
        running = stop_at(bench, "stop-before", **options)
        # Somebody looks around in the datadir just then, so it cannot be exchanged.
        shell = server.start(["sh", "-c", "cd /var/lib/mysql && exec sleep 600"])
        wait_for(lambda: server.out("pgrep -f 'sleep 600' || true"), "the shell is there")
        proceed(server)
        assert "in use" in running.result()["msg"]
        end(shell)
        assert bench.served() == OLD
        found = server.succeed("backup_info", target_dir=HERE, verify=True)
        assert found["valid"], found
        assert found["backup"]["prepared"], found
        queries = [{"query": "SELECT 1", "expect": "2"}]
        server.fail("restore", "swapped back", **bench.arguments(**options, verify_queries=queries))
        assert bench.served() == OLD
        assert server.out("find /var/lib/mysql.failed-* -name i.ibd") != ""
        server.succeed("previous_datadir", state="absent", **bench.who)


@GROUP
@pytest.mark.parametrize("where", [HERE, ELSEWHERE], ids=["renamed", "copied"])
def test_killed_while_the_backup_is_given_back(lend: Lend, where: str) -> None:
    """The stop fails, the backup is being given back, and our process dies: the drained set is never put into service."""
    with lend("trixie", LAYOUTS["plain"]) as bench:
        ready(bench, OLD)
        server = bench.server
        options = _lay(bench, bench.raw, where)
        running = stop_at(bench, "stop-before", **options)
        shell = server.start(["sh", "-c", "cd /var/lib/mysql && exec sleep 601"])
        wait_for(lambda: server.out("pgrep -f 'sleep 601' || true"), "the shell is there")
        set_breakpoint(server, "give-back")
        proceed(server)
        for _number in range(3):
            wait_stopped(server, running)
            proceed(server)
        wait_stopped(server, running)
        clear_breakpoints(server)
        kill_runner(server)
        end(shell)
        assert bench.served() == OLD
        _restore(bench, options)
        bench.assert_unchanged_backup()


@GROUP
def test_a_swap_that_fails_gives_a_moved_backup_back(lend: Lend) -> None:
    """The swap fails before any server has run on the new set: the backup is where it was."""
    with lend("trixie", LAYOUTS["plain"]) as bench:
        ready(bench, OLD)
        server = bench.server
        options = _lay(bench, bench.raw, HERE)
        running = stop_at(bench, "swap-before", **options)
        server.run("mkdir -p $(ls -d /var/lib/mysql.restore-* | sed s/restore/previous/)/x")
        proceed(server)
        assert "exists already" in running.result()["msg"]
        assert bench.served() == OLD
        assert server.succeed("backup_info", target_dir=HERE, verify=True)["valid"]
        server.run("rm -r /var/lib/mysql.previous-*")
        _restore(bench, options)


@GROUP
def test_nobody_uses_the_directory_meanwhile(lend: Lend) -> None:
    """The directory that a backup is moved out of is no place for another one, until the restore has ended."""
    with lend("trixie", LAYOUTS["plain"]) as bench:
        ready(bench, OLD)
        server = bench.server
        options = _lay(bench, bench.raw, HERE)
        running = stop_at(bench, "stop-before", **options)
        assert server.out(f"find {HERE} -name '*.ibd'") == ""
        server.fail("backup", ".mariabackup-moved", target_dir=HERE)
        server.fail("prepare", "is in use", target_dir=HERE, in_place=True)
        kill_runner(server)
        assert running.result().get("failed")
        server.fail("backup", ".mariabackup-moved", target_dir=HERE)
        server.fail("prepare", "moving its files", target_dir=HERE, in_place=True)
        _restore(bench, options)
        assert server.out(f"ls -A {HERE}") == ""
        server.succeed("backup", target_dir=HERE)
        server.run(f"rm -r {HERE} {HERE}.manifest.json")
