# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations that a job can run, and their plans for check mode: where the rooms come together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.backup import adopt, prepare_task, take
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.inventory import IGNORED_DIRECTORIES
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.take_plan import ServerKnowledge
from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.place import copy_tree
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.job import schedule_task
from ansible_collections.dba.mariabackup.plugins.module_utils.repository import (
    copying,
    listing,
    prune_task,
    source,
    taking,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.restore import outset, previous, transaction
from ansible_collections.dba.mariabackup.plugins.module_utils.server.facts import read_facts
from ansible_collections.dba.mariabackup.plugins.module_utils.server.greeting import socket_path
from ansible_collections.dba.mariabackup.plugins.module_utils.server.login import Login, connect_any
from ansible_collections.dba.mariabackup.plugins.module_utils.server.options import (
    find_server_binary,
    option_file_args,
    read_options,
)

Operation = Callable[[dict[str, Any], Context], dict[str, Any]]


def _ask_server(params: Mapping[str, Any], ctx: Context) -> ServerKnowledge | None:
    """Ask the server what a backup wants to know, with the backup's own login.

    Without an answer the tool speaks for itself: its log names a refused login or a server that is down.
    """
    try:
        options = read_options(
            find_server_binary(), option_file_args(params["defaults_file"], params["defaults_group_suffix"])
        )
        connection, _label, _notes = connect_any([Login.from_params(params)], socket_path(options))
    except MariabackupError as error:
        ctx.log(f"the server was not asked: {error.cause}")
        return None
    try:
        facts = read_facts(connection)
    finally:
        connection.close()
    return ServerKnowledge(version=facts.version, datadir=facts.datadir, variables=facts.variables)


def _with_diff(result: dict[str, Any], before: str) -> dict[str, Any]:
    """Add what diff mode shows: the backup as it was (``before``) and as it is."""
    after = f"{result['path']}: {result['type']} backup, {'prepared' if result['prepared'] else 'not prepared'}\n"
    return {**result, "diff": {"before": before if result["changed"] else after, "after": after}}


def _backup(params: dict[str, Any], ctx: Context) -> dict[str, Any]:
    server = _ask_server(params, ctx)
    result = taking.run(params, ctx, server) if params["repository"] else take.run(params, ctx, server)
    return _with_diff(result, "")


def _plan_backup(params: dict[str, Any], ctx: Context) -> dict[str, Any]:
    server = _ask_server(params, ctx)
    result = taking.check(params, ctx, server) if params["repository"] else take.check(params, ctx, server)
    return _with_diff(result, "")


def _copy_backup(source: str, target: str) -> None:
    copy_tree(source, target, skip=IGNORED_DIRECTORIES.__contains__)


def _before_prepare(params: Mapping[str, Any]) -> str:
    return f"{params['target_dir']}: full backup, not prepared\n" if params["in_place"] else ""


def _of_directory(params: dict[str, Any]) -> dict[str, Any]:
    """Replace a backup of a repository by the directory of its files."""
    request = source.request_of(params)
    if params["in_place"] and (request or source.entry_of(params["target_dir"])):
        raise MariabackupError(
            "A backup in a repository stays as it was taken, so it is not prepared in place.", "Set dest instead."
        )
    return params if request is None else {**params, "target_dir": source.find(request).data}


def _prepare(params: dict[str, Any], ctx: Context) -> dict[str, Any]:
    params = _of_directory(params)
    with source.reading(params["target_dir"], alone=bool(params["in_place"])):
        return _with_diff(prepare_task.run(params, ctx, copy_tree=_copy_backup), _before_prepare(params))


def _plan_prepare(params: dict[str, Any], ctx: Context) -> dict[str, Any]:
    params = _of_directory(params)
    # What the check returns describes the backup as it is now.
    planned = prepare_task.check(params, ctx)
    return _with_diff({**planned, "prepared": True}, _before_prepare(params))


def _adopt(params: dict[str, Any], ctx: Context) -> dict[str, Any]:
    # Alone: nobody prepares it in place, or moves its files, while they are read.
    with source.reading(params["target_dir"], alone=True):
        return {**adopt.run(params, ctx), **listing.NO_LIST, "log_path": ctx.log_path}


def _plan_adopt(params: dict[str, Any], ctx: Context) -> dict[str, Any]:
    return {**adopt.check(params, ctx), **listing.NO_LIST}


def _copy_second(
    source: str, target: str, checksums: Mapping[str, str] | None, on_bytes: Callable[[int], None]
) -> None:
    # Never a reflink: a second copy that shares the blocks of the first is lost with them.
    copy_tree(
        source,
        target,
        method="copy",
        checksums=checksums,
        skip=IGNORED_DIRECTORIES.__contains__,
        on_bytes=on_bytes,
    )


def _copy_to_repository(params: dict[str, Any], ctx: Context) -> dict[str, Any]:
    return copying.run(params, ctx, copy_tree=_copy_second)


OPERATIONS: dict[str, Operation] = {
    "adopt": _adopt,
    "backup": _backup,
    "copy_backup": _copy_to_repository,
    "prepare": _prepare,
    "previous_datadir": previous.run,
    "prune": prune_task.run,
    "restore": transaction.run,
    "schedule": schedule_task.run,
}

PLANS: dict[str, Operation] = {
    "adopt": _plan_adopt,
    "backup": _plan_backup,
    "copy_backup": copying.check,
    "prepare": _plan_prepare,
    "previous_datadir": previous.check,
    "prune": prune_task.check,
    "restore": outset.check,
    "schedule": schedule_task.check,
}

READINGS: dict[str, Operation] = {"backup_info": listing.run}
