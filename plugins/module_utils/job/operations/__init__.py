# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations that a job can run, and their plans for check mode: where the rooms come together.

Each is imported when it is asked for. All of them together take an eighth of a second, at every start of the runner.
"""
# pylint: disable=import-outside-toplevel

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.stream import remotes

Operation = Callable[[dict[str, Any], Context], dict[str, Any]]
Pair = tuple[Operation, Operation]


def _adopt() -> Pair:
    from ansible_collections.dba.mariabackup.plugins.module_utils.job.operations import adopt

    return adopt.run, adopt.check


def _backup() -> Pair:
    from ansible_collections.dba.mariabackup.plugins.module_utils.job.operations import backup

    return backup.run, backup.check


def _import_tables() -> Pair:
    from ansible_collections.dba.mariabackup.plugins.module_utils.tables import task

    return task.run, task.check


def _copy_backup() -> Pair:
    from ansible_collections.dba.mariabackup.plugins.module_utils.job.operations import copy_backup

    return copy_backup.run, copy_backup.check


def _prepare() -> Pair:
    from ansible_collections.dba.mariabackup.plugins.module_utils.job.operations import prepare

    return prepare.run, prepare.check


def _previous_datadir() -> Pair:
    from ansible_collections.dba.mariabackup.plugins.module_utils.restore import previous

    return previous.run, previous.check


def _prune() -> Pair:
    from ansible_collections.dba.mariabackup.plugins.module_utils.repository import prune_task

    return prune_task.run, prune_task.check


def _schedule() -> Pair:
    from ansible_collections.dba.mariabackup.plugins.module_utils.job import schedule_task

    return schedule_task.run, schedule_task.check


def _restore() -> Pair:
    from ansible_collections.dba.mariabackup.plugins.module_utils.restore import outset, transaction

    return transaction.run, outset.check


OPERATIONS: dict[str, Callable[[], Pair]] = {
    "adopt": _adopt,
    "backup": _backup,
    "copy_backup": _copy_backup,
    "import_tables": _import_tables,
    "prepare": _prepare,
    "previous_datadir": _previous_datadir,
    "prune": _prune,
    "restore": _restore,
    "schedule": _schedule,
}


def with_remotes(work: Operation) -> Operation:
    """Put the remotes that a caller has described into a file of the job, for as long as the work lasts."""

    def run(params: dict[str, Any], ctx: Context) -> dict[str, Any]:
        with remotes.in_file(params, ctx.job_dir) as configured:
            return work(configured, ctx)

    return run


def _configured(name: str, work: Operation) -> Operation:
    # A schedule keeps them for its runs.
    return work if name == "schedule" else with_remotes(work)


def operation(name: str) -> Operation:
    """Return what does the work of a module."""
    return _configured(name, OPERATIONS[name]()[0])


def plan(name: str) -> Operation:
    """Return what plans it, and writes nothing."""
    return _configured(name, OPERATIONS[name]()[1])
