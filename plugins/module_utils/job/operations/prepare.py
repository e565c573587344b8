# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operation of the module ``prepare``, for backups of a repository as well."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.backup import prepare_task
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.inventory import IGNORED_DIRECTORIES
from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.place import copy_tree
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.job.operations.difference import with_diff
from ansible_collections.dba.mariabackup.plugins.module_utils.repository import source


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


def run(params: dict[str, Any], ctx: Context) -> dict[str, Any]:
    """Prepare a backup, in place or as a copy."""
    params = _of_directory(params, ctx)
    with source.reading(params["target_dir"], alone=bool(params["in_place"])):
        return with_diff(prepare_task.run(params, ctx, copy_tree=_copy_backup), _before_prepare(params))


def check(params: dict[str, Any], ctx: Context) -> dict[str, Any]:
    """Say what ``run`` would do; nothing is written."""
    params = _of_directory(params, ctx)
    # What the check returns describes the backup as it is now.
    planned = prepare_task.check(params, ctx)
    return with_diff({**planned, "prepared": True}, _before_prepare(params))
