# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's side of a long job: have the module begin it, look at it now and then, say how far it is, return its result.

The job belongs to its host. Whatever ends on the controller, it goes on, and the same task finds it again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.dba.mariabackup.plugins.module_utils.job.control import lost
from ansible_collections.dba.mariabackup.plugins.plugin_utils import poll, progress

_PAUSE = 5.0  # seconds between two attempts
# For the connections that this task opens. ssh takes the first value it reads, so whatever the user has set counts.
_KEEP_ALIVE = "-o ServerAliveInterval=10 -o ServerAliveCountMax=3"

display = Display()


class LongJob(ActionBase):
    """Runs the module of the same name, whose work is a job of the host."""

    _supports_check_mode = True
    _supports_async = False
    #: whether the task itself begins the job; nobody waits for its result then when the user does not
    _is_work = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what the module would return if it waited itself."""
        if self._task.async_val:
            raise AnsibleActionFail(
                "async is not for this task: its work is a job of the host already, which outlives the connection and the"
                " controller. Leave async out to see its progress, or set wait: false and fetch the result with the module"
                " dba.mariabackup.job."
            )
        super().run(tmp, task_vars)
        variables = task_vars or {}
        arguments = dict(self._task.args)
        self._keep_alive()
        if self._task.check_mode:
            return self._module(arguments, variables)
        begun = self._module({**arguments, "wait": False}, variables)
        self._show_as_given(begun, arguments)
        if begun.get("failed") or not self._follows(begun):
            return begun
        directory = os.path.dirname(begun["log_path"])
        if not boolean(arguments.get("wait", True), strict=False):
            if self._is_work:
                self._mark(directory)
            return begun
        quiet = not boolean(arguments.get("progress", True), strict=False)
        patience = float(arguments.get("reconnect_timeout", 120))
        return self._ended(begun, self._follow(directory, variables.get("inventory_hostname", "?"), quiet, patience))

    def _module(self, arguments: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        return dict(self._execute_module(module_args=arguments, task_vars=variables))

    def _shell(self, command: str) -> dict[str, Any]:
        # Ansible has not typed it.
        return dict(self._low_level_execute_command(command, sudoable=True))  # type: ignore[no-untyped-call]

    def _mark(self, directory: str) -> None:
        """Note that the result has arrived, or is not waited for. What was learnt counts, also when the connection goes now."""
        try:
            self._shell(poll.mark(directory))
        except AnsibleConnectionFailure as error:
            display.vvv(f"the job {os.path.basename(directory)} cannot be marked: {error}")

    def _operation(self) -> str:
        """Return what the job does, for the lines of progress."""
        return str(self._task.action).rsplit(".", 1)[-1]

    def _follows(self, begun: Mapping[str, Any]) -> bool:
        """Tell whether there is a job to wait for."""
        return "job_id" in begun

    def _ended(self, begun: Mapping[str, Any], outcome: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return the task's result.

        Args:
            begun: what the module said when it began the job.
            outcome: what the job has left; None when it has left nothing.
        """
        if outcome is None:
            outcome = {"ok": False, "error": lost(begun["job_id"], begun["log_path"]).as_result()}
        kept = {key: begun[key] for key in ("invocation",) if key in begun}
        warnings = [*begun.get("warnings", ()), *outcome.get("warnings", ())]
        told = {"warnings": warnings} if warnings else {}
        if outcome["ok"]:
            return {**kept, **told, **outcome["result"]}
        return {"changed": False, **kept, **told, **outcome["error"], "failed": True}

    def _follow(self, directory: str, host: str, quiet: bool, patience: float) -> dict[str, Any] | None:
        """Wait for the job's end, say how far it is, and return what it has left; None when it has left nothing."""
        last = ""
        parent = os.getppid()
        for interval in progress.intervals():
            started = time.monotonic()
            look = self._look(directory, interval, host, patience)
            if os.getppid() != parent:
                # The playbook was killed and has left this worker behind. Whoever runs the task again gets the result.
                raise AnsibleActionFail(f"The playbook was killed. The job {os.path.basename(directory)} goes on.")
            if look.state != poll.RUNNING:
                if look.outcome is not None:
                    self._mark(directory)
                return look.outcome
            told = progress.line(host, self._operation(), look.status)
            if not quiet and look.status and told != last:
                display.display(told)
                last = told
            # Where the host does not wait itself (no flock), this side has to.
            time.sleep(max(0.0, interval - (time.monotonic() - started)))
        raise AssertionError("intervals() ends never")

    def _look(self, directory: str, interval: float, host: str, patience: float) -> poll.Look:
        """Look at the job; a connection that is lost may come back within ``patience`` seconds."""
        deadline: float | None = None
        while True:
            try:
                answer = self._shell(poll.command(directory, interval))
                look = poll.read(answer.get("stdout", ""))
                if look is not None:
                    return look
                reason = (answer.get("stderr") or answer.get("stdout") or "no answer").strip()[-500:]
            except AnsibleConnectionFailure as error:
                reason = str(error)
            now = time.monotonic()
            if deadline is None:
                deadline = now + patience
                # Not a warning, which is kept back until the task ends.
                display.display(
                    f"{host}: the connection is lost; the job {os.path.basename(directory)} goes on. {reason}"
                )
            if now >= deadline:
                raise AnsibleConnectionFailure(
                    f"The connection to {host} is lost: {reason} The job {os.path.basename(directory)} goes on there. Run the"
                    " same task again to get its result."
                )
            time.sleep(_PAUSE)
            self._reconnect()

    def _reconnect(self) -> None:
        """Leave a shared connection whose other end may be gone."""
        try:
            self._connection.reset()
        except (AnsibleConnectionFailure, AttributeError):
            display.vvv("the connection cannot be reset")

    def _keep_alive(self) -> None:
        """Have ssh notice that a host is gone; left alone it does so after a quarter of an hour, or never."""
        if getattr(self._connection, "transport", None) == "ssh":
            given = self._connection.get_option("ssh_extra_args") or ""
            self._connection.set_option("ssh_extra_args", f"{given} {_KEEP_ALIVE}".strip())

    @staticmethod
    def _show_as_given(result: Mapping[str, Any], arguments: Mapping[str, Any]) -> None:
        """Show in the invocation what the user has set."""
        shown = (result.get("invocation") or {}).get("module_args")
        if isinstance(shown, dict):
            shown["wait"] = arguments.get("wait", True)
