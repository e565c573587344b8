# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the swap to the commit: the first start, the health check, and the server open for everybody."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.host import Host
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.journal import Journal
from ansible_collections.dba.mariabackup.plugins.module_utils.server import error_log, proc
from ansible_collections.dba.mariabackup.plugins.module_utils.server.greeting import socket_path
from ansible_collections.dba.mariabackup.plugins.module_utils.server.health import check_health
from ansible_collections.dba.mariabackup.plugins.module_utils.server.login import (
    connect_any,
    execute,
    logins_after_restore,
    root_over_socket,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.server.open_up import (
    open_by_restart,
    open_for_writing,
    run_upgrade,
    wait_for_distribution_check,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.server.service import RESTRICTIONS, Service, Survey


def opened_by_others(service: Service) -> bool:
    """Whether a server runs that was not started with the restrictions of a restore, so it may be written to."""
    pid = service.main_pid()
    return pid is not None and not set(RESTRICTIONS) <= set(proc.argv_of(pid))


def start(journal: Journal, host: Host, params: Mapping[str, Any], ctx: Context) -> None:
    """Start the server on the new set, read-only, without replication and events."""
    if journal.get("log_mark") is None:
        journal.write(log_mark=error_log.mark(host.options))
    survey = Survey.from_json(journal["survey"])
    ctx.point("start-held")
    host.service.start(params["start_timeout"], restricted=True, triggers=survey.triggers)


def check(journal: Journal, host: Host, params: Mapping[str, Any], ctx: Context) -> str:
    """Run the health ladder and return its result."""
    live = os.stat(host.layout.datadir)
    health = check_health(
        host.service,
        host.options,
        datadir_identity=(live.st_dev, live.st_ino),
        logins=logins_after_restore(params, socket_path(host.options)),
        mode=params["health_check"],
        manifest_schemas=journal["situation"]["schemas"],
        encrypted=bool(journal["situation"].get("encrypted")),
        expect_schemas=params["expect_schemas"],
        verify_queries=params["verify_queries"],
        log_mark=journal["log_mark"],
        timeout=params["start_timeout"],
    )
    for entry in health.checks:
        ctx.log(f"health: {entry['check']}: {entry['detail']}")
    if health.result == "unverified_login":
        ctx.warn("The server is up on the restored data, but no account could log in: its accounts are the backup's.")
    if health.connection is not None:
        health.connection.close()
    return "none" if health.result == "not_checked" else health.result


def finish_data(journal: Journal, host: Host, params: Mapping[str, Any], ctx: Context) -> None:
    """Do what changes the data before anybody else may: the upgrade and the caller's statements."""
    if not params["start"]:
        if params["post_restore_sql"] and not params["clone"]:
            ctx.warn("post_restore_sql was not run: the server is not started (start: false).")
        return
    upgrade = journal["situation"]["upgrade"]
    statements = params["post_restore_sql"][journal.get("statements_done") or 0 :]
    if not upgrade and not statements:
        return
    socket = socket_path(host.options)
    logins = logins_after_restore(params, socket)
    if upgrade and not journal.get("upgraded"):
        wait_for_distribution_check(host.service)
        connection, label, _notes = connect_any(logins, socket)
        connection.close()
        chosen = next(login for login in logins if login.label == label)
        for line in run_upgrade(chosen, socket):
            ctx.log(f"mariadb-upgrade: {line}")
        journal.write(upgraded=True)
    if statements:
        connection, _label, _notes = connect_any(logins, socket)
        try:
            for number, statement in enumerate(statements, journal.get("statements_done") or 0):
                execute(connection, statement)
                journal.write(statements_done=number + 1)
        finally:
            connection.close()


def open_server(host: Host, params: Mapping[str, Any], ctx: Context) -> None:
    """Open the server with its configured values: by statements where a login works, else by a restart."""
    service = host.service
    if not params["start"]:
        service.remove_restrictions()
        service.release()
        return
    if not opened_by_others(service):
        socket = socket_path(host.options)
        try:
            connection, label, _notes = connect_any(
                [root_over_socket(socket), *logins_after_restore(params, socket)], socket
            )
            try:
                values = open_for_writing(connection, host.options)
                if values["event_scheduler"] == "ON":
                    # The distribution's upgrade check, which runs beside the server since its start, puts the scheduler
                    # back to what it found: OFF.
                    wait_for_distribution_check(service)
                    values = open_for_writing(connection, host.options)
            finally:
                connection.close()
            ctx.log(f"opened by {label}: {values}")
        except MariabackupError as error:
            ctx.log(f"opening by a restart: {error.cause}")
            open_by_restart(service, params["start_timeout"])
    ctx.point("commit-opened")
    service.remove_restrictions()
