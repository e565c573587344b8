# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What systemd knows about the unit of a server. Reading only."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.server import proc, unit_text
from ansible_collections.dba.mariabackup.plugins.module_utils.server.base import RESTRICTIONS, Service, Trigger
from ansible_collections.dba.mariabackup.plugins.module_utils.server.command import Completed, run
from ansible_collections.dba.mariabackup.plugins.module_utils.server.unit_files import (
    ENVIRONMENT_DIR,
    RESTRICTED,
    RUNTIME,
    STOP,
    drop_in,
    read,
)

_PROPERTIES = (
    "Id",
    "LoadState",
    "ActiveState",
    "SubState",
    "MainPID",
    "User",
    "Group",
    "TimeoutStopUSec",
    "TriggeredBy",
    "UnitFileState",
    "FragmentPath",
    "DropInPaths",
    "ExecStart",
    "Environment",
    "EnvironmentFiles",
    "InvocationID",
    "Result",
    "ControlGroup",
)


def is_running() -> bool:
    """Tell whether systemd is the host's running manager (sd_booted(3))."""
    return os.path.isdir(RUNTIME)


def systemctl(*args: str, timeout: float = 90) -> Completed:
    """Run ``systemctl`` without a pager."""
    return run(["systemctl", "--no-pager", *args], timeout=timeout)


