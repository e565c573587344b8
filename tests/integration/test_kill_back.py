# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Killed, and without power, on the way back from new data that did not come up healthy."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integration.harness.bench import Bench
from tests.integration.harness.cells import EMPTY, NEW, OLD, Lend, cut_at, decide, kill_at, ready, try_start
from tests.integration.harness.faults import clear_breakpoints, kill_runner, power_cut, set_breakpoint, wait_stopped
from tests.integration.harness.layouts import LAYOUTS
from tests.integration.harness.server import STATE_DIR

UNHEALTHY = {"verify_queries": [{"query": "SELECT 1", "expect": "2"}], "failed_data": "delete"}
POINTS = ("back-before", "back-step-0", "back-step-1", "back-step-half", "back-step-last", "back-swapped", "back-after")


def _cells(data: str, disk: str, points: tuple[str, ...] = POINTS) -> list[Any]:
    return [
        pytest.param(layout, point, id=f"trixie-{layout}-{data}-{point}",
                     marks=pytest.mark.xdist_group(f"kill-back-{layout}-{disk}"))
        for layout in ("plain", "separate", "mount")
        for point in points
        if (layout, point) != ("plain", "back-step-half")
    ]  # fmt: skip


def _fails_again(bench: Bench, data: str) -> None:
    """Run the same task again: it finishes the way back, restores, finds the same, and goes back."""
    result = bench.server.fail("restore", "SELECT 1", **bench.arguments(**UNHEALTHY))
    assert result["failed_phase"] == "health"
    assert result["rolled_back"] is True
    if data == OLD:
        assert bench.served() == OLD
        assert bench.server.sql("SELECT @@read_only") == "0"
    else:
        assert bench.out_of_sight() == ""
        assert not bench.server.server_runs(bench.layout.service)
    bench.assert_no_traces()


@pytest.mark.parametrize(("layout", "point"), _cells(OLD, "dir"))
def test_kill_on_the_way_back(lend: Lend, layout: str, point: str) -> None:
    """kill -9 of our process on the way back to the old data."""
    with lend("trixie", LAYOUTS[layout]) as bench:
        ready(bench, OLD)
        kill_at(bench, point, **UNHEALTHY)
        found = try_start(bench)
        if found == NEW:
            # The new server still runs, closed to everybody.
            assert point == "back-before"
            assert bench.server.sql("SELECT @@read_only") == "1"
        elif found == "held":
            assert layout == "plain"
        elif point == "back-swapped":
            # The old server serves: the way back is finished around it, before the next restore is refused.
            pid = bench.server.server_pid(bench.layout.service)
            bench.server.fail("restore", "is not empty", **bench.arguments(existing_data="fail", failed_data="delete"))
            assert bench.server.server_pid(bench.layout.service) == pid
            assert bench.journal()["state"] == "returned"
        if point in ("back-before", "back-step-1"):
            _fails_again(bench, OLD)
        else:
            # Mended meanwhile: half the time of one that goes back once more, and the same code up to there.
            bench.restore(failed_data="delete")


@pytest.mark.parametrize(("layout", "point"), _cells(EMPTY, "dir", ("back-before", "back-step-1")))
def test_kill_on_the_way_back_to_nothing(lend: Lend, layout: str, point: str) -> None:
    """kill -9 on the way back to an empty server."""
    with lend("trixie", LAYOUTS[layout]) as bench:
        ready(bench, EMPTY)
        kill_at(bench, point, **UNHEALTHY)
        _fails_again(bench, EMPTY)
        bench.restore()


@pytest.mark.parametrize(("layout", "point"), _cells(OLD, "disk", POINTS[:-1]))
def test_power_cut_on_the_way_back(lend: Lend, layout: str, point: str) -> None:
    """The power goes on the way back: the old data serves, or, before the first step, a person decides."""
    with lend("trixie", LAYOUTS[layout], "4G") as bench:
        ready(bench, OLD)
        cut_at(bench, point, **UNHEALTHY)
        found = bench.served()
        if point == "back-before" or (layout == "plain" and point == "back-step-0"):
            # It was started at boot, for everybody.
            assert found == NEW
            decide(bench, accept=layout != "mount")
            return
        assert found == OLD
        bench.assert_no_hold()
        if point == "back-step-1":
            _fails_again(bench, OLD)
        else:
            bench.restore(failed_data="delete")


@pytest.mark.parametrize("layout", ["separate", "mount"])
def test_power_cut_while_old_data_is_put_back(lend: Lend, layout: str) -> None:
    """The power goes when the old set has its new GTID state: the new data serves at boot, and a person decides again."""
    with lend("trixie", LAYOUTS[layout], "4G") as bench:
        ready(bench, OLD)
        server = bench.server
        server.succeed("restore", **bench.arguments(existing_data="keep"))
        set_breakpoint(server, "back-staged")
        wait_stopped(server, server.start_module("previous_datadir", state="restored", **bench.who))
        power_cut(server)
        # Their removal was not synced.
        clear_breakpoints(server)
        server.sql("CREATE DATABASE passing; DROP DATABASE passing")
        last = _number(bench)
        decide(bench, accept=False)
        assert _number(bench) > last


def _number(bench: Bench) -> int:
    return int(bench.server.sql("SELECT @@gtid_binlog_pos").rpartition("-")[2])


@pytest.mark.parametrize("layout", ["separate", "mount"])
def test_kill_while_an_older_run_is_put_back(lend: Lend, layout: str) -> None:
    """Data kept by an older run is put back after a later run has failed, and our process dies between two directories.

    The later run is the newest one, and has changed nothing; the next task finishes the way back of the older one first.
    """
    with lend("trixie", LAYOUTS[layout]) as bench:
        ready(bench, OLD)
        server = bench.server
        server.succeed("restore", **bench.arguments(existing_data="keep"))
        older = bench.journal()["id"]
        last = _number(bench)
        result = server.fail("restore", "SELECT 1", **bench.arguments(**UNHEALTHY))
        assert result["rolled_back"] is True
        assert bench.journal()["id"] != older
        set_breakpoint(server, "back-2-after")
        running = server.start_module("previous_datadir", state="restored", **bench.who)
        wait_stopped(server, running)
        clear_breakpoints(server)
        kill_runner(server)
        assert running.result().get("failed")
        assert not server.server_runs(bench.layout.service)
        bench.restore(failed_data="delete")
        assert _number(bench) > last
        journals = server.path(f"{STATE_DIR}/restores").glob(f"*/{older}/journal.json")
        assert [json.loads(path.read_text())["state"] for path in journals] == ["returned"]
        bench.assert_unchanged_backup()
