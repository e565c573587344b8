# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines that tell how far a job is (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def intervals() -> Iterator[float]:
    """Return the seconds between two looks at a job: short jobs are told at once, long ones do not fill the screen."""
    yield from (0.3, 1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0)
    while True:
        yield 30.0


def size(count: float) -> str:
    """Return a number of bytes as people read it, in powers of 1000."""
    unit = 0
    while count >= 999.5 and unit < len(_UNITS) - 1:
        count /= 1000
        unit += 1
    digits = 1 if unit and count < 9.95 else 0
    return f"{count:.{digits}f} {_UNITS[unit]}"


def duration(seconds: float) -> str:
    """Return a time as minutes and seconds, or hours, minutes and seconds."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def line(host: str, operation: str, status: Mapping[str, Any]) -> str:
    """Return the line for one host.

    Args:
        host: its name in the inventory.
        operation: what the job does, such as ``restore``.
        status: what the job has written: ``phase``, ``done`` and ``total`` (bytes; a total of 0 is unknown), ``rate`` (bytes
            in a second).
    """
    phase = str(status.get("phase") or "")
    done, total, rate = (int(status.get(key) or 0) for key in ("done", "total", "rate"))
    if not done:
        return f"{host}: {operation} {phase}".rstrip()
    speed = f" {size(rate)}/s" if rate else ""
    if done > total:
        return f"{host}: {operation} {phase} {size(done)}{speed}"
    left = f", {duration((total - done) / rate)} left" if rate else ""
    return f"{host}: {operation} {100 * done // total} % {phase} {size(done)} of {size(total)}{speed}{left}"
