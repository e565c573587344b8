# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes the data of a backup another server's, done to it while it lies beside the old data and nobody can reach it.

A server of our own opens the staged set, without a network and with its socket in a private directory. So no client ever
meets data that is not masked, not for a moment and not after a power cut, and a statement that fails costs the server in
service nothing: it has not been stopped yet.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.memory import memory_argument
from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.files import delete_tree
from ansible_collections.dba.mariabackup.plugins.module_utils.restore import server_identity
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.host import Host
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.journal import Journal
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.situation import CloneFacts, Situation
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.switching import members_of
from ansible_collections.dba.mariabackup.plugins.module_utils.server.health import check_query
from ansible_collections.dba.mariabackup.plugins.module_utils.server.names import quote
from ansible_collections.dba.mariabackup.plugins.module_utils.server.scratch import (
    OPTION_FILE,
    TEMPORARY,
    Scratch,
    scratch_server,
    wait_for_rollback,
)

# Files that make a server a replica when it starts. The tool backs up none of them; a backup of others may hold them.
_CONNECTIONS = ("master.info", "relay-log.info", "multi-master.info")
_CONNECTION_NAMES = (("master-", ".info"), ("relay-log-", ".info"))
# The row itself, because ALTER EVENT makes whoever runs it the event's owner, and the statement's character set its own.
# `created` is a column that changes with every update unless it is told not to.
_DISABLE_EVENTS = "UPDATE mysql.event SET created = created, status = 'DISABLED' WHERE status = 'ENABLED'"
_POSITIONS = (
    "SELECT table_name AS name FROM information_schema.tables"
    " WHERE table_schema = 'mysql' AND table_name LIKE 'gtid\\_slave\\_pos%'"
)


def look_at(params: Mapping[str, Any], host: Host, used: Collection[int], carried: Sequence[str]) -> CloneFacts:
    """Find out what a clone on this host gets.

    Args:
        params: the module's options.
        host: the server.
        used: the server ids that the backup tells of.
        carried: the names that are taken over from the old datadir.
    """
    configured = server_identity.configured_id(host.options)
    choice = server_identity.choose(params["clone_server_id"], configured, used, server_identity.seed_of(host))
    connections = connection_files(carried)
    # Such a file stays where it is while the sets change hands.
    outside = host.options.get("master_info_file", "")
    if os.path.isabs(outside) and not outside.startswith(f"{host.layout.datadir}/") and os.path.exists(outside):
        connections.append(outside)
    return CloneFacts(
        server_id=choice.number,
        configured=choice.configured,
        problem=choice.problem,
        file=None if choice.configured else server_identity.option_file(host),
        connections=tuple(connections) if params["clone_replication"] == "drop" else (),
    )


def make_clone(journal: Journal, situation: Situation, host: Host, params: Mapping[str, Any], ctx: Context) -> None:
    """Make the staged set, whole in its datadir, that of another server, and give the host the server id for it.

    Raises:
        MariabackupError: a statement or a check failed, or the server did not start. The old data serves on.
    """
    top = members_of(journal)[0].staged
    if params["clone_replication"] == "drop":
        for name in connection_files(os.listdir(top)):
            os.unlink(os.path.join(top, name))
            ctx.log(f"removed {name}: it would make the clone a replica")
    with scratch_server(
        host.binary,
        top,
        situation.source.innodb,
        ctx,
        lower_case=host.options.get("lower_case_table_names", "0"),
        memory=memory_argument(params["use_memory"], 0),
        timeout=params["start_timeout"],
        # Reads the accounts, without which no statement may change one, and triggers would not find their owners.
        statements=["FLUSH PRIVILEGES"],
    ) as scratch:
        wait_for_rollback(scratch, params["start_timeout"])
        scratch.query("SET SESSION sql_mode = %s", [host.options.get("sql_mode", "")])
        if params["clone_events"] == "disable":
            scratch.query(_DISABLE_EVENTS)
        if params["clone_replication"] == "drop":
            for row in scratch.query(_POSITIONS):
                scratch.query(f"DELETE FROM {quote('mysql', str(row['name']))}")
        try:
            run_statements(scratch, params["post_restore_sql"], ctx)
            for entry in params["verify_queries"]:
                check_query(scratch.connection, entry)
        except MariabackupError as error:
            if not journal.get("deleted"):
                error.action += " The server in service has not been touched."
            raise
        ctx.point("clone-made")
        scratch.shut_down(params["start_timeout"])
    os.unlink(os.path.join(top, OPTION_FILE))
    delete_tree(os.path.join(top, TEMPORARY))
    server_identity.put_in_force(journal, host, ctx)
    # The commit has nothing left to run of them.
    journal.write(statements_done=len(params["post_restore_sql"]))


def connection_files(names: Sequence[str]) -> list[str]:
    """Return those names in a datadir that hold a replica's connection (pure)."""
    return [
        name
        for name in sorted(names)
        if name in _CONNECTIONS
        or any(name.startswith(head) and name.endswith(tail) for head, tail in _CONNECTION_NAMES)
    ]


def run_statements(scratch: Scratch, statements: Sequence[str], ctx: Context) -> None:
    """Run the caller's statements, in one session.

    Raises:
        MariabackupError: one of them failed; nothing of the staged set is ever served then.
    """
    for number, statement in enumerate(statements, 1):
        try:
            scratch.query(statement)
        except MariabackupError as error:
            error.cause = f"Statement {number} of {len(statements)} of post_restore_sql: {error.cause}"
            raise
    ctx.log(f"ran {len(statements)} statements of post_restore_sql")
