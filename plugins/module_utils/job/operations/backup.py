# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operation of the module ``backup``: what the server tells, and a directory or a repository for the backup."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.backup import take
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.selection import Selection
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.take_plan import ServerKnowledge
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.take_stream import check_options
from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.timeline import timeline_of
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.job.operations.difference import with_diff
from ansible_collections.dba.mariabackup.plugins.module_utils.repository import taking
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


def _begin(params: Mapping[str, Any], ctx: Context) -> ServerKnowledge | None:
    _require_repository(params)
    return _ask_server(params, ctx)


def run(params: dict[str, Any], ctx: Context) -> dict[str, Any]:
    """Take a backup into a directory or a repository."""
    server = _begin(params, ctx)
    if params["repository"]:
        return with_diff(taking.run(params, ctx, server, timeline_of), "")
    return with_diff(take.run(params, ctx, server, timeline_of=timeline_of), "")


def check(params: dict[str, Any], ctx: Context) -> dict[str, Any]:
    """Say what ``run`` would do; nothing is written."""
    server = _begin(params, ctx)
    if params["repository"]:
        return with_diff(taking.check(params, ctx, server, timeline_of), "")
    return with_diff(take.check(params, ctx, server, timeline_of=timeline_of), "")
