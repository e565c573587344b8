# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A schedule as files: its description, its service and its timer, and what their texts are (pure)."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.job.payload import SCHEDULED
from ansible_collections.dba.mariabackup.plugins.module_utils.server.unit_files import PERMANENT
from ansible_collections.dba.mariabackup.plugins.module_utils.server.unit_text import quote
from ansible_collections.dba.mariabackup.plugins.module_utils.stream import remotes
from ansible_collections.dba.mariabackup.plugins.module_utils.stream.rclone import is_remote

VERSION = 1
DIRECTORY = "/etc/mariabackup/schedules"
STAMPS = "/var/lib/systemd/timers"
HEADER = "# Written by dba.mariabackup.schedule; the next run of that module overwrites it.\n"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_UNIT = re.compile(r"[A-Za-z0-9:_.\\@%-]{1,255}")
# The options of the module ``schedule`` that are none of the module ``backup``.
_OWN = frozenset(
    {"name", "state", "on_calendar", "randomized_delay", "persistent", "on_failure", "wait_timeout", "metrics_dir",
     "backup_options", "retention", "copy_to", "copy_retention", remotes.OPTION}
)  # fmt: skip
# What cannot keep a backup from working, wherever the datadir, the socket and the repository lie. No private /tmp: sockets are put
# there. No read-only system directories: repositories are.
_HARDENING = (
    "UMask=0077",
    "LockPersonality=yes",
    "ProtectControlGroups=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelTunables=yes",
    "RestrictRealtime=yes",
)


@dataclass(frozen=True)
class Places:
    """Where the parts of a schedule lie."""

    name: str

    @property
    def description(self) -> str:
        """The file that the runner reads, 0600: it may hold a password."""
        return os.path.join(DIRECTORY, f"{self.name}.json")

    @property
    def remotes(self) -> str:
        """rclone's configuration, 0600, where the task describes the remotes."""
        return os.path.join(DIRECTORY, f"{self.name}.rclone.conf")

    @property
    def service_unit(self) -> str:
        """The service's name."""
        return f"mariabackup-{self.name}.service"

    @property
    def timer_unit(self) -> str:
        """The timer's name."""
        return f"mariabackup-{self.name}.timer"

    @property
    def service(self) -> str:
        """The service's file."""
        return os.path.join(PERMANENT, self.service_unit)

    @property
    def timer(self) -> str:
        """The timer's file."""
        return os.path.join(PERMANENT, self.timer_unit)

    @property
    def wanted(self) -> str:
        """The link by which the timer is started at boot."""
        return os.path.join(PERMANENT, "timers.target.wants", self.timer_unit)

    @property
    def stamp(self) -> str:
        """Where systemd notes when a persistent timer fired last."""
        return os.path.join(STAMPS, f"stamp-{self.timer_unit}")


def check_names(params: Mapping[str, Any]) -> None:
    """Refuse what cannot stand in a unit file.

    Raises:
        MariabackupError: names the option.
    """
    if not _NAME.fullmatch(params["name"]):
        raise MariabackupError(
            f"name is {params['name']!r}, which cannot be a part of a unit's name.",
            "Use letters, digits, dots, dashes and underscores, at most 64, and begin with a letter or digit.",
        )
    unit = params.get("on_failure")
    if unit and not _UNIT.fullmatch(unit):
        raise MariabackupError(f"on_failure is {unit!r}.", "Set it to the name of one unit, such as alarm@%n.service.")
    for option in ("on_calendar", "randomized_delay"):
        text = params.get(option)
        if text is not None and (not text.strip() or not text.isprintable()):
            raise MariabackupError(f"{option} is {text!r}.", "Write it as systemd.time(7) describes it.")
    backup = {**params, **(params.get("backup_options") or {})}
    if is_remote(params.get("copy_to") or "") and backup.get("format") != "stream":
        raise MariabackupError(
            f"copy_to is {params['copy_to']}, which is remote storage, and holds streams only.",
            "Set format to stream in backup_options.",
        )
    for option in ("repository", "copy_to", "state_dir", "metrics_dir"):
        path = params.get(option)
        remote = option in ("repository", "copy_to") and is_remote(path or "")
        if path and not ((path.startswith("/") or remote) and path.isprintable()):
            raise MariabackupError(f"{option} is {path!r}.", "Write an absolute path without control characters.")


