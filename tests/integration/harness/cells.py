# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cells of the kill matrix: a restore is stopped at a point, killed there, looked at, and done again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import pytest

from tests.integration.harness.bench import NEW, OLD, Bench
from tests.integration.harness.faults import clear_breakpoints, kill_runner, power_cut, proceed, set_breakpoint
from tests.integration.harness.faults import wait_stopped as wait_at_breakpoint
from tests.integration.harness.modules import Running
from tests.integration.harness.server import show

# The points of a restore in their order, and those of the swap's steps by their place among the steps.
EARLY = ("plan-after", "stage-before", "stage-after", "prepare-before", "prepare-after", "verify-before", "verify-after",
         "stop-before")  # fmt: skip
STOPPING = ("stop-held", "stop-after", "swap-before")
STEPS = ("step-0", "step-1", "step-half", "step-essential", "step-last")
LATE = ("swap-after", "start-before", "start-held", "start-after", "health-before", "health-after", "commit-before",
        "commit-after")  # fmt: skip
COMMITTED = ("commit-opened", "commit-settled")
POINTS = (*EARLY, *STOPPING, *STEPS, *LATE, *COMMITTED)

EMPTY = "empty"

Lend = Callable[..., AbstractContextManager[Bench]]


@dataclass(frozen=True)
class Cell:
    """Where a restore is interrupted.

    Args:
        point: a name of POINTS; ``step-N`` is after the swap's step N, ``step-0`` before the first.
        data: whether there is old data.
    """

    point: str
    data: str

    def options(self, bench: Bench) -> dict[str, Any]:
        """Return the options of this cell's restore."""
        return {"target_dir": bench.raw} if self.point.startswith("prepare") else {}


def ready(bench: Bench, data: str) -> None:
    """Bring the bench to the start of a cell."""
    if data == OLD:
        if not bench.server.server_runs(bench.layout.service):
            bench.server.start_server()
        bench.change()
    else:
        bench.empty()


