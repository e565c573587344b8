# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the tool: in a process group of its own, which ends with us, at low priority, its words in a log."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Callable

from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.log import (
    LogReader,
    LogReport,
    explain,
    hide_secrets,
)

NICE = 10
OOM_SCORE_ADJ = 500
_TICK_SECONDS = 0.25
_TERMINATE_SECONDS = 20
_CRASHES = (signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE)
# Runs between fork and exec, in a fresh interpreter: a preexec_fn can deadlock where other threads run.
# Arguments: parent's pid, nice, oom_score_adj, umask, whether SIGPIPE ends it, program and its arguments.
# PR_SET_PDEATHSIG is 1; it survives exec. The parent may have died before it was set, hence getppid.
_STARTER = """
import ctypes, os, signal, sys
parent, nice, score, mask, pipe = (int(word) for word in sys.argv[1:6])
ctypes.CDLL(None).prctl(1, 9, 0, 0, 0)
if os.getppid() != parent:
    os._exit(137)
os.umask(mask)
if pipe:
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
if nice:
    try:
        os.setpriority(os.PRIO_PROCESS, 0, max(nice, os.getpriority(os.PRIO_PROCESS, 0)))
    except OSError:
        pass
if score:
    try:
        with open("/proc/self/oom_score_adj", "w") as stream:
            stream.write(str(score))
    except OSError:
        pass
try:
    os.execv(sys.argv[6], sys.argv[6:])
except OSError as error:
    sys.stderr.write("cannot run %s: %s\\n" % (sys.argv[6], error))
    os._exit(127)
"""


@dataclass(frozen=True)
class Outcome:
    """How a run of the tool ended.

    Attributes:
        rc: the return code; 128 plus the signal's number when a signal ended it.
        completed_ok: rc 0 and ``completed OK!`` as the last line. It is necessary for success, not enough.
        tail: the last lines of its log.
        seconds: wall clock.
        report: what was found in its log.
        argv: the command, masked.
        log_offset: where in the log file this run begins, in bytes.
    """

    rc: int
    completed_ok: bool
    tail: list[str]
    seconds: float
    report: LogReport
    argv: list[str]
    log_path: str
    log_offset: int


class _Stopped(BaseException):
    """A signal asks this process to end; raised in the main thread so that everything is cleaned up."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextmanager
def ends_on_signal() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into a MariabackupError inside the block, if nobody else handles them.

    The tool is stopped, temporary files are removed, and the error says that the run was stopped.
    """

    def stop(number: int, _frame: FrameType | None) -> None:
        raise _Stopped(number)

    changed: list[signal.Signals] = []
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, stop)
                changed.append(number)
    try:
        yield
    except _Stopped as stopped:
        name = signal.Signals(stopped.number).name
        raise MariabackupError(
            f"Stopped by {name} before it was finished.", "Run the task again.", rc=128 + stopped.number
        ) from None
    finally:
        for number in changed:
            signal.signal(number, signal.SIG_DFL)


def starter(*, low_priority: bool = True, umask: int = 0o077, ends_on_broken_pipe: bool = False) -> list[str]:
    """Return the command before a program's own that ties it to this thread: the kernel kills it when the thread ends.

    Args:
        low_priority: lower CPU and (through it) I/O priority, and first in line when memory runs out.
        umask: of the program.
        ends_on_broken_pipe: SIGPIPE ends it. Python ignores this signal and would hand that down, and then a program whose
            neighbour has failed ends with an error of its own.
    """
    nice, score = (NICE, OOM_SCORE_ADJ) if low_priority else (0, 0)
    numbers = (os.getpid(), nice, score, umask, int(ends_on_broken_pipe))
    return [sys.executable or "/usr/bin/python3", "-I", "-S", "-c", _STARTER, *(str(number) for number in numbers)]


def mask(argv: Sequence[str]) -> list[str]:
    """Return a command as it may be shown: values of options that hold secrets are replaced."""
    shown = []
    for argument in argv:
        name, separator, _value = argument.partition("=")
        secret = separator and name.startswith("--") and "password" in name and name != "--ask-password"
        shown.append(f"{name}=********" if secret else argument)
    return shown


