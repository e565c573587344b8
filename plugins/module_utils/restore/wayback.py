# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way back to the old set, and what becomes of the sets that are not in service."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.exchange import move
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.layout import INSIDE
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.sets import remove_tree, tidy
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.restore import history, moving, server_identity
from ansible_collections.dba.mariabackup.plugins.module_utils.restore import journal as journals
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.host import Host
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.journal import Journal
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.switching import (
    NONE,
    hold_and_stop,
    members_of,
    new_set_in_place,
    swap_back,
    swap_state,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.server.service import Service, Survey

# Seconds for a server on data that is given up to stop by itself before it is ended.
NEW_SERVER_STOP = 60.0


def go_back(journal: Journal, host: Host, ctx: Context, params: Mapping[str, Any]) -> None:
    """Swap the old set back and serve it as before; may be called again after a kill.

    Args:
        journal: the run that is taken back; ``new_history`` in it tells that its new set was open for writing.
        host: its server.
        ctx: the job.
        params: the module's options.

    Raises:
        MariabackupError: the old set is not (completely) back, or its server does not stop or start; it is held then.
    """
    service = host.service
    do_not_stop()
    # A committed run that is put back is unfinished again until the old set serves.
    journal.write(state=journals.RUNNING, direction=journals.BACK)
    ctx.point("back-before")
    if not journal.get("served_again"):
        if not _old_set_serves(journal, service):
            kill = _given_up(journal)
            hold_and_stop(journal, service, ctx, NEW_SERVER_STOP if kill else params["stop_timeout"], kill=kill)
            service.remove_restrictions()
            if journal.get("new_history") and new_set_in_place(journal):
                _raise_gtids(journal, host, ctx, params)
            ctx.point("back-staged")
            swap_back(journal, service, ctx, params["_runner"])
        ctx.point("back-swapped")
        server_identity.take_back(journal)
        serve_again(journal, service, params)
        journal.write(served_again=True)
    ctx.point("back-served")
    keep_failed(journal, params, ctx)
    journal.write(state=journals.RETURNED)
    ctx.point("back-after")


def _given_up(journal: Journal) -> bool:
    """Whether what may run is a server on the new set that nobody could write to; any other is given its time to stop."""
    return new_set_in_place(journal) and not journal.get("put_back")


def _old_set_serves(journal: Journal, service: Service) -> bool:
    """Whether a server runs on the old set already: after the repair at boot, or because a person has started it."""
    back = journal.get("swapped_back") or (not journal.get("back_steps") and swap_state(journal) == NONE)
    return bool(back) and service.active() and not service.restricted()


def _raise_gtids(journal: Journal, host: Host, ctx: Context, params: Mapping[str, Any]) -> None:
    """Stage the GTID state of the old set; where that fails, the set that was in service goes on."""
    try:
        history.stage_put_back(journal, host, ctx)
    except MariabackupError:
        serve_again(journal, host.service, params)
        raise


def do_not_stop() -> None:
    """Ignore requests to end from here on: half-way back is the one place where stopping is worse than going on."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def finish(journal: Journal, host: Host, ctx: Context, params: Mapping[str, Any]) -> None:
    """Finish a way back that was interrupted."""
    with ctx.phase("back"):
        go_back(journal, host, ctx, params)


def serve_again(journal: Journal, service: Service, params: Mapping[str, Any]) -> None:
    """Lift the hold and bring the service to where it was found, without any restriction of ours."""
    survey = Survey.from_json(journal["survey"])
    if survey.was_active or survey.triggers:
        # A server that did not run is not started; its sockets are what they were.
        service.release()
        service.start(params["start_timeout"], triggers=survey.triggers)
    else:
        service.release()


def keep_failed(journal: Journal, params: Mapping[str, Any], ctx: Context) -> None:
    """Keep the new set that was given up under its own name, or delete it, as ``failed_data`` says.

    A backup that was moved may be the only one: it is given back when no server has run on it, else kept, whatever the option
    says.
    """
    moved = journal["result"]["method"] == "move"
    # The swap did not end, and no person has decided since: nothing has ever run on it, at boot either.
    never_started = not (journal.get("swapped") or journal.get("log_mark") or journal.get("put_back"))
    if moved and never_started:
        moving.give_back(journal, ctx)
    for member in members_of(journal):
        failed = journals.failed_path(member.staged)
        if moved and never_started:
            remove_tree(member.staged)
        elif os.path.lexists(member.staged):
            move(member.staged, failed)
        if params["failed_data"] == "delete" and not moved:
            remove_tree(failed)
        remove_room(member.live)
    tidy(members_of(journal))
    moving.unmark(journal)


def settle_previous(journal: Journal) -> None:
    """Delete the old set after the commit, or keep it, as the run was begun with; empty ones always go.

    The task that finishes a run may say something else by now, and what it does not name is not its to delete.
    """
    for member in members_of(journal):
        if journal["result"]["previous_datadir"] is None:
            remove_tree(member.previous)
        remove_tree(member.staged)  # what is left of a set that went in entry by entry: an empty directory
        remove_room(member.live)
    moving.unmark(journal)


def remove_room(live: str) -> None:
    """Remove the room inside a mount point when nothing is kept in it any more."""
    try:
        os.rmdir(os.path.join(live, INSIDE))
    except OSError:
        pass  # it holds a kept set, or was never made
