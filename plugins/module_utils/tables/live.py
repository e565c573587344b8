# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server in service, as an import meets it: its tables, its foreign keys, and a session that changes nothing for replicas."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.selection import Table
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.server.facts import ServerFacts, read_facts
from ansible_collections.dba.mariabackup.plugins.module_utils.server.greeting import socket_path
from ansible_collections.dba.mariabackup.plugins.module_utils.server.login import (
    Login,
    connect_any,
    query,
    root_over_socket,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.server.names import file_names, quote, shown_names
from ansible_collections.dba.mariabackup.plugins.module_utils.server.options import (
    find_server_binary,
    option_file_args,
    read_options,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.tables.definition import Definition, ForeignKey, parse

# The same on both servers, so that the same table is described in the same words. What a version does not know is left out.
SAME_WORDS = (
    "SET SESSION sql_mode = 'NO_ENGINE_SUBSTITUTION'",
    "SET SESSION time_zone = '+00:00', sql_quote_show_create = 1, foreign_key_checks = 0, wait_timeout = 2147483",
)
SAME_WORDS_IF_KNOWN = (
    "SET SESSION character_set_collations = ''",
    "SET SESSION explicit_defaults_for_timestamp = 1",
    "SET SESSION system_versioning_alter_history = KEEP",
    "SET SESSION max_statement_time = 0",
    "SET SESSION alter_algorithm = DEFAULT",
    "SET SESSION innodb_strict_mode = 0",
)


def speak_alike(connection: Any) -> None:
    """Give a session the settings that both servers share."""
    for statement in SAME_WORDS:
        query(connection, statement)
    for statement in SAME_WORDS_IF_KNOWN:
        with contextlib.suppress(MariabackupError):
            query(connection, statement)


def fingerprint(connection: Any, table: Table) -> str:
    """Return a text that two tables with the same rows share: CHECKSUM TABLE EXTENDED.

    Of a table with virtual columns, also the hidden ones of a long UNIQUE key, CHECKSUM TABLE adds up what an earlier statement
    left in a buffer (seen on 10.11). There it is the number of rows with two sums over all their columns.
    """
    columns = query(
        connection,
        "SELECT TABLE_SCHEMA AS s, TABLE_NAME AS t, COLUMN_NAME AS n, EXTRA AS e FROM information_schema.COLUMNS"
        " WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s ORDER BY ORDINAL_POSITION",
        table,
    )
    own = [row for row in columns if (row["s"], row["t"]) == table]
    indexes = query(connection, f"SHOW INDEX FROM {quote(*table)}")
    virtual = any("VIRTUAL" in str(row["e"]).upper() for row in own)
    if not virtual and not any(row["Index_type"] == "HASH" for row in indexes):
        (row,) = query(connection, f"CHECKSUM TABLE {quote(*table)} EXTENDED")
        return str(row["Checksum"])
    texts = ", ".join(f"COALESCE(CAST({quote(str(row['n']))} AS BINARY), X'1E')" for row in own)
    hashed = f"CRC32(CONCAT_WS(X'1F', {texts}))"
    versioned = (look_up(connection, table) or {}).get("TABLE_TYPE") == "SYSTEM VERSIONED"
    (row,) = query(
        connection,
        f"SELECT COUNT(*) AS n, COALESCE(BIT_XOR({hashed}), 0) AS x, COALESCE(SUM({hashed}), 0) AS s"
        f" FROM {quote(*table)}{' FOR SYSTEM_TIME ALL' if versioned else ''}",
    )
    return f"{row['n']}:{row['x']}:{row['s']}"


def show_create(connection: Any, table: Table) -> str:
    """Return a table's definition as text; a view's or a sequence's as well."""
    (row,) = query(connection, f"SHOW CREATE TABLE {quote(*table)}")
    return str(row.get("Create Table") or row.get("Create View") or "")


def look_up(connection: Any, table: Table) -> dict[str, Any] | None:
    """Return ``TABLE_TYPE``, ``ENGINE`` and ``ROW_FORMAT`` of a table, or None when there is none of that very name."""
    rows = query(
        connection,
        "SELECT TABLE_SCHEMA AS s, TABLE_NAME AS t, TABLE_TYPE, ENGINE, ROW_FORMAT FROM information_schema.TABLES"
        " WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s",
        table,
    )
    return next((row for row in rows if (row["s"], row["t"]) == table), None)


def partition_count(connection: Any, table: Table) -> int:
    """Return how many partitions (or subpartitions) a table has; 1 for one that has none."""
    rows = query(
        connection,
        "SELECT TABLE_SCHEMA AS s, TABLE_NAME AS t FROM information_schema.PARTITIONS"
        " WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s",
        table,
    )
    return sum(1 for row in rows if (row["s"], row["t"]) == table)


@dataclass(frozen=True)
class Referring:
    """A foreign key of another table that refers to a table of ours."""

    child: Table
    parent: Table
    key: ForeignKey


class Live:
    """A session with the server in service.

    Nothing that it does is written to the binary log: a replica has not got the files, and would stop.
    """

    def __init__(self, connection: Any, options: Mapping[str, str]) -> None:
        self.connection = connection
        self.options = options

    def query(self, sql: str, args: Sequence[Any] | None = None) -> list[dict[str, Any]]:
        """Run one statement and return its rows; errors as in ``server.login.query``."""
        return query(self.connection, sql, args)

    def facts(self) -> ServerFacts:
        """Return what the server says of itself."""
        return read_facts(self.connection)

    def variable(self, name: str) -> str:
        """Return a global variable; empty when the server does not know it."""
        rows = self.query("SHOW GLOBAL VARIABLES LIKE %s", (name.replace("_", r"\_"),))
        return str(rows[0]["Value"]) if rows else ""

    def schemas(self) -> set[str]:
        """Return the names of all schemas."""
        return {str(row["Database"]) for row in self.query("SHOW DATABASES")}

    def exists(self, table: Table) -> bool:
        """Tell whether there is a table, or a view, of that very name."""
        return look_up(self.connection, table) is not None

    def triggers(self, table: Table) -> list[str]:
        """Return the names of a table's triggers."""
        rows = self.query(
            "SELECT TRIGGER_NAME AS n, EVENT_OBJECT_TABLE AS t FROM information_schema.TRIGGERS"
            " WHERE EVENT_OBJECT_SCHEMA = %s AND EVENT_OBJECT_TABLE = %s",
            table,
        )
        return sorted(str(row["n"]) for row in rows if row["t"] == table[1])

    def definition(self, table: Table) -> Definition:
        """Return a table's definition, taken apart.

        Raises:
            MariabackupError: there is no such table, or its definition is written in a way that is not known.
        """
        try:
            return parse(show_create(self.connection, table))
        except ValueError as error:
            raise MariabackupError(
                f"The definition of {quote(*table)} on the server cannot be read: {error}.",
                "Report this with what SHOW CREATE TABLE prints.",
            ) from error

    def constraints(self, schema: str) -> dict[str, str]:
        """Return the foreign keys of a schema, each with the table that has it."""
        rows = self.query(
            "SELECT CONSTRAINT_NAME AS n, TABLE_NAME AS t FROM information_schema.REFERENTIAL_CONSTRAINTS"
            " WHERE CONSTRAINT_SCHEMA = %s",
            (schema,),
        )
        return {str(row["n"]): str(row["t"]) for row in rows}

    def referring(self, table: Table, ours: Collection[Table]) -> list[Referring]:
        """Return the foreign keys that refer to a table, of others than ``ours``."""
        encoded = file_names(self.connection, table)
        rows = self.query(
            "SELECT DISTINCT FOR_NAME AS f FROM information_schema.INNODB_SYS_FOREIGN WHERE REF_NAME = %s",
            (f"{encoded[table[0]]}/{encoded[table[1]]}",),
        )
        found = []
        for row in rows:
            parts = str(row["f"]).split("/")
            shown = shown_names(self.connection, parts)
            child = shown[parts[0]], shown[parts[1]]
            if child in ours or not self.exists(child):
                continue
            found += [
                Referring(child, table, key)
                for key in self.definition(child).foreign_keys
                if (key.schema or child[0], key.table) == table
            ]
        return found

    def orphans(self, table: Table, key: ForeignKey) -> int:
        """Return how many rows of a table refer to a row that the parent does not have."""
        parent = key.schema or table[0], key.table
        pairs = [(f"c.{quote(own)}", f"p.{quote(other)}") for own, other in zip(key.columns, key.referenced)]
        joined = " AND ".join(f"{own} = {other}" for own, other in pairs)
        given = " AND ".join(f"{own} IS NOT NULL" for own, _other in pairs)
        (row,) = self.query(
            f"SELECT COUNT(*) AS n FROM {quote(*table)} AS c LEFT JOIN {quote(*parent)} AS p ON {joined}"
            f" WHERE {given} AND {pairs[0][1]} IS NULL"
        )
        return int(row["n"])


@contextlib.contextmanager
def live_session(params: Mapping[str, Any], lock_wait: int) -> Iterator[Live]:
    """Log in to the server in service, with the task's login or else as root over the socket.

    Args:
        params: the module's options.
        lock_wait: seconds that a statement waits for other sessions which use a table.

    Raises:
        MariabackupError: there is no server, or the login is refused.
    """
    arguments = option_file_args(params["defaults_file"], params["defaults_group_suffix"])
    options = read_options(find_server_binary(), arguments)
    socket = socket_path(options)
    given = Login.from_params(params)
    root = replace(root_over_socket(socket), connect_timeout=given.connect_timeout)
    connection, _label, _notes = connect_any([given, root], socket)
    try:
        speak_alike(connection)
        query(
            connection, f"SET SESSION lock_wait_timeout = {int(lock_wait)}, innodb_lock_wait_timeout = {int(lock_wait)}"
        )
        yield Live(connection, options)
    finally:
        with contextlib.suppress(Exception):
            connection.close()


def leave_binary_log(live: Live) -> None:
    """Keep what this session changes out of the binary log.

    Raises:
        MariabackupError: the account may not do that.
    """
    live.query("SET SESSION sql_log_bin = 0")
