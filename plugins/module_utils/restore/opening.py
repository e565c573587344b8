# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the swap to the commit: GTID state, the first start, the health check, and the server open for everybody."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.files import write_atomic
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.host import Host
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.journal import Journal
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.switching import members_of
from ansible_collections.dba.mariabackup.plugins.module_utils.server import error_log, proc
from ansible_collections.dba.mariabackup.plugins.module_utils.server.binlog_end import BinlogEnd, read_binlog_end
from ansible_collections.dba.mariabackup.plugins.module_utils.server.greeting import socket_path
from ansible_collections.dba.mariabackup.plugins.module_utils.server.gtid import (
    BLIND_MARGIN,
    format_state,
    new_history_state,
    parse_list,
)
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


def remember_binlog_end(journal: Journal, host: Host) -> None:
    """Journal where the old history ends, before its binary logs are deleted; the server is stopped."""
    if journal.get("binlog_end") is None:
        end = read_binlog_end(host.options)
        journal.write(binlog_end={**asdict(end), "state": [str(gtid) for gtid in end.state]})


def _binlog_end(journal: Journal, host: Host) -> BinlogEnd:
    """Return where the old history ends: from the files, or from the journal where they were deleted first."""
    remembered = journal.get("binlog_end")
    if remembered is None:
        return read_binlog_end(host.options)
    return BinlogEnd(**{**remembered, "state": parse_list(",".join(remembered["state"]))})


def stage_gtid_state(journal: Journal, host: Host, params: Mapping[str, Any], ctx: Context) -> None:
    """Put the GTID state into the staged set, as the file from which the server reads it at its first start.

    The old server is stopped, so its last number is known. Where its binary logs end in a way that does not tell, the
    new history begins far above everything that is known.
    """
    logs = host.layout.binary_logs
    if logs is None or params["gtid_state"] == "leave" or params["binary_logs"] == "leave":
        return
    directory = os.path.dirname(logs.state)
    staged = {member.live: member.staged for member in members_of(journal)}
    if directory in staged:
        target = os.path.join(staged[directory], os.path.basename(logs.state))
    else:
        target = os.path.join(staged[host.layout.datadir], os.path.relpath(logs.state, host.layout.datadir))
    known = journal["situation"]
    end = _binlog_end(journal, host)
    if params["gtid_state"] == "backup":
        text = format_state(parse_list(known["backup_gtid"] or ""))
    else:
        if not end.complete:
            ctx.warn(f"{end.note} The new GTID history begins {BLIND_MARGIN} above the last known number.")
        text = new_history_state(
            [*known["gtids"], *(str(gtid) for gtid in end.state)],
            int(host.options.get("server_id") or 1),
            int(host.options.get("gtid_domain_id") or 0),
            1 if end.complete else BLIND_MARGIN,
        )
    os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
    # An empty file with the old history's last name: the new logs are numbered above it. Numbered from 1 again, they
    # would one day have the file in which a replica without GTID stands, and it would go on.
    texts = {target: text} if text else {}
    if end.last_file:
        texts[os.path.join(os.path.dirname(target), end.last_file)] = ""
    owner = os.stat(os.path.dirname(target))
    for path, content in texts.items():
        write_atomic(path, content, 0o660)
        os.chown(path, owner.st_uid, owner.st_gid)
    ctx.log(
        f"GTID state staged in {target}: {' '.join(text.split())}; binary logs go on after {end.last_file or 'none'}"
    )


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
        if params["post_restore_sql"]:
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
