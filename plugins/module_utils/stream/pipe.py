# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pipes between mariadb-backup or mbstream and a stored stream: each gives its user one descriptor.

Two rules make them safe. A sink sees the end of a stream only when everything before it has succeeded, so that no
program takes a stream that was cut short for a whole one. And whoever fails is told from those who fail because of it:
the pipe keeps its copy of the user's descriptor open while the tool runs, so what ends before that has ended too early.
"""

from __future__ import annotations

import array
import errno
import fcntl
import os
import stat
import termios
from collections.abc import Sequence
from typing import Callable

from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.stream import children
from ansible_collections.dba.mariabackup.plugins.module_utils.stream.children import Child
from ansible_collections.dba.mariabackup.plugins.module_utils.stream.plumbing import Passed, Pipe
from ansible_collections.dba.mariabackup.plugins.module_utils.stream.programs import OTHER_BACKUP, Filter
from ansible_collections.dba.mariabackup.plugins.module_utils.stream.pump import Brake, End, Pump

_MEND = "Mend what the log of the stream tells, then run the task again."


class OutputPipe(Pipe):
    """Takes what the tool writes, through filters, into a file or another program.

    Enter it and leave it in a thread that lives as long as the work: the kernel ends the programs with that thread.

    Args:
        filters: in the order of the stream.
        sink: an open descriptor, which stays open and is flushed to disk by ``finish``; or a program that stores what
            it reads.
        log_path: the programs' stderr is appended to it; created with mode 0600. Not the tool's own log, whose last
            line must be the tool's.
        on_bytes: called with the number of bytes of each stored piece, from another thread.
        checksum: compute the SHA-256 of what is stored.
        low_priority: lower CPU and (through it) I/O priority of the programs, and first in line when memory runs out.
    """

    def __init__(
        self,
        filters: Sequence[Filter],
        sink: int | Filter,
        log_path: str,
        on_bytes: Callable[[int], None] | None = None,
        checksum: bool = True,
        *,
        low_priority: bool = True,
    ) -> None:
        super().__init__(log_path, low_priority)
        self._filters = tuple(filters)
        self._sink = sink
        self._on_bytes = on_bytes
        self._checksum = checksum
        self._target = -1

    def _build(self) -> None:
        reader, self.fd = self._new_pipe()
        reader = self._start_filters(self._filters, reader)
        if isinstance(self._sink, Filter):
            sink_reader, self._target = self._new_pipe()
            self._start(self._sink, sink_reader, self._log_fd)
        else:
            self._target = self._sink
        # The pump does not close the target: that would tell a program that the stream is whole.
        self._start_pump(Pump(reader, self._target, owned=(reader,), checksum=self._checksum, on_bytes=self._on_bytes))

    def finish(self, writer_failed: bool = False) -> Passed:
        """Close the caller's end and wait until all of the stream is stored; the pipe is over then, in any case.

        Args:
            writer_failed: the tool has failed. Nothing is stored then, and the error, if there is one, tells what
                made it fail; without one the tool failed by itself.

        Raises:
            MariabackupError: a program failed or did not take all of the stream, or the sink cannot be written; it
                names the one that failed first, not those that failed because of it.
        """
        try:
            early = [child for child in self._children if not child.running]
            if early or writer_failed:
                self._settle()
                early = [child for child in self._children if not child.running]
                self._end()
            else:
                self._close(self.fd)
                whole = self._wait(self._children[: len(self._filters)]) and not self._broken()
                early = [child for child in self._children[len(self._filters) :] if not child.running]
                if whole and not early and isinstance(self._sink, Filter):
                    self._close(self._target)
                    self._wait(self._children)
                self._end()
            error = self._verdict(early, writer_failed)
            if error is not None:
                raise error
            if not writer_failed:
                self._flush()
            return self._passed()
        finally:
            self.abort()

    def _flush(self) -> None:
        """Bring the sink to disk: a full disk or quota may show only now."""
        if not isinstance(self._sink, Filter) and stat.S_ISREG(os.fstat(self._sink).st_mode):
            try:
                os.fsync(self._sink)
            except OSError as error:
                raise self._sink_error(error) from error

    def _verdict(self, early: Sequence[Child], writer_failed: bool) -> BaseException | None:
        """Return the error of whoever broke the pipe.

        Args:
            early: the programs that ended before their input did.
        """
        pump = self._pump
        if pump is None:
            return None
        if pump.end is End.CRASHED:
            return pump.error
        if isinstance(pump.error, OSError):
            return self._sink_error(pump.error)
        failed = children.first_failed(self._children)
        if failed is not None:
            return self._failure(failed, _MEND)
        idle = [child for child in early if child.rc == 0]
        if pump.end is End.READER_GONE and isinstance(self._sink, Filter):
            idle.append(self._children[-1])
        idle += children.deaf(self._children[: len(self._filters)])
        if idle:
            return self._unfinished(idle[0].program.name, _MEND)
        odd = next((child for child in self._children if child.broken_pipe), None)
        if odd is not None:
            return self._failure(odd, _MEND)
        return None if writer_failed else self._hung(_MEND)

    def _sink_error(self, error: OSError) -> MariabackupError:
        path = _path_of(self._sink)
        count = self._pump.count if self._pump is not None else 0
        if error.errno == errno.ENOSPC:
            return MariabackupError(
                f"No space left for {path} after {count} bytes.",
                "Make room there, or store the backups on a larger file system, then run the task again.",
            )
        if error.errno == errno.EDQUOT:
            return MariabackupError(
                f"The disk quota for {path} is used up after {count} bytes.", "Raise it, then run the task again."
            )
        return MariabackupError(
            f"Could not write {path} after {count} bytes: {error.strerror}.",
            "Mend the cause, then run the task again.",
        )


class InputPipe(Pipe):
    """Gives the tool a stored stream to read, through filters, and proves that it is the one that was stored.

    Enter it and leave it in a thread that lives as long as the work: the kernel ends the programs with that thread.

    Args:
        source: an open descriptor, read from where it stands and left open; or a program that writes the stream.
        filters: in the order in which the stored bytes go through them.
        log_path: the programs' stderr is appended to it; created with mode 0600. Not the tool's own log.
        expected_bytes: the length that the stored stream must have.
        expected_sha256: the SHA-256 that it must have, in hexadecimal digits.
        on_bytes: called with the number of bytes of each piece that was read, from another thread.
        limiter: slows the reading down.
        low_priority: as for ``OutputPipe``.
    """

    def __init__(
        self,
        source: int | Filter,
        filters: Sequence[Filter],
        log_path: str,
        *,
        expected_bytes: int | None = None,
        expected_sha256: str | None = None,
        on_bytes: Callable[[int], None] | None = None,
        limiter: Brake | None = None,
        low_priority: bool = True,
    ) -> None:
        super().__init__(log_path, low_priority)
        self._source = source
        self._filters = tuple(filters)
        self._expected_bytes = expected_bytes
        self._expected_sha256 = expected_sha256
        self._on_bytes = on_bytes
        self._limiter = limiter

    def _build(self) -> None:
        following, target = self._new_pipe()
        if isinstance(self._source, Filter):
            reader, writer = self._new_pipe()
            self._start(self._source, None, writer)
            owned: tuple[int, ...] = (reader, target)
        else:
            reader = self._source
            owned = (target,)
        self.fd = self._start_filters(self._filters, following)
        self._start_pump(
            Pump(
                reader,
                target,
                owned=owned,
                limit=self._expected_bytes,
                brake=self._limiter,
                on_bytes=self._on_bytes,
            )
        )

    def finish(self, reader_failed: bool = False) -> Passed:
        """Prove that all of the stream was read and was right; the pipe is over then, in any case.

        Args:
            reader_failed: the tool has failed. The error, if there is one, tells what made it fail; without one the
                tool failed by itself, and the numbers are those of what was read until then.

        Raises:
            MariabackupError: a program failed; the stored stream cannot be read, is shorter or longer than expected
                or has another checksum; the tool or a filter did not read all of it.
        """
        try:
            unread = _unread(self.fd)
            if reader_failed:
                # What ends after the caller's descriptor is closed ends because of that.
                self._settle()
                self._end()
            else:
                self._close(self.fd)
                if not self._wait(self._children, hurry=True):
                    self._end()
            error = self._verdict(reader_failed, unread)
            if error is not None:
                raise error
            return self._passed()
        finally:
            self.abort()

    def _verdict(self, reader_failed: bool, unread: int) -> BaseException | None:
        """Return the error of whoever broke the pipe; the source comes first, all others depend on it."""
        pump = self._pump
        if pump is None:
            return None
        if pump.end is End.CRASHED:
            return pump.error
        if isinstance(pump.error, OSError):
            return MariabackupError(
                f"Could not read {_path_of(self._source)} after {pump.count} bytes: {pump.error.strerror}.",
                OTHER_BACKUP,
            )
        first = 1 if isinstance(self._source, Filter) else 0
        failed = children.first_failed(self._children[:first])
        if failed is not None:
            return self._failure(failed, _MEND)
        wrong = self._difference(pump)
        if wrong is not None:
            return MariabackupError(wrong, OTHER_BACKUP)
        failed = children.first_failed(self._children[first:])
        if failed is not None:
            return self._failure(failed, OTHER_BACKUP)
        if reader_failed:
            return None
        filters = self._children[first:]
        deaf = children.deaf(filters)
        if not deaf and pump.end is End.READER_GONE and filters and not filters[0].broken_pipe:
            deaf = filters[:1]
        if deaf:
            return self._unfinished(deaf[0].program.name, OTHER_BACKUP)
        if unread or pump.end is not End.COMPLETE or any(child.broken_pipe for child in filters):
            return self._unfinished("The program that was given the stream", "Read its log.")
        return self._hung(_MEND)

    def _difference(self, pump: Pump) -> str | None:
        """Say in what the stored stream differs from the one that was expected, as far as it was read."""
        path = _path_of(self._source)
        if pump.end is End.TOO_LONG:
            return f"The stored stream {path} is longer than the {self._expected_bytes} bytes that were stored."
        if pump.end is not End.COMPLETE:
            return None
        if self._expected_bytes is not None and pump.count != self._expected_bytes:
            return f"The stored stream {path} ends after {pump.count} of {self._expected_bytes} bytes."
        found = pump.sha256
        if self._expected_sha256 is not None and found != self._expected_sha256.lower():
            return f"The stored stream {path} has been altered: its SHA-256 is {found}, not {self._expected_sha256}."
        return None


def _path_of(end: int | Filter) -> str:
    """Return what to call the stored stream."""
    if isinstance(end, Filter):
        return f"from {end.name}"
    try:
        return os.readlink(f"/proc/self/fd/{end}")
    except OSError:
        return f"descriptor {end}"


def _unread(fd: int) -> int:
    """Return how many bytes wait in a pipe."""
    count = array.array("i", [0])
    fcntl.ioctl(fd, termios.FIONREAD, count)
    return count[0]
