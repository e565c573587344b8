# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What both directions of a pipe share: programs in a row, the pump, descriptors, and the end of all of them."""

from __future__ import annotations

import abc
import fcntl
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TypeVar

from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.stream import children
from ansible_collections.dba.mariabackup.plugins.module_utils.stream.children import Child
from ansible_collections.dba.mariabackup.plugins.module_utils.stream.programs import Filter
from ansible_collections.dba.mariabackup.plugins.module_utils.stream.pump import End, Pump

# fcntl.F_SETPIPE_SZ has a name since Python 3.10. Larger pipes need privileges.
_F_SETPIPE_SZ = 1031
_PIPE_BYTES = 1024 * 1024
# A program whose neighbour has failed, or whose reader is done, has this long to end by itself.
_GRACE_SECONDS = 20
# A program that is the cause has closed its pipes a moment before its return code can be read.
_SETTLE_SECONDS = 0.3
_LONGEST_PAUSE = 0.05

_Self = TypeVar("_Self", bound="Pipe")


@dataclass(frozen=True)
class Passed:
    """What went through a pipe.

    Attributes:
        stored_bytes: the length of the stored stream, compressed and encrypted as it lies in the storage.
        sha256: of these bytes, in hexadecimal digits; None where no checksum was asked for.
    """

    stored_bytes: int
    sha256: str | None


class Pipe(abc.ABC):
    """The base of both directions.

    Attributes:
        fd: the caller's descriptor; -1 before the pipe is entered and after it is over.
    """

    def __init__(self, log_path: str, low_priority: bool) -> None:
        self.fd = -1
        self._log_path = log_path
        self._low_priority = low_priority
        self._log_fd = -1
        self._offset = 0
        self._children: list[Child] = []
        self._pump: Pump | None = None
        self._open: set[int] = set()

    def __enter__(self: _Self) -> _Self:
        self._log_fd = os.open(self._log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._open.add(self._log_fd)
        self._offset = os.fstat(self._log_fd).st_size
        try:
            self._build()
        except BaseException:
            self.abort()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()

    def abort(self) -> None:
        """End all programs and the pump and close everything. Nothing happens when the pipe is over already."""
        try:
            self._end()
        finally:
            for fd in list(self._open):
                self._close(fd)
            self.fd = -1

    @abc.abstractmethod
    def _build(self) -> None:
        """Start the programs and the pump, and set ``fd``."""

    def _new_pipe(self) -> tuple[int, int]:
        """Return the reader and the writer of a new pipe."""
        ends = os.pipe()
        self._open.update(ends)
        try:
            fcntl.fcntl(ends[1], _F_SETPIPE_SZ, _PIPE_BYTES)
        except OSError:
            # A user has only so many large pipes; small ones do the same work.
            pass
        return ends

    def _close(self, fd: int) -> None:
        if fd in self._open:
            self._open.discard(fd)
            os.close(fd)

    def _start(self, program: Filter, stdin: int | None, stdout: int) -> Child:
        """Start a program on ends of our pipes, which are its own from then on."""
        child = children.start(
            program, stdin=stdin, stdout=stdout, log_fd=self._log_fd, low_priority=self._low_priority
        )
        self._children.append(child)
        for fd in (stdin, stdout):
            if fd is not None and fd != self._log_fd:
                self._close(fd)
        return child

    def _start_filters(self, filters: Sequence[Filter], reader: int) -> int:
        """Start programs in a row behind ``reader`` and return the reader of the last one's output."""
        for program in filters:
            following, writer = self._new_pipe()
            self._start(program, reader, writer)
            reader = following
        return reader

    def _start_pump(self, pump: Pump) -> None:
        pump.start()
        self._pump = pump
        self._open.difference_update(pump.owned)

    def _end(self) -> None:
        """Stop the pump and the programs, in this order: what a stopped program leaves must not count."""
        if self._pump is not None:
            self._pump.stop()
        try:
            children.end(self._children)
        finally:
            if self._pump is not None:
                self._pump.join()

    def _broken(self) -> bool:
        """Say whether a program or the pump has ended as it should not."""
        pump_failed = self._pump is not None and self._pump.end not in (End.RUNNING, End.COMPLETE)
        return pump_failed or any(child.rc not in (None, 0) for child in self._children)

    def _wait(self, awaited: Sequence[Child], hurry: bool = False, seconds: float | None = None) -> bool:
        """Wait until the pump and the programs are over; return False when they are not in time.

        There is no limit as long as nothing is broken, unless ``hurry``: an upload may take its time. Otherwise the
        limit is ``seconds``, or that of programs whose neighbour has failed.
        """
        deadline: float | None = None
        pause = 0.001
        while any(child.running for child in awaited) or not (self._pump is None or self._pump.done.is_set()):
            if deadline is None and (hurry or self._broken()):
                deadline = time.monotonic() + (_GRACE_SECONDS if seconds is None else seconds)
            if deadline is not None and time.monotonic() >= deadline:
                return False
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
        return True

    def _settle(self) -> None:
        self._wait(self._children, hurry=True, seconds=_SETTLE_SECONDS)

    def _passed(self) -> Passed:
        return Passed(self._pump.count, self._pump.sha256) if self._pump is not None else Passed(0, None)

    def _failure(self, child: Child, action: str) -> MariabackupError:
        return children.failure(child, self._log_path, self._offset, action)

    def _unfinished(
        self, name: str, action: str, what: str = "stopped before the end of the stream"
    ) -> MariabackupError:
        """Make the error of a program that did not fail but did not do its work either."""
        return MariabackupError(
            f"{name} {what}.",
            action,
            log_tail=children.read_tail(self._log_path, self._offset),
            log_path=self._log_path,
        )

    def _hung(self, action: str) -> MariabackupError | None:
        """Make the error of a program that had to be ended though nothing else was wrong."""
        child = next((child for child in self._children if child.stopped), None)
        return self._unfinished(child.program.name, action, "did not end after the stream") if child else None
