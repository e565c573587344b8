# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that lose power before and after every step of the swap: all processes gone at once, what was not synced lost."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.integration.harness.bench import Bench
from tests.integration.harness.cells import EMPTY, NEW, OLD, Lend, cut_at, decide, groups, ready
from tests.integration.harness.layouts import LAYOUTS

DISK = "4G"


def _cut(bench: Bench, number: int, data: str) -> tuple[int, int]:
    """One cell: the power goes after step ``number``. Returns how many steps there are, and how many hand over data."""
    ready(bench, data)
    steps = cut_at(bench, f"step-{number}")
    essential = max(place for place, step in enumerate(steps, 1) if step["essential"])
    number = min(number, len(steps))
    complete = number >= essential
    server = bench.server
    if data == OLD:
        assert bench.served() == (NEW if complete else OLD)
        if complete:
            decide(bench, accept=number % 2 == 0)
        else:
            bench.assert_no_hold()
            # The next cell runs the same task again as well, and cuts it one step later.
            if bench.layout.name != "mount" or number % 3 == 0:
                bench.restore()
    elif number == 0 and essential == 1:
        assert not server.server_runs(bench.layout.service)
        bench.restore()
    else:
        # An empty directory is nothing to go back to: the new set is in place, and open.
        assert bench.served() == NEW
        bench.assert_no_hold()
        bench.write()
        bench.restore()
        assert bench.written()
        server.sql("DROP DATABASE after")
    return len(steps), essential


@pytest.mark.parametrize(
    ("layout", "data", "part"),
    groups("power", [("plain", OLD, 1), ("plain", EMPTY, 1), ("separate", OLD, 2), ("separate", EMPTY, 2),
                     ("mount", OLD, 4), ("mount", EMPTY, 2)]),
)  # fmt: skip
def test_power_cut_at_every_step(
    lend: Lend, layout: str, data: str, part: tuple[int, int], record_property: Callable[[str, object], None]
) -> None:
    """The power goes before the first step, and after each."""
    number, done = part[0], 0
    with lend("trixie", LAYOUTS[layout], DISK) as bench:
        steps = number
        while number <= steps:
            try:
                steps, _essential = _cut(bench, number, data)
            except Exception as error:
                raise AssertionError(f"power cut after step {number}: {error}") from error
            done += 1
            number += part[1]
    record_property("cells", done)


@pytest.mark.parametrize(
    ("suite", "layout"),
    [
        pytest.param(suite, layout, marks=pytest.mark.xdist_group(f"kill-power-{suite}"))
        for suite in ("bullseye", "bookworm")
        for layout in ("separate", "mount")
    ],
)
def test_power_cut_in_the_middle_of_a_swap(lend: Lend, suite: str, layout: str) -> None:
    """The power goes half way through, and an older systemd boots: the old set is repaired before the server starts."""
    with lend(suite, LAYOUTS[layout], DISK) as bench:
        ready(bench, OLD)
        steps = cut_at(bench, "step-half")
        assert len(steps) > 1
        assert bench.served() == OLD
        bench.assert_no_hold()
        bench.restore()


@pytest.mark.xdist_group("kill-power-plain-old-0")
def test_power_cut_then_a_commit_that_fails(lend: Lend) -> None:
    """The power goes in the commit, the server is open at boot, and the commit fails then: what was written stays."""
    with lend("trixie", LAYOUTS["plain"], DISK) as bench:
        ready(bench, OLD)
        options = {"post_restore_sql": ["SELECT nonsense"]}
        cut_at(bench, "commit-before", **options)
        assert bench.served() == NEW
        bench.write()
        bench.server.fail("restore", "nonsense", "previous_datadir", **bench.arguments(**options))
        assert bench.served() == NEW
        assert bench.written()
        assert bench.server.fail("restore", "accepted", **bench.arguments(**options))["undecided"] is True
        bench.server.succeed("previous_datadir", state="accepted", **bench.who)
        assert bench.written()
        bench.server.sql("DROP DATABASE after")
        bench.server.succeed("previous_datadir", state="absent", **bench.who)
        bench.assert_no_traces()
