# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts a backup into a staging directory: cloned, copied or moved, in parallel, with checksums on the way.

It does what ``mariadb-backup --copy-back`` does, with three differences: RocksDB's files are never hard links, nothing is
left out silently, and the caller syncs once at the end (the tool never does).
"""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Callable

from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.copying import (
    Limiter,
    Meter,
    copy_data,
    copy_hashed,
    disk_error,
    hash_file,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.inspect import same_mount
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.layout import NEVER_OWNED
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.probe import clone_fd
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.files import sync_file_system

FILE_MODE = 0o660
DIR_MODE = 0o700

# A file from this size on is copied by several threads at once, in ranges of this size.
RANGE = 256 * 1024 * 1024

_SKIPPED_NAMES = frozenset({"backup-my.cnf", "xtrabackup_binary"})
_SKIPPED_ENDS = ("_binlog_info", "_checkpoints", ".qp", ".pmap", ".tmp")


@dataclass(frozen=True)
class Placed:
    """What was put in place: files, their bytes, ``reflink``, ``copy`` or ``move``, and how many checksums were proven."""

    files: int
    bytes: int
    method: str
    checked: int


@dataclass(frozen=True)
class _File:
    relative: str
    size: int
    sparse: bool
    mtime_ns: int
    atime_ns: int


def skipped(relative: str) -> bool:
    """Tell whether the tool's copy-back leaves this file of a backup out [src 11.8 backup_copy.cc]."""
    name = os.path.basename(relative)
    return name in _SKIPPED_NAMES or name.endswith(_SKIPPED_ENDS)


def copy_tree(
    src: str,
    dst: str,
    *,
    workers: int | None = None,
    method: str = "auto",
    checksums: Mapping[str, str] | None = None,
    skip: Callable[[str], bool] = skipped,
    bandwidth_limit: int | None = None,
    on_bytes: Callable[[int], None] | None = None,
) -> Placed:
    """Put the tree ``src`` at ``dst``.

    Directories get mode 0700 and files 0660, as the server makes them; times are kept; owner is the caller. Nothing is
    synced, but for ``move`` across file systems, where the source is removed only after a sync.

    Args:
        src: the backup.
        dst: a directory that is empty or missing. For ``move`` it may hold what an interrupted run moved already.
        workers: threads; default: one more than the processors, at most 8.
        method: ``reflink`` (an error where the file systems cannot), ``copy``, ``move``, or ``auto``: reflink, else copy.
        checksums: SHA-256 in hex by relative path. Every file must be named, and every name must be there. A copied file is
            hashed as the very bytes that are written. A clone is hashed itself: it shares the blocks of the source, so the proof
            is one of the disk. A file to be moved is hashed before anything is moved.
        skip: tells which relative paths stay behind.
        bandwidth_limit: bytes per second that are read and written.
        on_bytes: told from any thread how many bytes were just placed (holes count).

    Raises:
        MariabackupError: a checksum or a file that does not fit, a symbolic link or special file in ``src``, or a
            failing disk. What was placed so far stays, for the caller to remove (or, with ``move``, to go on with).
    """
    if method not in ("auto", "reflink", "copy", "move"):
        raise ValueError(method)

    def left_out(relative: str) -> bool:
        # Where a datadir is a mount point, the tool takes lost+found for a schema and backs it up.
        return relative.split("/")[0] in NEVER_OWNED or skip(relative)

    directories, files = _scan(src, left_out)
    moving = method == "move"
    if os.path.isdir(dst) and not moving and os.listdir(dst):
        raise MariabackupError(f"The staging directory {dst} is not empty.", "Remove it, then run the same task again.")
    job = _Job(src, dst, method, checksums, Limiter(bandwidth_limit), Meter(on_bytes))
    try:
        if checksums is not None:
            _compare_names(src, dst if moving else None, files, checksums, left_out)
        os.makedirs(dst, DIR_MODE, exist_ok=True)
        os.chmod(dst, DIR_MODE)
        for relative in directories:
            os.makedirs(os.path.join(dst, relative), DIR_MODE, exist_ok=moving)
        count = workers or min(8, (os.cpu_count() or 1) + 1)
        return job.move(files, directories, count) if moving else job.copy(files, count)
    except OSError as error:
        raise disk_error(error, src, dst) from error


