# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""By what ages and sizes are measured: on the host, and on the controller for the report (pure)."""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence
from datetime import timedelta

from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError

_SPAN = re.compile(r"(\d+)\s*([hdw])")
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
# The median of so many backups before the newest is what its size is compared with: one odd backup does not move it.
_COMPARED = 7


def parse_span(option: str, text: str) -> timedelta:
    """Return a time such as ``36h``, ``14d`` or ``8w``.

    Args:
        option: the option's name, for the message.
        text: its value.

    Raises:
        MariabackupError: it is none.
    """
    match = _SPAN.fullmatch(text.strip())
    if match is None:
        raise MariabackupError(f"{option} is {text!r}.", "Write a number and h, d or w, such as 36h, 14d or 8w.")
    return int(match[1]) * _UNITS[match[2]]


def usual_of(sizes: Sequence[int]) -> tuple[float, int]:
    """Return the median of up to seven sizes before the last, and of how many it is; 0 of none."""
    before = sizes[:-1][-_COMPARED:]
    return (statistics.median(before) if before else 0.0), len(before)


def drift_of(sizes: Sequence[int]) -> float | None:
    """Return by how many percent the last size differs from the usual one; None where there is nothing to compare it with."""
    usual, _number = usual_of(sizes)
    return 100 * (sizes[-1] - usual) / usual if usual else None
