# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which tables lie in a backup, and which files of it an import needs (pure but for the first bytes of definitions)."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.inventory import frm_engine
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.metadata import METADATA_FILES
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.selection import Table, quote_table

PARTITION = re.compile(r"#[Pp]#(.*)", re.DOTALL)
# A VECTOR index is a table of its own.
_INDEX = re.compile(r"#i#\d+$")
_SUBPARTITION = re.compile(r"#(?:SP|sp)#(.*)", re.DOTALL)
_INNODB, _PARTITIONED = 12, 20
# By the file that only such a table has.
_ENGINES = {"MYD": "MyISAM", "MAD": "Aria", "CSV": "CSV", "ARZ": "ARCHIVE", "MRG": "MERGE"}
# What the tool and a server need beside the tables: the system tablespace, undo, redo, Aria's log and its control file.
_SYSTEM = re.compile(r"(ibdata\d*|undo\d{3}|ib_logfile\d+|aria_log.*)")
# The server's own, which are a part of it and not of an application.
SYSTEM_SCHEMAS = frozenset(("information_schema", "mysql", "performance_schema", "sys"))


@dataclass(frozen=True)
class Stored:
    """A table or view of a backup.

    Attributes:
        directory, stem: of its files.
        extensions: of the files that are named after it alone.
        files: all of them, partitions included, with their sizes; paths inside of the backup.
    """

    directory: str
    stem: str
    extensions: frozenset[str]
    files: Mapping[str, int] = field(default_factory=dict)

    @property
    def spaces(self) -> list[str]:
        """The InnoDB files."""
        return sorted(name for name in self.files if name.endswith(".ibd"))

    @property
    def bytes(self) -> int:
        """The size of the InnoDB files."""
        return sum(self.files[name] for name in self.spaces)


def stored_tables(files: Mapping[str, int]) -> dict[Table, Stored]:
    """Return what has a definition in a backup, by directory and stem.

    Args:
        files: the backup's files with their sizes.
    """
    groups: dict[Table, dict[str, int]] = {}
    extensions: dict[Table, set[str]] = {}
    for path, size in files.items():
        directory, slash, name = path.partition("/")
        stem, dot, extension = name.rpartition(".")
        if not slash or not dot or "/" in name:
            continue
        key = directory, _INDEX.sub("", PARTITION.sub("", stem))
        groups.setdefault(key, {})[path] = size
        if stem == key[1]:
            extensions.setdefault(key, set()).add(extension)
    return {
        key: Stored(*key, frozenset(extensions[key]), groups[key])
        for key in sorted(groups)
        if "frm" in extensions.get(key, ())
    }


def prepared_names(files: Mapping[str, int]) -> dict[str, int]:
    """Return the files of a backup by the names that they have when it is prepared.

    Of an InnoDB file an increment holds what has changed (``.ibd.delta``, and ``.ibd.meta`` beside it); everything else lies in it
    as a whole, all definitions with it. A table that is newer than the last checkpoint is ``.new`` in any backup.
    """
    found: dict[str, int] = {}
    for path, size in files.items():
        directory, slash, name = path.rpartition("/")
        stem, _dot, ending = name.partition(".")
        if slash and ending.split(".")[0] in ("ibd", "new"):
            if ending.endswith(".meta"):
                continue
            name = f"{stem}.ibd"
        found[f"{directory}{slash}{name}"] = size
    return found


def match(
    requested: Iterable[Table],
    stored: Mapping[Table, Stored],
    shown: Mapping[str, str],
    innodb: Callable[[Stored], bool],
) -> tuple[dict[Table, Stored], list[str]]:
    """Find the tables that are asked for.

    Args:
        requested: schema and table; ``*`` for all InnoDB tables of a schema.
        stored: of ``stored_tables``.
        shown: what the names of files stand for.
        innodb: tells of a definition without an InnoDB file whether it is an InnoDB table's all the same.

    Returns:
        The tables by their names, in the order in which they were asked for, and what was not found, as sentences.
    """
    by_name = {
        (shown[directory], shown[stem]): entry
        for (directory, stem), entry in stored.items()
        if directory in shown and stem in shown
    }
    found: dict[Table, Stored] = {}
    missing: list[str] = []
    for schema, table in requested:
        if table == "*":
            matching = {
                key: entry for key, entry in by_name.items() if key[0] == schema and (entry.spaces or innodb(entry))
            }
            if not matching:
                missing.append(f"It holds no InnoDB table of the schema {schema}.")
            found.update(matching)
        elif (schema, table) in by_name:
            found[schema, table] = by_name[schema, table]
        else:
            missing.append(f"It does not hold the table {quote_table((schema, table))}.")
    return found, missing


