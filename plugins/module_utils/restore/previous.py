# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What restores kept aside: put it back into service, keep the new data for good, or delete what is old."""

from __future__ import annotations

import os
import time
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.inspect import disk_usage
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.sets import remove_tree
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.swap import backward
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError, foreseen
from ansible_collections.dba.mariabackup.plugins.module_utils.locks import exclusive, probe
from ansible_collections.dba.mariabackup.plugins.module_utils.restore import facts, moving, outset, wayback
from ansible_collections.dba.mariabackup.plugins.module_utils.restore import journal as journals
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.audit import record
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.host import Host, open_host
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.journal import Journal
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.opening import opened_by_others
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.plan import about_topology
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.switching import (
    hold_and_stop,
    members_of,
    new_set_in_place,
)


def _in_place(journal: Journal) -> bool:
    """Whether the run's new set is (or may be) in service and its old one is kept."""
    return journal["state"] in (journals.COMMITTED, journals.UNDECIDED, journals.ACCEPTED) and journal["had_data"]


def _decided(host: Host, ctx: Context) -> Journal | None:
    journal = journals.current(ctx.state_dir, host.layout.datadir)
    if journal is not None and journal["state"] == journals.RUNNING and journal["direction"] != journals.BACK:
        raise MariabackupError(
            f"Restore {journal['id']} is unfinished, in its phase {journal['phase']}.",
            "Run the same restore again: it finishes, or says that you have to decide.",
        )
    return journal


def _to_put_back(host: Host, ctx: Context) -> Journal | None:
    """Return the newest run that changed what is in service: runs that went back by themselves changed nothing."""
    _decided(host, ctx)
    for journal in reversed(journals.all_runs(ctx.state_dir, host.layout.datadir)):
        if journal["state"] != journals.RETURNED or journal.get("put_back"):
            return journal
    return None


def _result(host: Host, run: str | None, before: str = "", after: str = "") -> dict[str, Any]:
    """Return the result keys; ``before`` and ``after`` are the states of the datadir when something changes."""
    lines = [f"{host.layout.datadir}: {state}\n" if state else "" for state in (before, after)]
    return {
        "changed": before != after,
        "datadir": host.layout.datadir,
        "run": run,
        "previous_datadir": None,
        "removed": [],
        "freed_bytes": 0,
        "diff": {"before": lines[0], "after": lines[1]},
    }


def _restored(host: Host, ctx: Context, params: dict[str, Any], write: bool) -> dict[str, Any]:
    journal = _to_put_back(host, ctx)
    if journal is None or journal["state"] == journals.RETURNED:
        return _result(host, journal["id"] if journal else None)
    previous = members_of(journal)[0].previous
    back = journal["direction"] == journals.BACK
    if not back and not _in_place(journal):
        raise MariabackupError(
            f"Restore {journal['id']} has kept no previous data of {host.layout.datadir}.",
            "Restore a backup instead; only existing_data: keep leaves the old data for this.",
        )
    if not back and not os.path.lexists(previous) and not os.path.lexists(members_of(journal)[0].staged):
        raise MariabackupError(
            f"The previous data of {host.layout.datadir} ({previous}) is gone.", "Restore a backup instead."
        )
    _about_others(journal, host, ctx, params)
    if write:
        _put_back(journal, host, ctx, params)
    run = journal["id"]
    kept = journals.failed_path(members_of(journal)[0].staged)
    return {**_result(host, run, f"data of restore {run}", f"data from before {run}"), "previous_datadir": kept}


def _about_others(journal: Journal, host: Host, ctx: Context, params: dict[str, Any]) -> None:
    """Refuse a server with replicas, a replica or a Galera node, as a restore does.

    A way back that is under way is finished: until then nobody is served.
    """
    if not new_set_in_place(journal):
        return
    with host.service.at_once():
        _running, findings, unknown = facts.ask_topology(params, host)
    kept = backward(members_of(journal)[0])
    if kept is not None:
        names = facts.replica_files(kept.staged)
        findings += tuple(
            f"The old data is a replica's, which replicates when it starts: it holds {name}." for name in names
        )
    outset.refuse(list(about_topology(findings, unknown, params)))
    for finding in findings:
        ctx.warn(finding)


