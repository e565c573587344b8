# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""existing_data: delete_first, the exception: no way back once the old data is deleted, and no start on half of anything."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.harness.bench import Bench
from tests.integration.harness.cells import NEW, OLD, Lend, cut_at, kill_at, ready, try_start
from tests.integration.harness.layouts import LAYOUTS

FIRST = {"existing_data": "delete_first"}
UNTOUCHED = ("verify-source-before", "verify-source-after", "delete-before")
DELETED = ("delete-after", "stage-after", "verify-after", "stop-after", "swap-before", "step-0")
PLACED = ("step-last", "start-before", "health-before", "commit-before")


def _cells(kind: str, layouts: tuple[str, ...], points: tuple[str, ...]) -> list[Any]:
    return [
        pytest.param(layout, point, id=f"trixie-{layout}-{point}",
                     marks=pytest.mark.xdist_group(f"kill-delete-{kind}-{layout}"))
        for layout in layouts
        for point in points
    ]  # fmt: skip


def _refuses(bench: Bench) -> None:
    """Assert that there is no server, that the old data is gone, and that a start is refused with the reason."""
    assert not bench.server.server_runs(bench.layout.service)
    assert try_start(bench) == "held"
    assert "kept" not in bench.out_of_sight()


@pytest.mark.parametrize(
    ("layout", "point"),
    [
        *_cells("dir", ("plain",), (*UNTOUCHED, *DELETED, *PLACED)),
        *_cells("dir", ("separate", "mount"), ("delete-after",)),
    ],
)
def test_kill(lend: Lend, layout: str, point: str) -> None:
    """kill -9 of our process: the server refuses to start while there is no complete set, and the same task finishes."""
    with lend("trixie", LAYOUTS[layout]) as bench:
        ready(bench, OLD)
        kill_at(bench, point, **FIRST)
        if point in UNTOUCHED:
            assert bench.served() == OLD
        else:
            bench.old_is_gone()
        if point == "step-0":
            # The new set is proven and its way into place is in the journal: the repair finishes it for whoever starts the server.
            assert try_start(bench) == NEW
        elif point in DELETED:
            _refuses(bench)
        bench.restore(**FIRST)


@pytest.mark.parametrize(
    ("layout", "point"),
    [*_cells("disk", ("plain", "separate", "mount"), ("delete-after",)),
     *_cells("disk", ("separate", "mount"), ("step-half",))],
)  # fmt: skip
def test_power_cut(lend: Lend, layout: str, point: str) -> None:
    """The power goes: the hold outlives it while there is no set; a swap that had begun is finished at boot."""
    with lend("trixie", LAYOUTS[layout], "4G") as bench:
        ready(bench, OLD)
        cut_at(bench, point, **FIRST)
        bench.old_is_gone()
        if point in DELETED:
            _refuses(bench)
            bench.restore(**FIRST)
            return
        assert bench.served() == NEW
        bench.write()
        bench.restore(**FIRST)
        assert bench.written()
        bench.server.sql("DROP DATABASE after")
