# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One look at a job from afar: the command, and what its answer means (pure).

The command is all that a look costs: no module, no Python on the host. It waits for the job's end by the lock that the job holds
(``job/registry.py``), so the end is known at once however long the interval is.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, field
from typing import Any

# Around our words, whatever a login shell prints besides.
_OPEN, _NEXT, _CLOSE = "<<mariabackup-job", "--mariabackup-job", "mariabackup-job>>"
_HEARD = "heard"  # as in job/registry.py
RUNNING, ENDED, GONE = "running", "ended", "gone"


@dataclass(frozen=True)
class Look:
    """What a look has found.

    Args:
        state: ``running``, ``ended`` or ``gone`` (its directory is not there).
        status: the job's last word on its progress.
        outcome: what came of it; None while it runs, and when it died without a result.
    """

    state: str
    status: dict[str, Any] = field(default_factory=dict)
    outcome: dict[str, Any] | None = None


def mark(directory: str) -> str:
    """Return the shell command which notes that a job's result has arrived, or that nobody waits for it."""
    return f": > {shlex.quote(directory)}/{_HEARD}"


def command(directory: str, seconds: float) -> str:
    """Return the shell command that looks at a job when it ends, or after ``seconds``."""
    return (
        f"echo '{_OPEN}'; if cd {shlex.quote(directory)} 2>/dev/null; then"
        # Without result the lock tells: it is free when the process has ended, and a result was there before. Where there is
        # no flock(1), the process's number tells, without waiting.
        f" if [ -e result.json ] || flock -s -w {seconds:.1f} alive true 2>/dev/null"
        f' || ! kill -0 "$(cat alive)" 2>/dev/null; then s={ENDED}; else s={RUNNING}; fi;'
        f" echo $s; echo '{_NEXT}'; cat status.json 2>/dev/null; echo; echo '{_NEXT}';"
        f" if [ $s = {ENDED} ] && [ -e result.json ]; then cat result.json; fi;"
        f" else echo {GONE}; echo '{_NEXT}'; echo '{_NEXT}'; fi; echo; echo '{_CLOSE}'"
    )


def read(answer: str) -> Look | None:
    """Return what the command's output means; None when it is not that of the command."""
    begin, end = answer.rfind(_OPEN), answer.rfind(_CLOSE)
    if begin < 0 or end < begin:
        return None
    parts = answer[begin + len(_OPEN) : end].split(_NEXT)
    if len(parts) != 3:
        return None
    state, status, outcome = (part.strip() for part in parts)
    if state not in (RUNNING, ENDED, GONE):
        return None
    return Look(state, _object(status) or {}, _object(outcome))


def _object(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