def _scan(src: str, skip: Callable[[str], bool]) -> tuple[list[str], list[_File]]:
    """Return the directories (parents first) and files (largest first) of a tree."""
    directories: list[str] = []
    files: list[_File] = []
    pending = [""]
    while pending:
        current = pending.pop()
        with os.scandir(os.path.join(src, current)) as found:
            for entry in found:
                relative = os.path.join(current, entry.name)
                info = entry.stat(follow_symlinks=False)
                if skip(relative):
                    continue
                if stat.S_ISDIR(info.st_mode):
                    directories.append(relative)
                    pending.append(relative)
                elif stat.S_ISREG(info.st_mode):
                    sparse = info.st_blocks * 512 < info.st_size
                    files.append(_File(relative, info.st_size, sparse, info.st_mtime_ns, info.st_atime_ns))
                else:
                    kind = "symbolic link" if stat.S_ISLNK(info.st_mode) else "special file"
                    raise MariabackupError(
                        f"The backup holds a {kind}: {os.path.join(src, relative)}.",
                        "Mariabackup writes none, so somebody else did. Find out what it is for, and remove it.",
                    )
    directories.sort()
    files.sort(key=lambda item: (-item.size, item.relative))
    return directories, files


def _compare_names(
    src: str, moved_to: str | None, files: list[_File], checksums: Mapping[str, str], skip: Callable[[str], bool]
) -> None:
    present = {item.relative for item in files}
    wanted = {relative for relative in checksums if not skip(relative)}
    unknown = sorted(present - wanted)
    missing = sorted(wanted - present)
    if moved_to is not None:
        missing = [relative for relative in missing if not os.path.lexists(os.path.join(moved_to, relative))]
    for names, what in (
        (missing, "lacks files that its manifest lists"),
        (unknown, "holds files that its manifest does not list"),
    ):
        if names:
            more = f" and {len(names) - 5} more" if len(names) > 5 else ""
            raise MariabackupError(
                f"The backup {src} {what}: {', '.join(names[:5])}{more}.",
                "It is not the backup that was taken. Restore another one.",
                details={"entries": names},
            )


