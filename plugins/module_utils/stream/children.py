# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts and ends the programs of one pipe, and tells which of them broke it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence

from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.stream import encryption
from ansible_collections.dba.mariabackup.plugins.module_utils.stream.programs import Filter
from ansible_collections.dba.mariabackup.plugins.module_utils.tool import run as tool_run
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.log import TAIL_LINES

_TERMINATE_SECONDS = 5
_TAIL_BYTES = 64 * 1024
_CANNOT_RUN = 127
_BROKEN_PIPE = 128 + signal.SIGPIPE
# Python ignores SIGPIPE, and what it starts would inherit that: a program whose neighbour died would then fail with a
# code and a message of its own, and look like the cause.


class Child:
    """A program of a pipe that was started.

    Attributes:
        stopped: it was still running when we ended it, so its return code says nothing.
    """

    def __init__(self, program: Filter, process: subprocess.Popen[bytes]) -> None:
        self.program = program
        self.process = process
        self.stopped = False

    @property
    def rc(self) -> int | None:
        """The return code; 128 plus the signal's number when a signal ended it; None while it runs."""
        rc = self.process.poll()
        return rc if rc is None or rc >= 0 else 128 - rc

    @property
    def running(self) -> bool:
        """It has not ended."""
        return self.rc is None

    @property
    def broken_pipe(self) -> bool:
        """It died because nobody read what it wrote."""
        return not self.stopped and self.rc == _BROKEN_PIPE

    @property
    def failed(self) -> bool:
        """It failed for a reason of its own."""
        return not self.stopped and self.rc not in (None, 0, _BROKEN_PIPE)


def start(program: Filter, *, stdin: int | None, stdout: int, log_fd: int, low_priority: bool) -> Child:
    """Start a program in our own process group; the kernel kills it when the calling thread ends.

    Args:
        stdin: a descriptor; None for no input.
        log_fd: where its stderr goes, open for appending.

    Raises:
        MariabackupError: the system cannot start another process.
    """
    try:
        process = subprocess.Popen(  # pylint: disable=consider-using-with
            [*tool_run.starter(low_priority=low_priority, ends_on_broken_pipe=True), *program.argv],
            stdin=subprocess.DEVNULL if stdin is None else stdin,
            stdout=stdout,
            stderr=log_fd,
            pass_fds=program.pass_fds,
            # Their words are looked at, and shown beside English ones.
            env={**os.environ, "LC_ALL": "C"},
        )
    except OSError as error:
        raise MariabackupError(
            f"{program.name} could not be started: {error.strerror}.",
            "Free memory, processes or file descriptors on this host, then run the task again.",
            cmd=tool_run.mask(program.argv),
        ) from error
    return Child(program, process)


def end(children: Sequence[Child]) -> None:
    """Stop those that run, politely first so that a program may clean up what it has stored, and reap them."""
    running = [child for child in children if child.running]
    try:
        for child in running:
            child.stopped = True
            child.process.terminate()
        deadline = time.monotonic() + _TERMINATE_SECONDS
        for child in running:
            try:
                child.process.wait(timeout=max(deadline - time.monotonic(), 0))
            except subprocess.TimeoutExpired:
                break
    finally:
        for child in running:
            child.process.kill()
        for child in running:
            child.process.wait()


def first_failed(children: Sequence[Child]) -> Child | None:
    """Return the one that broke the pipe, from children in the order of the stream.

    Those before it die of SIGPIPE; those after it see a stream that is cut short and may complain as well.
    """
    return next((child for child in children if child.failed), None)


def deaf(children: Sequence[Child]) -> list[Child]:
    """Return the one that stopped reading what another of the children, in the order of the stream, was writing."""
    for child, following in reversed(list(zip(children, children[1:]))):
        if following.broken_pipe:
            # Then it was somebody behind all of them.
            break
        if child.broken_pipe:
            return [following]
    return []


def read_tail(log_path: str, offset: int) -> list[str]:
    """Return the last lines that were added to a log since it had ``offset`` bytes."""
    with open(log_path, "rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        stream.seek(max(offset, size - _TAIL_BYTES))
        lines = stream.read().decode("utf-8", "replace").splitlines()
    return [line for line in lines if line.strip()][-TAIL_LINES:]


def failure(child: Child, log_path: str, offset: int, action: str) -> MariabackupError:
    """Make the error of a child that failed.

    Args:
        log_path: the log of the pipe.
        offset: where in it the pipe begins, in bytes.
        action: what to do where the program's own words do not tell.
    """
    tail = read_tail(log_path, offset)
    name, rc = child.program.name, child.rc or 0
    known = encryption.explain(tail) if name == "age" and 0 < rc < 128 else None
    if known:
        cause, action = known
    elif rc > 128:
        number = rc - 128
        signal_name = signal.Signals(number).name if number in set(signal.Signals) else str(number)
        cause = f"{name} was ended by {signal_name}."
        action = "Find out who ended it (the kernel log names what it killed for memory), then run the task again."
    elif rc == _CANNOT_RUN and any(f"cannot run {child.program.argv[0]}" in line for line in tail):
        cause = f"{name} could not be started: {_words(tail, child.program.argv[0])}."
        action = f"Check the installation of {name}, then run the task again."
    else:
        words = _words(tail, name)
        cause = f"{name} failed with return code {rc}" + (f": {words}." if words else " and said nothing.")
        action = child.program.action("\n".join(tail)) or action
    return MariabackupError(
        cause, action, cmd=tool_run.mask(child.program.argv), rc=rc, log_tail=tail, log_path=log_path
    )


def _words(tail: Sequence[str], name: str) -> str:
    """Return the last line that names the program, or the last that continues no other, without the full stop."""
    begun = [line for line in tail if not line[:1].isspace()] or tail
    line = next((line for line in reversed(begun) if name in line), begun[-1] if begun else "")
    return "".join(character for character in line if character.isprintable()).strip().rstrip(".")