def steps_of(params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what a run does, in this order: operations with all their parameters."""
    backup = {name: value for name, value in params.items() if name not in _OWN and not name.startswith("_")}
    backup.update(params.get("backup_options") or {})
    # The suffix is a part of the default instance, which is found out when the step runs: a host may get another name.
    shared = {name: backup.get(name) for name in ("instance", "state_dir", "defaults_group_suffix")}
    if params.get(remotes.OPTION):
        backup["rclone_config"] = Places(params["name"]).remotes
    place = {**shared, "repository": backup["repository"], "rclone_config": backup.get("rclone_config")}
    steps = [{"operation": "backup", "params": backup}]
    if params.get("copy_to"):
        steps.append({"operation": "copy_backup", "params": {**place, "to": params["copy_to"]}})
    if params.get("retention"):
        steps.append({"operation": "prune", "params": {**place, **params["retention"]}})
    if params.get("copy_to") and params.get("copy_retention"):
        second = {**place, "repository": params["copy_to"]}
        steps.append({"operation": "prune", "params": {**second, **params["copy_retention"]}})
    return steps


def describe(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the runner needs to know of a schedule."""
    return {
        "version": VERSION,
        "name": params["name"],
        "state_dir": params["state_dir"],
        "metrics_dir": params.get("metrics_dir"),
        "wait_timeout": params["wait_timeout"],
        "steps": steps_of(params),
    }


def description_text(description: Mapping[str, Any]) -> str:
    """Return the description as it is written."""
    return json.dumps(description, indent=1, sort_keys=True) + "\n"


def shown(text: str) -> str:
    """Return a description as diff mode shows it, without the password."""
    return re.sub(r'("login_password": )"(?:[^"\\]|\\.)*"', r'\1"(hidden)"', text)


def service_text(params: Mapping[str, Any], command: Sequence[str]) -> str:
    """Return the service: one run.

    Args:
        command: the start of a command line that runs this version of the code.
    """
    places = Places(params["name"])
    suffix = str(params.get("defaults_group_suffix") or "").lstrip(".")
    server = f"mariadb{'@' + suffix if suffix else ''}.service"
    paths = [
        params[name] for name in ("state_dir", "repository", "copy_to") if (params.get(name) or "").startswith("/")
    ]
    words = [*command, SCHEDULED, places.description]
    return HEADER + "\n".join(
        [
            "[Unit]",
            f"Description=Backup of MariaDB, schedule {params['name']}",
            # A persistent timer may fire while the host boots.
            f"After={server.replace('%', '%%')}",
            f"RequiresMountsFor={' '.join(quote(path) for path in paths)}",
            # The times say how often it runs.
            "StartLimitIntervalSec=0",
            *([f"OnFailure={params['on_failure']}"] if params.get("on_failure") else []),
            "",
            "[Service]",
            "Type=oneshot",
            f"ExecStart={' '.join(quote(word, command=True) for word in words)}",
            "Environment=LC_ALL=C.UTF-8",
            "TimeoutStartSec=infinity",
            "TimeoutStopSec=300",
            *_HARDENING,
            "",
        ]
    )


def timer_text(params: Mapping[str, Any]) -> str:
    """Return the timer."""
    return HEADER + "\n".join(
        [
            "[Unit]",
            f"Description=Times of the backup of MariaDB, schedule {params['name']}",
            "",
            "[Timer]",
            f"OnCalendar={params['on_calendar'].strip()}",
            f"RandomizedDelaySec={params['randomized_delay'].strip()}",
            "AccuracySec=1s",
            f"Persistent={'yes' if params['persistent'] else 'no'}",
            f"Unit={Places(params['name']).service_unit}",
            "",
            "[Install]",
            "WantedBy=timers.target",
            "",
        ]
    )
