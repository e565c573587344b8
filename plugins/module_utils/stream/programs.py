# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs that a stream runs through: what one of them is, and where it lies on this host."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass

from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.find import which

# What to do about a stored stream that is not what it was.
OTHER_BACKUP = "Use another backup, and check the storage that holds this one."


@dataclass(frozen=True)
class Filter:
    """A program that reads stdin and writes stdout, or only one of them where it begins or ends a stream.

    Attributes:
        name: what errors call it, ``zstd``.
        argv: an absolute path and arguments, without secrets.
        pass_fds: descriptors that it inherits, such as that of a file with a key.
        advice: what to do when it says what one of the patterns finds.
    """

    name: str
    argv: tuple[str, ...]
    pass_fds: tuple[int, ...] = ()
    advice: tuple[tuple[re.Pattern[str], str], ...] = ()

    def action(self, said: str) -> str | None:
        """Return what to do about the program's words; None when they are not known."""
        return next((advice for pattern, advice in self.advice if pattern.search(said)), None)


def described(filters: Iterable[Filter]) -> str:
    """Return the command lines of a pipe's programs for a log; there are no secrets in them."""
    return " | ".join(shlex.join(each.argv) for each in filters)


def find_program(name: str, package: str) -> str:
    """Return the absolute path of a program.

    Args:
        package: what to install where it is missing.

    Raises:
        MariabackupError: it is not on this host.
    """
    path = which([name])
    if path is None:
        raise MariabackupError(f"{name} is not installed on this host.", f"Install the package {package}.")
    return path
