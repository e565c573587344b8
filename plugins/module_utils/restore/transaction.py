# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The restore transaction: its phases in their order, what a failure in each of them leads to, and how it goes on."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.timeline import timeline_of
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError, foreseen
from ansible_collections.dba.mariabackup.plugins.module_utils.locks import exclusive
from ansible_collections.dba.mariabackup.plugins.module_utils.repository import source as sources
from ansible_collections.dba.mariabackup.plugins.module_utils.restore import (
    cloning,
    facts,
    history,
    moving,
    opening,
    resume,
    server_identity,
    staging,
    wayback,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.restore import (
    journal as journals,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.audit import record
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.host import SERVICE_OPTIONS, Host, open_host
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.journal import Journal
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.outset import (
    already_restored,
    committed_run,
    known_result,
    refuse,
    require_same_source,
    standing,
    undecided_error,
    with_source,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.plan import make_plan
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.switching import (
    NONE,
    hold_and_stop,
    make_durable_hold,
    swap,
    swap_state,
)


def run(params: dict[str, Any], ctx: Context) -> dict[str, Any]:
    """Restore a backup, or go on with a restore that was interrupted, and return the result keys.

    Raises:
        MariabackupError: see the phases; ``rolled_back`` among its details tells whether the old data was swapped back.
    """
    started = time.monotonic()
    with ctx.phase("plan"):
        host = open_host(params, ctx.state_dir)
    restore = Restore(params, ctx, host)
    try:
        result = restore.run()
    except BaseException as raised:
        error = foreseen(raised)
        if error is not None:
            error.details.setdefault("rolled_back", False)
        _note_times(restore.journal, ctx, started, error.phase if error else None)
        record(ctx, restore.params, host.layout.datadir, "restore", restore.journal, "failed", str(error or raised))
        raise
    if not result["changed"]:
        return result
    timing = _note_times(restore.journal, ctx, started)
    result.update(duration_seconds=timing["duration_seconds"], phases=timing["phases"])
    record(ctx, restore.params, host.layout.datadir, "restore", restore.journal, "restored", "")
    return {**result, "log_path": ctx.log_path}


def _note_times(
    journal: Journal | None, ctx: Context, started: float, failed_phase: str | None = None
) -> dict[str, Any]:
    """Return what this job has spent on which phase, and keep it with the run: jobs are forgotten before their runs are.

    The phase that failed is kept as well, because the way back goes through phases of its own. Where it cannot be kept,
    nothing is missing but a figure; an unfinished run needs its spare room for more than that.
    """
    timing = {
        "duration_seconds": round(time.monotonic() - started, 3),
        "phases": ctx.phases,
        "failed_phase": failed_phase,
        "log_path": ctx.log_path,
    }
    if journal is not None and not journal.unfinished:
        with contextlib.suppress(OSError):
            journal.write(timing=timing)
    return timing


class Restore:
    """One run: the journal, and the phases that are still to be done."""

    def __init__(self, params: Mapping[str, Any], ctx: Context, host: Host) -> None:
        self.params = params
        self.ctx = ctx
        self.host = host
        self.journal: Journal | None = None

    def run(self) -> dict[str, Any]:
        """Restore, alone on this datadir and with a backup that nobody removes meanwhile."""
        with contextlib.ExitStack() as stack:
            stack.enter_context(exclusive(self.ctx.state_dir, self.host.layout.datadir, "restore"))
            done = committed_run(self.params, self.ctx, self.host)
            if done is not None:
                return {**done["result"], "changed": False}
            with self.ctx.phase("plan"):
                self.params = with_source(self.params, self.ctx, self.host)
                there = already_restored(self.params, self.ctx, self.host)
                if there is not None:
                    return there
                alone = self.params["method"] == "move"
                stack.enter_context(sources.reading(self.params["target_dir"], alone=alone))
            return {**self.go_on_or_begin(), "changed": True}

    @contextlib.contextmanager
    def phase(self, journal: Journal, name: str) -> Iterator[None]:
        """Journal a phase, then do it; the breakpoints before and after it are where the fault tests stop it."""
        with self.ctx.phase(name):
            journal.write(phase=name)
            self.ctx.point(f"{name}-before")
            yield
            self.ctx.point(f"{name}-after")

    def go_on_or_begin(self) -> dict[str, Any]:
        """Finish what an earlier run left, or begin a new one."""
        earlier = journals.current(self.ctx.state_dir, self.host.layout.datadir)
        if earlier is None or not earlier.unfinished:
            return self.begin(None)
        # Before anything is journalled, which would make this boot the run's own.
        stand = standing(earlier, self.host)
        way = resume.decide(stand)
        self.ctx.log(f"run {earlier['id']} is unfinished ({earlier['phase']}, {earlier['direction']}): {way}")
        if way == resume.UNDECIDED:
            earlier.write(state=journals.UNDECIDED, direction=journals.FORWARD)
            raise undecided_error(earlier)
        if way == resume.BACK:
            wayback.finish(earlier, self.host, self.ctx, self.params)
            # A clone's server id went with its data.
            self.host = open_host(self.params, self.ctx.state_dir)
            return self.begin(None)
        if way == resume.DISCARD:
            if server_identity.take_back(earlier):
                self.host = open_host(self.params, self.ctx.state_dir)
            staging.discard(earlier, self.ctx)
            if earlier.get("deleted"):
                return self.begin(earlier)
            if self.host.service.held():
                wayback.serve_again(earlier, self.host.service, self.params)
            earlier.write(state=journals.RETURNED)
            return self.begin(None)
        require_same_source(earlier, self.params)
        self.journal = earlier
        if way == resume.SWITCH:
            return self.switch(earlier)
        return self.bring_up(earlier, checked=way == resume.COMMIT, written=stand.rebooted or stand.opened)

    def begin(self, heir_of: Journal | None) -> dict[str, Any]:
        """Plan and do a new run.

        Args:
            heir_of: an interrupted run that deleted the old data first. The new one inherits what nothing on the disk
                tells any more, and the hold, which lasts until there is data again.
        """
        identity = journals.new_run_id()
        with self.ctx.phase("plan"):
            situation = facts.gather(self.params, self.ctx, self.host, write=True)
            plan = make_plan(situation, self.params, identity)
            refuse(plan.refusals, rolled_back=False)
            for warning in plan.warnings:
                self.ctx.warn(warning)
            summary = facts.summary(situation)
            inherited: dict[str, Any] = {"survey": None}
            if heir_of is not None:
                inherited = {key: heir_of.get(key) for key in ("survey", "deleted", "stopped_at", "binlog_end")}
                for key in ("gtids", "backup_gtids"):
                    summary[key] = [*heir_of["situation"].get(key, ()), *summary[key]]
            journal = self.journal = journals.create(
                self.ctx.state_dir,
                self.host.layout.datadir,
                identity,
                phase="plan",
                run_id=self.params["run_id"],
                options={name: self.params[name] for name in SERVICE_OPTIONS},
                source={
                    "path": situation.source.path,
                    "backup_id": situation.source.backup_id,
                    "request": self.params.get("_request"),
                    "full": situation.source.full,
                    "increments": list(situation.source.increments),
                },
                situation=summary,
                members=[member.as_dict() for member in plan.members],
                lock_files=list(self.host.layout.lock_files),
                had_data=situation.has_data,
                result=known_result(situation, plan, self.params),
                **inherited,
            )
            if heir_of is not None:
                make_durable_hold(journal, self.host.service, self.params["_runner"])
                heir_of.write(state=journals.RETURNED)
            self.ctx.point("plan-after")
        delete_first = self.params["existing_data"] == "delete_first" and situation.has_data
        try:
            if delete_first:
                self.delete_old_data(journal)
            with staging.low_priority():
                move = self.params["method"] == "move"
                if situation.source.needs_prepare and move:
                    with self.phase(journal, "prepare"):
                        moving.prepare_source(journal, self.params, self.ctx)
                with self.phase(journal, "stage"):
                    staging.stage(journal, situation, self.params, self.ctx)
                if situation.source.needs_prepare and not move:
                    with self.phase(journal, "prepare"):
                        staging.prepare(journal, self.params, self.ctx)
                with self.phase(journal, "verify"):
                    staging.prove(journal, situation)
                    if situation.clone is None:
                        staging.settle(journal, situation, self.host, self.params, self.ctx)
                if situation.clone is not None:
                    with self.phase(journal, "clone"):
                        cloning.make_clone(journal, situation, self.host, self.params, self.ctx)
                        self.host = server_identity.with_id(self.host, situation.clone.server_id)
                        staging.settle(journal, situation, self.host, self.params, self.ctx)
        except BaseException as error:
            self.give_up(journal, error)
            raise
        return self.switch(journal)

    def delete_old_data(self, journal: Journal) -> None:
        """Delete the old set for a disk that cannot hold both; the source is verified whole before."""
        with self.phase(journal, "verify-source"):
            staging.verify_source(journal, self.params, self.ctx)
        with self.phase(journal, "delete"):
            hold_and_stop(journal, self.host.service, self.ctx, self.params["stop_timeout"])
            make_durable_hold(journal, self.host.service, self.params["_runner"])
            history.remember_binlog_end(journal, self.host)
            journal.write(deleted=True)
            staging.delete_old(journal, self.ctx)

    def give_up(self, journal: Journal, error: BaseException) -> None:
        """End a run before the swap: the old data is served as before, and what was staged goes."""
        wayback.do_not_stop()
        server_identity.take_back(journal)
        if journal.get("deleted"):
            staging.discard(journal, self.ctx)
            told = foreseen(error)
            if told is not None:
                told.action += " The old data was deleted first; the service is held until a restore succeeds."
            return
        if journal.get("survey") and self.host.service.held():
            wayback.serve_again(journal, self.host.service, self.params)
        staging.discard(journal, self.ctx)
        journal.write(state=journals.RETURNED)

    def switch(self, journal: Journal) -> dict[str, Any]:
        """Stop the old server and exchange the sets."""
        service = self.host.service
        begun = swap_state(journal) != NONE
        try:
            if not begun:
                with self.phase(journal, "stop"):
                    hold_and_stop(journal, service, self.ctx, self.params["stop_timeout"])
                    self.require_still_empty(journal)
                    history.stage_gtid_state(journal, self.host, self.params, self.ctx)
        except BaseException as error:
            with self.ctx.phase("back"):
                self.give_up(journal, error)
            raise
        try:
            with self.phase(journal, "swap"):
                if begun:
                    # Killed between two steps: from here on only a whole set, old or new, may be served, and the files of
                    # the new one are those which the steps name.
                    hold_and_stop(journal, service, self.ctx, self.params["stop_timeout"])
                swap(journal, service, self.ctx, self.params["_runner"])
        except BaseException as error:
            self.go_back(journal, error)
            raise
        return self.bring_up(journal, checked=False)

    def require_still_empty(self, journal: Journal) -> None:
        """Refuse when a server was set up while the backup was staged beside a datadir that had no data."""
        if not journal["had_data"] and staging.has_server_data(journal):
            raise MariabackupError(
                f"{journal['datadir']} had no data when this restore began, and somebody has set up a server there since.",
                "Look at what it holds, then run this task again with existing_data: keep or delete.",
            )

    def bring_up(self, journal: Journal, *, checked: bool, written: bool = False) -> dict[str, Any]:
        """Start the server on the new set, check it, and open it.

        Args:
            journal: the run.
            checked: an earlier run has started and checked it.
            written: the server may have been open since, so a failure must not take the new data away.
        """
        service = self.host.service
        if not journal.get("swapped"):
            # Killed right after the last exchange: the steps that only tidy are still to be done.
            swap(journal, service, self.ctx, self.params["_runner"])
        try:
            health = journal.get("health") or "not_started"
            if self.params["start"]:
                if not checked:
                    with self.phase(journal, "start"):
                        opening.start(journal, self.host, self.params, self.ctx)
                    with self.phase(journal, "health"):
                        health = opening.check(journal, self.host, self.params, self.ctx)
                        journal.write(health=health, healthy_at=time.time())
            with self.phase(journal, "commit"):
                opening.finish_data(journal, self.host, self.params, self.ctx)
        except BaseException as error:
            self.go_back(journal, error, written)
            raise
        # The server is opened for writing now, so there is no way back: whoever cancels the job from here on gets it finished.
        wayback.do_not_stop()
        with self.ctx.phase("commit"):
            opening.open_server(self.host, self.params, self.ctx)
            wayback.settle_previous(journal)
            self.ctx.point("commit-settled")
            result = {**journal["result"], "health": health, "rolled_back": False}
            stopped, healthy = journal.get("stopped_at"), journal.get("healthy_at")
            result["downtime_seconds"] = round(healthy - stopped, 3) if stopped and healthy else 0.0
            journal.write(state=journals.COMMITTED, result=result, timeline=timeline_of(self.host.layout.datadir))
        return result

    def go_back(self, journal: Journal, error: BaseException, written: bool = False) -> None:
        """Put the old set back and serve it, or say why not; always called inside an ``except``."""
        told = foreseen(error)
        stay = written or not self.params["rollback_on_failure"]
        if journal.get("deleted") or (not journal["had_data"] and stay):
            if told:
                told.action += " There is no old data to go back to; run the same task again to go on."
            return
        if stay:
            journal.write(state=journals.UNDECIDED)
            if told:
                told.action += " The new data is left in place; previous_datadir (restored, accepted) decides."
            return
        try:
            with self.ctx.phase("back"):
                wayback.go_back(journal, self.host, self.ctx, self.params)
        except (MariabackupError, OSError) as second:
            if told:
                cause = second.cause if isinstance(second, MariabackupError) else f"{second}."
                told.cause += f" The way back failed as well: {cause}"
                action = (
                    second.action if isinstance(second, MariabackupError) else "Mend that, and run this task again."
                )
                told.action = f"{action} {told.action}"
            return
        if told:
            told.details["rolled_back"] = True
            served = "The old data was swapped back." if journal["had_data"] else "The directories are as they were."
            kept = journals.failed_path(journal["members"][0]["staged"])
            if journal["result"]["method"] == "move" and os.path.lexists(kept):
                served += f" The backup was moved and is kept in {kept}."
            told.cause += f" {served}"
