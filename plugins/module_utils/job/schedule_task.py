# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operation ``schedule``: installs or removes the description, the service and the timer of a schedule."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.files import (
    fsync_path,
    make_private_dirs,
    read_json,
    write_atomic,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.job.payload import planned_command, runner_command
from ansible_collections.dba.mariabackup.plugins.module_utils.job.schedule_text import (
    DIRECTORY,
    Places,
    check_names,
    describe,
    description_text,
    service_text,
    shown,
    timer_text,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.job.scheduled import metrics_path
from ansible_collections.dba.mariabackup.plugins.module_utils.repository import outcomes
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.local import instance_of
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.prune_task import rules_of
from ansible_collections.dba.mariabackup.plugins.module_utils.server import command as commands
from ansible_collections.dba.mariabackup.plugins.module_utils.server.unit import is_running, systemctl
from ansible_collections.dba.mariabackup.plugins.module_utils.server.unit_files import read
from ansible_collections.dba.mariabackup.plugins.module_utils.server.unit_text import parse_show
from ansible_collections.dba.mariabackup.plugins.module_utils.stream.remotes import OPTION, config_text

_ADVICE = "Read the lines below; `systemctl status` tells more."


@dataclass
class _Plan:
    """What is to be done, and nothing where it is done already.

    Attributes:
        files: text and mode of each file that is to be written, by path.
        gone: files that are to be removed.
        timer: whether the timer is to be started and enabled (state present), or stopped and disabled (state absent).
        reload: whether systemd has to read the units again, also because a task that was killed had not come to it.
    """

    places: Places
    present: bool
    files: dict[str, tuple[str, int]]
    gone: list[str]
    timer: bool
    reload: bool = False

    @property
    def actions(self) -> list[str]:
        """The same in words."""
        words = [f"write {path}" for path in self.files]
        if self.reload:
            words.append("reload systemd")
        if self.timer:
            words.append(f"{'start' if self.present else 'stop'} {self.places.timer_unit}")
        return words + [f"remove {path}" for path in self.gone]


def check(params: Mapping[str, Any], ctx: Context) -> dict[str, Any]:
    """Plan for check mode: the same refusals as ``run``, nothing written."""
    with ctx.phase("plan"):
        return _result(_plan(params, planned_command(params["state_dir"])))


def run(params: Mapping[str, Any], ctx: Context) -> dict[str, Any]:
    """Bring the schedule into the wanted state; see the module's documentation.

    Raises:
        MariabackupError: a value cannot be used, or systemd or the disk refuses.
    """
    with ctx.phase("plan"):
        # A schedule that is removed needs no code on the host.
        present = params["state"] == "present"
        planned = _plan(params, runner_command(params["state_dir"]) if present else ())
    result = _result(planned)
    for action in planned.actions:
        ctx.log(action)
    with ctx.phase("install" if present else "remove"), commands.file_errors():
        if present:
            _install(planned)
        else:
            _remove(planned, params)
    return {**result, "log_path": ctx.log_path}


def _plan(params: Mapping[str, Any], command: Sequence[str]) -> _Plan:
    check_names(params)
    if not is_running():
        raise MariabackupError(
            "systemd does not run on this host.", "Schedules are systemd timers; use another scheduler."
        )
    places = Places(params["name"])
    old = _description(places)
    state = _timer_state(places)
    if params["state"] == "absent":
        units = [path for path in (places.timer, places.service) if os.path.lexists(path)]
        active = state.get("ActiveState") not in (None, "inactive") or state.get("UnitFileState", "") not in (
            "",
            "disabled",
        )
        return _Plan(places, False, {}, [*units, *_traces(places, old, params)], active)
    _check_values(params)
    wanted = {
        **({places.remotes: (config_text(params[OPTION]), 0o600)} if params.get(OPTION) else {}),
        places.description: (description_text(describe(params)), 0o600),
        places.service: (service_text(params, command), 0o644),
        places.timer: (timer_text(params), 0o644),
    }
    files = {path: value for path, value in wanted.items() if not _is_so(path, *value)}
    gone = _moved(places, old, describe(params)) if old else []
    if places.remotes not in wanted and os.path.lexists(places.remotes):
        gone.append(places.remotes)
    runs = state.get("ActiveState") == "active" and state.get("UnitFileState") == "enabled"
    reload = places.service in files or places.timer in files or state.get("NeedDaemonReload") == "yes"
    return _Plan(places, True, files, gone, places.timer in files or not runs, reload)


def _check_values(params: Mapping[str, Any]) -> None:
    """Ask those who will have to understand the values later, when nobody is there to read what they say."""
    instance_of(params)
    for rules in ("retention", "copy_retention"):
        if params.get(rules):
            rules_of(params[rules])
    directory = params.get("metrics_dir")
    if directory and not os.path.isdir(directory):
        raise MariabackupError(
            f"metrics_dir is {directory}, which is no directory.",
            "Make it, as the directory of the node exporter's option --collector.textfile.directory, or leave it out.",
        )
    if params["wait_timeout"] < 0:
        raise MariabackupError(f"wait_timeout is {params['wait_timeout']}.", "Set it to a number of seconds.")
    for option, verb in (("on_calendar", "calendar"), ("randomized_delay", "timespan")):
        done = commands.run(["systemd-analyze", verb, "--", params[option].strip()])
        if done.rc != 0:
            cause = f"{option} is {params[option]!r}, which systemd does not understand."
            raise done.failure(cause, "See systemd.time(7).")


def _description(places: Places) -> dict[str, Any] | None:
    """Return the description that is installed, if it can be read."""
    try:
        value = read_json(places.description)
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) and value.get("name") == places.name else None


