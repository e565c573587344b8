# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bytes of one file: copied, hashed, and their holes kept.

Holes matter: a page-compressed table has one in every page, and a copy without them takes as much disk as the table had
before compression.
"""

from __future__ import annotations

import errno
import hashlib
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from typing import Any, Callable

from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.inspect import mount_info
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError

CHUNK = 1024 * 1024
_ZEROS = bytes(CHUNK)
# Below this size a second thread costs more than it saves.
_OVERLAP_FROM = 8 * CHUNK
_NO_SENDFILE = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})


class Limiter:
    """Spreads bytes over time, for all threads together. ``rate`` is in bytes per second; None: no limit."""

    def __init__(self, rate: int | None) -> None:
        if rate is not None and rate <= 0:
            raise ValueError("the bandwidth limit must be positive")
        self.rate = rate
        self.lock = threading.Lock()
        self.free_at = time.monotonic()

    def take(self, count: int) -> None:
        """Wait until ``count`` more bytes are due."""
        if self.rate is None:
            return
        with self.lock:
            now = time.monotonic()
            start = max(self.free_at, now)
            self.free_at = start + count / self.rate
        if start > now:
            time.sleep(start - now)


class Meter:
    """Tells one listener how many bytes are done, from any thread, one call at a time."""

    def __init__(self, listener: Callable[[int], None] | None) -> None:
        self.listener = listener
        self.lock = threading.Lock()

    def add(self, count: int) -> None:
        """Count bytes."""
        if self.listener is not None and count:
            with self.lock:
                self.listener(count)


def data_extents(fd: int, start: int, end: int, sparse: bool) -> Iterator[tuple[int, int]]:
    """Yield the stretches between ``start`` and ``end`` that hold data; all of it where the file has no holes."""
    if not sparse:
        if end > start:
            yield start, end
        return
    position = start
    while position < end:
        try:
            data = os.lseek(fd, position, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            return
        if data >= end:
            return
        hole = min(os.lseek(fd, data, os.SEEK_HOLE), end)
        yield data, hole
        position = hole


def copy_data(
    reader: int,
    writer: int,
    start: int,
    end: int,
    sparse: bool,
    limiter: Limiter,
    meter: Meter,
    stop: threading.Event,
) -> None:
    """Copy the data between two offsets to the same offsets of ``writer``, which has its full length already.

    sendfile(2) keeps the bytes in the kernel and never shares extents, as copy_file_range(2) does on XFS and Btrfs.
    """
    in_kernel = True
    buffer: memoryview | None = None
    for first, last in data_extents(reader, start, end, sparse):
        position = first
        if in_kernel:
            os.lseek(writer, first, os.SEEK_SET)
        while position < last and not stop.is_set():
            count = min(CHUNK, last - position)
            limiter.take(count)
            if in_kernel:
                try:
                    done = os.sendfile(writer, reader, position, count)
                except OSError as error:
                    if error.errno not in _NO_SENDFILE:
                        raise
                    in_kernel = False
                    continue
            else:
                buffer = buffer or memoryview(bytearray(CHUNK))
                done = os.preadv(reader, [buffer[:count]], position)
                _write_all(writer, buffer[:done], position)
            if done == 0:
                raise OSError(errno.EIO, "the file became shorter while it was read")
            position += done
            meter.add(done)
    # Holes are done as soon as the length is set.
    meter.add(
        end - start - sum(last - first for first, last in data_extents(reader, start, end, True)) if sparse else 0
    )


def _write_all(fd: int, view: memoryview, offset: int) -> None:
    while view:
        done = os.pwrite(fd, view, offset)
        view, offset = view[done:], offset + done


def _hash_zeros(digest: Any, count: int) -> None:
    while count > 0:
        digest.update(_ZEROS if count >= CHUNK else _ZEROS[:count])
        count -= CHUNK


def copy_hashed(
    reader: int,
    writer: int,
    size: int,
    sparse: bool,
    limiter: Limiter,
    meter: Meter,
    stop: threading.Event,
    hashers: Executor | None,
) -> str:
    """Copy a whole file and return the SHA-256 of the very bytes that were written. Holes count as zeros.

    A large file is hashed in another thread while it is written, so one large table uses two processors.
    """
    digest = hashlib.sha256()
    buffer = memoryview(bytearray(min(CHUNK, max(size, 1))))
    overlap = hashers if size >= _OVERLAP_FROM else None
    position = 0
    for first, last in data_extents(reader, 0, size, sparse):
        _hash_zeros(digest, first - position)
        meter.add(first - position)
        position = first
        while position < last and not stop.is_set():
            count = min(CHUNK, last - position)
            limiter.take(count)
            done = os.preadv(reader, [buffer[:count]], position)
            if done == 0:
                raise OSError(errno.EIO, "the file became shorter while it was read")
            future: Future[None] | None = overlap.submit(digest.update, buffer[:done]) if overlap else None
            try:
                _write_all(writer, buffer[:done], position)
            finally:
                if future is not None:
                    future.result()
            if future is None:
                digest.update(buffer[:done])
            position += done
            meter.add(done)
    if not stop.is_set():
        _hash_zeros(digest, size - position)
        meter.add(size - position)
    return digest.hexdigest()


def hash_file(fd: int, size: int, limiter: Limiter | None = None) -> str:
    """Return the SHA-256 of an open file. Holes are not read."""
    digest = hashlib.sha256()
    buffer = memoryview(bytearray(min(CHUNK, max(size, 1))))
    position = 0
    for first, last in data_extents(fd, 0, size, os.fstat(fd).st_blocks * 512 < size):
        _hash_zeros(digest, first - position)
        position = first
        while position < last:
            count = min(CHUNK, last - position)
            if limiter is not None:
                limiter.take(count)
            done = os.preadv(fd, [buffer[:count]], position)
            if done == 0:
                raise OSError(errno.EIO, "the file became shorter while it was read")
            digest.update(buffer[:done])
            position += done
    _hash_zeros(digest, size - position)
    return digest.hexdigest()


def disk_error(error: OSError, src: str, dst: str) -> MariabackupError:
    """Say which file system failed while ``src`` was placed at ``dst``, and what to do about it."""
    name = error.filename if isinstance(error.filename, str) else dst
    mount = mount_info(dst)
    where = f"the file system {mount.path} ({mount.fstype} on {mount.source})"
    if error.errno == errno.ENOSPC:
        return MariabackupError(
            f"No space left on {where} while the backup was staged.",
            "Make room there, then run the same task again; the server has not been touched.",
        )
    if error.errno == errno.EDQUOT:
        return MariabackupError(
            f"The disk quota on {where} is used up.",
            "Raise it, then run the same task again; the server has not been touched.",
        )
    if error.errno == errno.EIO:
        return MariabackupError(
            f"Input/output error at {name} while {src} was staged on {where}.",
            "Look at the kernel's log for the disk that failed; the server has not been touched.",
        )
    return MariabackupError(
        f"Could not stage {src} on {where}: {error.strerror}: {name}.",
        "Mend the cause, then run the same task again; the server has not been touched.",
    )
