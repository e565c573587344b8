# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Before a restore begins or goes on: which backup it is, how an earlier run stands, what speaks against it, and its plan."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.remote_record import address_of
from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.timeline import timeline_of
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.locks import probe
from ansible_collections.dba.mariabackup.plugins.module_utils.repository import source as sources
from ansible_collections.dba.mariabackup.plugins.module_utils.restore import facts, opening, resume, staging
from ansible_collections.dba.mariabackup.plugins.module_utils.restore import journal as journals
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.host import Host, open_host
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.journal import Journal
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.plan import Plan, Refusal, make_plan
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.situation import Situation
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.switching import back_begun, swap_state


def undecided_error(journal: Journal) -> MariabackupError:
    """Return the refusal that every call gets while a person has to decide between two sets."""
    previous = next(member["previous"] for member in journal["members"])
    return MariabackupError(
        f"Restore {journal['id']} of {address_of(journal['source']['path'])} was interrupted after the new data was in place, and the"
        " server has been opened on it since, so it may have been written to.",
        "Decide with the module previous_datadir: state accepted keeps the new data,"
        f" state restored puts the old data ({previous}) back. Neither deletes anything.",
        phase=journal["phase"],
        details={"run": journal["id"], "undecided": True, "rolled_back": False},
    )


def refuse(refusals: Sequence[Refusal], **details: Any) -> None:
    """Raise refusals as one error, all of them, so that the reader mends them in one go; ``details`` go with it."""
    if not refusals:
        return
    causes = [refusal.cause for refusal in refusals]
    actions = list(dict.fromkeys(refusal.action for refusal in refusals))
    raise MariabackupError(
        " ".join(causes),
        " ".join(actions) + " Nothing has been changed.",
        phase="plan",
        details={
            "refusals": [{"cause": refusal.cause, "action": refusal.action} for refusal in refusals],
            **details,
        },
    )


def check(params: Mapping[str, Any], ctx: Context) -> dict[str, Any]:
    """Plan the restore for check mode: the same facts, the same refusals, nothing written."""
    with ctx.phase("plan"):
        host = open_host(params, ctx.state_dir)
        params = with_source(params, ctx, host)
        alike = params.get("_alike")
        if alike and facts.identity_of(params["target_dir"]) == alike["backup_id"]:
            # A job of this host restores this very backup. A fleet's real run names it, and so finds that job.
            known = {"backup_id": alike["backup_id"], "rolled_back": False, "datadir": host.layout.datadir}
            return {**known, "changed": True, "plan": [alike["step"]]}
        probe(ctx.state_dir, host.layout.datadir, "restore")
        done = committed_run(params, ctx, host)
        if done is not None:
            return {**done["result"], "changed": False, "plan": []}
        unfinished = journals.current(ctx.state_dir, host.layout.datadir)
        if unfinished is not None and unfinished.unfinished:
            way = resume.decide(standing(unfinished, host))
            if way == resume.UNDECIDED:
                raise undecided_error(unfinished)
            known = {}
            if way not in (resume.BACK, resume.DISCARD):
                require_same_source(unfinished, params)
                known = unfinished["result"]
            if way != resume.DISCARD or unfinished["result"]["method"] == "move":
                # A backup that was moved is not there to be looked at until it is given back.
                step = {"phase": unfinished["phase"], "action": "continue", "detail": f"{unfinished['id']}: {way}"}
                return {**known, "changed": True, "plan": [step], "rolled_back": False, "datadir": host.layout.datadir}
        there = already_restored(params, ctx, host)
        if there is not None:
            return {**there, "plan": []}
        situation = facts.gather(params, ctx, host, write=False)
        plan = make_plan(situation, params, journals.new_run_id())
        refuse(plan.refusals, rolled_back=False)
        for warning in plan.warnings:
            ctx.warn(warning)
        return {
            **known_result(situation, plan, params),
            "changed": True,
            "plan": list(plan.steps),
            "diff": difference(situation, plan),
        }


def difference(situation: Situation, plan: Plan) -> dict[str, str]:
    """Return what diff mode shows: what each directory holds before and after."""
    source = situation.source
    before, after = [], []
    for directory, member in zip(situation.directories, plan.members):
        count = len(directory.entries)
        before.append(f"{directory.path}: {count} entries" if count else f"{directory.path}: empty")
        after.append(f"{directory.path}: backup {source.backup_id} of {source.server_version} ({source.shown})")
        if count:
            after.append(f"{member.previous}: {count} entries")
    return {"before": "\n".join(before) + "\n", "after": "\n".join(after) + "\n"}


