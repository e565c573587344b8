# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server of this host as a restore meets it: its service, its options, its directories."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.layout import Layout
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.files import path_key
from ansible_collections.dba.mariabackup.plugins.module_utils.server.options import (
    find_server_binary,
    option_file_args,
    read_options,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.server.service import Service, open_service

# The module's options from which the service can be opened again, by a later run or by the repair at boot.
SERVICE_OPTIONS = (
    "service",
    "service_manager",
    "server_command",
    "server_config_file",
    "server_user",
    "defaults_file",
    "defaults_group_suffix",
)


@dataclass(frozen=True)
class Host:
    """The server of one restore; ``options``, read with ``args``, may hold secrets and is never shown whole."""

    service: Service
    binary: str
    options: Mapping[str, str]
    layout: Layout
    args: tuple[str, ...] = ()


def service_of(params: Mapping[str, Any], state_dir: str, key: str) -> Service:
    """Open the service that a module's options, or a journal, name."""
    return open_service(
        params["service_manager"],
        params["service"],
        state_dir=state_dir,
        key=key,
        server_command=params["server_command"],
        server_config_file=params["server_config_file"],
        server_user=params["server_user"],
        defaults_file=params["defaults_file"],
        defaults_group_suffix=params["defaults_group_suffix"],
    )


def open_host(params: Mapping[str, Any], state_dir: str) -> Host:
    """Find the service, the options it starts the server with, and the directories they name.

    Raises:
        MariabackupError: there is no such service or server program, its options cannot be read, or ``datadir`` is not
            the service's datadir.
    """
    service = service_of(params, state_dir, "-")
    with service.at_once():
        if not service.exists():
            raise MariabackupError(
                f"There is no service {params['service']} on this host ({service.manager}).",
                "Name the server's service with the option service, or install the server.",
            )
        command_args = service.command_args()
    binary = params["server_command"] or find_server_binary()
    chosen = option_file_args(params["defaults_file"], params["defaults_group_suffix"])
    args = [arg for arg in command_args if arg not in chosen]
    if params["defaults_file"]:
        args = [arg for arg in args if not arg.startswith(("--defaults-file=", "--defaults-extra-file="))]
    args = [*chosen, *args]
    options = read_options(binary, args)
    layout = Layout.from_options(options)
    wanted = params.get("datadir")
    if wanted and os.path.realpath(wanted) != layout.datadir:
        raise MariabackupError(
            f"datadir is {wanted}, but the service {service.name} starts its server on {layout.datadir}.",
            "Correct datadir, or the service or option file that you mean.",
        )
    return Host(service_of(params, state_dir, path_key(layout.datadir)), binary, options, layout, tuple(args))
