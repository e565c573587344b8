# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The repair at boot: finish or undo a swap that a power cut interrupted, without a controller, before the server starts."""

from __future__ import annotations

import os
import sys

from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.swap import apply, plan_back
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.files import path_key
from ansible_collections.dba.mariabackup.plugins.module_utils.locks import exclusive
from ansible_collections.dba.mariabackup.plugins.module_utils.restore import journal as journals
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.host import service_of
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.journal import Journal
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.switching import (
    ALL,
    members_of,
    steps_of,
    swap_state,
    undo_all,
)


def repair_set(journal: Journal, ctx: Context) -> bool:
    """Bring the directories of an interrupted run to one complete set; return whether the server may start.

    The old set has served before and the new one never, so an unfinished swap is undone. On the way back it is
    finished, which is the old set as well. Where there was no old data, the swap is finished: an empty datadir is nothing
    to go back to. Where the old data was deleted first and the new is not in place, nothing can be repaired.
    """
    if journal["direction"] == journals.BACK:
        back = steps_of(journal, "back_steps")
        if not back and journal.get("swapped"):
            # The power went between the hold and the first step; a server has run on the new set, so undoing the steps
            # of the swap would not do.
            back = plan_back(members_of(journal), steps_of(journal))
            journal.write(back_steps=[step.as_dict() for step in back])
        if back:
            for step in back:
                apply(step)
            journal.write(swapped_back=True)
        else:
            undo_all(journal)
        return True
    steps = steps_of(journal)
    swapped = swap_state(journal)
    old_data = journal["had_data"] and not journal.get("deleted")
    if not steps:
        return not journal.get("deleted")
    if swapped == ALL or not old_data:
        for step in steps:
            apply(step)
        journal.write(swapped=True)
        if old_data:
            # The server will be opened on the new set before its commit: from now on a person decides.
            journal.write(state=journals.UNDECIDED)
    elif old_data:
        undo_all(journal)
        if journal["phase"] == "swap":
            journal.write(phase="stop", steps=[])
    ctx.log(f"repaired: the swap was {swapped}")
    return True


def repair(path: str) -> int:
    """Run the repair for the journal at ``path``; the exit code of the boot-time unit is returned.

    Called also whenever somebody starts the held service, so it refuses while the restore itself is alive.
    """
    try:
        journal = journals.load(path)
        state_dir = os.path.dirname(os.path.dirname(os.path.dirname(journal.directory)))
        ctx = Context(journal.directory, state_dir)
        with exclusive(state_dir, journal["datadir"], "repair"):
            journal = journals.load(path)
            service = service_of(journal["options"], state_dir, path_key(journal["datadir"]))
            if journal["state"] == journals.RUNNING and not repair_set(journal, ctx):
                sys.stderr.write("The old data was deleted first and the new is not in place: run the restore again.\n")
                return 1
            service.release()
    except MariabackupError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0