def with_source(params: Mapping[str, Any], ctx: Context, host: Host) -> dict[str, Any]:
    """Find the backup of a repository and return the options with its directory as ``target_dir``.

    The same task that goes on with an unfinished run gets that run's backup, also when ``latest`` is another one by now.

    Raises:
        MariabackupError: there is no such backup, or it is to be moved out of a repository.
    """
    request = sources.request_of(params)
    if params["method"] == "move" and (request or sources.entry_of(params["target_dir"])):
        raise MariabackupError(
            "method is move, and a repository keeps its backups.", "Leave method out; prune removes backups."
        )
    if request is None:
        return dict(params)
    unfinished = journals.current(ctx.state_dir, host.layout.datadir)
    if unfinished is not None and unfinished.unfinished and unfinished["source"].get("request") == request:
        path = unfinished["source"]["path"]
        # Nothing holds a backup for a run that was killed. When prune has removed it, a run that begins anew takes another.
        if os.path.isdir(path) or resume.decide(standing(unfinished, host)) != resume.DISCARD:
            return {**params, "target_dir": path, "_request": request}
    path = os.path.realpath(sources.find(request, params, ctx).data)
    return {**params, "target_dir": path, "_request": request}


def known_result(situation: Situation, plan: Plan, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the result keys that the plan knows already."""
    source = situation.source
    kept = situation.has_data and params["existing_data"] == "keep"
    return {
        "backup_id": source.backup_id,
        "source": source.shown,
        "method": staging.method_of(situation, params),
        "datadir": situation.datadir.path,
        "previous_datadir": plan.members[0].previous if kept else None,
        "server_version": situation.server.version,
        "gtid": source.gtid,
        "binlog_file": source.binlog_file,
        "binlog_position": source.binlog_position,
        "bytes": source.size_bytes,
        "files": source.files,
        "rolled_back": False,
        **({"server_id": situation.clone.server_id} if situation.clone else {}),
    }


def committed_run(params: Mapping[str, Any], ctx: Context, host: Host) -> Journal | None:
    """Return the committed run that ``run_id`` names, if there is one."""
    if not params["run_id"]:
        return None
    for journal in journals.all_runs(ctx.state_dir, host.layout.datadir):
        if journal.get("run_id") == params["run_id"] and journal["state"] == journals.COMMITTED:
            return journal
    return None


def already_restored(params: Mapping[str, Any], ctx: Context, host: Host) -> dict[str, Any] | None:
    """Return the result of the restore that put this backup into the datadir, where the caller wants it only once.

    The journal tells what was restored; that this is still the data in the datadir is told by its timeline alone, which is another one
    after each restore, each way back and each replacement by hand. An unfinished run comes first.

    Args:
        params: the module's options, with the backup's directory.
        ctx: the job.
        host: the server.

    Returns:
        None when it is not certain, or not asked for.

    Raises:
        MariabackupError: the backup cannot be looked at.
    """
    if not params["if_not_restored"]:
        return None
    unfinished = journals.current(ctx.state_dir, host.layout.datadir)
    if unfinished is None or unfinished.unfinished:
        return None
    present = timeline_of(host.layout.datadir)
    for run in reversed(journals.all_runs(ctx.state_dir, host.layout.datadir)):
        if run["state"] == journals.COMMITTED and present and run.get("timeline") == present:
            if not _restored_by(run, params["target_dir"]):
                return None
            previous = run["result"].get("previous_datadir")
            kept = previous if previous and os.path.lexists(previous) else None
            return {**run["result"], "previous_datadir": kept, "changed": False, "already_restored": True}
    return None


def _restored_by(run: Journal, target_dir: str) -> bool:
    """Whether a run has restored this very backup: by its id, or by its place where the run has moved it."""
    if run["result"]["method"] == "move" and not os.path.lexists(target_dir):
        return bool(os.path.realpath(target_dir) == run["source"]["path"])
    return bool(facts.identity_of(target_dir) == run["source"]["backup_id"])


def require_same_source(unfinished: Journal, params: Mapping[str, Any]) -> None:
    """Refuse to finish a restore of one backup for a task that wants another."""
    if os.path.realpath(params["target_dir"]) != unfinished["source"]["path"]:
        raise MariabackupError(
            f"A restore of {address_of(unfinished['source']['path'])} ({unfinished['id']}) is unfinished,"
            f" in its phase {unfinished['phase']}.",
            "Run that restore again to finish it, or put the old data back with previous_datadir, state: restored.",
        )


def standing(journal: Journal, host: Host) -> resume.Standing:
    """Look at the disk and at the server, and say how an interrupted run stands."""
    return resume.Standing(
        state=journal["state"],
        phase=journal["phase"],
        direction=journal["direction"],
        rebooted=journal.rebooted,
        opened=opening.opened_by_others(host.service),
        swapped=swap_state(journal),
        had_data=journal["had_data"],
        deleted=bool(journal.get("deleted")),
        stale=not staging.is_staged(journal) or (not journal["had_data"] and staging.has_server_data(journal)),
        back_begun=back_begun(journal),
    )
