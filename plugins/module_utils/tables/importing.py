# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Importing exported tables into a schema of the import's own, where they are proven before anything else is touched."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.selection import Table, quote_table
from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.ownership import selinux_label
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.place import FILE_MODE
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.files import fsync_path
from ansible_collections.dba.mariabackup.plugins.module_utils.server.names import quote, shown_names
from ansible_collections.dba.mariabackup.plugins.module_utils.tables.definition import Definition, differences
from ansible_collections.dba.mariabackup.plugins.module_utils.tables.live import Live, fingerprint, look_up
from ansible_collections.dba.mariabackup.plugins.module_utils.tables.staging import Item, Part

_UNTOUCHED = "No table of yours has been touched."


def import_all(live: Live, schema: str, datadir: str, items: Sequence[Item], ctx: Context) -> None:
    """Import the exported tables into the schema and prove them.

    Args:
        live: the server in service.
        schema: the import's own; it is made here.
        datadir: the server's.
        items: the tables, exported.
        ctx: the job.

    Raises:
        MariabackupError: a table cannot be imported, or is not what the backup holds. Nothing but the schema has been touched.
    """
    live.query(f"CREATE DATABASE {quote(schema)}")
    folder = os.path.join(datadir, schema)
    if not os.path.isdir(folder):
        raise MariabackupError(
            f"The server at the other end of this login does not keep its data in {datadir} on this host.",
            "Run the task on the server's own host, with login options that lead to it.",
        )
    names = [part.partition for item in items for part in item.parts]
    shown = shown_names(live.connection, names)
    done = 0
    total = sum(item.stored.bytes for item in items)
    for item in items:
        ctx.log(f"importing {quote_table(item.table)} as {schema}.{item.staged}")
        try:
            _import(live, schema, folder, item, shown)
            ctx.point("import-each")
            _prove(live, schema, item)
        except MariabackupError as error:
            raise MariabackupError(
                f"The table {quote_table(item.table)} could not be imported: {error.cause}",
                _UNTOUCHED,
                details={**error.details, "problems": [error.cause]},
            ) from error
        done += item.stored.bytes
        ctx.progress(done, total)
    _prove_foreign_keys(live, schema, items)


def _import(live: Live, schema: str, folder: str, item: Item, shown: Mapping[str, str]) -> None:
    name = quote(schema, item.staged)
    _create(live, schema, item)
    if item.definition.partitioned:
        for number, part in enumerate(item.parts):
            single = f"{item.staged}_p{number}"
            other = quote(schema, single)
            live.query(f"CREATE TABLE {other} LIKE {name}")
            live.query(f"ALTER TABLE {other} REMOVE PARTITIONING")
            _bring_in(live, other, folder, single, part)
            live.query(f"ALTER TABLE {name} EXCHANGE PARTITION {quote(shown[part.partition])} WITH TABLE {other}")
            live.query(f"DROP TABLE {other}")
    else:
        _bring_in(live, name, folder, item.staged, item.parts[0])
    counter = item.definition.counter
    if counter is not None and live.definition((schema, item.staged)).counter != counter:
        live.query(f"ALTER TABLE {name} AUTO_INCREMENT = {counter}")


def _create(live: Live, schema: str, item: Item) -> None:
    """Make the bare table; where the server's default row format is another one, with its row format named."""
    name = quote(schema, item.staged)
    live.query(item.definition.create(schema, item.staged))
    found = look_up(live.connection, (schema, item.staged))
    if found is not None and item.row_format and found["ROW_FORMAT"] != item.row_format:
        live.query(f"DROP TABLE {name}")
        live.query(item.definition.create(schema, item.staged, f" ROW_FORMAT={item.row_format.upper()}"))


def _bring_in(live: Live, name: str, folder: str, stem: str, part: Part) -> None:
    """Give an empty table the exported file."""
    live.query(f"ALTER TABLE {name} DISCARD TABLESPACE")
    owner = os.stat(folder)
    for extension in (".ibd", ".cfg"):
        source = part.path + extension
        os.chown(source, owner.st_uid, owner.st_gid)
        os.chmod(source, FILE_MODE)
        selinux_label(source, folder)
        fsync_path(source)
        os.rename(source, os.path.join(folder, stem + extension))
    fsync_path(folder)
    live.query(f"ALTER TABLE {name} IMPORT TABLESPACE")
    try:
        os.unlink(os.path.join(folder, f"{stem}.cfg"))
    except FileNotFoundError:
        pass


def _prove(live: Live, schema: str, item: Item) -> None:
    """Compare the imported table with the backup's, add its FULLTEXT indexes, and have the server check it."""
    name = quote(schema, item.staged)
    found = fingerprint(live.connection, (schema, item.staged))
    if found != item.checksum:
        raise MariabackupError(
            f"The checksum is {found} after the import, and {item.checksum} in the backup.", _UNTOUCHED
        )
    for line in item.definition.fulltext:
        live.query(f"ALTER TABLE {name} ADD {line}")
    bad = [
        f"{row['Msg_type']}: {row['Msg_text']}"
        for row in live.query(f"CHECK TABLE {name} EXTENDED")
        if row["Msg_type"] not in ("status", "note") or row["Msg_text"] not in ("OK", "Table is already up to date")
    ]
    if bad:
        raise MariabackupError(f"CHECK TABLE finds: {' '.join(bad)}", _UNTOUCHED)
    wanted = Definition(
        item.definition.body, item.definition.fulltext, (), item.definition.tail, item.definition.counter
    )
    made = live.definition((schema, item.staged))
    if not _same_but_row_format(made, wanted):
        raise MariabackupError(f"Its definition would differ. {' '.join(differences(made, wanted))}", _UNTOUCHED)


def _same_but_row_format(server: Definition, backup: Definition) -> bool:
    """Whether two definitions are the same but for a row format that had to be named on this server."""
    words = [word for word in server.tail.split("\n")[0].split(" ") if not word.startswith("ROW_FORMAT=")]
    others = [word for word in backup.tail.split("\n")[0].split(" ") if not word.startswith("ROW_FORMAT=")]
    rest = server.tail.split("\n")[1:], backup.tail.split("\n")[1:]
    return (server.body, server.fulltext, words, rest[0]) == (backup.body, backup.fulltext, others, rest[1])


def _prove_foreign_keys(live: Live, schema: str, items: Sequence[Item]) -> None:
    """Add every foreign key for a moment, under another name: after the exchange it must not fail."""
    staged: dict[Table, str] = {item.table: item.staged for item in items}
    for item in items:
        name = quote(schema, item.staged)
        for number, key in enumerate(item.definition.foreign_keys):
            parent = key.schema or item.table[0], key.table
            target = (schema, staged[parent]) if parent in staged else parent
            probe = f"probe_{item.number}_{number}"
            try:
                live.query(f"ALTER TABLE {name} ADD {key.clause(item.table[0], probe, target)}")
                live.query(f"ALTER TABLE {name} DROP FOREIGN KEY {quote(probe)}")
            except MariabackupError as error:
                raise MariabackupError(
                    f"The foreign key {key.name} of {quote_table(item.table)} cannot be added on this server: {error.cause}",
                    f"Make its parent {quote_table(parent)} fit, or import that as well. {_UNTOUCHED}",
                    details=error.details,
                ) from error
