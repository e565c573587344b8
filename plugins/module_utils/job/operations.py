# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations that a job can run, and their plans for check mode: where the rooms come together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.backup import adopt, prepare_task, take
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.inventory import IGNORED_DIRECTORIES
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.selection import Selection
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.take_plan import ServerKnowledge
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.take_stream import check_options
from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.place import copy_tree
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.timeline import timeline_of
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
from ansible_collections.dba.mariabackup.plugins.module_utils.server.facts import read_facts, read_lsn
from ansible_collections.dba.mariabackup.plugins.module_utils.server.greeting import socket_path
from ansible_collections.dba.mariabackup.plugins.module_utils.server.login import Login, connect_any
from ansible_collections.dba.mariabackup.plugins.module_utils.server.names import file_names
from ansible_collections.dba.mariabackup.plugins.module_utils.server.options import (
    find_server_binary,
    option_file_args,
    read_options,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.stream.rclone import is_remote
from ansible_collections.dba.mariabackup.plugins.module_utils.tables import task as import_tables

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
    selection = Selection.from_params(params)
    try:
        facts = read_facts(connection)
        lsn = read_lsn(connection)
        names = file_names(connection, selection.names()) if selection else {}
    finally:
        connection.close()
    return ServerKnowledge(
        version=facts.version, datadir=facts.datadir, variables=facts.variables, lsn=lsn, file_names=names
    )


def _with_diff(result: dict[str, Any], before: str) -> dict[str, Any]:
    """Add what diff mode shows: the backup as it was (``before``) and as it is."""
    kind = "partial" if result.get("selection") else result["type"]
    after = f"{result['path']}: {kind} backup, {'prepared' if result['prepared'] else 'not prepared'}\n"
    return {**result, "diff": {"before": before if result["changed"] else after, "after": after}}


def _require_repository(params: Mapping[str, Any]) -> None:
    if params["format"] == "stream" and not params["repository"]:
        raise MariabackupError(
            "A stream lies in a repository, beside what describes it.", "Set repository instead of target_dir."
        )
    selection = Selection.from_params(params)
    if selection is not None and (params["format"] == "stream" or params["type"] != "full"):
        raise MariabackupError(
            "A choice of schemas or tables makes a backup of its own: a full one, of files.",
            "Leave type and format out, or leave out databases, tables and what they exclude.",
        )
    if params["repository"] and is_remote(params["repository"]) and params["format"] != "stream":
        raise MariabackupError(
            f"{params['repository']} is remote storage, which holds streams only.", "Set format to stream."
        )
    check_options(params)


def _backup(params: dict[str, Any], ctx: Context) -> dict[str, Any]:
    _require_repository(params)
    server = _ask_server(params, ctx)
    if params["repository"]:
        result = taking.run(params, ctx, server, timeline_of)
    else:
        result = take.run(params, ctx, server, timeline_of=timeline_of)
    return _with_diff(result, "")


def _plan_backup(params: dict[str, Any], ctx: Context) -> dict[str, Any]:
    _require_repository(params)
    server = _ask_server(params, ctx)
    if params["repository"]:
        result = taking.check(params, ctx, server, timeline_of)
    else:
        result = take.check(params, ctx, server, timeline_of=timeline_of)
    return _with_diff(result, "")


def _copy_backup(source: str, target: str) -> None:
    copy_tree(source, target, skip=IGNORED_DIRECTORIES.__contains__)


def _before_prepare(params: Mapping[str, Any]) -> str:
    return f"{params['target_dir']}: full backup, not prepared\n" if params["in_place"] else ""


def _of_directory(params: dict[str, Any], ctx: Context) -> dict[str, Any]:
    """Replace a backup of a repository by the directory of its files, and name what an increment is built on."""
    request = source.request_of(params)
    if params["in_place"] and (request or source.entry_of(params["target_dir"])):
        raise MariabackupError(
            "A backup in a repository stays as it was taken, so it is not prepared in place.", "Set dest instead."
        )
    path = params["target_dir"] if request is None else source.find(request, params, ctx).data
    return {**params, "target_dir": path, "_chain": source.links(path)}


def _prepare(params: dict[str, Any], ctx: Context) -> dict[str, Any]:
    params = _of_directory(params, ctx)
    with source.reading(params["target_dir"], alone=bool(params["in_place"])):
        return _with_diff(prepare_task.run(params, ctx, copy_tree=_copy_backup), _before_prepare(params))


def _plan_prepare(params: dict[str, Any], ctx: Context) -> dict[str, Any]:
    params = _of_directory(params, ctx)
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
    "import_tables": import_tables.run,
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
    "import_tables": import_tables.check,
    "copy_backup": copying.check,
    "prepare": _plan_prepare,
    "previous_datadir": previous.check,
    "prune": prune_task.check,
    "restore": outset.check,
    "schedule": schedule_task.check,
}

READINGS: dict[str, Operation] = {"backup_info": listing.run}
