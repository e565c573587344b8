# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is true of a directory on this machine: its entries, its mount, its size, its space. Nothing here writes."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Collection
from dataclasses import dataclass

ALLOWED = ("lost+found",)


@dataclass(frozen=True)
class Mount:
    """One line of ``/proc/self/mountinfo``."""

    path: str
    root: str
    device: str
    fstype: str
    source: str
    options: tuple[str, ...]

    @property
    def read_only(self) -> bool:
        """Whether the mount or its file system is read-only."""
        return "ro" in self.options

    def option(self, name: str) -> str | None:
        """Return the value of a mount option, an empty string for one without a value, None when it is not set."""
        for item in self.options:
            key, _separator, value = item.partition("=")
            if key == name:
                return value
        return None


@dataclass(frozen=True)
class Usage:
    """What a tree takes: bytes allocated on disk, bytes as file sizes, files and directories."""

    allocated: int = 0
    apparent: int = 0
    files: int = 0
    directories: int = 0

    @property
    def inodes(self) -> int:
        """Inodes that a copy of the tree needs."""
        return self.files + self.directories

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.allocated + other.allocated,
            self.apparent + other.apparent,
            self.files + other.files,
            self.directories + other.directories,
        )


@dataclass(frozen=True)
class Space:
    """What a file system has left for root-owned writers that obey the reserve: bytes and inodes (None: no limit)."""

    bytes: int
    inodes: int | None


def entries(path: str, allowed: Collection[str] = ALLOWED) -> list[str]:
    """Return the names in ``path``, dotfiles included and ``allowed`` left out, sorted; none if it does not exist."""
    try:
        with os.scandir(path) as found:
            return sorted(entry.name for entry in found if entry.name not in allowed)
    except FileNotFoundError:
        return []


def existing_parent(path: str) -> str:
    """Return ``path`` or the nearest parent that exists."""
    current = os.path.abspath(path)
    while not os.path.lexists(current):
        current = os.path.dirname(current)
    return current


def parse_mountinfo(text: str) -> list[Mount]:
    """Parse ``/proc/PID/mountinfo`` (proc(5)); lines keep their order, a later mount on the same path hides an earlier."""
    mounts: list[Mount] = []
    for line in text.splitlines():
        fields, separator, tail = line.partition(" - ")
        left, right = fields.split(" "), tail.split(" ")
        if not separator or len(left) < 6 or len(right) < 2:
            continue
        options = left[5].split(",") + (right[2].split(",") if len(right) > 2 else [])
        mounts.append(
            Mount(
                path=_unescape(left[4]),
                root=_unescape(left[3]),
                device=left[2],
                fstype=right[0],
                source=_unescape(right[1]),
                options=tuple(dict.fromkeys(options)),
            )
        )
    return mounts


def _unescape(text: str) -> str:
    """Undo the kernel's octal escapes; the table holds bytes, so go through them."""
    raw = text.encode("utf-8", "surrogateescape")
    return os.fsdecode(re.sub(rb"\\([0-7]{3})", lambda match: bytes([int(match.group(1), 8)]), raw))


def mounts() -> list[Mount]:
    """Return the mounts that this process sees."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as stream:
        return parse_mountinfo(stream.read())


def mount_points() -> set[str]:
    """Return the real paths of all mount points, bind mounts included."""
    return {mount.path for mount in mounts()}


def is_mount_point(path: str) -> bool:
    """Tell whether something is mounted on ``path``. A Btrfs subvolume is no mount point though its device differs:
    it can be renamed, a mount point cannot."""
    return os.path.realpath(path) in mount_points()


def nested_mounts(path: str) -> list[str]:
    """Return the mount points below ``path`` (not itself). A rename of ``path`` takes them along."""
    prefix = os.path.realpath(path).rstrip("/") + "/"
    return sorted(point for point in mount_points() if point.startswith(prefix))


def mount_info(path: str) -> Mount:
    """Return the mount on which ``path``, or its nearest existing parent, lies."""
    real = os.path.realpath(existing_parent(path))
    table: dict[str, Mount] = {mount.path: mount for mount in mounts()}
    while real not in table and real != "/":
        real = os.path.dirname(real)
    return table[real]


def same_mount(first: str, second: str) -> bool:
    """Tell whether both paths (or their nearest parents) lie on one mount and one device, so that a rename works."""
    if mount_info(first).path != mount_info(second).path:
        return False
    return os.stat(existing_parent(first)).st_dev == os.stat(existing_parent(second)).st_dev


def writable_fs(path: str) -> bool:
    """Tell, without writing, whether the file system of ``path`` (or its nearest parent) is mounted for writing."""
    return not os.statvfs(existing_parent(path)).f_flag & os.ST_RDONLY


def free_space(path: str) -> Space:
    """Return what is left on the file system of ``path`` or its nearest parent.

    Bytes are those that any user may take, without the reserve: a server that fills up root's reserve could not write
    afterwards. Btrfs and others make inodes as needed and report none: no limit then.
    """
    status = os.statvfs(existing_parent(path))
    return Space(status.f_bavail * status.f_frsize, status.f_favail if status.f_files else None)


def disk_usage(path: str, skip: Collection[str] = ()) -> Usage:
    """Add up a tree without following symbolic links or entering other file systems; hard links count once.

    ``skip`` names entries at the top that do not count. A file that vanishes meanwhile does not count either.
    """
    try:
        top = os.lstat(path)
    except FileNotFoundError:
        return Usage()
    if not stat.S_ISDIR(top.st_mode):
        return Usage(top.st_blocks * 512, top.st_size, 1, 0)
    allocated, apparent, files, directories = top.st_blocks * 512, 0, 0, 1
    seen: set[tuple[int, int]] = set()
    pending = [path]
    while pending:
        current = pending.pop()
        try:
            with os.scandir(current) as found:
                for entry in found:
                    if current == path and entry.name in skip:
                        continue
                    try:
                        info = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue
                    if stat.S_ISDIR(info.st_mode):
                        if info.st_dev == top.st_dev:
                            directories += 1
                            allocated += info.st_blocks * 512
                            pending.append(entry.path)
                        continue
                    if info.st_nlink > 1:
                        if (info.st_dev, info.st_ino) in seen:
                            continue
                        seen.add((info.st_dev, info.st_ino))
                    files += 1
                    allocated += info.st_blocks * 512
                    apparent += info.st_size
        except FileNotFoundError:
            continue
    return Usage(allocated, apparent, files, directories)
