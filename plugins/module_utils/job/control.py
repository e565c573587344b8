# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for a job that another task has begun, and cancelling it; the module ``job``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.job import registry

RUNNING, SUCCEEDED, FAILED = "running", "succeeded", "failed"
CANCELLED, ROLLED_BACK, LOST = "cancelled", "rolled_back", "lost"
# The keys of an error that a reader looks for at the top.
_OF_ERROR = ("msg", "cause", "action", "failed_phase")


def lost(job_id: str, log_path: str) -> MariabackupError:
    """Return the error for a job whose process has died without a result (pure)."""
    return MariabackupError(
        f"The job {job_id} ended without a result: its process was killed, or the host went down.",
        "Run the same task again: it continues or undoes what the job left.",
        log_path=log_path,
    )


def outcome_of(left: Mapping[str, Any] | None) -> str:
    """Return what came of a job that has ended (pure).

    Args:
        left: its result; None when it has none.
    """
    if left is None:
        return LOST
    if left["ok"]:
        return SUCCEEDED
    if not left.get("cancelled") or left["error"].get("undecided"):
        return FAILED
    return ROLLED_BACK if left["error"].get("rolled_back") else CANCELLED


def report(known: Mapping[str, Any], left: Mapping[str, Any] | None, cancelling: bool) -> dict[str, Any]:
    """Return the result of the module for a job that has ended (pure).

    Args:
        known: what is known before: ``job_id``, ``operation``, ``log_path``, ``changed``.
        left: the job's result; None when it has none.
        cancelling: whether its end was wished, so that a job that was stopped fails nothing.
    """
    outcome = outcome_of(left)
    told: dict[str, Any] = {**known, "outcome": outcome}
    if left is None:
        return {**told, **lost(known["job_id"], known["log_path"]).as_result(), "failed": True}
    told["result"] = left["result"] if left["ok"] else left["error"]
    if left["ok"] or (cancelling and outcome in (CANCELLED, ROLLED_BACK)):
        return told
    return {**told, **{key: left["error"].get(key) for key in _OF_ERROR}, "failed": True}


def attend(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Find the job, ask it to stop if that is wished, and wait for its end if that is wished.

    Raises:
        MariabackupError: there is no such job, or it is not clear which is meant.
    """
    directory = _chosen(params["state_dir"], params["id"])
    known: dict[str, Any] = {
        "job_id": os.path.basename(directory),
        "operation": registry.description_of(directory).get("operation"),
        "log_path": os.path.join(directory, "log"),
        "changed": False,
    }
    cancelling = params["state"] == "cancelled"
    if registry.alive(directory):
        if check_mode:
            return {**known, "outcome": RUNNING, "changed": cancelling}
        if cancelling:
            known["changed"] = registry.ask_to_stop(directory)
        if not params["wait"] and registry.alive(directory):
            return {**known, "outcome": RUNNING}
        registry.wait_until_dead(directory)
    if not check_mode:
        registry.mark_heard(directory)
    return report(known, registry.result_of(directory), cancelling)


def _chosen(state_dir: str, job_id: str | None) -> str:
    running = registry.living(state_dir)
    if job_id is None and len(running) > 1:
        raise MariabackupError(
            f"{len(running)} jobs run on this host: {', '.join(running)}.",
            "Name the one that is meant with id.",
            details={"jobs": running},
        )
    directory = registry.find(state_dir, job_id or next(iter(running), None))
    if directory is None:
        named = f"no job {job_id}" if job_id else "no job"
        raise MariabackupError(
            f"There is {named} below {state_dir} on this host.",
            "Look at state_dir, and leave id out for the newest job.",
        )
    return directory
