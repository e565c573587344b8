# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start a job apart from the connection that asked for it, and wait for what comes of it."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.job import registry
from ansible_collections.dba.mariabackup.plugins.module_utils.job.control import lost
from ansible_collections.dba.mariabackup.plugins.module_utils.job.payload import JOB, runner_command

if TYPE_CHECKING:
    # Never imported here, where it would only cost time: Ansible reads this line and puts the runner, with every
    # operation, into the payload of each module that starts jobs.
    from ansible_collections.dba.mariabackup.plugins.module_utils.job import entry  # noqa: F401 # pylint: disable=unused-import

_START_GRACE = 30.0  # seconds a new process may take to claim its job on a loaded machine


def systemd_is_running() -> bool:
    """Tell whether systemd is this host's init (sd_booted(3): this directory exists)."""
    return os.path.isdir("/run/systemd/system")


def unit_name(instance: str, job_id: str) -> str:
    """Return the name of the transient unit of a job."""
    safe = re.sub(r"[^A-Za-z0-9_.@-]", "_", instance.rsplit(".service", 1)[0])
    return f"dba-mariabackup-{safe}-{job_id}"


def _start(command: list[str], directory: str, instance: str) -> None:
    log = os.path.join(directory, "log")
    if systemd_is_running():
        unit = unit_name(instance, os.path.basename(directory))
        done = subprocess.run(
            # A transient unit outlives the ssh connection everywhere, and its control group takes the tool and the
            # copiers with it when it is killed (facts, "The service").
            ["systemd-run", "--collect", "--quiet", f"--unit={unit}", "--property=TimeoutStopSec=300",
             f"--property=StandardOutput=append:{log}", f"--property=StandardError=append:{log}",
             "--setenv=LC_ALL=C.UTF-8", "--", *command],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise MariabackupError(
                f"systemd-run could not start the unit {unit}.",
                "Read the message below; `systemctl status` tells whether systemd itself is in order.",
                rc=done.returncode,
                log_tail=done.stderr.splitlines()[-10:],
            )
        return
    with open(log, "ab") as stream:
        os.chmod(log, 0o600)
        subprocess.Popen(  # pylint: disable=consider-using-with
            command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, start_new_session=True, close_fds=True,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )  # fmt: skip


def wait(directory: str) -> dict[str, Any]:
    """Wait until the job has a result and return it.

    Raises:
        MariabackupError: the job's process is gone and has left no result (killed, or the machine went down).
    """
    await_start(directory)
    if registry.claimed(directory) and registry.alive(directory):
        registry.wait_until_dead(directory)
    # Whoever does not live has ended, and its result was there before.
    result = registry.result_of(directory)
    if result is None:
        raise _lost(directory)
    registry.mark_heard(directory)
    return result


def await_start(directory: str) -> None:
    """Wait until the job's process has taken its lock, or it has ended already."""
    pause = 0.02
    started = time.monotonic()
    while not registry.claimed(directory) and registry.result_of(directory) is None:
        if time.monotonic() - started > _START_GRACE:
            raise _lost(directory)
        time.sleep(pause)
        pause = min(pause * 1.3, 0.2)


def _lost(directory: str) -> MariabackupError:
    error = lost(os.path.basename(directory), os.path.join(directory, "log"))
    error.log_tail = _tail(os.path.join(directory, "log"))
    return error


def _tail(path: str, lines: int = 10) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return [line.rstrip("\n") for line in stream.readlines()[-lines:]]
    except OSError:
        return []


@dataclass(frozen=True)
class Begun:
    """A job that works, or has worked, for a task.

    Args:
        directory: the job's.
        note: what the user has to know of it; None for a job that the task itself has begun.
    """

    directory: str
    note: str | None = None


def begin(operation: str, params: Mapping[str, Any], state_dir: str, instance: str) -> Begun:
    """Begin ``operation`` as a job of this host.

    A living job that does the same is taken instead, and so is one that has just done it for somebody who lost the connection.

    Args:
        operation: a name in ``job.operations``.
        params: the module's parameters.
        state_dir: the state directory.
        instance: the service's name, for the unit's name.
    """
    begun = _found(operation, params, state_dir)
    if begun is None:
        command = runner_command(state_dir)
        begun = Begun(registry.create_job(state_dir, operation, {**params, "_runner": command}))
        _start([*command, JOB, begun.directory], begun.directory, instance)
    await_start(begun.directory)
    return begun


def _found(operation: str, params: Mapping[str, Any], state_dir: str) -> Begun | None:
    running = registry.find_running(state_dir, operation, params)
    if running is not None:
        return Begun(
            running, f"This very task was running already, as the job {os.path.basename(running)}; this is its result."
        )
    unheard = registry.find_unheard(state_dir, operation, params)
    if unheard is None:
        return None
    return Begun(
        unheard,
        f"Nothing was begun: the job {os.path.basename(unheard)} has done this very task a short while ago, and nobody had got its"
        " result, which this is. Run the task once more to do it again.",
    )
