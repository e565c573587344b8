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
from ansible_collections.dba.mariabackup.plugins.module_utils.server.base import Repair
from ansible_collections.dba.mariabackup.plugins.module_utils.server.command import (
    Completed,
    file_errors,
    plain_environment,
    run,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.server.options import find_server_binary, read_options
from ansible_collections.dba.mariabackup.plugins.module_utils.server.unit import SystemdUnit
from ansible_collections.dba.mariabackup.plugins.module_utils.server.unit_files import (
    ENVIRONMENT_DIR,
    HOLD,
    PERMANENT,
    RESTRICTED,
    RUNTIME,
    STOP,
    TRIGGERS,
    drop_in,
    read,
    remove,
    write,
)


class SystemdService(SystemdUnit):
    """Hold, stop and start a unit (see `SystemdUnit` for its name)."""

    # --- hold

    def _reload(self) -> None:
        done = self._change("daemon-reload")
        if done.rc != 0:
            raise done.failure("systemd could not read its unit files again.", "Run systemctl daemon-reload.")

    @file_errors()
    def hold(self, reason: str, *, persistent: bool = False, repair: Repair | None = None) -> None:
        with self.at_once():
            found = self.sockets()
            triggers = [trigger.name for trigger in found]
            active = [trigger.name for trigger in found if trigger.active]
            units = [self.name, *triggers]
            changed: list[str] = []
            if active:
                write(drop_in(RUNTIME, self.name, TRIGGERS), unit_text.triggers_text(active), changed)
            root = PERMANENT if persistent else RUNTIME
            write(drop_in(RUNTIME, self.name, STOP), unit_text.stop_text(self.stop_timeout()), changed)
            if repair is not None and persistent:
                text = unit_text.repair_text(self.name, triggers, self.hold_file, repair)
                path = os.path.join(PERMANENT, self._repair_unit)
                write(path, text, changed)
                self._link_repair()
            for unit in units:
                text = unit_text.hold_text(self.hold_file, reason, self._repair_unit if repair and persistent else None)
                write(drop_in(root, unit, HOLD), text, changed)
            if self.restriction_problem() is None:
                # Ready for the start, so that the downtime has no reload of the manager in it.
                changed += self._restrict()
        if changed:
            self._reload()
        files.make_private_dirs(os.path.dirname(self.hold_file))
        files.write_atomic(self.hold_file, " ".join(reason.split()) + "\n")
        if triggers:
            done = self._change("stop", *triggers)
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
        found = sorted(glob.glob(os.path.join(root, "*.d", HOLD)))
        return [path for path in found if line in (read(path) or "").splitlines()]

    def _lift(self) -> list[str]:
        """End the hold and take away what would outlive a reboot; return the unit files that are gone."""
        gone: list[str] = []
        remove(self.hold_file, [])
        for path in self._hold_drop_ins(PERMANENT):
            remove(path, gone)
        remove(os.path.join(PERMANENT, "multi-user.target.wants", self._repair_unit), gone)
        repair = os.path.join(PERMANENT, self._repair_unit)
        if os.path.lexists(repair):
            # A repair that could do nothing has failed, and systemd would show that for as long as the machine is up.
            self._change("reset-failed", self._repair_unit)
        remove(repair, gone)
        return gone

    def _clear(self, *, restrictions: bool, triggers: bool = True) -> list[str]:
        """Take the runtime drop-ins away that are no longer needed; return those that are gone."""
        gone: list[str] = []
        for path in self._hold_drop_ins(RUNTIME):
            remove(path, gone)
        if self.state() != "deactivating":
            remove(drop_in(RUNTIME, self.name, STOP), gone)
        if triggers:
            remove(drop_in(RUNTIME, self.name, TRIGGERS), gone)
        if restrictions:
            remove(drop_in(RUNTIME, self.name, RESTRICTED), gone)
            remove(self._environment_file, gone)
        return gone

    @file_errors()
    def release(self) -> None:
        gone = self._lift()
        with self.at_once():
            gone += self._clear(restrictions=not (self.main_pid() and self.restricted()))
        if gone:
            self._reload()

    # --- stop and start

    def stop(self, timeout: float, *, kill: bool = False) -> None:
        pid = self.main_pid()
        ended = self._job("stop", timeout)
        if ended is None and kill:
            self._change("kill", "--kill-who=all", "--signal=SIGKILL", self.name)
            ended = self._job("stop", 60)
        if ended is None:
            raise MariabackupError(
                f"{self.name} has not stopped within {timeout:g} s; it was told to, and it is not killed.",
                f"See what it waits for (journalctl -u {self.name}), and raise stop_timeout.",
                log_tail=self.log_lines(20),
            )
        with self.at_once():
            left = [other for other in self.pids() if proc.is_server(other)]
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
        self._forget()
        argv = ["systemctl", "--no-pager", verb, self.name]
        with subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace", env=plain_environment(),
        ) as process:  # fmt: skip
            try:
                out = process.communicate(timeout=None if timeout == float("inf") else timeout)[0]
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
            os.makedirs(ENVIRONMENT_DIR, mode=0o755, exist_ok=True)
            value = self._environment(shown).get("MYSQLD_OPTS", "")
            files.write_atomic(self._environment_file, unit_text.options_environment(value), 0o600)
            environment_file = self._environment_file
        elif unit_text.is_plain_command(command):
            if not self.restricted_next():
                own = [shown.get("FragmentPath", ""), *shown.get("DropInPaths", "").split()]
                exec_start = unit_text.exec_start_line("\n".join(read(path) or "" for path in own))
        else:
            raise MariabackupError(self.restriction_problem() or "", "Let the unit's ExecStart pass $MYSQLD_OPTS on.")
        path = drop_in(RUNTIME, self.name, RESTRICTED)
        if environment_file or exec_start:
            write(path, unit_text.restricted_text(environment_file, exec_start), made)
        return made

    @file_errors()
    def remove_restrictions(self) -> None:
        gone: list[str] = []
        if self.held():
            remove(drop_in(RUNTIME, self.name, RESTRICTED), gone)
            remove(self._environment_file, gone)
        else:
            gone = self._clear(restrictions=True)
        if gone:
            self._reload()

    @file_errors()
    def start(self, timeout: float, *, restricted: bool = False, triggers: Sequence[str] = ()) -> None:
        with self.at_once():
            was_active = self.active()
            changed = self._lift()
            if restricted:
                # The drop-ins of the hold stay until the restrictions go: without their file they do nothing.
                changed += self._restrict()
            else:
                changed += self._clear(restrictions=True, triggers=not triggers)
        if triggers:
            write(drop_in(RUNTIME, self.name, TRIGGERS), unit_text.triggers_text(triggers), changed)
        if changed:
            self._reload()
        self._change("reset-failed", self.name, *triggers)
        began = time.time()
        with self.at_once():
            self._came_up(self._job("start", timeout), timeout, began)
            found = self.sockets() if triggers else []
        missing = [trigger.name for trigger in found if trigger.name in triggers and not trigger.active]
        if missing and not was_active:
            raise MariabackupError(
                f"{self.name} runs, but these units, which were active before, do not start: {', '.join(missing)}.",
                f"Look at systemctl status {' '.join(missing)}.",
            )
        if triggers and not restricted and self._clear(restrictions=True):
            self._reload()

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
            words = self._last_words(began)
            errors = [line for line in words if "[ERROR]" in line]
            first = f": {errors[0].strip()}" if errors else "."
            raise MariabackupError(
                f"{self.name} does not start (result: {self._show().get('Result', 'unknown')}){first}",
                "Read the server's messages below.",
                cmd=ended.argv,
                rc=ended.rc,
                log_tail=words or ended.tail(),
            )

    def restart(self, timeout: float) -> None:
        began = time.time()
        self._came_up(self._job("restart", timeout), timeout, began)

    @file_errors()
    def start_when_stopped(self, triggers: Sequence[str] = ()) -> str:
        if self.state() != "deactivating":
            self.start(900, triggers=triggers)
            return f"{self.name} runs again."
        changed = self._lift() + self._clear(restrictions=True, triggers=not triggers)
        if triggers:
            write(drop_in(RUNTIME, self.name, TRIGGERS), unit_text.triggers_text(triggers), changed)
        if changed:
            self._reload()
        # A server that was told to stop cannot be told to stay. A transient unit waits for its end, then starts
        # what ran before; until then the drop-in that keeps systemd from killing it stays.
        script = (
            f'while [ "$(systemctl show -p ActiveState --value {self.name})" = deactivating ]; do sleep 1; done; '
            f"rm -f {drop_in(RUNTIME, self.name, STOP)}; systemctl daemon-reload; systemctl start {self.name}; "
            f"rm -f {drop_in(RUNTIME, self.name, TRIGGERS)}; systemctl daemon-reload"
        )
        unit = f"dba-mariabackup-again-{self.key}"
        done = run(["systemd-run", "--collect", "--quiet", f"--unit={unit}", "/bin/sh", "-c", script])
        if done.rc != 0 and "already" not in done.err:
            raise done.failure(
                f"{self.name} is still stopping, and the unit that would start it again cannot be made.",
                f"Start it when it is down: systemctl start {' '.join([*triggers, self.name])}",
            )
        return f"{self.name} is still stopping; the unit {unit} starts it again as soon as it is down."
