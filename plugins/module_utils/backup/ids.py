# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ids of backups: the UTC time at which one was begun and six hex digits, so that ids sort as they were made."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError

_ID = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})T([0-9]{2})([0-9]{2})([0-9]{2})Z-[0-9a-f]{6}")
_TIME = "%Y%m%dT%H%M%SZ"


def is_id(name: str) -> bool:
    """Return whether a name is the id of a backup, for example ``20261122T105318Z-3f9a1c``."""
    try:
        time_of(name)
    except ValueError:
        return False
    return True


def time_of(backup_id: str) -> datetime:
    """Return the time in an id, aware and in UTC.

    Raises:
        ValueError: it is not an id.
    """
    match = _ID.fullmatch(backup_id)
    if match is None:
        raise ValueError(f"{backup_id!r} is not the id of a backup")
    # strptime takes ten times as long, and a repository holds thousands.
    year, month, day, hour, minute, second = (int(part) for part in match.groups())
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=timezone.utc)
    except ValueError as error:
        raise ValueError(f"{backup_id!r} is not the id of a backup") from error


def next_id(now: datetime, newest: str | None, suffix: str) -> str:
    """Return the id of a backup that is begun now; it sorts after the newest one, whatever the clock says.

    Args:
        now: the time, aware.
        newest: the newest id that exists. When its second is not over yet by this clock, the new id takes the
            second after it.
        suffix: six hex digits in lower case, random.

    Raises:
        ValueError: the time is not aware, ``newest`` is not an id, or the suffix is not six hex digits.
        MariabackupError: ``newest`` is of the last second that an id can name.
    """
    if now.utcoffset() is None:
        raise ValueError(f"{now} has no time zone")
    begun = now.astimezone(timezone.utc)
    if newest is not None:
        try:
            begun = max(begun, time_of(newest) + timedelta(seconds=1))
        except OverflowError as error:
            raise MariabackupError(
                f"There is no id after that of the backup {newest}: it is from a clock that was wrong.",
                "Move that backup out of the repository.",
            ) from error
    made = f"{begun.strftime(_TIME)}-{suffix}"
    time_of(made)  # or the suffix is none
    return made
