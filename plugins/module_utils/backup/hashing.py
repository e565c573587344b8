# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checksums of a backup's files, taken while the tool still copies the others."""

from __future__ import annotations

import contextlib
import hashlib
import os
import queue
import re
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Callable

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.manifest import FileEntry
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.run import NICE

_BUFFER = 1024 * 1024
# A file younger than this when it is read may change again within the same tick of the file system's clock.
_RACY_SECONDS = 0.1
_LOOK_AGAIN_SECONDS = 0.02
_LINE = re.compile(r"^\[(\d\d)\] \d{4}-\d\d-\d\d [ \d]\d:\d\d:\d\d ?(.*)$")
_ENGINE_FILE = re.compile(
    r"^(?:aria table file \./(?P<aria>.+) is copied successfully\.|Copied file \./(?P<common>.+?) for (?:log )?table )"
)


@dataclass(frozen=True)
class _Stamp:
    size: int
    mtime_ns: int
    inode: int


def _stamp(status: os.stat_result) -> _Stamp:
    return _Stamp(status.st_size, status.st_mtime_ns, status.st_ino)


def hash_file(path: str, buffer: bytearray | None = None, stop: threading.Event | None = None) -> str:
    """Return the SHA-256 of a file, hexadecimal.

    Raises:
        OSError: it cannot be read.
        InterruptedError: ``stop`` was set.
    """
    digest = hashlib.sha256()
    view = memoryview(buffer if buffer is not None else bytearray(_BUFFER))
    with open(path, "rb", buffering=0) as stream:
        while True:
            count = stream.readinto(view)
            if not count:
                return digest.hexdigest()
            digest.update(view[:count])
            if stop is not None and stop.is_set():
                raise InterruptedError(path)


class CopyFollower:
    """Learns from the tool's growing log which files it copies, and which it has finished; it never looks at the disk."""

    def __init__(self, target_dir: str, log_path: str, offset: int = 0) -> None:
        self._prefix = f" to {target_dir.rstrip('/')}/"
        self._log_path = log_path
        self._offset = offset
        self._rest = b""
        self._copying: dict[str, str] = {}

    def growing(self) -> list[str]:
        """Return the InnoDB files that the tool was copying at the last poll.

        It writes them from the beginning to the end and never goes back (seen with strace on 10.5, 10.11 and 11.8, for
        page-compressed tables too).
        """
        return [name for name in self._copying.values() if name.endswith(".ibd")]

    def poll(self) -> list[str]:
        """Return the files finished since the last call, as paths inside of the backup."""
        try:
            with open(self._log_path, "rb") as stream:
                stream.seek(self._offset)
                data = stream.read()
        except FileNotFoundError:
            return []
        self._offset += len(data)
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        finished: list[str] = []
        for line in lines:
            name = self._feed(line.decode("utf-8", "surrogateescape"))
            if name is not None:
                finished.append(name)
        return finished

    def _feed(self, line: str) -> str | None:
        match = _LINE.match(line)
        if match is None:
            return None
        thread, message = match.groups()
        if message.startswith("Copying "):
            _source, separator, name = message.partition(self._prefix)
            if separator:
                self._copying[thread] = name
            else:
                self._copying.pop(thread, None)
            return None
        if message.strip() == "...done":
            return self._copying.pop(thread, None)
        engine = _ENGINE_FILE.match(message)
        if engine:
            return engine.group("aria") or engine.group("common")
        return None


