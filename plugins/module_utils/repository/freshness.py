# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is the newest backup of an instance young enough, and of the size that its backups have? (pure)"""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence
from datetime import datetime, timedelta

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.chain import FULL
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.catalogue import Entry

_SPAN = re.compile(r"(\d+)\s*([hdw])")
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
# The median of so many backups before the newest is what its size is compared with: one odd backup does not move it.
COMPARED = 7
_CLOCK_SKEW = timedelta(minutes=5)


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


def judge(entries: Sequence[Entry], now: datetime, max_age: timedelta | None, size_drift: int | None) -> list[str]:
    """Return what is wrong with the newest backup, as sentences; empty when nothing is.

    Args:
        entries: the backups of the instance that can be restored, oldest first.
        now: the time, aware.
        max_age: how old the newest usable backup may be.
        size_drift: by how many percent the size of the newest full one may differ from the median of those before it.
            An increment is as large as the changes since its base, so its size tells nothing.
    """
    # A partial backup saves no server, and its size says nothing about the others'.
    usable = [entry for entry in entries if entry.whole]
    if not usable:
        return ["There is no backup." if not entries else "There is no whole backup that can be used."]
    found: list[str] = []
    newest = usable[-1]
    age = now - newest.time
    if max_age is not None and age < -_CLOCK_SKEW:
        found.append(f"The newest backup, {newest.id}, is from the future: the clock was or is wrong.")
    if max_age is not None and age > max_age:
        hours = age.total_seconds() / 3600
        allowed = max_age.total_seconds() / 3600
        found.append(f"The newest backup, {newest.id}, is {hours:.1f} hours old; {allowed:g} are allowed.")
    heads = [entry.head for entry in usable if entry.head is not None and entry.head.manifest.type == FULL]
    if size_drift is not None and heads:
        head = heads[-1]
        sizes = [each.size_bytes for each in heads]
        before = sizes[:-1][-COMPARED:]
        drift = drift_of(sizes)
        if drift is not None and abs(drift) > size_drift:
            found.append(
                f"The newest full backup, {head.manifest.id}, has {head.size_bytes} bytes, {drift:+.0f} % against the"
                f" {statistics.median(before):.0f} of the {len(before)} before it; {size_drift} % are allowed."
            )
    return found


def drift_of(sizes: Sequence[int]) -> float | None:
    """Return by how many percent the last size differs from the median of up to ``COMPARED`` before it.

    None where there is nothing to compare it with.
    """
    before = sizes[:-1][-COMPARED:]
    usual = statistics.median(before) if before else 0
    return 100 * (sizes[-1] - usual) / usual if usual else None
