# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server under systemd."""

from __future__ import annotations

import glob
import os
import subprocess
import time
from collections.abc import Sequence

from ansible_collections.dba.mariabackup.plugins.module_utils import files
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.server import error_log, proc, unit_text
from ansible_collections.dba.mariabackup.plugins.module_utils.server.base import RESTRICTIONS, Repair, Service, Trigger
from ansible_collections.dba.mariabackup.plugins.module_utils.server.command import (
    Completed,
    file_errors,
    plain_environment,
    run,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.server.options import find_server_binary, read_options

RUNTIME = "/run/systemd/system"
PERMANENT = "/etc/systemd/system"
_HOLD = "zz-dba-mariabackup-hold.conf"
_STOP = "zz-dba-mariabackup-stop.conf"
_RESTRICTED = "zz-dba-mariabackup-restricted.conf"
_ENVIRONMENT_DIR = "/run/dba-mariabackup"
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


def _systemctl(*args: str, timeout: float = 90) -> Completed:
    return run(["systemctl", "--no-pager", *args], timeout=timeout)


def _write(path: str, text: str, made: list[str]) -> None:
    """Write a unit file where its text is new, and remember that systemd has to read it."""
    directory = os.path.dirname(path)
    if not os.path.isdir(directory):
        os.makedirs(directory, mode=0o755, exist_ok=True)
        files.fsync_path(os.path.dirname(directory))
    if _read(path) != text:
        files.write_atomic(path, text, 0o644)
        made.append(path)


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read()
    except OSError:
        return None


def _remove(path: str, gone: list[str]) -> None:
    """Remove a file or link and the drop-in directory that it leaves empty, synced."""
    if not os.path.lexists(path):
        return
    os.unlink(path)
    gone.append(path)
    directory = os.path.dirname(path)
    files.fsync_path(directory)
    if directory.endswith(".d"):
        try:
            os.rmdir(directory)
            files.fsync_path(os.path.dirname(directory))
        except OSError:
            pass


class SystemdService(Service):
    """A unit of the system manager; ``name`` may be an alias, or an instance such as ``mariadb@x``."""

    manager = "systemd"
    survives_reboot = True

    def __init__(self, name: str, *, state_dir: str, key: str) -> None:
        full = name if "." in name.rpartition("@")[2] and name.endswith(".service") else f"{name}.service"
        super().__init__(full, state_dir=state_dir, key=key)
        shown = self._show()
        if shown.get("LoadState") in ("loaded", "masked") and shown.get("Id"):
            self.name = shown["Id"]
        self._repair_unit = f"dba-mariabackup-repair-{key}.service"
        self._environment_file = os.path.join(_ENVIRONMENT_DIR, f"{key}.env")

    # --- reading

    def _show(self) -> dict[str, str]:
        done = _systemctl("show", self.name, "--property=" + ",".join(_PROPERTIES))
        if done.rc != 0:
            raise done.failure(f"systemctl cannot tell about {self.name}.", "Check that systemd runs on this host.")
        return unit_text.parse_show(done.out)

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
            text = _read(os.path.join(root, group, "cgroup.procs"))
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
        # TriggeredBy= lists units that systemd has loaded; a socket that nobody has started yet is found by its name.
        stem = self.name[: -len(".service")]
        named = [f"{stem}{suffix}" for suffix in (".socket", ".path", ".timer")]
        names = list(dict.fromkeys([*self._show().get("TriggeredBy", "").split(), *named]))
        done = _systemctl("show", *names, "--property=Id,LoadState,ActiveState,UnitFileState")
        blocks = [unit_text.parse_show(block) for block in done.out.split("\n\n")]
        return [
            Trigger(
                name=shown["Id"],
                active=shown.get("ActiveState") in ("active", "activating"),
                enabled=shown.get("UnitFileState", "").startswith("enabled"),
            )
            for shown in blocks
            if shown.get("LoadState") == "loaded" and shown.get("Id")
        ]

    def stop_timeout(self) -> float:
        noted = unit_text.own_stop_timeout(_read(self._drop_in(RUNTIME, self.name, _STOP)) or "")
        return noted if noted is not None else unit_text.parse_span(self._show().get("TimeoutStopUSec", ""))

    def _environment(self, shown: dict[str, str]) -> dict[str, str]:
        """Return the variables of the unit, as the manager would set them, without ours."""
        values = unit_text.parse_environment(_systemctl("show-environment").out)
        values.update(unit_text.parse_environment(shown.get("Environment", "")))
        for line in shown.get("EnvironmentFiles", "").splitlines():
            path = line.rpartition(" (")[0] or line
            if path != self._environment_file:
                values.update(unit_text.parse_environment_file(_read(path) or ""))
        return values

    def command_args(self) -> list[str]:
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

    # --- hold

    @staticmethod
    def _drop_in(root: str, unit: str, name: str) -> str:
        return os.path.join(root, f"{unit}.d", name)

    def _reload(self) -> None:
        done = _systemctl("daemon-reload")
        if done.rc != 0:
            raise done.failure("systemd could not read its unit files again.", "Run systemctl daemon-reload.")

    @file_errors()
    def hold(self, reason: str, *, persistent: bool = False, repair: Repair | None = None) -> None:
        triggers = [trigger.name for trigger in self.sockets()]
        units = [self.name, *triggers]
        changed: list[str] = []
        root = PERMANENT if persistent else RUNTIME
        _write(self._drop_in(RUNTIME, self.name, _STOP), unit_text.stop_text(self.stop_timeout()), changed)
        if repair is not None and persistent:
            text = unit_text.repair_text(self.name, triggers, self.hold_file, repair)
            path = os.path.join(PERMANENT, self._repair_unit)
            _write(path, text, changed)
            self._link_repair()
        for unit in units:
            text = unit_text.hold_text(self.hold_file, reason, self._repair_unit if repair and persistent else None)
            _write(self._drop_in(root, unit, _HOLD), text, changed)
        if self.restriction_problem() is None:
            # Ready for the start, so that the downtime has no reload of the manager in it.
            changed += self._restrict()
        if changed:
            self._reload()
        files.make_private_dirs(os.path.dirname(self.hold_file))
        files.write_atomic(self.hold_file, " ".join(reason.split()) + "\n")
        if triggers:
            done = _systemctl("stop", *triggers)
            if done.rc != 0:
                raise done.failure(
                    f"The units that would start {self.name} cannot be stopped: {', '.join(triggers)}.",
                    "Stop them by hand to see the reason.",
                )

    def _link_repair(self) -> None:
        wants = os.path.join(PERMANENT, "multi-user.target.wants")
        if not os.path.isdir(wants):
            os.makedirs(wants, mode=0o755, exist_ok=True)
            files.fsync_path(PERMANENT)
        link = os.path.join(wants, self._repair_unit)
        if not os.path.islink(link):
            os.symlink(os.path.join(PERMANENT, self._repair_unit), link)
        files.fsync_path(wants)

    def _hold_drop_ins(self, root: str) -> list[str]:
        """Return the drop-ins of this hold, also those of units that systemd no longer connects with the service."""
        line = unit_text.hold_assertion(self.hold_file)
        found = sorted(glob.glob(os.path.join(root, "*.d", _HOLD)))
        return [path for path in found if line in (_read(path) or "").splitlines()]

    def _lift(self) -> list[str]:
        """End the hold and take away what would outlive a reboot; return the unit files that are gone."""
        gone: list[str] = []
        _remove(self.hold_file, [])
        for path in self._hold_drop_ins(PERMANENT):
            _remove(path, gone)
        _remove(os.path.join(PERMANENT, "multi-user.target.wants", self._repair_unit), gone)
        _remove(os.path.join(PERMANENT, self._repair_unit), gone)
        return gone

    def _clear(self, *, restrictions: bool) -> list[str]:
        """Take the runtime drop-ins away that are no longer needed; return those that are gone."""
        gone: list[str] = []
        for path in self._hold_drop_ins(RUNTIME):
            _remove(path, gone)
        if self.state() != "deactivating":
            _remove(self._drop_in(RUNTIME, self.name, _STOP), gone)
        if restrictions:
            _remove(self._drop_in(RUNTIME, self.name, _RESTRICTED), gone)
            _remove(self._environment_file, gone)
        return gone

    @file_errors()
    def release(self) -> None:
        gone = self._lift()
        gone += self._clear(restrictions=not (self.main_pid() and self.restricted()))
        if gone:
            self._reload()

    # --- stop and start

    def stop(self, timeout: float, *, kill: bool = False) -> None:
        pid = self.main_pid()
        ended = self._job("stop", timeout)
        if ended is None and kill:
            _systemctl("kill", "--kill-who=all", "--signal=SIGKILL", self.name)
            ended = self._job("stop", 60)
        if ended is None:
            raise MariabackupError(
                f"{self.name} has not stopped within {timeout:g} s; it was told to, and it is not killed.",
                f"See what it waits for (journalctl -u {self.name}), and raise stop_timeout.",
                log_tail=self.log_lines(20),
            )
        left = [other for other in self._group_pids(self._show()) if proc.is_server(other)]
        if pid and proc.is_server(pid) and pid not in left:
            left.append(pid)
        if left or self.active():
            raise MariabackupError(
                f"{self.name} is {self.state()} after its stop; server processes left: {left or 'none'}.",
                f"Look at systemctl status {self.name}.",
                log_tail=self.log_lines(20),
            )

    def _job(self, verb: str, timeout: float) -> Completed | None:
        """Run ``systemctl VERB`` for the service; None when it has not ended in time (the job then goes on)."""
        argv = ["systemctl", "--no-pager", verb, self.name]
        with subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace", env=plain_environment(),
        ) as process:  # fmt: skip
            try:
                out, _ = process.communicate(timeout=None if timeout == float("inf") else timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                return None
            return Completed(tuple(argv), process.returncode, out, "")

    def _restrict(self) -> list[str]:
        shown = self._show()
        made: list[str] = []
        command = shown.get("ExecStart", "")
        environment_file = exec_start = None
        if unit_text.uses_options_variable(command):
            os.makedirs(_ENVIRONMENT_DIR, mode=0o755, exist_ok=True)
            value = self._environment(shown).get("MYSQLD_OPTS", "")
            files.write_atomic(self._environment_file, unit_text.options_environment(value), 0o644)
            environment_file = self._environment_file
        elif unit_text.is_plain_command(command):
            if not self._restricted_next():
                own = [shown.get("FragmentPath", ""), *shown.get("DropInPaths", "").split()]
                exec_start = unit_text.exec_start_line("\n".join(_read(path) or "" for path in own))
        else:
            raise MariabackupError(self.restriction_problem() or "", "Let the unit's ExecStart pass $MYSQLD_OPTS on.")
        path = self._drop_in(RUNTIME, self.name, _RESTRICTED)
        if environment_file or exec_start:
            _write(path, unit_text.restricted_text(environment_file, exec_start), made)
        return made

    def restricted(self) -> bool:
        pid = self.main_pid()
        if pid:
            return set(RESTRICTIONS) <= set(proc.argv_of(pid))
        return self._restricted_next()

    def _restricted_next(self) -> bool:
        return os.path.exists(self._drop_in(RUNTIME, self.name, _RESTRICTED))

    @file_errors()
    def remove_restrictions(self) -> None:
        gone: list[str] = []
        if self.held():
            _remove(self._drop_in(RUNTIME, self.name, _RESTRICTED), gone)
            _remove(self._environment_file, gone)
        else:
            gone = self._clear(restrictions=True)
        if gone:
            self._reload()

    @file_errors()
    def start(self, timeout: float, *, restricted: bool = False, triggers: Sequence[str] = ()) -> None:
        changed = self._lift()
        if restricted:
            # The drop-ins of the hold stay until the restrictions go: without their file they do nothing.
            changed += self._restrict()
        else:
            changed += self._clear(restrictions=True)
        if changed:
            self._reload()
        _systemctl("reset-failed", self.name, *triggers)
        began = time.time()
        if triggers and not self.active():
            done = _systemctl("start", *triggers)
            if done.rc != 0:
                raise done.failure(f"The units {', '.join(triggers)} do not start.", "Look at their status.")
        self._came_up(self._job("start", timeout), timeout, began)

    def _last_words(self, began: float) -> list[str]:
        """Return what the server said since a start that failed, from its own log or the journal."""
        lines: list[str] = []
        try:
            lines = error_log.tail_since(read_options(find_server_binary(), self.command_args()), began)
        except MariabackupError as error:
            lines = [error.cause]
        return [*self.log_lines(30), *lines][-40:]

    def _came_up(self, ended: Completed | None, timeout: float, began: float) -> None:
        """Raise unless a start or restart has ended well."""
        if ended is None:
            raise MariabackupError(
                f"{self.name} has not come up within {timeout:g} s.",
                "Read the server's messages below; raise start_timeout if it was still recovering.",
                log_tail=self._last_words(began),
            )
        if ended.rc != 0 or self.state() != "active":
            raise MariabackupError(
                f"{self.name} does not start (result: {self._show().get('Result', 'unknown')}).",
                "Read the server's messages below.",
                cmd=ended.argv,
                rc=ended.rc,
                log_tail=self._last_words(began) or ended.tail(),
            )

    def restart(self, timeout: float) -> None:
        began = time.time()
        self._came_up(self._job("restart", timeout), timeout, began)

    def pids(self) -> list[int]:
        return self._group_pids(self._show())

    @file_errors()
    def start_when_stopped(self, triggers: Sequence[str] = ()) -> str:
        gone = self._lift() + self._clear(restrictions=True)
        if gone:
            self._reload()
        if self.state() != "deactivating":
            self.start(900, triggers=triggers)
            return f"{self.name} runs again."
        # A server that was told to stop cannot be told to stay. A transient unit waits for its end, then starts
        # what ran before; until then the drop-in that keeps systemd from killing it stays.
        words = " ".join([*triggers, self.name])
        drop_in = self._drop_in(RUNTIME, self.name, _STOP)
        script = (
            f'while [ "$(systemctl show -p ActiveState --value {self.name})" = deactivating ]; do sleep 1; done; '
            f"rm -f {drop_in}; systemctl daemon-reload; for unit in {words}; do systemctl start $unit; done"
        )
        unit = f"dba-mariabackup-again-{self.key}"
        done = run(["systemd-run", "--collect", "--quiet", f"--unit={unit}", "/bin/sh", "-c", script])
        if done.rc != 0 and "already" not in done.err:
            raise done.failure(
                f"{self.name} is still stopping, and the unit that would start it again cannot be made.",
                f"Start it when it is down: systemctl start {words}",
            )
        return f"{self.name} is still stopping; the unit {unit} starts it again as soon as it is down."

    def log_lines(self, limit: int = 200) -> list[str]:
        shown = self._show()
        identity = shown.get("InvocationID", "")
        if not identity:
            return []
        match = f"_SYSTEMD_INVOCATION_ID={identity}"
        done = run(["journalctl", "--no-pager", "--quiet", "--output=cat", f"--lines={limit}", match])
        return done.out.splitlines()[-limit:] if done.rc == 0 else []


__all__ = ["RESTRICTIONS", "SystemdService", "is_running"]
