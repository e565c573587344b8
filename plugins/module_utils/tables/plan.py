# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an import of tables is about to do, and everything that speaks against it; nothing here writes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.manifest import Manifest
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.metadata import BackupMetadata
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.prepare import tool_for
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.proof import Proof
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.selection import Table, parse_table, quote_table
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.space import Estimate, check_space, human
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.stored import check_readable
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.unpack import (
    look_at_chain,
    room_of,
    room_of_chain,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.server.facts import ServerFacts
from ansible_collections.dba.mariabackup.plugins.module_utils.server.names import shown_names
from ansible_collections.dba.mariabackup.plugins.module_utils.server.options import find_server_binary
from ansible_collections.dba.mariabackup.plugins.module_utils.tables.contents import (
    is_innodb,
    match,
    needed,
    prepared_names,
    problem_of,
    stored_tables,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.tables.definition import differences
from ansible_collections.dba.mariabackup.plugins.module_utils.tables.journal import Child
from ansible_collections.dba.mariabackup.plugins.module_utils.tables.live import Live, look_up
from ansible_collections.dba.mariabackup.plugins.module_utils.tables.staging import Item
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.find import find_server_program
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.options import check_extra_args

# A scratch server's redo log, undo and temporary tablespace.
_SPARE_BYTES = 192 << 20
_SHOWN = 10


@dataclass
class Plan:
    """An import that nothing speaks against so far; definitions are compared when the scratch server has told them.

    ``packed`` are the backups that have to be unpacked first, the full one first: a stream, or a chain. Of their tables only the
    names are known; ``proof`` is then that of the last one.
    """

    source: str
    proof: Proof
    meta: BackupMetadata
    manifest: Manifest | None
    packed: list[Proof]
    facts: ServerFacts
    binary: str
    items: list[Item]
    new_schemas: list[str]
    warnings: list[str]

    @property
    def backup_id(self) -> str:
        """The backup's id, or the tool's UUID."""
        return self.manifest.id if self.manifest else self.meta.uuid or os.path.basename(self.source)

    @property
    def knows_sizes(self) -> bool:
        """Whether the sizes of the tables are known: an increment holds what has changed of them."""
        return len(self.packed) < 2

    @property
    def copied_bytes(self) -> int:
        """How much is copied out of the backup, or what its files are when they are unpacked."""
        if self.packed:
            return sum(room_of(proof) for proof in self.packed)
        return sum(self.proof.files[name] for name in needed(self.proof.files, [item.stored for item in self.items]))


def requested_tables(params: Mapping[str, Any]) -> list[Table]:
    """Return the tables that are asked for, each once.

    Raises:
        MariabackupError: there is none, or one is not written as ``schema.table``.
    """
    found = list(dict.fromkeys(parse_table(text, wildcard=True) for text in params["tables"]))
    if not found:
        raise MariabackupError("tables is empty.", "Name the tables, as schema.table or schema.*.")
    return found


def make_plan(params: Mapping[str, Any], live: Live, links: Sequence[str] = ()) -> Plan:
    """Look at the backup and at the server.

    Args:
        params: the module's options, ``target_dir`` among them.
        links: the directories of the chain from its full backup on to ``target_dir``, where it is an increment.

    Raises:
        MariabackupError: something speaks against it; nothing has been changed.
    """
    check_extra_args(params.get("extra_args") or ())
    requested = requested_tables(params)
    source = os.path.realpath(params["target_dir"])
    chain = look_at_chain(links or [source])
    proof, meta = chain[-1], [one.require() for one in chain][-1]
    streams = [one.manifest for one in chain if one.manifest is not None and one.manifest.stream is not None]
    packed = chain if streams or len(chain) > 1 else []
    facts = live.facts()
    stored = stored_tables(prepared_names(proof.files) if packed else proof.files)
    schemas = {schema for schema, _table in requested}
    shown = shown_names(live.connection, {directory for directory, _stem in stored})
    stored = {key: entry for key, entry in stored.items() if shown[key[0]] in schemas}
    shown.update(shown_names(live.connection, {stem for _directory, stem in stored}))
    definitions = None if packed else source
    prepared = proof.prepared and len(chain) == 1
    found, problems = match(requested, stored, shown, lambda entry: not prepared and is_innodb(entry, definitions))
    judged = [problem_of(table, entry, definitions, prepared) for table, entry in found.items()]
    problems += [text for text in judged if text is not None]
    if problems:
        raise _refused(f"The backup {source} cannot give what is asked for.", problems, "Correct tables.")
    if packed:
        # What has no InnoDB file may be a view.
        found = {table: entry for table, entry in found.items() if entry.spaces or table in requested}
    binary = find_server_binary()
    _check_server(params, meta, facts, live, binary)
    if not prepared:
        tool_for(params, meta)
    for manifest in streams:
        check_readable(manifest, params)
    present = live.schemas()
    items = [
        Item(
            table,
            entry,
            number,
            table[0] in present and _exists(live, table, table in requested),
            table not in requested,
        )
        for number, (table, entry) in enumerate(found.items())
    ]
    _check_existing(params, items, live)
    new_schemas = sorted({item.table[0] for item in items} - present)
    warnings = [
        f"The triggers of {quote_table(item.table)} are not imported: create them again."
        for item in items
        if "TRG" in item.stored.extensions and not item.exists
    ]
    return Plan(source, proof, meta, proof.manifest, packed, facts, binary, items, new_schemas, warnings)


def check_room(plan: Plan) -> None:
    """Refuse an import for which there is no room beside the datadir.

    Raises:
        MariabackupError: it says how much is needed, and how much there is.
    """
    size = room_of_chain(plan.packed) if plan.packed else plan.copied_bytes
    files = sum(len(proof.files) for proof in plan.packed)
    rebuilt = max((item.stored.bytes for item in plan.items), default=0)
    needed_room = Estimate(size + rebuilt + _SPARE_BYTES, files + 4 * len(plan.items) + 64)
    check_space(plan.facts.datadir, needed_room, "the copy of the tables")


def _exists(live: Live, table: Table, named: bool) -> bool:
    """Tell whether a table is there; sequences that ``schema.*`` has matched are left out later, so they do not count."""
    found = look_up(live.connection, table)
    return found is not None and (named or found["TABLE_TYPE"] != "SEQUENCE")


def _refused(cause: str, problems: Sequence[str], action: str) -> MariabackupError:
    shown = " ".join(problems[:_SHOWN]) + (f" ({len(problems) - _SHOWN} more.)" if len(problems) > _SHOWN else "")
    return MariabackupError(
        f"{cause} {shown}", f"{action} Nothing has been changed.", details={"problems": list(problems[:200])}
    )


def _check_server(params: Mapping[str, Any], meta: BackupMetadata, facts: ServerFacts, live: Live, binary: str) -> None:
    """Refuse a server that the tables cannot go to."""
    problems: list[str] = []
    if not os.path.isdir(facts.datadir):
        problems.append(f"The server keeps its data in {facts.datadir}, which is not a directory of this host.")
    version = meta.server
    program = find_server_program(binary)
    series = facts.version_tuple[:2]
    if version is None or version.series_number != series:
        problems.append(f"The backup is of MariaDB {meta.server_version}, and the server is {facts.version}.")
    elif program is None or program.version.series_number != series:
        problems.append(f"The server program {binary} is not of the series of the running server, {facts.version}.")
    size = facts.variables.get("innodb_page_size", "")
    if size and size != str(meta.page_size):
        problems.append(f"innodb_page_size is {size} on the server, and {meta.page_size} in the backup.")
    if live.variable("innodb_file_per_table").upper() not in ("", "ON", "1"):
        problems.append("innodb_file_per_table is OFF on the server, so its tables have no files of their own.")
    if facts.galera is not None:
        problems.append(
            f"The server is a member of the Galera cluster {facts.galera}: a node cannot import on its own."
        )
    if problems:
        raise _refused("The tables cannot be imported into this server.", problems, "Choose another server or backup.")
    if params["topology"] == "allow":
        return
    problems += [f"A replica is connected to this server: {replica}." for replica in facts.replicas]
    problems += [f"This server replicates from a primary: {link}." for link in facts.replica_connections]
    problems += [f"Whether it has replicas could not be found out: {note}" for note in facts.notes if "replica" in note]
    if problems:
        raise _refused(
            "An import is not replicated: the files do not go to the other servers.",
            problems,
            "Import on each of them, and set topology: allow.",
        )


def _check_existing(params: Mapping[str, Any], items: Sequence[Item], live: Live) -> None:
    problems: list[str] = []
    for item in items:
        if not item.exists:
            continue
        name = quote_table(item.table)
        if params["existing"] == "fail":
            problems.append(f"The server has {name} already.")
            continue
        triggers = live.triggers(item.table)
        if triggers:
            problems.append(f"{name} has triggers, which would stay with the old table: {', '.join(triggers)}.")
    if problems:
        action = "Set existing to keep or replace, or drop or rename the tables."
        if params["existing"] != "fail":
            action = "Drop the triggers, and create them again after the import."
        raise _refused("Tables are in the way.", problems, action)


def judge(plan: Plan, live: Live) -> list[Child]:
    """Hold the definitions of the backup, now that they are known, against the server.

    Returns:
        The foreign keys of other tables that refer to tables which are replaced.

    Raises:
        MariabackupError: a definition differs, or a foreign key cannot be had on this server.
    """
    problems = list(_problems(plan, live))
    if problems:
        raise _refused(
            "The tables of the backup do not fit this server.",
            problems,
            "Rename or drop the table that differs, or import the parents as well.",
        )
    ours = [item.table for item in plan.items]
    return [
        Child(found.child, found.parent, found.key)
        for item in plan.items
        if item.exists
        for found in live.referring(item.table, ours)
    ]


def _problems(plan: Plan, live: Live) -> Iterator[str]:
    ours = {item.table for item in plan.items}
    replaced = {item.table for item in plan.items if item.exists}
    used: dict[str, dict[str, str]] = {}
    for item in plan.items:
        name = quote_table(item.table)
        if item.definition.elsewhere:
            yield f"{name} has a DATA DIRECTORY of its own, outside of the datadir."
        if item.exists:
            found = differences(live.definition(item.table), item.definition)
            if found:
                yield f"The definition of {name} differs: {'; '.join(found[:6])}."
        for key in item.definition.foreign_keys:
            parent = key.schema or item.table[0], key.table
            if parent not in ours and not live.exists(parent):
                yield f"{name} refers by {key.name} to {quote_table(parent)}, which the server does not have."
            schema = item.table[0]
            if schema not in used:
                used[schema] = live.constraints(schema) if schema not in plan.new_schemas else {}
            owner = used[schema].get(key.name)
            if owner is not None and (schema, owner) not in replaced:
                yield f"The foreign key {key.name} of {name} has the name of one of {quote_table((schema, owner))}."


def steps(plan: Plan, params: Mapping[str, Any], directory: str) -> list[dict[str, str]]:
    """Describe the import for check mode."""
    size = human(plan.copied_bytes)
    what = "unpack the backup, all of it" if plan.packed else "copy what the tables need"
    found = [{"phase": "stage", "action": f"{what} ({size})", "detail": directory}]
    if not plan.knows_sizes:
        count = len(plan.packed) - 1
        logs = f"the log and {count} increment{'s' if count > 1 else ''}"
        found.append({"phase": "prepare", "action": f"apply {logs}", "detail": directory})
    elif not plan.proof.prepared:
        found.append({"phase": "prepare", "action": "apply the log", "detail": directory})
    found.append(
        {"phase": "export", "action": "read definitions and checksums with a scratch server", "detail": plan.binary}
    )
    for item in plan.items:
        name = quote_table(item.table)
        detail = human(item.stored.bytes) if plan.knows_sizes else ""
        found.append({"phase": "import", "action": f"import {name} aside, and prove it", "detail": detail})
    for item in plan.items:
        action = "put in place"
        if item.exists:
            action = "replace" if params["existing"] == "replace" else "replace, and keep the old table"
        found.append({"phase": "swap", "action": action, "detail": quote_table(item.table)})
    found.append({"phase": "finish", "action": "add foreign keys, and look for rows without a parent", "detail": ""})
    return found
