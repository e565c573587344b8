# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operation is given by whoever runs it: a place for its files, a log, and somebody to tell how far it is."""

from __future__ import annotations

from typing import ContextManager, Protocol


class Context(Protocol):
    """The surroundings of one running operation, ``run(params, context)``.

    Attributes:
        job_dir: a directory (0700) of this run alone; it may lie on another file system than the data.
        log_path: the file (0600) to which the tool's and the operation's own lines are appended.
        check_mode: true when nothing may be written outside of ``job_dir``.
    """

    job_dir: str
    log_path: str
    check_mode: bool

    def phase(self, name: str) -> ContextManager[None]:
        """Enter a phase: it is timed, and its name is given to a MariabackupError that has none."""

    def log(self, line: str) -> None:
        """Append one line to the log."""

    def progress(self, done: int, total: int) -> None:
        """Say how many of how many bytes of the present phase are done; ``total`` 0 means unknown."""
