# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The backups of one instance, as their manifests describe them, and which of them is meant (pure but for reading them)."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.ids import time_of
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.manifest import (
    DATA,
    MANIFEST,
    METADATA,
    Head,
    read_head,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError

LATEST = "latest"


@dataclass(frozen=True)
class Entry:
    """A directory of the catalogue.

    Attributes:
        id: its name.
        path: the directory.
        head: its manifest without the list of files; None when that cannot be used.
        problem: why not, as a sentence.
    """

    id: str
    path: str
    head: Head | None
    problem: str | None = None

    @property
    def whole(self) -> bool:
        """Whether it can be used and is no partial backup: only such a one is the newest, is fresh, or is the last good one."""
        return self.head is not None and not self.head.manifest.partial

    @property
    def data(self) -> str:
        """The directory of the backup's files; of a stream, that of the files which describe it."""
        stream = self.head is not None and self.head.manifest.stream is not None
        return os.path.join(self.path, METADATA if stream else DATA)

    @property
    def time(self) -> datetime:
        """When its data is from: the end of the run, or the time in its id where there is no manifest."""
        if self.head is not None:
            try:
                return parse_time(self.head.manifest.created)
            except ValueError:
                pass
        return time_of(self.id)


def read_entry(path: str) -> Entry | None:
    """Read one directory; None when it has no manifest, so that it is no backup. Nothing in it may lead elsewhere."""
    name, place = os.path.basename(path), os.path.join(path, MANIFEST)
    try:
        # Opening it would follow a link, and wait at a pipe.
        if not stat.S_ISREG(os.lstat(place).st_mode):
            return Entry(name, path, None, "Its manifest is not a regular file.")
        head = read_head(place)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        return Entry(name, path, None, f"Its manifest cannot be used: {error}.")
    if head.manifest.id != name:
        return Entry(name, path, None, f"Its manifest is that of another backup, {head.manifest.id}.")
    entry = Entry(name, path, head)
    for part in (path, entry.data):
        if os.path.islink(part):
            return Entry(name, path, None, f"Its directory {part} is a symbolic link.")
    return entry


def chain_of(directory: str, backup_id: str) -> list[Entry]:
    """Return what a restore of a backup needs, from the full one on; no other manifest is read.

    Args:
        directory: that of the instance.
        backup_id: the backup's id.

    Raises:
        MariabackupError: one of them is missing, or its manifest cannot be used.
    """
    chain: list[Entry] = []
    link: str | None = backup_id
    while link is not None:
        entry = read_entry(os.path.join(directory, link))
        if entry is None or entry.head is None or any(entry.id == known.id for known in chain):
            problem = (entry.problem or "Its bases form a loop.") if entry else "It is missing."
            raise MariabackupError(
                f"The backup {link} in {directory}, which {backup_id} needs, cannot be used. {problem}",
                "Use another backup.",
            )
        chain.insert(0, entry)
        link = entry.head.manifest.base_id
    return chain


def parse_time(text: str) -> datetime:
    """Return an ISO 8601 time as an aware one; without a zone it is UTC.

    Raises:
        ValueError: it is none.
    """
    moment = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def read_time(option: str, text: str) -> datetime:
    """Return the time that an option names; see ``parse_time``.

    Raises:
        MariabackupError: it is none.
    """
    try:
        return parse_time(text)
    except ValueError:
        raise MariabackupError(
            f"{option} is {text!r}, which is not a time.", "Write it as 2026-11-22T10:15:00Z, or without Z for UTC."
        ) from None


def choose(entries: Iterable[Entry], backup_id: str, before: str | None, where: str) -> Entry:
    """Return the backup that is meant.

    Args:
        entries: of the catalogue, oldest first.
        backup_id: an id, or ``latest``, which never is a partial backup.
        before: with ``latest``: the newest backup whose data is not from after this time.
        where: the directory of the instance, for the messages.

    Raises:
        MariabackupError: there is no such backup, its manifest cannot be used, or ``before`` is no time.
    """
    found = list(entries)
    if backup_id != LATEST:
        for entry in found:
            if entry.id == backup_id:
                if entry.head is None:
                    raise MariabackupError(
                        f"The backup {entry.path} cannot be used. {entry.problem}", "Use another backup."
                    )
                return entry
        raise MariabackupError(
            f"There is no backup {backup_id} in {where}; {_range(found)}.", "Look at what backup_info lists there."
        )
    usable = [entry for entry in found if entry.whole]
    if before is not None:
        limit = read_time("before", before)
        usable = [entry for entry in usable if entry.time <= limit]
    if not usable:
        wanted = f"There is no backup from before {before} in {where}" if before else f"There is no backup in {where}"
        raise MariabackupError(
            f"{wanted}; {_range(found)}.", "Correct repository, instance or before, or take a backup first."
        )
    return usable[-1]


def _range(entries: list[Entry]) -> str:
    if not entries:
        return "it holds none"
    partial = sum(1 for entry in entries if entry.head is not None and not entry.whole)
    count = f"{len(entries)}" + (f" ({partial} of them partial, which only backup_id names)" if partial else "")
    return f"it holds {count}, from {entries[0].id} to {entries[-1].id}"
