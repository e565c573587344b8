# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who uses a directory: record locks of a running server, and processes with a foot in it.

Record locks are seen through pid namespaces, where ``/proc`` of a container's host or neighbour is not; ``/proc`` finds
what holds no lock (a shell, a copier, a server that is still starting). Together they are the proof of "stopped".
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Collection
from dataclasses import dataclass

# struct flock with 64-bit offsets, as Linux on 64-bit machines and glibc with large files lay it out.
_FLOCK = "hhqqi4x"


@dataclass(frozen=True)
class User:
    """A process that uses a directory.

    Args:
        pid: its process id here; 0 or less when it lives in a pid namespace that cannot be seen from here.
        command: the name of its program, or ``?``.
        how: ``lock``, ``cwd``, ``root``, ``open`` or ``mapped``.
        path: the file or directory.
    """

    pid: int
    command: str
    how: str
    path: str

    def __str__(self) -> str:
        who = f"{self.command} (pid {self.pid})" if self.pid > 0 else "a process in another pid namespace"
        verb = {"lock": "locks", "cwd": "works in", "root": "has its root in", "mapped": "maps"}.get(
            self.how, "has open"
        )
        return f"{who} {verb} {self.path}"


def lock_holder(path: str) -> int | None:
    """Return the pid that holds a record lock on ``path`` (0 or -1: one that is not visible here), or None.

    ``F_GETLK`` never waits and takes nothing. The file is opened and closed by us: that drops no lock but our own, of
    which there are none.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        request = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind, _whence, _start, _length, pid = struct.unpack(_FLOCK, fcntl.fcntl(fd, fcntl.F_GETLK, request))
    finally:
        os.close(fd)
    return None if kind == fcntl.F_UNLCK else pid


def command_of(pid: int) -> str:
    """Return the name of a process, ``?`` when it is gone or not visible."""
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as stream:
            return stream.read().rstrip("\n")
    except OSError:
        return "?"


def in_use(paths: Collection[str], lock_files: Collection[str] = (), ignore: Collection[int] = ()) -> list[User]:
    """Return who uses any of the directories ``paths``, one line for each process, way and top-level directory.

    Args:
        paths: directories (or files); what does not exist is not used.
        lock_files: files on which a server holds record locks (``Layout.lock_files``).
        ignore: pids that do not count; this process never does.
    """
    users: list[User] = []
    for path in lock_files:
        pid = lock_holder(path)
        if pid is not None and pid not in ignore and pid != os.getpid():
            users.append(User(pid, command_of(pid) if pid > 0 else "?", "lock", path))
    tops = [os.path.realpath(path) for path in paths if os.path.lexists(path)]
    if not tops:
        return users
    inodes = {_node(top): top for top in tops}
    skipped = {os.getpid(), *ignore}
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) not in skipped:
            users.extend(_uses_of(int(name), tops, inodes))
    return users


def _node(path: str) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_dev, status.st_ino


def _uses_of(pid: int, tops: list[str], inodes: dict[tuple[int, int], str]) -> list[User]:
    found: dict[tuple[str, str], str] = {}
    process = f"/proc/{pid}"

    def note(how: str, path: str, inode: int) -> None:
        for top in tops:
            if path == top or path.startswith(top + "/"):
                # A process of a container has paths of its own: the same words may name another file there.
                try:
                    if os.stat(path).st_ino == inode:
                        found.setdefault((how, top), path)
                except OSError:
                    pass

    for how in ("cwd", "root"):
        try:
            node = _node(f"{process}/{how}")
            if node in inodes:
                found.setdefault((how, inodes[node]), inodes[node])
            note(how, os.readlink(f"{process}/{how}"), node[1])
        except OSError:
            continue
    try:
        for fd in os.listdir(f"{process}/fd"):
            link = f"{process}/fd/{fd}"
            try:
                path = os.readlink(link)
                if path.startswith("/"):
                    note("open", path, os.stat(link).st_ino)
            except OSError:
                continue
        with open(f"{process}/maps", encoding="utf-8", errors="surrogateescape") as stream:
            for line in stream:
                fields = line.rstrip("\n").split(None, 5)
                if len(fields) == 6 and fields[5].startswith("/"):
                    note("mapped", fields[5], int(fields[4]))
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ESRCH, errno.EACCES, errno.EPERM):
            raise
    command = command_of(pid) if found else ""
    return [User(pid, command, how, path) for (how, _top), path in found.items()]
