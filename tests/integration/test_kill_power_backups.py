# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that lose power around the commit of a backup and in the middle of a prune: what was not synced is lost."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.integration.harness.cells import Lend
from tests.integration.harness.faults import clear_breakpoints, power_cut
from tests.integration.harness.layouts import LAYOUTS
from tests.integration.harness.shelves import DIRECTORY, REMOTE, STREAM, Shelf
from tests.integration.harness.storage import Storage

DISK = "4G"
# The points, and how many backups more there may be afterwards: a rename that was not synced may be lost with the power.
COMMITS = {
    DIRECTORY: {"place-manifest": (0,), "place-renamed": (0, 1), "place-committed": (1,)},
    STREAM: {"place-renamed": (0, 1), "place-committed": (1,)},
    REMOTE: {"place-published": (1,)},
}
# The points of a prune's first removal.
REMOVALS = ("prune-renamed", "prune-removed")

pytestmark = pytest.mark.xdist_group("kill-power-shelf")


def _cut(shelf: Shelf) -> None:
    power_cut(shelf.server)
    # Their removal was not synced.
    clear_breakpoints(shelf.server)


@pytest.mark.parametrize("kind", COMMITS)
def test_power_cut_at_the_commit(
    lend: Lend, depot: Callable[[], Storage], kind: str, record_property: Callable[[str, object], None]
) -> None:
    """The power goes around the last step of a backup: it is whole or none, and the next run works."""
    with lend("trixie", LAYOUTS["plain"], DISK) as bench:
        shelf = Shelf(bench, kind, depot() if kind == REMOTE else None)
        for point, new in COMMITS[kind].items():
            task = shelf.task()
            shelf.stop_at("backup", point, **task)
            _cut(shelf)
            shelf.look(new=new)
            shelf.take(**task)
    record_property("cells", len(COMMITS[kind]))


def test_power_cut_in_a_prune(lend: Lend, record_property: Callable[[str, object], None]) -> None:
    """The power goes in the middle of a prune: what is listed is whole, and the same prune again ends it."""
    with lend("trixie", LAYOUTS["plain"], DISK) as bench:
        shelf = Shelf(bench, DIRECTORY)
        for point in REMOVALS:
            rules = shelf.rules()
            going = shelf.oldest()
            shelf.stop_at("prune", point, **rules)
            _cut(shelf)
            shelf.look(gone=going[-1:], newest=False)
            shelf.finish(rules, going)
    record_property("cells", len(REMOVALS))
