# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operation of ``backup_info`` that writes: a backup made by hand gets its manifest."""

from __future__ import annotations

from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.backup import adopt
from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.repository import listing, source


def run(params: dict[str, Any], ctx: Context) -> dict[str, Any]:
    """Write the manifest of a backup that was made by hand."""
    # Alone: nobody prepares it in place, or moves its files, while they are read.
    with source.reading(params["target_dir"], alone=True):
        return {**adopt.run(params, ctx), **listing.NO_LIST, "log_path": ctx.log_path}


def check(params: dict[str, Any], ctx: Context) -> dict[str, Any]:
    """Say what ``run`` would do; nothing is written."""
    return {**adopt.check(params, ctx), **listing.NO_LIST}
