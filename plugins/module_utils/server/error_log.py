# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server's error log since one start of it, and the messages in it that no healthy server writes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

_MOST = 4 << 20


class HasLog(Protocol):
    """Something that keeps the server's standard error, as a service does."""

    def log_lines(self, limit: int = 200) -> list[str]:
        """Return the last lines of the current or last run."""


# Closed: only messages after which data is missing, unreadable or not of one set although the server runs. What also a
# healthy server says (a table that was left open and is checked, a foreign directory in the datadir, time zones that
# were never loaded) is not here.
FATAL_MESSAGES = (
    # A page that is not what was written: a damaged backup or disk.
    r"\[ERROR\].*InnoDB: .*(page corruption|is corrupt|corrupted page|Corruption of)",
    r"\[ERROR\].*InnoDB: (Unable to read page|Failed to read page)",
    # A data file that is newer than the redo log: files of two sets in one datadir.
    r"\[ERROR\].*InnoDB: .*(is in the future|LSN in the future)",
    # A table whose file is missing or belongs to something else.
    r"\[ERROR\].*InnoDB: (Could not find a valid tablespace file|Ignoring tablespace for|Cannot open datafile)",
    r"\[ERROR\].*InnoDB: Tablespace \S+ (was not found|is missing)",
    # Pages that cannot be decrypted: the key file or plugin is missing, or holds another key.
    r"\[ERROR\].*InnoDB: .*(encryption service or used key_id|cannot be decrypted|Failed to decrypt|Encryption key is not)",
    # An engine whose tables are then out of reach.
    r"\[ERROR\].*Plugin '\w+' registration as a STORAGE ENGINE failed",
    r"\[ERROR\].*Unknown/unsupported storage engine",
    # Accounts that cannot be read.
    r"\[ERROR\].*(Can't open and lock privilege tables|Fatal error: Can't open)",
    # The server crashed.
    r"(mysqld|mariadbd) got signal \d+",
    r"\[ERROR\].*\bAborting$",
    r"\[FATAL\]",
)
_FATAL = re.compile("|".join(f"(?:{pattern})" for pattern in FATAL_MESSAGES))


def fatal_lines(lines: Iterable[str]) -> list[str]:
    """Return the lines that a healthy server does not write."""
    return [line for line in lines if _FATAL.search(line)]


def log_path(options: Mapping[str, str]) -> str | None:
    """Return the error log's path, or None when the server writes to its standard error (the journal)."""
    name = options.get("log_error", "")
    if not name:
        return None
    path = os.path.join(options.get("datadir", "/"), name)
    return path if "." in os.path.basename(path) else path + ".err"


def tail_since(options: Mapping[str, str], began: float, limit: int = 30) -> list[str]:
    """Return the last lines of the error log when it was written to after ``began`` (seconds since the epoch)."""
    path = log_path(options)
    try:
        if path is None or os.stat(path).st_mtime < began - 1:
            return []
        with open(path, "rb") as stream:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - 65536))
            return stream.read().decode("utf-8", "replace").splitlines()[-limit:]
    except OSError:
        return []


def mark(options: Mapping[str, str]) -> dict[str, Any]:
    """Return where the error log ends now; a JSON object for `lines_since`. Take it before the start."""
    path = log_path(options)
    try:
        found = os.stat(path) if path else None
    except OSError:
        found = None
    return {"path": path, "inode": found.st_ino if found else 0, "offset": found.st_size if found else 0}


def lines_since(start: Mapping[str, Any], service: HasLog) -> list[str]:
    """Return what the server has logged since a mark, or, where it logs to the manager, since its last start."""
    path = start.get("path")
    if not path:
        return service.log_lines(2000)
    try:
        with open(path, "rb") as stream:
            found = os.fstat(stream.fileno())
            same = found.st_ino == start.get("inode") and found.st_size >= int(start.get("offset") or 0)
            begin = int(start.get("offset") or 0) if same else 0
            stream.seek(max(begin, found.st_size - _MOST))
            lines = stream.read(_MOST).decode("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    return lines or service.log_lines(2000)
