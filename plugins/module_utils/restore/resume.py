# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to do with a restore that was interrupted: a pure decision from the journal, the disk and the server."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.dba.mariabackup.plugins.module_utils.restore import journal as journals
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.switching import ALL, NONE, PARTIAL

# What a resumed run does.
DISCARD = "discard"  # nothing of the old set was touched: remove what was staged, begin anew
SWITCH = "switch"  # the staged set is complete: hold, stop and swap (again)
START = "start"  # the new set is in place: start it, check it, commit
COMMIT = "commit"  # it was healthy: finish opening it
BACK = "back"  # it was on the way back to the old set: finish that
UNDECIDED = "undecided"  # the server was opened on the new set: a person decides


@dataclass(frozen=True)
class Standing:
    """How an interrupted run stands.

    Args:
        state: the journal's state.
        phase: the journal's phase.
        direction: the journal's direction.
        rebooted: the machine went down since.
        opened: a server runs on the new set that was not started by this run, so it may have been written to.
        swapped: how much of the swap the disk shows.
        had_data: there was old data.
        deleted: the old data was deleted first (``existing_data: delete_first``).
        stale: what was staged cannot be used any more: it is gone, or a server was set up meanwhile where there was none.
        back_begun: a part of the way back is done.
    """

    state: str
    phase: str
    direction: str
    rebooted: bool
    opened: bool
    swapped: str
    had_data: bool
    deleted: bool
    stale: bool = False
    back_begun: bool = False


def decide(standing: Standing) -> str:
    """Return what a resumed run does; see the constants of this file."""
    if standing.state == journals.UNDECIDED:
        return UNDECIDED
    written = standing.rebooted or standing.opened
    kept = standing.had_data and not standing.deleted
    if standing.direction == journals.BACK:
        # Killed before the first step of the way back, the new set is still in place.
        return UNDECIDED if standing.swapped == ALL and not standing.back_begun and written and kept else BACK
    if standing.phase == "commit":
        return COMMIT
    if standing.phase in ("plan", "verify-source", "delete", "stage", "prepare", "verify", "clone"):
        return DISCARD
    if standing.swapped == NONE:
        return DISCARD if standing.stale else SWITCH
    if standing.swapped == PARTIAL:
        return SWITCH
    return UNDECIDED if written and kept else START