def step_number(steps: list[dict[str, Any]], word: str) -> int:
    """Return which step ``word`` names: ``half``, ``essential`` (the last that hands over data), ``last``, a number.

    On a mount point a step is an entry of the datadir, and a server leaves one more or less each time it stops (11.8's
    directory for binary log caches): a number past the end is the last step.
    """
    essential = max(number for number, step in enumerate(steps, 1) if step["essential"])
    named = {"half": essential // 2, "essential": essential, "last": len(steps)}
    return named[word] if word in named else min(int(word), len(steps))


def stop_at(bench: Bench, point: str, **options: Any) -> Running:
    """Start a restore and return when it stands at ``point``; ``back-step-N`` is a step of the way back."""
    server = bench.server
    head, _dash, word = point.rpartition("step-")
    name = {"": "swap", "back-": "back"}[head] if word != point else ""
    set_breakpoint(server, f"{name}-1-before" if name else point)
    running = server.start_module("restore", **bench.arguments(**options))
    wait_at_breakpoint(server, running)
    if name and word != "0":
        clear_breakpoints(server)
        number = step_number(bench.journal()["steps" if name == "swap" else "back_steps"], word)
        assert number, f"there is no step {word}"
        set_breakpoint(server, f"{name}-{number}-after")
        proceed(server)
        wait_moved(bench, running, f"{name}-{number}-after")
    clear_breakpoints(server)
    return running


def wait_moved(bench: Bench, running: Running, point: str) -> None:
    """Wait until a runner that was told to go on stands at ``point``."""
    deadline = time.monotonic() + 60
    while True:
        wait_at_breakpoint(bench.server, running)
        logs = bench.server.run(
            f"grep -l 'stopped at breakpoint {point}$' /var/lib/mariabackup/jobs/*/log", check=False
        )
        if logs.stdout.strip():
            return
        assert time.monotonic() < deadline, f"the runner does not come to {point}"


def kill_at(bench: Bench, point: str, **options: Any) -> None:
    """Start a restore and kill our process at ``point``."""
    running = stop_at(bench, point, **options)
    kill_runner(bench.server)
    result = running.result()
    assert result.get("failed"), show(result)
    assert "killed" in result["msg"], show(result)


def cut_at(bench: Bench, point: str, **options: Any) -> list[dict[str, Any]]:
    """Start a restore, take the power away at ``point``, and boot again; return the steps of the swap."""
    stop_at(bench, point, **options)
    steps = list(bench.journal().get("steps") or [])
    power_cut(bench.server)
    # Their removal was not synced.
    clear_breakpoints(bench.server)
    return steps


def try_start(bench: Bench) -> str:
    """Start the server as an administrator would; return whose data it serves, or the reason why it refuses."""
    done = bench.server.run(["systemctl", "start", bench.layout.service], check=False)
    if done.returncode == 0:
        return bench.served()
    status = bench.server.run(["systemctl", "status", "--no-pager", bench.layout.service], check=False).stdout
    text = done.stderr + status
    assert "Assert" in text or "assert" in text, f"it does not start, for another reason than the hold\n{text}"
    held = bench.server.out("cat /var/lib/mariabackup/hold/*")
    assert "dba.mariabackup: restore" in held
    return "held"


def decide(bench: Bench, accept: bool) -> None:
    """Go through the decision that a person has to make once a server was opened on the new data before the commit.

    The restore is refused and names the ways on; a write made meanwhile survives ``accepted``; ``restored`` brings the old
    data back. The bench ends with restored data.
    """
    server = bench.server
    assert bench.served() == NEW
    bench.write()
    result = server.fail("restore", "previous_datadir", "accepted", "restored", **bench.arguments())
    assert result["undecided"] is True, show(result)
    assert bench.served() == NEW
    assert bench.written()
    if accept:
        assert server.succeed("previous_datadir", state="accepted", **bench.who)["changed"]
        assert bench.served() == NEW
        assert bench.written()
        server.sql("DROP DATABASE after")
    else:
        server.succeed("previous_datadir", state="restored", **bench.who)
        assert bench.served() == OLD
        assert not bench.written()
    assert server.sql("SELECT @@read_only") == "0"
    server.succeed("previous_datadir", state="absent", **bench.who)
    bench.assert_no_traces()
    bench.change()
    bench.restore()


def params(
    layouts: Iterable[str], data: Iterable[str], points: Iterable[str], suite: str, chunk: int = 13
) -> list[Any]:
    """Return the cells as parameters (suite, layout, cell), in groups that run one after another on one host."""
    found = []
    for layout in layouts:
        for kind in data:
            # One directory is exchanged in one step.
            left_out = ("step-half", "step-essential") if layout == "plain" else ()
            cells = [Cell(point, kind) for point in points if point not in left_out]
            for number, cell in enumerate(cells):
                group = f"kill-{suite}-{layout}-{kind}-{number // chunk}"
                name = f"{suite}-{layout}-{kind}-{cell.point}"
                found.append(pytest.param(suite, layout, cell, id=name, marks=pytest.mark.xdist_group(group)))
    return found


def groups(name: str, wanted: Iterable[tuple[str, str, int]]) -> list[Any]:
    """Return parameters (layout, data, (first, stride)): the steps of a swap dealt to that many tests, a host for each."""
    return [
        pytest.param(
            layout,
            data,
            (first, stride),
            id=f"trixie-{layout}-{data}-{first}",
            marks=pytest.mark.xdist_group(f"kill-{name}-{layout}-{data}-{first}"),
        )
        for layout, data, stride in wanted
        for first in range(stride)
    ]


__all__ = [
    "COMMITTED",
    "EARLY",
    "EMPTY",
    "LATE",
    "NEW",
    "OLD",
    "POINTS",
    "STOPPING",
    "Cell",
    "Lend",
    "cut_at",
    "decide",
    "groups",
    "kill_at",
    "params",
    "ready",
    "stop_at",
    "try_start",
]
