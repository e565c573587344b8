# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one error of the collection: it says what happened, why, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class MariabackupError(Exception):
    """A failure that the collection foresees.

    Args:
        cause: what went wrong, one or two sentences with the names and numbers that were found.
        action: what the reader does next.
        phase: the phase in which it happened; the operation fills it in where the raiser does not know it.
        cmd: the command that failed, secrets masked already.
        rc: its return code.
        log_tail: the last lines that it printed.
        log_path: where the whole log lies.
        details: further result keys, for example ``entries`` or ``refusals``.
    """

    def __init__(
        self,
        cause: str,
        action: str,
        *,
        phase: str | None = None,
        cmd: Sequence[str] | None = None,
        rc: int | None = None,
        log_tail: Sequence[str] = (),
        log_path: str | None = None,
        details: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(cause)
        self.cause = cause
        self.action = action
        self.phase = phase
        self.cmd = list(cmd) if cmd is not None else None
        self.rc = rc
        self.log_tail = list(log_tail)
        self.log_path = log_path
        self.details = dict(details or {})

    def __str__(self) -> str:
        where = f"{self.phase}: " if self.phase else ""
        return f"{where}{self.cause} {self.action}".strip()

    def as_result(self) -> dict[str, Any]:
        """Return the keys that a failed task shows; ``msg`` holds phase, cause and action in one text."""
        result: dict[str, Any] = dict(self.details)
        result.update(msg=str(self), cause=self.cause, action=self.action, failed_phase=self.phase)
        if self.cmd is not None:
            result["cmd"] = self.cmd
        if self.rc is not None:
            result["rc"] = self.rc
        if self.log_tail:
            result["log_tail"] = self.log_tail
        if self.log_path:
            result["log_path"] = self.log_path
        return result


class Interrupted(BaseException):
    """Somebody asked this process to end.

    No ``MariabackupError``, because many of these are an answer and not the end: a login that is refused has others after it.

    Args:
        error: what the user is told in the end.
    """

    def __init__(self, error: MariabackupError) -> None:
        super().__init__(str(error))
        self.error = error


def error_of(raised: MariabackupError | Interrupted) -> MariabackupError:
    """Return the error that the user gets."""
    return raised.error if isinstance(raised, Interrupted) else raised


def foreseen(raised: BaseException) -> MariabackupError | None:
    """Return the error that the user gets for any exception; None for a defect of ours."""
    return error_of(raised) if isinstance(raised, (MariabackupError, Interrupted)) else None