class SystemdUnit(Service):
    """A unit of the system manager; ``name`` may be an alias, or an instance such as ``mariadb@x``."""

    manager = "systemd"
    survives_reboot = True

    def __init__(self, name: str, *, state_dir: str, key: str) -> None:
        full = name if "." in name.rpartition("@")[2] and name.endswith(".service") else f"{name}.service"
        super().__init__(full, state_dir=state_dir, key=key)
        self._readers = 0
        self._seen: dict[str, str] | None = None
        self._seen_triggers: list[Trigger] | None = None
        shown = self._show()
        if shown.get("LoadState") in ("loaded", "masked") and shown.get("Id"):
            self.name = shown["Id"]
        self._repair_unit = f"dba-mariabackup-repair-{key}.service"
        self._environment_file = os.path.join(ENVIRONMENT_DIR, f"{key}.env")

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        # A call of systemctl takes 12 ms, and a restore asks fifty times, half of them while the server is down.
        self._readers += 1
        try:
            yield
        finally:
            self._readers -= 1
            if not self._readers:
                self._forget()

    def _forget(self) -> None:
        self._seen = self._seen_triggers = None

    def _change(self, *command: str) -> Completed:
        """Run a ``systemctl`` that changes what it would tell."""
        self._forget()
        return systemctl(*command)

    def _show(self) -> dict[str, str]:
        if self._seen is not None:
            return self._seen
        done = systemctl("show", self.name, "--property=" + ",".join(_PROPERTIES))
        if done.rc != 0:
            raise done.failure(f"systemctl cannot tell about {self.name}.", "Check that systemd runs on this host.")
        shown = unit_text.parse_show(done.out)
        if self._readers:
            self._seen = shown
        return shown

    def exists(self) -> bool:
        return self._show().get("LoadState") in ("loaded", "masked")

    def state(self) -> str:
        state = self._show().get("ActiveState", "inactive")
        return "active" if state in ("reloading", "refreshing") else state

    def main_pid(self) -> int | None:
        shown = self._show()
        pid = int(shown.get("MainPID") or 0)
        if pid and proc.is_server(pid):
            return pid
        # A wrapper such as mariadbd-safe is the main process; the server is in its control group.
        for other in self._group_pids(shown):
            if proc.is_server(other):
                return other
        return None

    @staticmethod
    def _group_pids(shown: dict[str, str]) -> list[int]:
        group = shown.get("ControlGroup", "").lstrip("/")
        if not group:
            return []
        for root in ("/sys/fs/cgroup", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified"):
            text = read(os.path.join(root, group, "cgroup.procs"))
            if text is not None:
                return [int(word) for word in text.split()]
        return []

    def unit_user(self) -> str:
        return self._show().get("User", "")

    def unit_group(self) -> str:
        return self._show().get("Group", "")

    def enabled(self) -> bool:
        return self._show().get("UnitFileState", "") in ("enabled", "enabled-runtime", "linked", "alias")

    def sockets(self) -> list[Trigger]:
        if self._seen_triggers is not None:
            return self._seen_triggers
        # TriggeredBy= lists units that systemd has loaded; a socket that nobody has started yet is found by its name.
        stem = self.name[: -len(".service")]
        named = [f"{stem}{suffix}" for suffix in (".socket", ".path", ".timer")]
        names = list(dict.fromkeys([*self._show().get("TriggeredBy", "").split(), *named]))
        done = systemctl("show", *names, "--property=Id,LoadState,ActiveState,UnitFileState")
        blocks = [unit_text.parse_show(block) for block in done.out.split("\n\n")]
        found = [
            Trigger(
                name=shown["Id"],
                active=shown.get("ActiveState") in ("active", "activating"),
                enabled=shown.get("UnitFileState", "").startswith("enabled"),
            )
            for shown in blocks
            if shown.get("LoadState") == "loaded" and shown.get("Id")
        ]
        if self._readers:
            self._seen_triggers = found
        return found

    def stop_timeout(self) -> float:
        noted = unit_text.own_stop_timeout(read(drop_in(RUNTIME, self.name, STOP)) or "")
        return noted if noted is not None else unit_text.parse_span(self._show().get("TimeoutStopUSec", ""))

    def _environment(self, shown: dict[str, str]) -> dict[str, str]:
        """Return the variables of the unit, as the manager would set them, without ours."""
        values = unit_text.parse_environment(systemctl("show-environment").out)
        values.update(unit_text.parse_environment(shown.get("Environment", "")))
        for line in shown.get("EnvironmentFiles", "").splitlines():
            path = line.rpartition(" (")[0] or line
            if path != self._environment_file:
                values.update(unit_text.parse_environment_file(read(path) or ""))
        return values

    def command_args(self) -> list[str]:
        with self.at_once():
            shown = self._show()
            pid = self.main_pid()
        if pid:
            return unit_text.own_args(proc.argv_of(pid)[1:])
        if shown.get("LoadState") == "masked":
            raise MariabackupError(
                f"{self.name} is masked, so it cannot be started.", f"Run systemctl unmask {self.name}."
            )
        words = unit_text.server_words(shown.get("ExecStart", ""))
        if words is None:
            raise MariabackupError(
                f"The command of {self.name} names no MariaDB server program: {shown.get('ExecStart', '')}",
                "Set service to the unit of the server.",
            )
        return unit_text.own_args(unit_text.expand(words[1:], self._environment(shown)))

    def restriction_problem(self) -> str | None:
        command = self._show().get("ExecStart", "")
        if unit_text.uses_options_variable(command) or unit_text.is_plain_command(command):
            return None
        return (
            f"The command of {self.name} neither is the server program nor passes $MYSQLD_OPTS on to it, so the "
            "server cannot be started read-only for the check of its health."
        )

    def pids(self) -> list[int]:
        return self._group_pids(self._show())

    def restricted(self) -> bool:
        pid = self.main_pid()
        if pid:
            return set(RESTRICTIONS) <= set(proc.argv_of(pid))
        return self.restricted_next()

    def restricted_next(self) -> bool:
        return os.path.exists(drop_in(RUNTIME, self.name, RESTRICTED))

    def log_lines(self, limit: int = 200) -> list[str]:
        shown = self._show()
        identity = shown.get("InvocationID", "")
        if not identity:
            return []
        match = f"_SYSTEMD_INVOCATION_ID={identity}"
        done = run(["journalctl", "--no-pager", "--quiet", "--output=cat", f"--lines={limit}", match])
        return done.out.splitlines()[-limit:] if done.rc == 0 else []
