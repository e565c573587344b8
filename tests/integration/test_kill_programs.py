# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kill -9 of mariadb-backup and of the copiers while they run, and of our process while they do."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.harness.bench import Bench
from tests.integration.harness.cells import EMPTY, OLD, Lend, ready
from tests.integration.harness.faults import TOOL, frozen, kill_program, kill_runner, wait_program
from tests.integration.harness.layouts import LAYOUTS
from tests.integration.harness.modules import Running
from tests.integration.harness.server import show, wait_for

# What runs: the program, and the options with which a restore runs it (slowly, where that can be had).
PROGRAMS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "prepare": (TOOL, {"target_dir": "raw"}),
    "rsync": (("rsync",), {"copier": "rsync", "bandwidth_limit": "8M"}),
    "copy-back": (TOOL, {"copier": "mariadb-backup"}),
}
BOTH = pytest.mark.parametrize("data", [OLD, EMPTY])


def _on(layout: str) -> Any:
    """Return a layout as a parameter, with the cells of the kill matrix whose host has it already."""
    return pytest.param(layout, marks=pytest.mark.xdist_group(f"kill-trixie-{layout}-{OLD}-0"))


LAYOUT = pytest.mark.parametrize("layout", [_on(name) for name in ("plain", "separate", "mount")])
# The tool's own --copy-back is for people whose procedure demands it.
WHERE = pytest.mark.parametrize(
    ("program", "layout"),
    [
        pytest.param(program, *_on(layout).values, marks=_on(layout).marks)
        for layout in ("plain", "separate", "mount")
        for program in PROGRAMS
        if layout == "plain" or program != "copy-back"
    ],
)


def _start(bench: Bench, options: dict[str, Any]) -> tuple[Running, dict[str, Any], int]:
    """Start a restore; return it, its options, and the process id that the server in service has to keep."""
    own = {**options, "target_dir": bench.raw if options.get("target_dir") == "raw" else bench.prepared}
    pid = bench.server.server_pid(bench.layout.service)
    return bench.server.start_module("restore", **bench.arguments(**own)), own, pid


def _nothing_happened(bench: Bench, data: str, pid: int) -> None:
    """Assert that the server in service never noticed, and that an empty one is still empty."""
    assert bench.server.server_pid(bench.layout.service) == pid
    if data == OLD:
        assert bench.served() == OLD
    else:
        assert bench.out_of_sight() == ""


@BOTH
@WHERE
def test_program_killed(lend: Lend, program: str, layout: str, data: str) -> None:
    """The program dies: the restore fails and says so, what it staged is gone, and the same task again restores."""
    names, options = PROGRAMS[program]
    with lend("trixie", LAYOUTS[layout]) as bench:
        ready(bench, data)
        running, options, pid = _start(bench, options)
        kill_program(bench.server, names)
        result = running.result()
        assert result.get("failed"), show(result)
        assert result["failed_phase"] == ("prepare" if program == "prepare" else "stage")
        assert result["rolled_back"] is False
        _nothing_happened(bench, data, pid)
        bench.assert_no_traces()
        bench.restore(**options)


@BOTH
@WHERE
def test_killed_while_a_program_runs(lend: Lend, program: str, layout: str, data: str) -> None:
    """Our process dies while the program runs: the program dies with it, and the same task again restores."""
    names, options = PROGRAMS[program]
    with lend("trixie", LAYOUTS[layout]) as bench:
        ready(bench, data)
        running, options, pid = _start(bench, options)
        with frozen(bench.server, wait_program(bench.server, names)):
            kill_runner(bench.server)
        assert running.result().get("failed"), show(running.result())
        assert bench.server.out(f"pgrep -x '{'|'.join(names)}' || true") == ""
        _nothing_happened(bench, data, pid)
        bench.restore(**options)


@BOTH
@LAYOUT
def test_builtin_copier_killed(lend: Lend, layout: str, data: str) -> None:
    """The built-in copier is our process: killed when it has copied a part of the files."""
    with lend("trixie", LAYOUTS[layout]) as bench:
        ready(bench, data)
        running, _options, pid = _start(bench, {"bandwidth_limit": "8M"})
        staged = "/var/lib/mysql/.mariabackup/restore-*" if layout == "mount" else "/var/lib/mysql.restore-*"
        wait_for(lambda: bench.server.out(f"ls -A {staged} 2>/dev/null || true"), "the copy has begun")
        kill_runner(bench.server)
        assert running.result().get("failed"), show(running.result())
        _nothing_happened(bench, data, pid)
        bench.restore()
