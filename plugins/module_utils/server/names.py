# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of schemas and tables, and the names of their files: only a server knows all rules of that code."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.server.login import query

_PLAIN = re.compile(r"[0-9A-Za-z_]+")
_AT_ONCE = 200


def quote(*names: str) -> str:
    """Return names as an identifier in a statement: ``quote("a", "b`c")`` is ```a`.`b``c```."""
    return ".".join("`" + name.replace("`", "``") + "`" for name in names)


def file_names(connection: Any, names: Iterable[str]) -> dict[str, str]:
    """Return how names are written in the names of files.

    Raises:
        MariabackupError: the server refuses.
    """
    return _convert(connection, names, "CONVERT(CONVERT(_utf8mb4 0x{} USING filename) USING binary)")


def shown_names(connection: Any, names: Iterable[str]) -> dict[str, str]:
    """Return what names of files stand for.

    Raises:
        MariabackupError: the server refuses.
    """
    return _convert(connection, names, "CONVERT(CONVERT(_filename 0x{} USING utf8mb4) USING binary)")


def _convert(connection: Any, names: Iterable[str], expression: str) -> dict[str, str]:
    found: dict[str, str] = {}
    odd: list[str] = []
    for name in names:
        if not name or _PLAIN.fullmatch(name):
            found[name] = name
        else:
            odd.append(name)
    for start in range(0, len(odd), _AT_ONCE):
        part = odd[start : start + _AT_ONCE]
        columns = (
            f"{expression.format(name.encode('utf-8', 'surrogateescape').hex())} AS c{number}"
            for number, name in enumerate(part)
        )
        (row,) = query(connection, f"SELECT {', '.join(columns)}")
        for number, name in enumerate(part):
            value = row[f"c{number}"]
            found[name] = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return found
