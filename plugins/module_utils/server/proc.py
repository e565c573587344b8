# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes as /proc shows them."""

from __future__ import annotations

import os
import select
import time

SERVER_PROGRAMS = ("mariadbd", "mysqld")


def start_ticks(pid: int) -> int | None:
    """Return the start time of a process in clock ticks since boot; None when it is gone or a zombie.

    A process id and this number name one process for as long as the machine is up.
    """
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
            fields = stream.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in ("Z", "X") else int(fields[19])


def alive(pid: int, ticks: int | None = None) -> bool:
    """Tell whether a process runs, and is still the one that started at ``ticks``."""
    found = start_ticks(pid)
    return found is not None and (ticks is None or found == ticks)


def argv_of(pid: int) -> list[str]:
    """Return the argument list of a process, its program first; empty when it is gone."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as stream:
            data = stream.read()
    except OSError:
        return []
    return [os.fsdecode(part) for part in data.split(b"\0")[:-1]]


def is_server(pid: int) -> bool:
    """Tell whether a process is a MariaDB server."""
    argv = argv_of(pid)
    return bool(argv) and os.path.basename(argv[0]) in SERVER_PROGRAMS


def cwd_identity(pid: int) -> tuple[int, int] | None:
    """Return device and inode of a process's working directory, which for a server is its datadir."""
    try:
        found = os.stat(f"/proc/{pid}/cwd")
    except OSError:
        return None
    return found.st_dev, found.st_ino


def uid_of(pid: int) -> int:
    """Return the real user id of a process."""
    return os.stat(f"/proc/{pid}").st_uid


def wait_gone(pid: int, timeout: float, ticks: int | None = None) -> bool:
    """Wait until a process has ended; False when it has not within ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    if not alive(pid, ticks):
        return True
    try:
        fd = os.pidfd_open(pid)
    except (AttributeError, OSError):
        # An interpreter or a kernel without it, or a process that is gone by now.
        fd = -1
    try:
        while alive(pid, ticks):
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            if fd >= 0:
                poller = select.poll()
                poller.register(fd, select.POLLIN)
                poller.poll(min(left, 5.0) * 1000)
            else:
                time.sleep(min(left, 0.05))
        return True
    finally:
        if fd >= 0:
            os.close(fd)
