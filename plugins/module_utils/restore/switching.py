# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The moments in which a server is held, stopped, and its sets change hands: for a restore and for its way back."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.exchange import identify
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.swap import (
    Member,
    Step,
    apply,
    one_step,
    plan_back,
    plan_steps,
    undo,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import Interrupted, MariabackupError, error_of
from ansible_collections.dba.mariabackup.plugins.module_utils.files import sync_file_system
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.journal import Journal
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.outsiders import staying_users
from ansible_collections.dba.mariabackup.plugins.module_utils.server.service import Repair, Service, Survey

NONE, PARTIAL, ALL = "none", "partial", "all"


def members_of(journal: Journal) -> list[Member]:
    """Return the members that a journal names."""
    return [Member.from_dict(member) for member in journal["members"]]


def steps_of(journal: Journal, key: str = "steps") -> list[Step]:
    """Return the swap's steps that a journal names; ``back_steps`` for those of the way back."""
    return [Step.from_dict(step) for step in journal.get(key) or ()]


def _progress(steps: Sequence[Step]) -> str:
    done = [step.arriving is not None and step.arriving.same(identify(step.target)) for step in steps if step.essential]
    if not any(done):
        return NONE
    return ALL if all(done) else PARTIAL


def swap_state(journal: Journal) -> str:
    """Return how much of the swap is done: NONE, PARTIAL or ALL.

    The disk tells, until the journal says that all is done: after that the server has run on the set, and may have
    replaced files whose arrival the steps name.
    """
    return ALL if journal.get("swapped") else _progress(steps_of(journal))


def back_begun(journal: Journal) -> bool:
    """Whether any step of the way back is done."""
    return bool(journal.get("swapped_back")) or _progress(steps_of(journal, "back_steps")) != NONE


def new_set_in_place(journal: Journal) -> bool:
    """Whether the whole new set lies where the server looks, and nothing of it has been taken away."""
    return swap_state(journal) == ALL and not back_begun(journal)


def hold_and_stop(
    journal: Journal, service: Service, ctx: Context, timeout: float | None, *, kill: bool = False
) -> None:
    """Hold the service, stop it, and prove that nothing uses the set.

    Args:
        journal: gets ``survey`` (how the service was found) before the first change.
        service: the service.
        ctx: the job.
        timeout: seconds; None for the unit's own.
        kill: end a server that does not stop; only for one that runs on data which is given up.

    Raises:
        MariabackupError: the server did not stop, or something else uses the directories. The old server runs
            again, or will as soon as it is down.
    """
    with service.at_once():
        if journal.get("survey") is None:
            journal.write(survey=service.survey().as_json())
        survey = Survey.from_json(journal["survey"])
        service.hold(
            f"dba.mariabackup: restore {journal['id']} is exchanging the data; run the same task again to finish it"
        )
    ctx.point("stop-held")
    # A server that served again after an interruption was not down until now.
    if journal.get("stopped_at") is None or service.active():
        journal.write(stopped_at=time.time())
    try:
        service.stop(survey.stop_timeout if timeout is None else timeout, kill=kill)
    except (MariabackupError, Interrupted) as raised:
        error = error_of(raised)
        if not kill:
            journal.write(stopped_at=None)
            error.action = f"{service.start_when_stopped(survey.triggers)} {error.action}"
        raise
    members = members_of(journal)
    users = staying_users([member.live for member in members], tuple(journal["lock_files"]))
    if users:
        raise MariabackupError(
            "The server is stopped, but its directories are in use: "
            + "; ".join(str(user) for user in users[:10])
            + ".",
            "End these processes (a shell in the datadir counts too), then run this task again.",
        )


def make_durable_hold(journal: Journal, service: Service, runner: Sequence[str]) -> None:
    """Hold the service across reboots, with a unit that repairs the set at boot before the service may start."""
    paths = [os.path.dirname(member.live) for member in members_of(journal)]
    service.hold(
        f"dba.mariabackup: restore {journal['id']} was interrupted between two directories;"
        f" systemctl start this service again after the repair, or run the same task",
        persistent=True,
        repair=Repair([*runner, "repair", journal.path], [*paths, os.path.dirname(journal.path)]),
    )


def swap(journal: Journal, service: Service, ctx: Context, runner: Sequence[str]) -> None:
    """Exchange the sets: one system call where it can be one, else steps under a hold that outlives a reboot.

    The service is held and stopped. May be called again after a kill: what is done is read from the disk.
    """
    if journal.get("swapped"):
        return
    steps = steps_of(journal)
    if _progress(steps) == NONE:
        steps = plan_steps(members_of(journal))
    _run(journal, service, ctx, runner, steps, "steps", "swap")
    journal.write(swapped=True)


def swap_back(journal: Journal, service: Service, ctx: Context, runner: Sequence[str]) -> None:
    """Put the old set back, whatever part of the swap was done; the service is held and stopped."""
    if journal.get("swapped_back"):
        return
    back = steps_of(journal, "back_steps")
    if not back and swap_state(journal) != ALL:
        undo_all(journal)
        return
    if _progress(back) == NONE:
        back = plan_back(members_of(journal), steps_of(journal))
    _run(journal, service, ctx, runner, back, "back_steps", "back")
    journal.write(swapped_back=True)


def undo_all(journal: Journal) -> None:
    """Take back whatever part of the swap was done; no server has run on the new set."""
    for step in reversed(steps_of(journal)):
        undo(step)


def _run(
    journal: Journal, service: Service, ctx: Context, runner: Sequence[str], steps: list[Step], key: str, name: str
) -> None:
    if not one_step(steps):
        # What the stopped server has made and not synced would be gone after a power cut, and with it a step's source.
        for member in members_of(journal):
            if os.path.isdir(member.live):
                sync_file_system(member.live)
        make_durable_hold(journal, service, runner)
    journal.write(phase="swap", **{key: [step.as_dict() for step in steps]})
    for number, step in enumerate(steps, 1):
        ctx.point(f"{name}-{number}-before")
        ctx.log(f"{name} step {number} of {len(steps)}: {step}")
        apply(step)
        ctx.point(f"{name}-{number}-after")
