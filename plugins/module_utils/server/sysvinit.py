# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server under an init script, on hosts without systemd. The restore's hold is known to our own start only."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence

from ansible_collections.dba.mariabackup.plugins.module_utils import files
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.server import options as server_options
from ansible_collections.dba.mariabackup.plugins.module_utils.server import proc
from ansible_collections.dba.mariabackup.plugins.module_utils.server.base import Repair, Service
from ansible_collections.dba.mariabackup.plugins.module_utils.server.command import run

STOP_TIMEOUT = 900.0


class SysvinitService(Service):
    """``/etc/init.d/<name>``; it cannot pass options on, so a server under it is not started read-only."""

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
        return proc.argv_of(pid)[1:] if pid else list(self._args)

    def enabled(self) -> bool:
        return any(
            os.path.isdir(directory)
            and any(entry.endswith(self.name) and entry[0] == "S" for entry in os.listdir(directory))
            for directory in ("/etc/rc2.d", "/etc/rc3.d", "/etc/rc5.d")
        )

    def stop_timeout(self) -> float:
        return STOP_TIMEOUT

    def restriction_problem(self) -> str | None:
        return f"{self.script} cannot start the server with additional options, so not read-only for its check."

    def hold(self, reason: str, *, persistent: bool = False, repair: Repair | None = None) -> None:
        del persistent, repair
        files.make_private_dirs(os.path.dirname(self.hold_file))
        files.write_atomic(self.hold_file, " ".join(reason.split()) + "\n")

    def release(self) -> None:
        if os.path.exists(self.hold_file):
            os.unlink(self.hold_file)
            files.fsync_path(os.path.dirname(self.hold_file))

    def stop(self, timeout: float, *, kill: bool = False) -> None:
        pid = self.main_pid()
        ticks = proc.start_ticks(pid) if pid else None
        with subprocess.Popen(
            [self.script, "stop"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as script:
            gone = proc.wait_gone(pid, timeout, ticks) if pid else True
            if not gone:
                script.terminate()
        if not gone and kill and pid:
            os.kill(pid, 9)
            gone = proc.wait_gone(pid, 60, ticks)
        if not gone:
            raise MariabackupError(
                f"The server (process {pid}) has not stopped within {timeout:g} s; it is not killed.",
                "See in its error log what it waits for, and raise stop_timeout.",
            )

    def start(self, timeout: float, *, restricted: bool = False, triggers: Sequence[str] = ()) -> None:
        del triggers
        if restricted:
            raise MariabackupError(self.restriction_problem() or "", "Set service_manager to process.")
        self.release()
        began = time.monotonic()
        done = run([self.script, "start"], timeout=timeout)
        while not self.main_pid() and time.monotonic() - began < timeout:
            time.sleep(0.2)
        if not self.main_pid():
            raise done.failure(f"{self.script} has not started the server.", "Read the server's error log.")

    def remove_restrictions(self) -> None:
        """There are none."""

    def restricted(self) -> bool:
        return False
