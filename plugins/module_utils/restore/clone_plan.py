# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What speaks against a clone, and what making one takes: pure code, a part of the plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.restore.situation import CloneFacts


def problems(clone: CloneFacts, options: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each reason why there is to be no such clone, and what the reader does about it."""
    if clone.problem:
        yield (
            f"The clone cannot have this server id: {clone.problem}.",
            "Set clone_server_id to a number that no other server has, or leave it out: one is derived.",
        )
    elif not clone.configured and clone.file is None:
        yield (
            "The clone needs a server id of its own, and the server reads no directory of option files (!includedir) to which"
            " one could be added.",
            f"Set server_id = {clone.server_id} in the host's option file, then run this task again.",
        )
    if options["method"] == "move":
        yield "A clone is made on a copy, and method is move.", "Leave method out; the backup stays what it is."
    if options["gtid_state"] == "backup":
        yield (
            "A clone begins a history of its own, and gtid_state is backup: it would go on with the source's numbers.",
            "Leave gtid_state out. For a new replica, restore without clone.",
        )
    if clone.connections:
        yield (
            f"These files would make the clone a replica: {', '.join(clone.connections)}.",
            "Take them out of carry_over, or away; clone_replication: keep leaves them.",
        )


def steps(clone: CloneFacts, options: Mapping[str, Any], staging: str) -> Iterator[tuple[str, str]]:
    """Yield what is done to the staged set, and with what."""
    if options["clone_events"] == "disable":
        yield "disable every event", staging
    if options["clone_replication"] == "drop":
        yield "forget where the source stood in replication", staging
    if options["post_restore_sql"]:
        yield f"run {len(options['post_restore_sql'])} statements of post_restore_sql", staging
    if options["verify_queries"]:
        yield f"hold {len(options['verify_queries'])} queries against what is expected", staging
    yield f"server_id {clone.server_id}", "as the host's option files have it" if clone.configured else str(clone.file)
