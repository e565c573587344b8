# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is the newest backup of an instance young enough, and of the size that its backups have? (pure)"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.chain import FULL
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.catalogue import Entry
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.measures import drift_of, usual_of

_CLOCK_SKEW = timedelta(minutes=5)


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
        drift = drift_of(sizes)
        if drift is not None and abs(drift) > size_drift:
            usual, number = usual_of(sizes)
            found.append(
                f"The newest full backup, {head.manifest.id}, has {head.size_bytes} bytes, {drift:+.0f} % against the"
                f" {usual:.0f} of the {number} before it; {size_drift} % are allowed."
            )
    return found