def _put_back(journal: Journal, host: Host, ctx: Context, params: dict[str, Any]) -> None:
    """Go back; a server that does not stop leaves everything, and the run, as it was."""
    before = {key: journal.get(key) for key in ("state", "direction", "put_back", "opened", "new_history")}
    # A server that was opened by statements still has the arguments of a restricted one.
    done = journal["state"] in (journals.COMMITTED, journals.ACCEPTED)
    serving = host.service.active() if done else opened_by_others(host.service)
    # Nobody could write to data that did not come up healthy, unless it was opened on the way back, by a boot say.
    opened = bool(journal["direction"] != journals.BACK or journal.rebooted or serving or journal.get("opened"))
    if serving:
        # The restore may have found the server stopped. It serves now, and so shall the old data.
        journal.write(survey=host.service.survey().as_json())
    journal.write(put_back=True, opened=opened, new_history=opened and params["gtid_state"] == "new_history")
    # Later runs may have gone back by themselves. This one is unfinished now, and whoever comes next has to find it.
    journals.make_current(journal)
    try:
        wayback.go_back(journal, host, ctx, {**params, "failed_data": "keep"})
    except MariabackupError:
        if not journal.get("back_steps"):
            journal.write(**before)
        raise


def _accepted(host: Host, ctx: Context, params: dict[str, Any], write: bool) -> dict[str, Any]:
    journal = _decided(host, ctx)
    if journal is None or journal["state"] != journals.UNDECIDED:
        return _result(host, journal["id"] if journal else None)
    if write:
        service = host.service
        if service.restricted() or not service.active():
            # A server with our restrictions has to start anew: nothing but its option files may decide from now on.
            hold_and_stop(journal, service, ctx, params["stop_timeout"])
            wayback.serve_again(journal, service, params)
        else:
            # Started at boot, past a hold whose drop-ins the reboot took away.
            service.release()
        moving.unmark(journal)
        journal.write(state=journals.ACCEPTED)
    result = _result(host, journal["id"], f"undecided after {journal['id']}", f"data of restore {journal['id']}")
    return {**result, "previous_datadir": members_of(journal)[0].previous}


def _absent(host: Host, ctx: Context, params: dict[str, Any], write: bool) -> dict[str, Any]:
    limit = time.time() - (params["older_than"] or 0)
    _decided(host, ctx)
    removed: list[str] = []
    freed = 0
    for journal in journals.all_runs(ctx.state_dir, host.layout.datadir):
        if journal.unfinished or os.stat(journal.path).st_mtime > limit:
            continue
        for path in journals.kept_paths(journal):
            removed.append(path)
            freed += disk_usage(path).allocated
            if write:
                remove_tree(path)
        if write:
            for member in members_of(journal):
                wayback.remove_room(member.live)
    return {
        **_result(host, None),
        "changed": bool(removed),
        "removed": removed,
        "freed_bytes": freed,
        "diff": {"before": "".join(f"{path}\n" for path in removed), "after": ""},
    }


_STATES = {"restored": _restored, "accepted": _accepted, "absent": _absent}


def check(params: dict[str, Any], ctx: Context) -> dict[str, Any]:
    """Say what ``run`` would do; nothing is written."""
    with ctx.phase("plan"):
        host = open_host(params, ctx.state_dir)
        probe(ctx.state_dir, host.layout.datadir, "previous_datadir")
        return _STATES[params["state"]](host, ctx, params, False)


def run(params: dict[str, Any], ctx: Context) -> dict[str, Any]:
    """Bring the kept data of a datadir to ``state``.

    Raises:
        MariabackupError: there is nothing to put back, a restore is unfinished, or a server does not stop or start.
    """
    with ctx.phase("plan"):
        host = open_host(params, ctx.state_dir)
    datadir, state = host.layout.datadir, params["state"]
    try:
        with exclusive(ctx.state_dir, datadir, "previous_datadir"), ctx.phase(state):
            result = _STATES[state](host, ctx, params, True)
    except BaseException as raised:
        record(ctx, params, datadir, "previous_datadir", None, "failed", f"{state}: {foreseen(raised) or raised}")
        raise
    if result["changed"]:
        runs = {run["id"]: run for run in journals.all_runs(ctx.state_dir, datadir)}
        record(ctx, params, datadir, "previous_datadir", runs.get(result["run"]), state, "")
    return {**result, "log_path": ctx.log_path}
