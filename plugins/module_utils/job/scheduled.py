# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run by schedule: the steps of a description, one after another, each an ordinary job; then what came of it is written down.

The exit code is what systemd's ``OnFailure=`` goes by.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Callable

from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import Interrupted, MariabackupError, error_of
from ansible_collections.dba.mariabackup.plugins.module_utils.files import path_key, read_json, write_atomic
from ansible_collections.dba.mariabackup.plugins.module_utils.job import registry
from ansible_collections.dba.mariabackup.plugins.module_utils.job.metrics import file_name, metrics_text
from ansible_collections.dba.mariabackup.plugins.module_utils.job.payload import runner_command
from ansible_collections.dba.mariabackup.plugins.module_utils.job.schedule_text import VERSION
from ansible_collections.dba.mariabackup.plugins.module_utils.locks import PATIENCE, exclusive
from ansible_collections.dba.mariabackup.plugins.module_utils.repository import outcomes
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.access import open_repository
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.catalogue import chain_of
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.local import instance_of
from ansible_collections.dba.mariabackup.plugins.module_utils.stream.rclone import repository_name

# Where the node exporter of Debian and Ubuntu reads text files.
TEXTFILES = "/var/lib/prometheus/node-exporter"


def metrics_path(description: Mapping[str, Any]) -> str | None:
    """Return the file for the node exporter; None where there is no node exporter and nobody has named a directory."""
    directory = description.get("metrics_dir") or (TEXTFILES if os.path.isdir(TEXTFILES) else None)
    return os.path.join(directory, file_name(description["name"])) if directory else None


def run(path: str, run_job: Callable[[str], int]) -> int:
    """Run the schedule that the file ``path`` describes and return the process's exit code.

    Args:
        run_job: runs the job in a directory and leaves its result there.
    """
    try:
        description = read_json(path)
    except (OSError, ValueError) as error:
        return _complain(f"{path} cannot be read: {error}")
    if not isinstance(description, dict) or description.get("version") != VERSION:
        return _complain(f"{path} is not the description of a schedule. Run the module schedule again.")
    outcome = _begin(description)
    result: dict[str, Any]
    try:
        PATIENCE.set(float(description["wait_timeout"]))
        _keep(description, outcome)
        with exclusive(description["state_dir"], _turn(description), "backup by schedule"):
            result = _steps(description, outcome, run_job)
    except (MariabackupError, Interrupted) as raised:
        result = error_of(raised).as_result()
    except OSError as error:
        result = {"failed_phase": None, "msg": f"{error.filename or ''}: {error.strerror or error}."}
    return _end(description, outcome, result)


def _complain(text: str) -> int:
    sys.stderr.write(f"{text}\n")
    return 1


def _turn(description: Mapping[str, Any]) -> str:
    """Name what stands for the server: the schedules of one server run one after another.

    A backup whose datadir, or repository, is locked waits as well (``PATIENCE``). With this a run begins when the one before it
    is through, with its retention too.
    """
    params = description["steps"][0]["params"]
    server = path_key(f"{params.get('defaults_file') or ''}/{params.get('defaults_group_suffix') or ''}")
    return os.path.join(description["state_dir"], "schedules", f"of-{server}")


def _begin(description: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was known, with a last run that has no end yet."""
    params = description["steps"][0]["params"]
    known = outcomes.read(description["state_dir"], description["name"])
    return {
        "schedule": description["name"],
        "repository": repository_name(params["repository"]),
        "instance": instance_of(params),
        "retention": _retention(description["steps"]),
        "last_backup": known.get("last_backup"),
        "last_run": {"started": outcomes.now(), "ended": None, "ok": None},
    }


def _retention(steps: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return the rules by which the repository of the backups is pruned, those that are used; None without any."""
    taken = steps[0]["params"]["repository"]
    for step in steps:
        if step["operation"] == "prune" and step["params"]["repository"] == taken:
            return {name: value for name, value in step["params"].items() if name.startswith("keep_") and value}
    return None


def _steps(description: Mapping[str, Any], outcome: dict[str, Any], run_job: Callable[[str], int]) -> dict[str, Any]:
    """Run the steps up to the first that fails; return the error of that one, or nothing."""
    state_dir = description["state_dir"]
    command = runner_command(state_dir)
    taken: str | None = None
    for step in description["steps"]:
        operation = step["operation"]
        params = {**step["params"], "_runner": command, "_actor": f"schedule {description['name']}"}
        if operation == "copy_backup":
            params["backup_id"] = taken
        directory = registry.create_job(state_dir, operation, params)
        outcome["last_run"]["log_path"] = os.path.join(directory, "log")
        run_job(directory)
        registry.mark_heard(directory)
        done = registry.result_of(directory) or {"ok": False, "error": {"msg": "The job left no result."}}
        if not done["ok"]:
            return {**done["error"], "failed_phase": done["error"].get("failed_phase") or operation}
        result = done["result"]
        if operation == "backup":
            taken = outcome["last_run"]["backup_id"] = result["id"]
            if result["changed"] or not outcome["last_backup"]:
                outcome["last_backup"] = _describe(params, result, Context(directory, state_dir))
        sys.stdout.write(f"{operation}: {_said(operation, result)}\n")
        sys.stdout.flush()
    return {}


def _describe(params: Mapping[str, Any], result: Mapping[str, Any], ctx: Context) -> dict[str, Any]:
    numbers = {name: result.get(name) for name in ("size_bytes", "stored_bytes", "duration_seconds")}
    described = {"id": result["id"], "finished": outcomes.now(), "chain_length": None, **numbers}
    try:
        # Of remote storage the mirror is read, which the backup has brought up to date.
        chain = chain_of(open_repository(params, ctx).directory(instance_of(params)), result["id"])
    except MariabackupError:
        # The backup is proven; that its length of chain is not known fails nothing.
        return described
    return {**described, "finished": f"{chain[-1].time:%Y-%m-%dT%H:%M:%SZ}", "chain_length": len(chain)}


def _said(operation: str, result: Mapping[str, Any]) -> str:
    """Return a line for the journal."""
    if operation == "prune":
        return f"{len(result['removed'])} removed from {result['path']}"
    state = "" if result["changed"] else ", nothing to do"
    return f"{result['path']}, {result['size_bytes']} bytes{state}"


def _keep(description: Mapping[str, Any], outcome: dict[str, Any]) -> None:
    outcomes.write(description["state_dir"], description["name"], outcome)


def _end(description: Mapping[str, Any], outcome: dict[str, Any], error: Mapping[str, Any]) -> int:
    """Write down how the run ended, tell Prometheus, and return the exit code."""
    last = outcome["last_run"]
    last.update(ended=outcomes.now(), ok=not error)
    if error:
        last.update(failed_phase=error.get("failed_phase"), error=error.get("msg"))
        last["log_path"] = error.get("log_path") or last.get("log_path")
    code = 0 if last["ok"] else _complain(f"failed: {last['error']}")
    try:
        _keep(description, outcome)
    except OSError as problem:
        code = _complain(f"The result cannot be kept: {problem}")
    path = metrics_path(description)
    if path is not None:
        try:
            write_atomic(path, metrics_text(outcome), 0o644)
        except OSError as problem:
            # The backup is as good as without; monitoring sees the age of what it has.
            _complain(f"The metrics cannot be written: {problem}")
    return code
