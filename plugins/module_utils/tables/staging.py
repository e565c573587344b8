# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the backup to files that can be imported: a copy of what is needed, prepared, opened by a scratch server, exported."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.apply import COPY_SUFFIX, apply_increments
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.inventory import IGNORED_DIRECTORIES
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.manifest import Manifest
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.memory import memory_argument
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.metadata import read_metadata
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.prepare import prepare_directory
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.proof import Proof
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.selection import Table, quote_table
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.unpack import proven_copy
from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.inspect import is_mount_point
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.layout import INSIDE
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.place import copy_tree
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.files import delete_tree, make_private_dirs
from ansible_collections.dba.mariabackup.plugins.module_utils.server.names import quote
from ansible_collections.dba.mariabackup.plugins.module_utils.server.scratch import (
    Scratch,
    scratch_server,
    wait_for_rollback,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.tables.contents import Stored, needed, partition_names
from ansible_collections.dba.mariabackup.plugins.module_utils.tables.definition import (
    Definition,
    fulltext_name,
    parse,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.tables.live import (
    SAME_WORDS,
    fingerprint,
    look_up,
    partition_count,
    show_create,
    speak_alike,
)

EXPORT = ".mariabackup-export"
# Where a page says what it is, and a root page that holds more columns than its rows.
_PAGE_TYPE, _INSTANT = 24, b"\0\x12"
NOT_KNOWN = Definition((), (), (), "", None)
_TYPES = ("BASE TABLE", "SYSTEM VERSIONED")


@dataclass
class Part:
    """A file to import: the whole table, or one of its partitions.

    Attributes:
        partition: the partition's name (a subpartition's where there are such), as in names of files; empty for the table.
        path: without ``.ibd`` or ``.cfg``.
    """

    partition: str
    path: str


@dataclass
class Item:
    """A table on its way.

    Attributes:
        table: schema and name.
        stored: its files in the backup.
        number: its place in the list.
        exists: whether the server has a table of that name.
        wild: whether it was not named, but matched by ``schema.*``.
        database: the statement that makes its schema.
        definition, row_format, checksum: as the scratch server tells.
        partitions: how many files it has.
        parts: its exported files.
    """

    table: Table
    stored: Stored
    number: int
    exists: bool
    wild: bool = False
    database: str = ""
    definition: Definition = NOT_KNOWN
    row_format: str = ""
    checksum: str = ""
    partitions: int = 1
    parts: list[Part] = field(default_factory=list)

    @property
    def staged(self) -> str:
        """Its name in the import's own schema."""
        return f"t{self.number}"


def staging_directory(datadir: str, run: str) -> str:
    """Return where the copy is made: beside the datadir, or inside of one that is a file system of its own."""
    inside = is_mount_point(datadir) or os.stat(datadir).st_dev != os.stat(os.path.dirname(datadir)).st_dev
    return os.path.join(datadir, INSIDE, f"import-{run}") if inside else f"{datadir.rstrip('/')}.import-{run}"


def remove_staging(directory: str) -> None:
    """Remove the copy, and the room inside of a datadir when nothing else is in it."""
    delete_tree(directory, ignore_errors=True)
    delete_tree(directory + COPY_SUFFIX, ignore_errors=True)
    parent = os.path.dirname(directory)
    if os.path.basename(parent) == INSIDE:
        try:
            os.rmdir(parent)
        except OSError:
            pass


def _names(directory: str) -> set[str]:
    return {
        os.path.relpath(os.path.join(top, name), directory)
        for top, _dirs, files in os.walk(directory)
        for name in files
    }


def copy_needed(
    source: str,
    manifest: Manifest | None,
    items: Sequence[Item],
    directory: str,
    params: Mapping[str, Any],
    ctx: Context,
) -> None:
    """Copy what the chosen tables need out of the backup, with the checksums of the manifest proven on the way."""
    wanted = needed(_names(source), [item.stored for item in items])
    folders = {os.path.dirname(name) for name in wanted}
    checksums = None
    if params["verify_checksums"] and manifest is not None and manifest.checksum == "sha256":
        checksums = {name: entry.sha256 or "" for name, entry in manifest.files.items() if name in wanted}
    make_private_dirs(os.path.dirname(directory))
    total = sum(os.path.getsize(os.path.join(source, name)) for name in wanted)
    done = 0

    def tell(count: int) -> None:
        nonlocal done
        done += count
        ctx.progress(done, total)

    placed = copy_tree(
        source,
        directory,
        checksums=checksums,
        skip=lambda relative: relative not in wanted and relative not in folders,
        on_bytes=tell,
    )
    ctx.log(f"{placed.files} files, {placed.bytes} bytes, by {placed.method}; {placed.checked} checksums")


def _whole(source: str, target: str) -> None:
    copy_tree(source, target, skip=IGNORED_DIRECTORIES.__contains__)


def unpack_full(chain: Sequence[Proof], directory: str, params: Mapping[str, Any], ctx: Context) -> None:
    """Bring the full backup of a chain, all of it, to where the copy is made: the files that are needed are not known yet."""
    make_private_dirs(os.path.dirname(directory))
    proven_copy(chain, params, ctx, _whole)(chain[0].path, directory)
    ctx.log(f"unpacked {len(chain[0].files)} files, {chain[0].size_bytes} bytes")


def prepare_chain(chain: Sequence[Proof], directory: str, params: Mapping[str, Any], ctx: Context) -> None:
    """Apply the log of the full backup and the increments."""
    prepare(directory, params, ctx)
    apply_increments(
        directory,
        [proof.path for proof in chain[1:]],
        proven_copy(chain, params, ctx, _whole),
        ctx,
        {**params, "export": False},
        extra_args=params.get("extra_args") or (),
    )


def keep_needed(items: Sequence[Item], directory: str) -> None:
    """Remove what the chosen tables do not need, so that the scratch server opens what it opens of any other copy."""
    names = _names(directory)
    for name in names - needed(names, [item.stored for item in items]):
        os.unlink(os.path.join(directory, name))


def prepare(directory: str, params: Mapping[str, Any], ctx: Context) -> None:
    """Apply the log to the copy, unless the backup is prepared."""
    names = ("use_memory", "mariadb_backup", "open_files_limit")
    prepare_directory(
        directory, ctx, {name: params.get(name) for name in names}, extra_args=params.get("extra_args") or ()
    )


def export(
    directory: str,
    items: list[Item],
    binary: str,
    lower_case: str,
    params: Mapping[str, Any],
    ctx: Context,
    judge: Callable[[], None],
) -> None:
    """Open the copy with a scratch server, learn the definitions and checksums, have them judged, and export the tables.

    Args:
        directory: the prepared copy.
        items: the tables; definitions, checksums and parts are filled in. Sequences that were not named are left out.
        binary: the server program.
        lower_case: ``lower_case_table_names`` of the server in service.
        params: the module's options.
        ctx: the job.
        judge: called when the definitions are known; it raises when a table must not be imported.

    Raises:
        MariabackupError: nothing outside of ``directory`` has been changed.
    """
    meta = read_metadata(directory)
    with scratch_server(
        binary,
        directory,
        meta.options,
        ctx,
        lower_case=lower_case,
        memory=memory_argument(params["use_memory"], 0),
        timeout=params["start_timeout"],
        statements=SAME_WORDS,
    ) as scratch:
        speak_alike(scratch.connection)
        wait_for_rollback(scratch, params["start_timeout"])
        for item in list(items):
            if not _learn(scratch, item, directory):
                ctx.warn(f"{quote_table(item.table)} is a sequence, and is not imported.")
                items.remove(item)
        if not items:
            raise MariabackupError(
                "There is nothing but sequences to import.",
                "Correct tables. The server in service has not been touched.",
            )
        judge()
        ctx.point("import-judged")
        for item in items:
            item.checksum = fingerprint(scratch.connection, item.table)
        for item in items:
            instant = any(_altered_instantly(f"{stem}.ibd", meta.page_size) for stem in _stems(directory, item))
            _rebuild(scratch, item, instant, ctx)
        names = ", ".join(quote(*item.table) for item in items)
        scratch.query(f"FLUSH TABLES {names} FOR EXPORT")
        _take_files(directory, items, scratch)


def _learn(scratch: Scratch, item: Item, directory: str) -> bool:
    """Ask the scratch server what a table is, and refuse what cannot be imported; False for a sequence that was not named."""
    name = quote_table(item.table)
    found = look_up(scratch.connection, item.table)
    if found is None or (found["ENGINE"] is None and found["TABLE_TYPE"] in _TYPES):
        raise MariabackupError(
            f"The backup holds files of {name}, but a server that was started on it cannot open the table.",
            "Import it from another backup, or leave it out. The server in service has not been touched.",
        )
    if found["TABLE_TYPE"] == "SEQUENCE" and item.wild:
        return False
    if found["TABLE_TYPE"] not in _TYPES or str(found["ENGINE"]).upper() != "INNODB":
        kind = str(found["TABLE_TYPE"]).lower() if found["TABLE_TYPE"] not in _TYPES else f"table of {found['ENGINE']}"
        raise MariabackupError(
            f"{name} is a {kind} in the backup, and only InnoDB tables can be imported.",
            "Leave it out. The server in service has not been touched.",
        )
    try:
        item.definition = parse(show_create(scratch.connection, item.table))
    except ValueError as error:
        raise MariabackupError(
            f"The definition of {name} in the backup cannot be read: {error}.",
            "Report this with what SHOW CREATE TABLE prints. The server in service has not been touched.",
        ) from error
    item.row_format = str(found["ROW_FORMAT"] or "")
    item.partitions = partition_count(scratch.connection, item.table)
    item.database = f"CREATE DATABASE {quote(item.table[0])}"
    # A partial backup of single tables lacks it; the server's own character set is as good a guess as the scratch server's.
    if os.path.isfile(os.path.join(directory, item.stored.directory, "db.opt")):
        (row,) = scratch.query(f"SHOW CREATE DATABASE {quote(item.table[0])}")
        item.database = str(row["Create Database"])
    return True


def _stems(directory: str, item: Item) -> list[str]:
    """Return the InnoDB files that a table has now, without ``.ibd``: preparing or a rebuild may have made others."""
    folder = os.path.join(directory, item.stored.directory)
    return sorted(
        os.path.join(folder, name[: -len(".ibd")])
        for name in os.listdir(folder)
        if name.endswith(".ibd") and (name == f"{item.stored.stem}.ibd" or _is_part(name, item.stored.stem))
    )


def _altered_instantly(path: str, page_size: int) -> bool:
    """Whether columns were added or dropped without a rebuild: the page type of the clustered index's root (page 3) says so."""
    with open(path, "rb") as stream:
        stream.seek(3 * page_size + _PAGE_TYPE)
        return stream.read(2) == _INSTANT


def _rebuild(scratch: Scratch, item: Item, instant: bool, ctx: Context) -> None:
    """Rebuild a table of the copy where its file could not be imported as it is.

    The files of FULLTEXT indexes, and the hidden column that they need, do not go along. A table that was altered instantly is
    damaged by the import of 10.5 (CHECK TABLE says so).
    """
    name = quote(*item.table)
    if item.definition.fulltext:
        ctx.log(f"{quote_table(item.table)} is rebuilt without its FULLTEXT indexes")
        drops = ", ".join(f"DROP INDEX {quote(fulltext_name(line))}" for line in item.definition.fulltext)
        scratch.query(f"ALTER TABLE {name} {drops}")
    elif instant:
        ctx.log(f"{quote_table(item.table)} was altered instantly, and is rebuilt")
    else:
        return
    scratch.query(f"ALTER TABLE {name} FORCE")


def _take_files(directory: str, items: Sequence[Item], scratch: Scratch) -> None:
    """Take the exported files aside: the .cfg files go with the lock, and the others would be written to after it."""
    target = os.path.join(directory, EXPORT)
    os.mkdir(target, 0o700)
    moves: list[tuple[str, str]] = []
    for item in items:
        stems = _stems(directory, item)
        if len(stems) != item.partitions:
            raise MariabackupError(
                f"{quote_table(item.table)} has {item.partitions} files by its definition, and {len(stems)} in the copy.",
                "Import it from another backup. The server in service has not been touched.",
            )
        for number, source in enumerate(stems):
            place = os.path.join(target, f"{item.staged}-{number}")
            if not os.path.isfile(f"{source}.cfg"):
                raise MariabackupError(
                    f"The scratch server has not exported {source}.",
                    "Report this with the log. The server in service has not been touched.",
                )
            os.rename(f"{source}.cfg", f"{place}.cfg")
            moves.append((f"{source}.ibd", f"{place}.ibd"))
            partition, sub = partition_names(os.path.basename(source))
            item.parts.append(Part(sub or partition, place))
    scratch.kill()
    for old, new in moves:
        os.rename(old, new)


def _is_part(name: str, stem: str) -> bool:
    return name.startswith((f"{stem}#P#", f"{stem}#p#"))