class RunningHasher:
    """Hashes files while the tool runs, and the rest afterwards.

    A table that grows is read right behind the tool, so the last large one is not left for the end. A result is kept only
    if the file has not changed since it was read; a file that was too young to tell is read again at the end.
    """

    def __init__(self, directory: str, threads: int = 1) -> None:
        """Start the threads.

        Args:
            directory: the backup.
            threads: how many files are read at once while the tool runs.
        """
        self._directory = directory
        self._queue: queue.Queue[str | None] = queue.Queue()
        self._lock = threading.Lock()
        self._done: dict[str, tuple[_Stamp, str]] = {}
        self._queued: set[str] = set()
        self._complete: set[str] = set()
        self._errors: list[OSError] = []
        self._stop = threading.Event()
        self._tool_runs = True
        self._threads: list[threading.Thread] = []
        self._start(threads)

    def follow(self, names: Iterable[str]) -> None:
        """Take in files that only grow, until ``add`` says that they are finished."""
        self._enqueue(names)

    def add(self, names: Iterable[str]) -> None:
        """Take in files that are finished."""
        found = list(names)
        self._complete.update(found)
        self._enqueue(found)

    def _enqueue(self, names: Iterable[str]) -> None:
        for name in names:
            with self._lock:
                if name in self._queued:
                    continue
                self._queued.add(name)
            self._queue.put(name)

    def abort(self) -> None:
        """Stop at once and forget everything."""
        self._stop.set()
        self._join()

    def finish(
        self, names: Iterable[str], threads: int, on_bytes: Callable[[int], None] | None = None
    ) -> dict[str, FileEntry]:
        """Hash what is left and return every file's size and checksum.

        Args:
            names: all files of the backup.
            threads: how many are read at once now that the tool has ended.
            on_bytes: called with the number of bytes that are behind us.

        Raises:
            OSError: a file cannot be read, or changed while it was read.
        """
        wanted = list(names)
        self._tool_runs = False
        self._start(max(0, threads - len(self._threads)))
        for attempt in range(3):
            pending = [name for name in wanted if not self._settled(name)]
            if not pending:
                break
            # Largest first, so that no thread is left alone with a big one at the end.
            pending.sort(key=lambda name: -self._size(name))
            if attempt:
                # In the first round what waits already, or is being read now, is not queued again.
                with self._lock:
                    self._queued.clear()
            self.add(pending)
            self._wait(wanted, on_bytes)
        self._join()
        if self._errors:
            raise self._errors[0]
        result: dict[str, FileEntry] = {}
        for name in wanted:
            os.stat(os.path.join(self._directory, name))
            if not self._settled(name):
                raise OSError(f"{name} changed while its checksum was taken")
            stamp, digest = self._done[name]
            result[name] = FileEntry(stamp.size, digest)
        return result

    def _wait(self, wanted: list[str], on_bytes: Callable[[int], None] | None) -> None:
        while self._queue.unfinished_tasks:
            time.sleep(0.01)
            if on_bytes is not None:
                with self._lock:
                    on_bytes(sum(stamp.size for stamp, _digest in self._done.values()))

    def _start(self, count: int) -> None:
        for _number in range(count):
            thread = threading.Thread(target=self._work, daemon=True)
            self._threads.append(thread)
            thread.start()

    def _join(self) -> None:
        for _thread in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()
        self._threads = []

    def _size(self, name: str) -> int:
        try:
            return os.stat(os.path.join(self._directory, name)).st_size
        except OSError:
            return 0

    def _settled(self, name: str) -> bool:
        """Whether what we know of a file is what lies there now."""
        known = self._done.get(name)
        if known is None:
            return False
        status = os.stat(os.path.join(self._directory, name))
        return known[0] == _stamp(status)

    def _work(self) -> None:
        # On Linux this is the priority of one thread. The server comes first, and the tool no later than this.
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
        buffer = bytearray(_BUFFER)
        while True:
            name = self._queue.get()
            try:
                if name is None:
                    return
                if not self._stop.is_set():
                    self._hash(name, buffer)
            finally:
                self._queue.task_done()

    def _hash(self, name: str, buffer: bytearray) -> None:
        path = os.path.join(self._directory, name)
        try:
            if name not in self._complete and self._tool_runs:
                before, digest = self._read_behind(name, path, buffer)
                racy = False
            else:
                before = os.stat(path)
                racy = time.time() - before.st_mtime < _RACY_SECONDS
                digest = hash_file(path, buffer, self._stop)
            after = os.stat(path)
        except (FileNotFoundError, InterruptedError):
            # The tool renames and drops files when tables change under it; finish() sees what is there.
            return
        except OSError as error:
            with self._lock:
                self._errors.append(error)
            return
        if _stamp(before) == _stamp(after) and not (racy and self._tool_runs):
            with self._lock:
                self._done[name] = (_stamp(after), digest)

    def _read_behind(self, name: str, path: str, buffer: bytearray) -> tuple[os.stat_result, str]:
        """Hash a file that grows until it is finished; return how it was then, and its checksum.

        Raises:
            OSError: it cannot be read, or became shorter (InterruptedError: leave it to ``finish``).
        """
        digest = hashlib.sha256()
        view = memoryview(buffer)
        position = 0
        with open(path, "rb", buffering=0) as stream:
            while not self._stop.is_set():
                finished = name in self._complete or not self._tool_runs
                count = stream.readinto(view)
                if count:
                    digest.update(view[:count])
                    position += count
                    continue
                status = os.fstat(stream.fileno())
                if status.st_size < position:
                    break
                old_enough = not self._tool_runs or time.time() - status.st_mtime >= _RACY_SECONDS
                if finished and old_enough and status.st_size == position:
                    return status, digest.hexdigest()
                time.sleep(_LOOK_AGAIN_SECONDS)
        raise InterruptedError(path)


def hash_tree(
    directory: str, names: Iterable[str], threads: int, on_bytes: Callable[[int], None] | None = None
) -> dict[str, FileEntry]:
    """Hash files of a directory in which nothing changes any more.

    Raises:
        OSError: a file cannot be read.
    """
    hasher = RunningHasher(directory, threads)
    try:
        return hasher.finish(names, threads, on_bytes)
    except BaseException:
        hasher.abort()
        raise