def is_innodb(entry: Stored, path: str | None) -> bool:
    """Tell by a definition in the backup ``path`` whether it is an InnoDB table's.

    The file of a table that was made shortly before the backup may be missing: preparing makes it from the log.

    Args:
        path: None where the definition cannot be read yet; then it may be one.

    Raises:
        OSError: the definition cannot be read.
    """
    others = {file.rpartition(".")[2] for file in entry.files} & set(_ENGINES)
    if path is None:
        return not others
    engine = frm_engine(os.path.join(path, entry.directory, f"{entry.stem}.frm"))
    return not others and engine in (_INNODB, _PARTITIONED)


def problem_of(table: Table, entry: Stored, path: str | None, prepared: bool) -> str | None:
    """Return why a table cannot be imported, or None when nothing speaks against it so far.

    Args:
        table: schema and name.
        entry: its files.
        path: the backup; None where its definitions cannot be read yet, and the names of its files have to do.
        prepared: whether it is prepared, so that every table has its file.

    Raises:
        OSError: its definition cannot be read.
    """
    name = quote_table(table)
    if table[0] in SYSTEM_SCHEMAS:
        return f"{name} belongs to the server itself."
    engine = _INNODB if path is None else frm_engine(os.path.join(path, entry.directory, f"{entry.stem}.frm"))
    if engine is None:
        return f"{name} is a view: it has no data. Create it with CREATE VIEW."
    if any(extension.endswith("isl") for extension in entry.extensions) or any(
        file.endswith(".isl") for file in entry.files
    ):
        return f"{name} has a DATA DIRECTORY of its own, outside of the datadir."
    other = next((_ENGINES[extension] for extension in entry.extensions if extension in _ENGINES), None)
    other = other or next((_ENGINES[file[-3:]] for file in entry.files if file[-3:] in _ENGINES), None)
    if other:
        return f"{name} is a table of the engine {other}, and only InnoDB tables can be imported."
    if any(_INDEX.search(file.rpartition(".")[0]) for file in entry.files):
        return f"{name} has a VECTOR index, which cannot be imported."
    if not entry.spaces and (prepared or not is_innodb(entry, path)):
        kind = "has no file of its own: its data is in the system tablespace, or was discarded"
        if engine not in (_INNODB, _PARTITIONED):
            kind = "is no InnoDB table"
        return f"{name} {kind}."
    return None


def partition_names(stem: str) -> tuple[str, str]:
    """Return partition and subpartition (or an empty text) of the stem of a partition's file, both as in names of files."""
    found = PARTITION.search(stem)
    if found is None:
        return "", ""
    sub = _SUBPARTITION.search(found[1])
    return (_SUBPARTITION.sub("", found[1]), sub[1]) if sub else (found[1], "")


def needed(files: Iterable[str], tables: Iterable[Stored]) -> set[str]:
    """Return the files of a backup from which the chosen tables can be prepared and read, and nothing else.

    It is what a partial backup of these tables holds: the tool passes over the redo of tablespaces that are not there.
    """
    tables = list(tables)
    chosen = {name for table in tables for name in table.files if not name.endswith((".cfg", ".TRG"))}
    schemas = {table.directory for table in tables}
    return chosen | {
        name
        for name in files
        if name in METADATA_FILES
        or ("/" not in name and _SYSTEM.fullmatch(name))
        or (name.count("/") == 1 and name.endswith("/db.opt") and name.split("/")[0] in schemas)
    }
