# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Times, sizes and numbers as a reader takes them in (pure)."""

from __future__ import annotations

import html
from datetime import datetime, timedelta, timezone
from typing import Any

_MINUTE = 60
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR


def parse_time(value: object) -> datetime | None:
    """Return an ISO 8601 time as an aware one, UTC where it names no zone; None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value.strip().replace("Z", "+00:00"))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def stamp(moment: datetime | None) -> dict[str, str] | None:
    """Return a time for a machine (``iso``) and for a reader (``text``), both UTC."""
    if moment is None:
        return None
    utc = moment.astimezone(timezone.utc)
    return {"iso": f"{utc:%Y-%m-%dT%H:%M:%SZ}", "text": f"{utc:%Y-%m-%d %H:%M}"}


def span(time: timedelta) -> str:
    """Return a time in its two largest units, such as ``5 h 12 min`` or ``3 d 4 h``."""
    seconds = int(abs(time).total_seconds())
    if seconds < _MINUTE:
        text = f"{seconds} s"
    elif seconds < _HOUR:
        text = f"{seconds // _MINUTE} min"
    elif seconds < 2 * _DAY:
        text = _pair(seconds // _HOUR, "h", seconds % _HOUR // _MINUTE, "min")
    else:
        text = _pair(seconds // _DAY, "d", seconds % _DAY // _HOUR, "h")
    return f"-{text}" if time < timedelta(0) else text


def _pair(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large} {large_unit} {small} {small_unit}" if small else f"{large} {large_unit}"


def seconds(value: object) -> str:
    """Return a number of seconds with the precision that its size deserves; ``-`` for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return "-"
    return f"{value:.2f} s" if value < 10 else f"{value:.0f} s" if value < 100 else span(timedelta(seconds=value))


def size(value: object) -> dict[str, Any] | None:
    """Return a number of bytes for a machine (``bytes``) and for a reader (``text``); None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    number = float(value)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if abs(number) < 1000 or unit == "TiB":
            break
        number /= 1024
    digits = 0 if unit == "B" or number >= 100 else 1 if number >= 10 else 2
    return {"bytes": value, "text": f"{number:.{digits}f} {unit}"}


def count(number: int, noun: str, plural: str = "") -> str:
    """Return ``1 host``, ``2 hosts``."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def escaped(value: Any) -> Any:
    """Return the same value with every string in it made safe for HTML, in text and in quoted attributes.

    The page is made of nothing else, so no template has to remember to do it.
    """
    if isinstance(value, str):
        return html.escape(str(value), quote=True)
    if isinstance(value, dict):
        return {name: escaped(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [escaped(each) for each in value]
    return value
