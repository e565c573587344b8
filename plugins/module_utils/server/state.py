# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a server stands among others: its role, its replication, its cluster. Reading only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.server.facts import read_facts
from ansible_collections.dba.mariabackup.plugins.module_utils.server.greeting import socket_path
from ansible_collections.dba.mariabackup.plugins.module_utils.server.login import (
    Login,
    LoginRefused,
    NoServer,
    connect_any,
    query,
    root_over_socket,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.server.options import (
    find_server_binary,
    option_file_args,
    read_options,
)

_STATUS = ("wsrep_cluster_status", "wsrep_connected", "wsrep_local_recv_queue", "wsrep_local_state_comment",
           "wsrep_ready")  # fmt: skip
#: results of a server that could not be asked
UNKNOWN: dict[str, Any] = {
    "version": None,
    "server_id": None,
    "role": None,
    "read_only": None,
    "replicas": [],
    "connections": None,
    "galera": None,
    "gtid_current_pos": None,
    "unknown": [],
}


def look(params: Mapping[str, Any], ctx: Context) -> dict[str, Any]:
    """Return the result of the module ``server_info``; a server that does not answer is one of its states.

    Raises:
        MariabackupError: it cannot be asked at all: no server program, no PyMySQL.
    """
    del ctx
    options = read_options(
        find_server_binary(), option_file_args(params["defaults_file"], params["defaults_group_suffix"])
    )
    socket = socket_path(options)
    given = Login.from_params(params)
    root = replace(root_over_socket(socket), connect_timeout=given.connect_timeout)
    try:
        connection, _label, _notes = connect_any([given, root], socket)
    except (NoServer, LoginRefused) as error:
        return {"changed": False, "reachable": False, "problem": error.cause, **UNKNOWN}
    try:
        return {"changed": False, "reachable": True, "problem": None, **_ask(connection)}
    finally:
        connection.close()


def _ask(connection: Any) -> dict[str, Any]:
    facts = read_facts(connection)
    connections = _connections(connection)
    galera = None
    if facts.galera is not None:
        names = ", ".join(f"'{name}'" for name in _STATUS)
        rows = query(connection, f"SHOW GLOBAL STATUS WHERE Variable_name IN ({names})")
        desync = query(connection, "SHOW GLOBAL VARIABLES LIKE 'wsrep_desync'")
        galera = galera_of(
            facts.galera,
            facts.galera_size,
            {str(row["Variable_name"]).lower(): str(row["Value"]) for row in [*rows, *desync]},
        )
    server_id = facts.variables.get("server_id", "")
    return {
        "version": facts.version,
        "server_id": int(server_id) if server_id.isdigit() else None,
        "role": role_of(bool(galera), connections, bool(facts.replicas)),
        "read_only": facts.variables.get("read_only", "OFF").upper() not in ("OFF", "0"),
        "replicas": facts.replicas,
        "connections": connections,
        "galera": galera,
        "gtid_current_pos": facts.variables.get("gtid_current_pos") or None,
        "unknown": facts.notes,
    }


def _connections(connection: Any) -> list[dict[str, Any]] | None:
    """Return the connections to primaries; None where the account may not see them, which is among the facts' notes."""
    try:
        return [connection_of(row) for row in query(connection, "SHOW ALL SLAVES STATUS")]
    except MariabackupError:
        return None


def role_of(galera: bool, connections: Sequence[Any] | None, has_replicas: bool) -> str | None:
    """Return the one word for a server's place (pure); a replica that has replicas of its own is a replica."""
    if galera:
        return "galera"
    if connections is None:
        return None
    if connections:
        return "replica"
    return "primary" if has_replicas else "standalone"


def connection_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what counts of a row of SHOW ALL SLAVES STATUS (pure)."""
    lag, primary = row.get("Seconds_Behind_Master"), row.get("Master_Server_Id")
    return {
        "name": str(row.get("Connection_name") or ""),
        "primary": f"{row.get('Master_Host')}:{row.get('Master_Port')}",
        "primary_server_id": int(primary) if primary else None,
        "io_running": str(row.get("Slave_IO_Running")),
        "sql_running": str(row.get("Slave_SQL_Running")),
        "lag_seconds": None if lag is None else int(lag),
        "delay_seconds": int(row.get("SQL_Delay") or 0),
        "error": str(row.get("Last_SQL_Error") or row.get("Last_IO_Error") or "") or None,
    }


def galera_of(name: str, size: int, status: Mapping[str, str]) -> dict[str, Any]:
    """Return what counts of a node's status (pure)."""
    return {
        "cluster": name,
        "size": size,
        "cluster_status": status.get("wsrep_cluster_status", ""),
        "state": status.get("wsrep_local_state_comment", ""),
        "ready": status.get("wsrep_ready") == "ON",
        "connected": status.get("wsrep_connected") == "ON",
        "desync": status.get("wsrep_desync") == "ON",
        "receive_queue": int(status.get("wsrep_local_recv_queue") or 0),
    }