def run_tool(
    argv: Sequence[str],
    log_path: str,
    *,
    cwd: str | None = None,
    umask: int = 0o077,
    low_priority: bool = True,
    on_tick: Callable[[], None] | None = None,
    pass_fds: Iterable[int] = (),
    stdin: int | None = None,
    stdout: int | None = None,
) -> Outcome:
    """Run the tool to its end and read its log.

    It gets a process group of its own. When this process is asked to end, the tool is stopped and waited for;
    when this process is killed, the kernel kills the tool. The kernel ties that to the calling thread, so call
    this from a thread that lives as long as the work.

    Args:
        argv: an absolute path and arguments, without secrets.
        log_path: both output streams are appended to it; created with mode 0600.
        low_priority: lower CPU and (through it) I/O priority, and first in line when memory runs out.
        on_tick: called about four times a second while the tool runs.
        pass_fds: descriptors that the tool inherits, such as that of its option file.
        stdin: what it reads; None for nothing.
        stdout: where its output goes when that is a stream; None for the log.

    Raises:
        MariabackupError: this process was asked to end, or the program cannot be started.
    """
    started = time.monotonic()
    with open(os.open(log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600), "ab") as log:
        offset = os.fstat(log.fileno()).st_size
        with ends_on_signal():
            rc = _run(argv, log.fileno(), cwd, umask, low_priority, on_tick, tuple(pass_fds), stdin, stdout)
    report = _read_report(log_path, offset)
    return Outcome(
        rc=rc,
        completed_ok=rc == 0 and report.completed,
        tail=report.tail,
        seconds=time.monotonic() - started,
        report=report,
        argv=mask(argv),
        log_path=log_path,
        log_offset=offset,
    )


def _run(
    argv: Sequence[str],
    log_fd: int,
    cwd: str | None,
    umask: int,
    low_priority: bool,
    on_tick: Callable[[], None] | None,
    pass_fds: tuple[int, ...],
    stdin: int | None,
    stdout: int | None,
) -> int:
    process = subprocess.Popen(
        [*starter(low_priority=low_priority, umask=umask), *argv],
        stdin=subprocess.DEVNULL if stdin is None else stdin,
        stdout=log_fd if stdout is None else stdout,
        stderr=log_fd,
        cwd=cwd,
        start_new_session=True,
        pass_fds=pass_fds,
    )
    try:
        while True:
            try:
                rc = process.wait(timeout=_TICK_SECONDS)
                return rc if rc >= 0 else 128 - rc
            except subprocess.TimeoutExpired:
                if on_tick is not None:
                    on_tick()
    finally:
        if process.poll() is None:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Stop the tool and what it started, politely first."""
    for number, seconds in ((signal.SIGTERM, _TERMINATE_SECONDS), (signal.SIGKILL, None)):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            pass
        try:
            process.wait(timeout=seconds)
            return
        except subprocess.TimeoutExpired:
            continue


def _read_report(log_path: str, offset: int) -> LogReport:
    """Read what the run wrote, and blot out in the file what must not stay there."""
    reader = LogReader()
    with open(log_path, "r+b") as stream:
        stream.seek(offset)
        while True:
            start = stream.tell()
            line = stream.readline()
            if not line:
                return reader.report()
            text = line.decode("utf-8", "surrogateescape")
            reader.feed(line.decode("utf-8", "replace"))
            hidden = hide_secrets(text)
            if hidden != text:
                end = stream.tell()
                # In place and of the same length: others may be appending to this log.
                stream.seek(start)
                blotted = hidden.rstrip("\n").encode("utf-8", "surrogateescape").ljust(len(line) - 1)
                stream.write(blotted[: len(line) - 1])
                stream.seek(end)


def failure(outcome: Outcome, mode: str) -> MariabackupError:
    """Make the error of a run that did not succeed; ``mode`` is ``backup``, ``prepare`` or ``copy-back``."""
    finding = explain(outcome.report, mode)
    cause = finding.cause
    if outcome.rc > 128:
        number = outcome.rc - 128
        name = signal.Signals(number).name if number in set(signal.Signals) else str(number)
        if number in _CRASHES:
            cause = f"mariadb-backup crashed with {name} during its {mode}."
            action = "Read its log, and try the newest version of the same series."
        else:
            cause = f"mariadb-backup was ended by {name} during its {mode}."
            action = "Find out who ended it (the kernel log names what it killed for memory), and run it again."
    else:
        action = finding.action
    return MariabackupError(
        cause, action, cmd=outcome.argv, rc=outcome.rc, log_tail=outcome.tail, log_path=outcome.log_path
    )
