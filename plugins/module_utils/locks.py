# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One operation at a time on one datadir; the kernel frees the lock when its holder dies, however it dies."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextvars import ContextVar

from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.files import make_private_dirs, path_key

# How many seconds ``exclusive`` waits for a lock that somebody else has. A task that a person runs is refused at once; a run
# by schedule that meets one waits for its end, because nobody is there to run it again.
PATIENCE: ContextVar[float] = ContextVar("patience", default=0.0)
_LOOK_AGAIN_SECONDS = 0.5


def lock_path(state_dir: str, path: str) -> str:
    """Return the lock file that stands for the directory ``path`` (its real path counts)."""
    return os.path.join(state_dir, "locks", path_key(os.path.realpath(path)) + ".lock")


def _refusal(fd: int, path: str, operation: str) -> MariabackupError:
    text = os.pread(fd, 4096, 0).decode("utf-8", "replace")
    try:
        holder = json.loads(text)
        who = f"a {holder['operation']} (process {holder['pid']}, since {holder['since']})"
    except (ValueError, KeyError, TypeError):
        who = "another operation"
    return MariabackupError(
        f"The {operation} of {path} cannot start: {who} is working on it.",
        "Wait until it has finished, then run this task again.",
        phase="plan",
    )


@contextlib.contextmanager
def exclusive(state_dir: str, path: str, operation: str) -> Iterator[None]:
    """Hold the lock of ``path`` for ``operation`` ("backup", "restore"); refuse when somebody has it, at once without ``PATIENCE``.

    Raises:
        MariabackupError: names the holder's operation, process and start.
    """
    name = lock_path(state_dir, path)
    make_private_dirs(os.path.dirname(name))
    fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + PATIENCE.get()
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise _refusal(fd, path, operation) from None
            time.sleep(_LOOK_AGAIN_SECONDS)
        holder = {"operation": operation, "pid": os.getpid(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
        os.ftruncate(fd, 0)
        os.pwrite(fd, json.dumps(holder).encode(), 0)
        yield
    finally:
        os.close(fd)


def probe(state_dir: str, path: str, operation: str) -> None:
    """Refuse as ``exclusive`` would, without keeping the lock or creating anything (check mode)."""
    try:
        fd = os.open(lock_path(state_dir, path), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        raise _refusal(fd, path, operation) from None
    finally:
        os.close(fd)


@contextlib.contextmanager
def directory_in_use(path: str, *, alone: bool) -> Iterator[None]:
    """Hold the directory ``path`` itself: many readers, or one who changes what lies in it.

    The kernel keeps the lock, so it ends with the process. Where the file system has no such locks (some NFS), there is none.

    Raises:
        MariabackupError: somebody else's use does not go with this one.
    """
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(fd, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            raise MariabackupError(
                f"{path} is in use: another task of this collection "
                + ("reads it or changes it." if alone else "prepares it in place, or moves its files."),
                "Wait until that has finished, then run this task again.",
                phase="plan",
            ) from None
        except OSError:
            pass
        yield
    finally:
        os.close(fd)
