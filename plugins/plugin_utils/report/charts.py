# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The geometry of the page's small charts; the template draws it (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.dba.mariabackup.plugins.plugin_utils.report import words

#: how many backups a chart of sizes shows; all charts have this many places, so that they compare
SHOWN = 20
HEIGHT = 24.0
# A bar that can be seen, however small the increment.
_LEAST = 1.5

# The phases in which no server answers; in those before it the old one serves, in those after it one of both.
AWAY = ("stop", "swap", "start", "health", "back")


def sizes(backups: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a bar for each of the last backups whose size is known, the newest at the right end.

    Returns:
        ``x`` (place, 0 to SHOWN - 1), ``y`` and ``height`` of HEIGHT, ``full``, ``title``.
    """
    known = [each for each in backups if isinstance(each.get("stored_bytes"), int)][-SHOWN:]
    largest = max((each["stored_bytes"] for each in known), default=0) or 1
    bars = []
    for place, each in enumerate(known, SHOWN - len(known)):
        height = round(max(_LEAST, HEIGHT * each["stored_bytes"] / largest), 2)
        size = words.size(each["stored_bytes"]) or {}
        title = f"{each.get('type')}, {each.get('created')}: {size.get('text')}"
        bars.append(
            {
                "x": place,
                "y": round(HEIGHT - height, 2),
                "height": height,
                "full": each.get("type") == "full",
                "title": title,
            }
        )
    return bars


def phases(found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a segment for each phase of a restore, in percent of the whole.

    Returns:
        ``name``, ``seconds`` (text), ``x`` and ``width`` (percent), ``away`` (no server answers).
    """
    known = [(str(each.get("name")), float(each.get("seconds") or 0)) for each in found]
    total = sum(length for _name, length in known) or 1.0
    segments, begin = [], 0.0
    for name, length in known:
        width = 100 * length / total
        segments.append(
            {
                "name": name,
                "seconds": words.seconds(length),
                "x": round(begin, 3),
                "width": round(width, 3),
                "away": name in AWAY,
            }
        )
        begin += width
    return segments


def away(found: Sequence[Mapping[str, Any]]) -> float:
    """Return the seconds of a restore's phases in which no server answered."""
    return sum(float(each.get("seconds") or 0) for each in found if each.get("name") in AWAY)


def filled(age_seconds: float, limit_seconds: float) -> float:
    """Return how far the meter of an age is filled, in percent; full at the limit and beyond."""
    return round(min(100.0, max(0.0, 100 * age_seconds / limit_seconds)) if limit_seconds > 0 else 100.0, 1)
