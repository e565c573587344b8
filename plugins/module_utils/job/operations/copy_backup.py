# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operation of the module ``copy_backup``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.inventory import IGNORED_DIRECTORIES
from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.place import copy_tree
from ansible_collections.dba.mariabackup.plugins.module_utils.repository import copying

check = copying.check


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


def run(params: dict[str, Any], ctx: Context) -> dict[str, Any]:
    """Copy a backup with its chain to a second repository."""
    return copying.run(params, ctx, copy_tree=_copy_second)