def _traces(places: Places, old: Mapping[str, Any] | None, params: Mapping[str, Any]) -> list[str]:
    """Return what a schedule and its runs have left, wherever the description says; the jobs and the backups stay."""
    known = old or {"name": places.name, "metrics_dir": params.get("metrics_dir"), "state_dir": params["state_dir"]}
    state_dir = str(known.get("state_dir") or params["state_dir"])
    outcome = outcomes.path_of(state_dir, places.name)
    found = [places.wanted, outcome, metrics_path(known), places.stamp, places.remotes, places.description]
    return [path for path in found if path and os.path.lexists(path)]


def _moved(places: Places, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return what lies where the schedule puts nothing any more."""
    before, after = ((outcomes.path_of(each["state_dir"], places.name), metrics_path(each)) for each in (old, new))
    return [path for path in before if path and path not in after and os.path.lexists(path)]


def _is_so(path: str, text: str, mode: int) -> bool:
    try:
        status = os.stat(path, follow_symlinks=False)
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and stat.S_IMODE(status.st_mode) == mode and read(path) == text


def _timer_state(places: Places) -> dict[str, str]:
    """Return what systemd knows of the timer, and whether it has read both units as they are."""
    names = "ActiveState,UnitFileState,NeedDaemonReload"
    timer, service = (
        parse_show(systemctl("show", unit, f"--property={names}").out)
        for unit in (places.timer_unit, places.service_unit)
    )
    if service.get("NeedDaemonReload") == "yes":
        timer["NeedDaemonReload"] = "yes"
    return timer


def _systemctl(*args: str) -> None:
    done = systemctl(*args)
    if done.rc != 0:
        raise done.failure(f"systemctl {' '.join(args)} failed.", _ADVICE)


def _install(planned: _Plan) -> None:
    """Write the description before the units, and what it names before it: a timer that exists finds all of it."""
    places = planned.places
    make_private_dirs(DIRECTORY)
    for path, (text, mode) in planned.files.items():
        write_atomic(path, text, mode)
    _unlink(planned.gone)
    if planned.reload:
        _systemctl("daemon-reload")
    if planned.timer:
        _systemctl("enable", "--quiet", places.timer_unit)
        _systemctl("restart", places.timer_unit)


def _remove(planned: _Plan, params: Mapping[str, Any]) -> None:
    """Stop the timer, end a run that is under way, and take everything away; the description goes last.

    It knows where the rest lies, so a removal that was interrupted can be repeated.
    """
    places = planned.places
    old = _description(places)
    if os.path.lexists(places.timer):
        _systemctl("disable", "--quiet", "--now", places.timer_unit)
    elif planned.timer:
        systemctl("stop", places.timer_unit)
    if os.path.lexists(places.service):
        _systemctl("stop", places.service_unit)
    # A run that was ended has written down its end.
    gone = dict.fromkeys([*planned.gone, *_traces(places, old, params)])
    _unlink(sorted(gone, key=lambda path: path == places.description))
    if planned.actions:
        _systemctl("daemon-reload")
        # A unit that failed is remembered although its file is gone.
        for unit in (places.service_unit, places.timer_unit):
            systemctl("reset-failed", unit)
    state = os.path.dirname(outcomes.path_of(str((old or params).get("state_dir")), places.name))
    for directory in (DIRECTORY, os.path.dirname(DIRECTORY), state):
        with contextlib.suppress(OSError):
            os.rmdir(directory)


def _unlink(paths: Sequence[str]) -> None:
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
            fsync_path(os.path.dirname(path))


def _result(planned: _Plan) -> dict[str, Any]:
    """Return the module's result; called before anything is written, because the diff shows what was there."""
    places = planned.places
    before: list[str] = []
    after: list[str] = []
    for path in (places.description, places.service, places.timer):
        old = read(path)
        new = planned.files[path][0] if path in planned.files else None if path in planned.gone else old
        for text, side in ((old, before), (new, after)):
            if text is not None:
                side.append(f"# {path}\n{shown(text) if path == places.description else text}")
    return {
        "changed": bool(planned.actions),
        "name": places.name,
        "timer": places.timer_unit,
        "service": places.service_unit,
        "description": places.description,
        "actions": planned.actions,
        "diff": {"before": "".join(before), "after": "".join(after)},
    }
