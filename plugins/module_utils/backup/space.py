# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much a backup will need, and whether there is room for it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Callable

from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError

# What the tool copies out of schemas and out of the datadir itself (its own list, mariadb-backup 11.8).
_SCHEMA_FILES = re.compile(r"\.(ibd|frm|isl|MYD|MYI|MAD|MAI|MRG|TRG|TRN|ARM|ARZ|CSM|CSV|opt|par)$")
_TOP_FILES = re.compile(r"(ibdata\d*|undo\d{3}|aria_log.*|ib_buffer_pool|.*\.ibd)$")
_SMALLEST_FREE = 16 * 1024 * 1024


@dataclass(frozen=True)
class Estimate:
    """What a backup of a datadir takes: bytes on disk and number of files and directories."""

    bytes: int
    inodes: int


def estimate_datadir(
    datadir: str, innodb: bool = True, takes: Callable[[str, str], bool] | None = None
) -> Estimate | None:
    """Add up what the tool would copy; the redo log that is written meanwhile comes on top. None: cannot be read.

    Args:
        datadir: the directory.
        innodb: False for an increment: of an InnoDB file it gets the pages that have changed, and nobody knows how many
            these are; it has two files for each.
        takes: for a partial backup: tells whether the files ``directory/stem.*`` are chosen.
    """
    total, count = 0, 16
    try:
        with os.scandir(datadir) as entries:
            top = list(entries)
        for entry in top:
            if entry.is_dir(follow_symlinks=True):
                if entry.name.startswith("."):
                    continue
                count += 1
                with os.scandir(entry.path) as tables:
                    for table in tables:
                        stem = table.name.rpartition(".")[0]
                        if _SCHEMA_FILES.search(table.name) and (takes is None or takes(entry.name, stem)):
                            pages = not innodb and table.name.endswith(".ibd")
                            total += 0 if pages else _occupied(table)
                            count += 2 if pages else 1
            elif _TOP_FILES.match(entry.name):
                pages = not innodb and not entry.name.startswith(("aria_log", "ib_buffer_pool"))
                total += 0 if pages else _occupied(entry)
                count += 2 if pages else 1
    except OSError:
        return None
    return Estimate(total, count)


def stream_bytes(directories: Iterable[str]) -> int:
    """Return how long a stream of a server's data can become, in bytes, without the redo log that is written meanwhile.

    An increment of pages that have all changed is as long as a full backup. Holes are written as zeros.

    Args:
        directories: the datadir, and where else its options put tablespaces; what cannot be read counts nothing.
    """
    total = 0
    for top in dict.fromkeys(map(os.path.realpath, directories)):
        for directory, schemas, files in os.walk(top, followlinks=True):
            takes = _TOP_FILES.match if directory == top else _SCHEMA_FILES.search
            if directory != top:
                schemas.clear()
            total += sum(_length(os.path.join(directory, name)) for name in files if takes(name))
    return total


def _length(path: str) -> int:
    """Return the length of a file, and of one that only names a tablespace elsewhere (DATA DIRECTORY) the length of that."""
    try:
        if path.endswith(".isl"):
            with open(path, encoding="utf-8", errors="surrogateescape") as stream:
                path = stream.readline().rstrip("\n")
        return os.stat(path).st_size
    except OSError:
        return 0


def _occupied(entry: os.DirEntry[str]) -> int:
    try:
        status = entry.stat()
    except FileNotFoundError:
        return 0
    # Holes of page compression stay holes in the copy.
    return min(status.st_size, status.st_blocks * 512)


def free_space(path: str) -> tuple[int, int | None]:
    """Return the free bytes and inodes on the file system of ``path``; None where it has no fixed number of inodes.

    Raises:
        OSError: the path does not exist.
    """
    found = os.statvfs(path)
    # Reserved blocks are for root, and a backup that runs as root would use up the server's reserve.
    return found.f_bavail * found.f_frsize, (found.f_favail if found.f_files else None)


def check_space(path: str, needed: Estimate, what: str) -> None:
    """Refuse before anything is written when there is no room.

    Args:
        path: an existing directory on the file system.
        what: named in the message, ``the backup``.

    Raises:
        MariabackupError: too few bytes or inodes.
    """
    free, inodes = free_space(path)
    if free < needed.bytes + _SMALLEST_FREE:
        raise MariabackupError(
            f"There is not enough room for {what}: about {human(needed.bytes)} are needed, "
            f"{human(free)} are free in {path}.",
            "Free space, or choose a place on another file system.",
            details={"bytes_needed": needed.bytes, "bytes_free": free},
        )
    if inodes is not None and inodes < needed.inodes:
        raise MariabackupError(
            f"There are not enough inodes for {what}: {needed.inodes} are needed, {inodes} are free in {path}.",
            "Remove files there, or choose a place on another file system.",
        )


def human(count: int) -> str:
    """Write a number of bytes for people: ``1.4 GiB``."""
    value = float(count)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{count} bytes" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"
