# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server of ours: a process that we start and stop, without any service manager and without root if need be."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils import files
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.server import error_log, proc
from ansible_collections.dba.mariabackup.plugins.module_utils.server import options as server_options
from ansible_collections.dba.mariabackup.plugins.module_utils.server.base import RESTRICTIONS, Repair, Service
from ansible_collections.dba.mariabackup.plugins.module_utils.server.command import file_errors
from ansible_collections.dba.mariabackup.plugins.module_utils.server.greeting import server_greeting

STOP_TIMEOUT = 900.0


def _outside_of_the_job(argv: Sequence[str]) -> list[str]:
    """Return a command that runs ``argv``, in the same process, where the end of this job does not end it.

    Under systemd a job is a transient unit, and whatever is in the unit's control group ends with it. A scope is a control
    group of its own; ``systemd-run --scope`` becomes the command by exec(2).
    """
    program = shutil.which("systemd-run")
    if program is None or os.geteuid() != 0 or not os.path.isdir("/run/systemd/system"):
        return list(argv)
    return [program, "--scope", "--collect", "--quiet", "--", *argv]


class ProcessService(Service):
    """``<command> --defaults-file=<config_file> --user=<user>``; its record lies in ``<state_dir>/process``."""

    manager = "process"

    def __init__(
        self,
        name: str,
        *,
        state_dir: str,
        key: str,
        command: str | Sequence[str] | None = None,
        config_file: str | None = None,
        user: str | None = None,
        defaults_group_suffix: str | None = None,
    ) -> None:
        super().__init__(name, state_dir=state_dir, key=key)
        if not config_file:
            raise MariabackupError(
                "service_manager is process, but no option file of the server is named.",
                "Set server_config_file to the option file the server starts with.",
            )
        words = shlex.split(command) if isinstance(command, str) else list(command or [])
        self.command = words or [server_options.find_server_binary()]
        self.config_file = config_file
        self.user = user or ""
        self._suffix = defaults_group_suffix
        self._record = os.path.join(state_dir, "process", f"{key}.json")
        self.log_path = os.path.join(state_dir, "process", f"{key}.log")

    def exists(self) -> bool:
        return os.path.isfile(self.config_file)

    def _options(self) -> dict[str, str]:
        return server_options.read_options(self.command[0], self.command_args())

    def main_pid(self) -> int | None:
        record: dict[str, Any] = files.read_json(self._record) or {}
        if record and proc.alive(int(record["pid"]), int(record["ticks"])):
            return int(record["pid"])
        # A server that was started by other means with the same option file writes its own pid file.
        try:
            path = self._options().get("pid_file", "")
            with open(path, encoding="utf-8") as stream:
                pid = int(stream.read().strip() or 0)
        except (OSError, ValueError):
            return None
        if pid and proc.is_server(pid) and f"--defaults-file={self.config_file}" in proc.argv_of(pid):
            return pid
        return None

    def state(self) -> str:
        return "active" if self.main_pid() else "inactive"

    def unit_user(self) -> str:
        return self.user

    def command_args(self) -> list[str]:
        args = server_options.option_file_args(self.config_file, self._suffix)
        args += self.command[1:]
        if self.user:
            args.append(f"--user={self.user}")
        return args

    def enabled(self) -> bool:
        return False

    def stop_timeout(self) -> float:
        return STOP_TIMEOUT

    @file_errors()
    def hold(self, reason: str, *, persistent: bool = False, repair: Repair | None = None) -> None:
        del persistent, repair  # Nothing starts this server at boot, and our start honours the hold file then too.
        files.make_private_dirs(os.path.dirname(self.hold_file))
        files.write_atomic(self.hold_file, " ".join(reason.split()) + "\n")

    @file_errors()
    def release(self) -> None:
        if os.path.exists(self.hold_file):
            os.unlink(self.hold_file)
            files.fsync_path(os.path.dirname(self.hold_file))

    def stop(self, timeout: float, *, kill: bool = False) -> None:
        pid = self.main_pid()
        if pid is None:
            return
        ticks = proc.start_ticks(pid)
        try:
            os.kill(pid, signal.SIGTERM)
            gone = proc.wait_gone(pid, timeout, ticks)
            if not gone and kill:
                os.kill(pid, signal.SIGKILL)
                gone = proc.wait_gone(pid, 60, ticks)
        except ProcessLookupError:
            gone = True
        except PermissionError:
            raise MariabackupError(
                f"The server (process {pid}) belongs to another user and cannot be stopped.",
                "Run as that user or root.",
            ) from None
        if not gone:
            raise MariabackupError(
                f"The server (process {pid}) has not stopped within {timeout:g} s; it is not killed.",
                "See in its error log what it waits for, and raise stop_timeout.",
                log_tail=self.log_lines(20),
            )
        if os.path.exists(self._record):
            os.unlink(self._record)

    @file_errors()
    def start(self, timeout: float, *, restricted: bool = False, triggers: Sequence[str] = ()) -> None:
        del triggers
        self.release()
        self.launch(timeout, restricted=restricted)

    @file_errors()
    def launch(self, timeout: float, *, restricted: bool = False) -> None:
        """Start the server unless it is held, and wait for its greeting."""
        if self.held():
            with open(self.hold_file, encoding="utf-8") as stream:
                reason = stream.read().strip()
            raise MariabackupError(f"The server is held: {reason}", f"Finish that work first (see {self.hold_file}).")
        if self.main_pid():
            return
        files.make_private_dirs(os.path.dirname(self._record))
        argv = [self.command[0], *self.command_args(), *(RESTRICTIONS if restricted else ())]
        settings = self._options()
        began = time.time()
        with open(self.log_path, "wb") as log:
            child = subprocess.Popen(  # pylint: disable=consider-using-with
                _outside_of_the_job(argv),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
            )
        ticks = proc.start_ticks(child.pid) or 0
        files.write_json(self._record, {"pid": child.pid, "ticks": ticks, "argv": argv, "restricted": restricted})
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if child.poll() is not None:
                raise self._start_failed(
                    f"The server ended during its start, return code {child.returncode}.", argv, settings, began
                )
            try:
                server_greeting(settings, timeout=2)
                return
            except (OSError, ValueError):
                time.sleep(0.05)
        raise self._start_failed(f"The server has not come up within {timeout:g} s.", argv, settings, began)

    def _start_failed(
        self, cause: str, argv: Sequence[str], settings: Mapping[str, str], began: float
    ) -> MariabackupError:
        return MariabackupError(
            cause,
            "Read the server's messages below.",
            cmd=argv,
            log_tail=[*self.log_lines(30), *error_log.tail_since(settings, began)][-40:],
            log_path=self.log_path,
        )

    def remove_restrictions(self) -> None:
        """Nothing to do: the restrictions were arguments of one start."""

    def restricted(self) -> bool:
        pid = self.main_pid()
        return bool(pid) and set(RESTRICTIONS) <= set(proc.argv_of(pid or 0))

    def log_lines(self, limit: int = 200) -> list[str]:
        try:
            with open(self.log_path, encoding="utf-8", errors="replace") as stream:
                return stream.read()[-400_000:].splitlines()[-limit:]
        except OSError:
            return []
