# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server under an init script, on hosts without systemd. The restore's hold is known to our own start only.

The script's own ``stop`` is not used: Debian's ends with ``killall -9`` after ten minutes, and takes every server of the
host with it. SIGTERM to the server does the same, and ``mysqld_safe`` ends with it. Both Debian's script and the one
that MariaDB ships (``mysql.server``) pass what follows ``start`` on to the server.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence

from ansible_collections.dba.mariabackup.plugins.module_utils import files
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.server import options as server_options
from ansible_collections.dba.mariabackup.plugins.module_utils.server import proc
from ansible_collections.dba.mariabackup.plugins.module_utils.server.base import RESTRICTIONS, Repair, Service
from ansible_collections.dba.mariabackup.plugins.module_utils.server.command import file_errors

STOP_TIMEOUT = 900.0
_PASSED_ON = ("${@:2}", "$other_args")


class SysvinitService(Service):
    """``/etc/init.d/<name>``."""

    manager = "sysvinit"

    def __init__(
        self,
        name: str,
        *,
        state_dir: str,
        key: str,
        defaults_file: str | None = None,
        defaults_group_suffix: str | None = None,
    ) -> None:
        super().__init__(name, state_dir=state_dir, key=key)
        self.script = os.path.join("/etc/init.d", name)
        self._args = server_options.option_file_args(defaults_file, defaults_group_suffix)

    def exists(self) -> bool:
        return os.access(self.script, os.X_OK)

    def main_pid(self) -> int | None:
        try:
            settings = server_options.read_options(server_options.find_server_binary(), self._args)
            with open(settings.get("pid_file", ""), encoding="utf-8") as stream:
                pid = int(stream.read().strip() or 0)
        except (OSError, ValueError):
            return None
        return pid if pid and proc.is_server(pid) else None

    def state(self) -> str:
        return "active" if self.main_pid() else "inactive"

    def unit_user(self) -> str:
        return ""

    def command_args(self) -> list[str]:
        pid = self.main_pid()
        if not pid:
            return list(self._args)
        return [arg for arg in proc.argv_of(pid)[1:] if arg not in RESTRICTIONS]

    def enabled(self) -> bool:
        return any(
            os.path.isdir(directory)
            and any(entry.endswith(self.name) and entry[0] == "S" for entry in os.listdir(directory))
            for directory in ("/etc/rc2.d", "/etc/rc3.d", "/etc/rc5.d")
        )

    def stop_timeout(self) -> float:
        return STOP_TIMEOUT

    def restriction_problem(self) -> str | None:
        try:
            with open(self.script, encoding="utf-8", errors="replace") as stream:
                text = stream.read()
        except OSError as error:
            return f"{self.script} cannot be read: {error.strerror}."
        if any(word in text for word in _PASSED_ON):
            return None
        return (
            f"{self.script} does not pass on to the server what follows its start, so the server cannot be started "
            "read-only for the check of its health."
        )

    @file_errors()
    def hold(self, reason: str, *, persistent: bool = False, repair: Repair | None = None) -> None:
        del persistent, repair
        files.make_private_dirs(os.path.dirname(self.hold_file))
        files.write_atomic(self.hold_file, " ".join(reason.split()) + "\n")

    @file_errors()
    def release(self) -> None:
        if os.path.exists(self.hold_file):
            os.unlink(self.hold_file)
            files.fsync_path(os.path.dirname(self.hold_file))

    def stop(self, timeout: float, *, kill: bool = False) -> None:
        pid = self.main_pid()
        if not pid:
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
        if not gone:
            raise MariabackupError(
                f"The server (process {pid}) has not stopped within {timeout:g} s; it is not killed.",
                "See in its error log what it waits for, and raise stop_timeout.",
            )

    @file_errors()
    def start(self, timeout: float, *, restricted: bool = False, triggers: Sequence[str] = ()) -> None:
        del triggers
        self.release()
        argv = [self.script, "start", *(RESTRICTIONS if restricted else ())]
        deadline = time.monotonic() + timeout
        # Its output is not kept: the server would inherit the pipe and keep us waiting.
        with subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        ) as script:
            try:
                script.wait(timeout)
            except subprocess.TimeoutExpired:
                script.terminate()
        while not self.main_pid() and time.monotonic() < deadline:
            time.sleep(0.2)
        pid = self.main_pid()
        if not pid:
            raise MariabackupError(
                f"{self.script} has not started the server (return code {script.returncode}).",
                "Read the server's error log and the system's log.",
                cmd=argv,
                rc=script.returncode,
            )
        if restricted and not self.restricted():
            raise MariabackupError(
                f"{self.script} has started the server without {' '.join(RESTRICTIONS)}.",
                "Set service_manager to process, or none.",
                cmd=argv,
            )

    def remove_restrictions(self) -> None:
        """Nothing to do: the restrictions were arguments of one start."""

    def restricted(self) -> bool:
        pid = self.main_pid()
        return bool(pid) and set(RESTRICTIONS) <= set(proc.argv_of(pid or 0))
