# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a running server says of itself."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.server.login import query

VARIABLES = (
    "aria_log_dir_path", "binlog_format", "datadir", "encrypt_binlog", "event_scheduler", "gtid_binlog_pos",
    "gtid_binlog_state", "gtid_current_pos", "gtid_domain_id", "gtid_slave_pos", "gtid_strict_mode", "have_ssl",
    "hostname", "innodb_data_file_path", "innodb_data_home_dir", "innodb_encrypt_log", "innodb_encrypt_tables",
    "innodb_log_archive", "innodb_log_group_home_dir", "innodb_page_size", "innodb_undo_directory",
    "innodb_undo_tablespaces", "log_bin", "log_bin_basename", "log_bin_index", "log_error", "log_slave_updates",
    "lower_case_table_names", "pid_file", "port", "read_only", "relay_log_basename", "relay_log_index", "server_id",
    "server_uid", "skip_networking", "socket", "version", "version_comment", "wsrep_cluster_name", "wsrep_gtid_mode",
    "wsrep_on",
)  # fmt: skip
SYSTEM_SCHEMAS = frozenset(("information_schema", "mysql", "performance_schema", "sys"))


def version_tuple(text: str) -> tuple[int, int, int]:
    """Return the three numbers of a version such as ``10.11.19-MariaDB-0+deb12u1``."""
    found = re.match(r"(\d+)\.(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2]), int(found[3])) if found else (0, 0, 0)


@dataclass
class ServerFacts:
    """A running server.

    Attributes:
        variables: the global variables in `VARIABLES` that this version has, by lower-case name.
        replicas: what replicates from it now, ``host (server id n)``.
        replica_connections: the connections through which it replicates, ``name: host, running or stopped``.
        galera: name of the cluster when it is a member of one, else None.
        schemas: all schemas but the server's own.
        notes: what could not be read, and for want of which privilege.
    """

    version: str
    variables: dict[str, str] = field(default_factory=dict)
    replicas: list[str] = field(default_factory=list)
    replica_connections: list[str] = field(default_factory=list)
    galera: str | None = None
    galera_size: int = 0
    schemas: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def version_tuple(self) -> tuple[int, int, int]:
        """The three numbers of the version."""
        return version_tuple(self.version)

    @property
    def datadir(self) -> str:
        """The datadir as the server has it."""
        return self.variables.get("datadir", "")

    def gtid_states(self) -> list[str]:
        """Return everything this server knows of used GTIDs, for `gtid.new_history_state`."""
        names = ("gtid_binlog_state", "gtid_current_pos", "gtid_slave_pos", "gtid_binlog_pos")
        return [self.variables[name] for name in names if self.variables.get(name)]


def read_facts(connection: Any) -> ServerFacts:
    """Ask a server for everything a plan needs; what the account may not see becomes a note.

    Raises:
        MariabackupError: not even its variables can be read.
    """
    names = ", ".join(f"'{name}'" for name in VARIABLES)
    rows = query(connection, f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({names})")
    variables = {str(row["Variable_name"]).lower(): str(row["Value"]) for row in rows}
    facts = ServerFacts(version=variables.get("version", ""), variables=variables)
    facts.replicas = _replicas(connection, facts.notes)
    facts.replica_connections = _replica_connections(connection, facts.notes)
    if variables.get("wsrep_on", "OFF") == "ON":
        facts.galera = variables.get("wsrep_cluster_name") or "unnamed"
        status = _try(connection, "SHOW GLOBAL STATUS LIKE 'wsrep_cluster_size'", "the cluster's size", facts.notes)
        facts.galera_size = int(status[0]["Value"]) if status else 0
    found = _try(connection, "SHOW DATABASES", "the schemas", facts.notes)
    facts.schemas = sorted(name for name in (str(row["Database"]) for row in found) if name not in SYSTEM_SCHEMAS)
    return facts


def read_lsn(connection: Any) -> int | None:
    """Return where InnoDB's redo log is; None where the server does not say."""
    rows = _try(connection, "SHOW GLOBAL STATUS LIKE 'Innodb_lsn_current'", "the LSN", [])
    if rows and str(rows[0].get("Value", "")).isdigit():
        return int(rows[0]["Value"])
    text = _try(connection, "SHOW ENGINE INNODB STATUS", "the LSN", [])
    match = re.search(r"^Log sequence number\s+(\d+)", str(text[0].get("Status", "")), re.MULTILINE) if text else None
    return int(match[1]) if match else None


def _try(connection: Any, sql: str, what: str, notes: list[str]) -> list[dict[str, Any]]:
    try:
        return query(connection, sql)
    except MariabackupError as error:
        notes.append(f"Could not read {what}: {error.cause}")
        return []


def _replicas(connection: Any, notes: list[str]) -> list[str]:
    """Return the replicas that are connected; registered ones have a server id."""
    listed: list[str] = []
    for row in _try(connection, "SHOW SLAVE HOSTS", "the list of replicas", notes):
        name = row.get("Host") or "unnamed host"
        listed.append(f"{name} (server id {row.get('Server_id')})")
    dumping = [
        str(row.get("Host") or "")
        for row in _try(connection, "SHOW PROCESSLIST", "the list of processes", notes)
        if str(row.get("Command") or "").startswith("Binlog Dump")
    ]
    return listed if len(listed) >= len(dumping) else [*listed, *dumping[len(listed) :]]


def _replica_connections(connection: Any, notes: list[str]) -> list[str]:
    result = []
    for row in _try(connection, "SHOW ALL SLAVES STATUS", "the replica's connections", notes):
        running = "Yes" in (row.get("Slave_IO_Running"), row.get("Slave_SQL_Running"))
        name = row.get("Connection_name") or "default"
        result.append(
            f"{name}: {row.get('Master_Host')}:{row.get('Master_Port')}, {'running' if running else 'stopped'}"
        )
    return result