class _Job:
    def __init__(
        self,
        src: str,
        dst: str,
        method: str,
        checksums: Mapping[str, str] | None,
        limiter: Limiter,
        meter: Meter,
    ) -> None:
        self.src = src
        self.dst = dst
        self.method = method
        self.checksums = checksums
        self.limiter = limiter
        self.meter = meter
        self.stop = threading.Event()
        # None: not tried yet. A file system that cannot clone one file cannot clone the next.
        self.reflink: bool | None = None if method in ("auto", "reflink") else False
        self.lock = threading.Lock()
        self.cloned = 0
        self.hashers: ThreadPoolExecutor | None = None

    def run(self, work: list[Callable[[], None]], workers: int) -> None:
        """Run ``work`` in order on ``workers`` threads; the first error ends all and is raised."""
        pending = iter(work)
        errors: list[BaseException] = []

        def worker() -> None:
            while not self.stop.is_set():
                with self.lock:
                    item = next(pending, None)
                if item is None:
                    return
                try:
                    item()
                except BaseException as error:
                    errors.append(error)
                    self.stop.set()

        with ThreadPoolExecutor(workers, "place") as pool:
            try:
                wait([pool.submit(worker) for _number in range(workers)])
            except BaseException:
                # A signal: the pool waits for its threads, which end after their present piece.
                self.stop.set()
                raise
        if errors:
            raise errors[0]

    def copy(self, files: list[_File], workers: int) -> Placed:
        work: list[Callable[[], None]] = []
        rest = list(files)
        if self.reflink is None:
            # One file tells whether the others are worth a try, so it goes alone: a small one, but more than a block,
            # because Btrfs keeps tiny files elsewhere.
            first = next((item for item in reversed(files) if item.size > 4096), None)
            if first is not None:
                self.copy_file(first)
                rest.remove(first)
        for item in rest:
            if self.reflink is False and self.checksums is None and item.size > RANGE:
                work.extend(self.in_ranges(item))
            else:
                work.append(lambda item=item: self.copy_file(item))  # type: ignore[misc]
        with ThreadPoolExecutor(workers, "hash") as self.hashers:
            self.run(work, workers)
        method = "reflink" if self.cloned and self.cloned == len([item for item in files if item.size]) else "copy"
        total = sum(item.size for item in files)
        return Placed(len(files), total, method, len(files) if self.checksums is not None else 0)

    def copy_file(self, item: _File) -> None:
        source, target = os.path.join(self.src, item.relative), os.path.join(self.dst, item.relative)
        reader = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            writer = os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
            try:
                os.fchmod(writer, FILE_MODE)
                if item.size and self.reflink is not False and self.clone(reader, writer):
                    digest = hash_file(writer, item.size, self.limiter) if self.checksums is not None else None
                    self.meter.add(item.size)
                elif self.checksums is not None:
                    os.ftruncate(writer, item.size)
                    digest = copy_hashed(
                        reader, writer, item.size, item.sparse, self.limiter, self.meter, self.stop, self.hashers
                    )
                else:
                    os.ftruncate(writer, item.size)
                    copy_data(reader, writer, 0, item.size, item.sparse, self.limiter, self.meter, self.stop)
                    digest = None
                self.check(item, digest)
                self.check_size(item, reader)
                os.utime(writer, ns=(item.atime_ns, item.mtime_ns))
            finally:
                os.close(writer)
        finally:
            os.close(reader)

    def clone(self, reader: int, writer: int) -> bool:
        if clone_fd(reader, writer):
            with self.lock:
                self.reflink = True
                self.cloned += 1
            return True
        if self.method == "reflink":
            raise MariabackupError(
                f"Files of {self.src} cannot be cloned to {self.dst}.",
                "Reflinks need both on one XFS or Btrfs file system. Take another method.",
            )
        if not self.cloned:
            self.reflink = False
        return False

    def in_ranges(self, item: _File) -> list[Callable[[], None]]:
        """Split one large file into work for several threads."""
        source, target = os.path.join(self.src, item.relative), os.path.join(self.dst, item.relative)
        starts = list(range(0, item.size, RANGE))
        left = [len(starts)]
        created = threading.Event()

        def one(start: int) -> None:
            with self.lock:
                if not created.is_set():
                    fd = os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
                    try:
                        os.fchmod(fd, FILE_MODE)
                        os.ftruncate(fd, item.size)
                    finally:
                        os.close(fd)
                    created.set()
            reader = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                writer = os.open(target, os.O_RDWR | os.O_CLOEXEC)
                try:
                    end = min(start + RANGE, item.size)
                    copy_data(reader, writer, start, end, item.sparse, self.limiter, self.meter, self.stop)
                    with self.lock:
                        left[0] -= 1
                        last = left[0] == 0
                    if last:
                        self.check_size(item, reader)
                        os.utime(writer, ns=(item.atime_ns, item.mtime_ns))
                finally:
                    os.close(writer)
            finally:
                os.close(reader)

        return [lambda start=start: one(start) for start in starts]  # type: ignore[misc]

    def check(self, item: _File, digest: str | None) -> None:
        if self.checksums is None or self.stop.is_set():
            return
        wanted = self.checksums[item.relative]
        if digest != wanted.lower():
            raise MariabackupError(
                f"The checksum of {os.path.join(self.src, item.relative)} is {digest}, its manifest says {wanted}.",
                "The backup is damaged. Restore another one, and check the disk that holds this one.",
                details={"entries": [item.relative]},
            )

    def check_size(self, item: _File, reader: int) -> None:
        if os.fstat(reader).st_size != item.size:
            raise MariabackupError(
                f"{os.path.join(self.src, item.relative)} changed while it was read.",
                "Somebody writes to the backup. Wait until that is finished, then run the same task again.",
            )

    def move(self, files: list[_File], directories: list[str], workers: int) -> Placed:
        checked = 0
        if self.checksums is not None:
            wanted = self.checksums
            self.run([lambda item=item: self.check_in_place(item) for item in files], workers)  # type: ignore[misc]
            checked = len([item for item in files if item.relative in wanted])
        if same_mount(self.src, self.dst):
            for item in files:
                os.rename(os.path.join(self.src, item.relative), os.path.join(self.dst, item.relative))
                self.meter.add(item.size)
            sync_file_system(self.dst)
        else:
            for item in files:
                # What an interrupted run left here may be half a file: the source still has all of it.
                target = os.path.join(self.dst, item.relative)
                if os.path.lexists(target):
                    os.unlink(target)
            known, self.checksums = self.checksums, None
            self.reflink = None
            self.run([lambda item=item: self.copy_file(item) for item in files], workers)  # type: ignore[misc]
            self.checksums = known
            sync_file_system(self.dst)
            for item in files:
                os.unlink(os.path.join(self.src, item.relative))
        for relative in reversed(directories):
            try:
                os.rmdir(os.path.join(self.src, relative))
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
        return Placed(len(files), sum(item.size for item in files), "move", checked)

    def check_in_place(self, item: _File) -> None:
        fd = os.open(os.path.join(self.src, item.relative), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            self.check(item, hash_file(fd, item.size, self.limiter))
        finally:
            os.close(fd)
