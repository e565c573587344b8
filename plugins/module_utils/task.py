# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Between Ansible and the operations: run one as a job, or plan it in check mode, and end the module with the result."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from ansible_collections.dba.mariabackup.plugins.module_utils import argspec
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.metadata import parse_size
from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.job import registry
from ansible_collections.dba.mariabackup.plugins.module_utils.job.launch import begin, wait
from ansible_collections.dba.mariabackup.plugins.module_utils.job.operations import Operation, plan
from ansible_collections.dba.mariabackup.plugins.module_utils.stream import remotes

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


def _actor() -> str:
    """Name who asks, for the audit record: the account that became root, or else the process's own."""
    return os.environ.get("SUDO_USER") or os.environ.get("DOAS_USER") or f"uid {os.getuid()}"


def _params(module: AnsibleModule) -> dict[str, Any]:
    params = dict(module.params)
    params["_actor"] = _actor()
    if params.get(remotes.OPTION):
        _mask_remotes(module)
    return params


def _mask_remotes(module: AnsibleModule) -> None:
    """Hide what the caller said of remotes as a whole, and in results the secrets of it alone.

    Ansible hides every value of an option like that wherever it occurs: ``s3`` in each path, for the sake of ``type: s3``.
    """
    described = module.params[remotes.OPTION]
    others = {
        module.params[name]
        for name, option in module.argument_spec.items()
        if option.get("no_log") and isinstance(module.params.get(name), str)
    }
    module.no_log_values -= remotes.words_of(described) - remotes.secrets_of(described) - others
    module.params[remotes.OPTION] = "(hidden)"


def _end(module: AnsibleModule, outcome: dict[str, Any]) -> NoReturn:
    for warning in outcome.get("warnings", ()):
        module.warn(warning)
    if not outcome["ok"]:
        module.fail_json(**outcome["error"])
    module.exit_json(**outcome["result"])


def run_here(module: AnsibleModule, operation: Operation, hint: Mapping[str, Any] | None = None) -> NoReturn:
    """Run ``operation`` in this process, for what only reads: nothing is written, not even a log.

    Args:
        module: the module, whose parameters the operation gets.
        operation: what is run.
        hint: what it gets besides.
    """
    with tempfile.TemporaryDirectory(prefix="mariabackup-") as scratch:
        ctx = Context(scratch, module.params.get("state_dir") or scratch, check_mode=True)
        try:
            outcome: dict[str, Any] = {"ok": True, "result": operation({**_params(module), **(hint or {})}, ctx)}
        except MariabackupError as error:
            error.log_path = None if error.log_path == ctx.log_path else error.log_path
            outcome = {"ok": False, "error": error.as_result()}
        outcome["warnings"] = ctx.warnings
    _end(module, outcome)


def _attach_step(directory: str) -> dict[str, str]:
    return {
        "phase": "plan",
        "action": "attach to the job that does this already",
        "detail": os.path.basename(directory),
    }


def _plan(module: AnsibleModule, operation: str) -> NoReturn:
    """End check mode with the plan; where a job does already what the task would begin, with the plan to attach to it."""
    state_dir = module.params["state_dir"]
    running = registry.find_running(state_dir, operation, module.params)
    if running is not None:
        module.exit_json(changed=True, plan=[_attach_step(running)])
    alike = registry.find_alike(state_dir, operation, module.params)
    hint: dict[str, Any] = {}
    if alike is not None:
        # Only the plan finds out which backup the task means.
        hint["_alike"] = {"backup_id": registry.params_of(alike).get("backup_id"), "step": _attach_step(alike)}
    run_here(module, plan(operation), hint)


def read_size(module: AnsibleModule, option: str) -> None:
    """Turn an option such as ``100M`` into a number of bytes, or fail with what is wrong with it."""
    value = module.params[option]
    if value is None:
        return
    try:
        module.params[option] = parse_size(value)
    except ValueError:
        module.fail_json(
            msg=f"{option} is {value}, which is not a size. Write a number of bytes, or a size such as 100M."
        )


def read_backup_options(module: AnsibleModule, option: str) -> None:
    """Make of the dictionary in ``option`` all the options of the module ``backup`` that the module itself lacks.

    They are checked together with those that it has, by the specification of ``backup``.
    """
    from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

    given = module.params[option] or {}
    own = {name: module.params[name] for name in argspec.backup_spec() if name in module.params}
    twice = sorted(set(given) & set(own))
    if twice:
        module.fail_json(
            msg=f"{option} has {', '.join(twice)}, which are options of this module. Set them beside {option}."
        )
    values = {name: value for name, value in {**own, **given}.items() if value is not None}
    result = ArgumentSpecValidator(argspec.backup_spec(), **argspec.BACKUP_RULES).validate(values)
    if result.unsupported_parameters:
        unknown = ", ".join(sorted(map(str, result.unsupported_parameters)))
        module.fail_json(
            msg=f"{option} has {unknown}, which the module backup does not know. ansible-doc shows its options."
        )
    if result.error_messages:
        module.fail_json(msg=f"{option}: {'; '.join(result.error_messages)}")
    full = result.validated_parameters
    module.params[option] = {name: value for name, value in full.items() if name not in own}


def run_job(module: AnsibleModule, operation: str, instance: str) -> NoReturn:
    """Run ``operation`` as a job of the host, or only plan it in check mode, and end the module.

    Args:
        module: the module, whose parameters the operation gets.
        operation: its name in ``job.operations``.
        instance: the service's name, which becomes a part of the transient unit's name.
    """
    if module.check_mode:
        _plan(module, operation)
    try:
        begun = begin(operation, _params(module), module.params["state_dir"], instance)
        if begun.note:
            module.warn(begun.note)
        if not module.params.get("wait", True):
            place = begun.directory
            module.exit_json(changed=True, job_id=os.path.basename(place), log_path=os.path.join(place, "log"))
        outcome = wait(begun.directory)
    except MariabackupError as error:
        module.fail_json(**error.as_result())
    _end(module, outcome)
