# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stopping a job at an exact place, and killing it, its programs, or the whole host there."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.integration.harness.modules import Running
from tests.integration.harness.server import STATE_DIR, Server, show, wait_for

#: the program's names, for ``wait_program`` and ``kill_program``
TOOL = ("mariadb-backup", "mariabackup")


def set_breakpoint(server: Server, *names: str) -> None:
    """Make the next job that comes to the point ``name`` (``Context.point``) stop itself there."""
    folder = f"{STATE_DIR}/breakpoints"
    server.run(["install", "-d", "-m", "0700", STATE_DIR, folder])
    for name in names:
        server.path(f"{folder}/{name}").touch()


def clear_breakpoints(server: Server) -> None:
    """Let later jobs pass."""
    server.run(["rm", "-rf", f"{STATE_DIR}/breakpoints"])


def runners(server: Server) -> list[int]:
    """Return our own processes among those of the jobs (not the tool, not a copier), as this machine numbers them."""
    return [pid for pid in server.job_pids() if ".pyz" in " ".join(_argv(pid))]


def _argv(pid: int) -> list[str]:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    return []


def _state(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0]
    return ""


def wait_stopped(server: Server, running: Running | None = None, timeout: float = 60) -> int:
    """Wait until a runner stands at its breakpoint; return its process id on this machine."""

    def stopped() -> int:
        found = [pid for pid in runners(server) if _state(pid) == "T"]
        if not found and running is not None and running.done():
            raise AssertionError(f"{running.name} ended before the breakpoint\n{show(running.result())}")
        return found[0] if found else 0

    return int(wait_for(stopped, f"{server.name}: a runner at its breakpoint", timeout))


def proceed(server: Server) -> None:
    """Let every stopped runner go on."""
    for pid in runners(server):
        if _state(pid) == "T":
            os.kill(pid, signal.SIGCONT)


def kill_runner(server: Server, number: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal to our own process alone and, for SIGKILL, wait until the whole job is gone."""
    found = runners(server)
    assert found, f"{server.name}: no job is running"
    for pid in found:
        # The kernel ends the others of a pipe with the first.
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
    if number == signal.SIGKILL:
        wait_for(lambda: not server.job_pids(), f"{server.name}: the job is gone")


def wait_program(server: Server, names: Sequence[str], timeout: float = 60) -> int:
    """Wait until a job runs one of these programs; return its process id on this machine."""

    def found() -> int:
        for pid in server.job_pids():
            argv = _argv(pid)
            # Not the short run that asks a program for its version.
            if argv and os.path.basename(argv[0]) in names and "--version" not in argv:
                return pid
        return 0

    return int(wait_for(found, f"{server.name}: a job that runs {' or '.join(names)}", timeout, pause=0.001))


def wait_command(server: Server, *words: str, timeout: float = 60) -> int:
    """Wait until a job runs a command that has all of these words, its program's name among them; return its process id."""

    def found() -> int:
        for pid in server.job_pids():
            argv = _argv(pid)
            if argv and set(words) <= {os.path.basename(argv[0]), *argv[1:]}:
                return pid
        return 0

    return int(wait_for(found, f"{server.name}: a job that runs {' '.join(words)}", timeout, pause=0.001))


def kill_program(server: Server, names: Sequence[str] = TOOL) -> None:
    """Wait until a job runs one of these programs and kill it at once."""
    os.kill(wait_program(server, names), signal.SIGKILL)


def lose_connection(server: Server, process: subprocess.Popen[str]) -> None:
    """Kill ansible-playbook and the host's ssh sessions, with all that these have started."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    server.run("pkill -KILL -f '^sshd(-session)?: root'; systemctl stop 'ssh@*.service'; true")
    wait_for(lambda: "ansible" not in server.out("ps -eo args"), "no process of the connection is left")


@contextlib.contextmanager
def frozen(server: Server, pid: int) -> Iterator[None]:
    """Hold a process where it is, and let it go on afterwards if it still lives."""
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: _state(pid) in ("T", ""), f"{server.name}: process {pid} stands")
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def backup_half_way(server: Server, target_dir: str, **options: Any) -> Iterator[Running]:
    """Start the module backup and hold mariadb-backup where it has begun to copy; afterwards it goes on, if it lives."""
    running = server.start_module("backup", target_dir=target_dir, **options)
    begun = server.path(f"{target_dir}.partial/ibdata1")
    mounted = server.run(["mountpoint", "-q", os.path.dirname(target_dir)], check=False).returncode == 0
    pid = wait_program(server, TOOL)
    os.kill(pid, signal.SIGSTOP)
    # In small steps, so that it cannot be through before we look.
    while not (server.exists(f"{target_dir}.partial/ibdata1") if mounted else begun.exists()):
        assert _state(pid), f"{server.name}: the tool ended early\n{show(running.result())}"
        os.kill(pid, signal.SIGCONT)
        time.sleep(0.005)
        os.kill(pid, signal.SIGSTOP)
    with frozen(server, pid):
        yield running


def power_cut(server: Server, boot: bool = True, degraded: bool = True) -> None:
    """Take the host's power away; with ``boot``, wait until it is up again, units that failed allowed."""
    server.host.power_cut()
    if boot:
        boot_again(server, degraded)


def boot_again(server: Server, degraded: bool = True) -> None:
    """Boot a host that is off."""
    server.host.boot(wait=False)
    server.host.wait(degraded=degraded)
