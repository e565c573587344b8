# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service of a server under whichever manager the host has."""

from __future__ import annotations

import os
from collections.abc import Sequence

from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.server import none, process, systemd, sysvinit, unit
from ansible_collections.dba.mariabackup.plugins.module_utils.server.base import (
    RESTRICTIONS,
    Repair,
    Service,
    Survey,
    Trigger,
    account_of,
    running_datadir,
)

__all__ = [
    "RESTRICTIONS",
    "Repair",
    "Service",
    "Survey",
    "Trigger",
    "account_of",
    "open_service",
    "running_datadir",
]


def open_service(
    manager: str = "auto",
    name: str = "mariadb",
    *,
    state_dir: str = "/var/lib/mariabackup",
    key: str,
    server_command: str | Sequence[str] | None = None,
    server_config_file: str | None = None,
    server_user: str | None = None,
    defaults_file: str | None = None,
    defaults_group_suffix: str | None = None,
) -> Service:
    """Return the service under its manager; nothing is changed.

    ``auto`` takes systemd where it is the running manager, else an init script, and refuses where there is neither.

    Args:
        manager: ``auto``, ``systemd``, ``sysvinit``, ``process`` or ``none``.
        name: unit or init script; without meaning for ``process`` and ``none``.
        state_dir: where the hold file and, for ``process``, the record of the process live.
        key: the word for this datadir (`files.path_key`).
        server_command: the server program of ``process``, with arguments of its own when it is a list.
        server_config_file: its ``--defaults-file``.
        server_user: its ``--user``.
        defaults_file: option file of a server that is down and whose manager does not tell (``none``, ``sysvinit``).
        defaults_group_suffix: likewise.
    """
    if manager == "auto":
        if unit.is_running():
            manager = "systemd"
        elif os.path.exists(os.path.join("/etc/init.d", name)):
            manager = "sysvinit"
        else:
            raise MariabackupError(
                "This host runs neither systemd nor an init script of that name.",
                "Set service_manager to process (a server of ours) or none (you stop and start it yourself).",
            )
    if manager == "systemd":
        return systemd.SystemdService(name, state_dir=state_dir, key=key)
    if manager == "sysvinit":
        return sysvinit.SysvinitService(
            name,
            state_dir=state_dir,
            key=key,
            defaults_file=defaults_file,
            defaults_group_suffix=defaults_group_suffix,
        )
    if manager == "process":
        return process.ProcessService(
            name,
            state_dir=state_dir,
            key=key,
            command=server_command,
            config_file=server_config_file or defaults_file,
            user=server_user,
            defaults_group_suffix=defaults_group_suffix,
        )
    if manager == "none":
        return none.NoService(
            name,
            state_dir=state_dir,
            key=key,
            defaults_file=defaults_file,
            defaults_group_suffix=defaults_group_suffix,
        )
    raise MariabackupError(f"service_manager {manager} is unknown.", "Use auto, systemd, sysvinit, process or none.")
