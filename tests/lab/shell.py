# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running programs on the machine, locks between processes, and the one error type."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path


class LabError(Exception):
    """The lab cannot do what was asked; the text says why, with the output of the program that failed."""


def clean_environment() -> dict[str, str]:
    """An environment that does not depend on who started the lab. Proxies are kept: a mirror may need them."""
    environment = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root",
        "LC_ALL": "C.UTF-8",
        "DEBIAN_FRONTEND": "noninteractive",
    }
    for name in ("http_proxy", "https_proxy", "no_proxy"):
        if name in os.environ:
            environment[name] = os.environ[name]
    return environment


def execute(
    argv: Sequence[str],
    *,
    check: bool = True,
    input: bytes | None = None,  # pylint: disable=redefined-builtin
    timeout: float | None = 120,
    cwd: Path | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run argv and collect its output. At the timeout (seconds) its whole process group is killed.

    It dies with the lab: a test run that is killed must not go on mounting behind the back of the next one.

    :raises LabError: it failed (with check), or took too long
    """
    with subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", *argv],
        stdin=subprocess.PIPE if input is not None else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=clean_environment(),
        start_new_session=True,
        cwd=cwd,
    ) as process:
        try:
            out, err = process.communicate(input, timeout=timeout)
        except subprocess.TimeoutExpired:
            # nsenter waits for a child in another pid namespace; both are in this group
            kill_group(process.pid)
            out, err = process.communicate()
            raise LabError(f"{describe(argv)} took more than {timeout} s\n{tail(out)}{tail(err)}") from None
        except BaseException:
            kill_group(process.pid)
            raise
    if check and process.returncode != 0:
        raise LabError(f"{describe(argv)} ended with {process.returncode}\n{tail(out)}{tail(err)}")
    return subprocess.CompletedProcess(list(argv), process.returncode, out, err)


def output(argv: Sequence[str], timeout: float | None = 120) -> str:
    """The standard output of a program that must succeed."""
    return execute(argv, timeout=timeout).stdout.decode(errors="replace")


def kill_group(pid: int) -> None:
    """Kill a process group started here."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def describe(argv: Sequence[str]) -> str:
    """A command line, short enough for a message."""
    text = " ".join(argv)
    return text if len(text) <= 300 else text[:297] + "..."


def tail(data: bytes, limit: int = 4000) -> str:
    """The end of a program's output."""
    text = data.decode(errors="replace").strip()
    return text[-limit:] + "\n" if text else ""


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock between processes and threads. The kernel lets it go when the holder dies.

    The holder may remove the file: who waits for it then takes the new one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with open(path, "w", encoding="utf-8") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            if path.exists() and os.path.samestat(os.fstat(stream.fileno()), os.stat(path)):
                yield
                return
