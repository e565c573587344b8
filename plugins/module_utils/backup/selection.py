# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Partial backups: which schemas and tables are chosen, and how the tool is told so that it takes these and no others (pure).

The tool compares with the names of files, so ``größe`` is ``gr@1x@0ne`` to it. Its ``--tables`` is a regular expression that
matches anywhere, and narrows ``--databases`` instead of adding to it. ``--databases`` takes ``schema`` and ``schema.table``,
compares whole names and adds up. ``--databases-exclude=schema.table`` leaves the whole schema out, so a table is left out by
``--tables-exclude`` with a pattern that is anchored; the encoded names hold no character that means something in one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError

OPTIONS = ("databases", "tables", "databases_exclude", "tables_exclude")
_PLAIN = re.compile(r"[0-9A-Za-z_]+")
_QUOTED = re.compile(r"`((?:[^`]|``)+)`\.(?:`((?:[^`]|``)+)`|(\*))", re.DOTALL)
_PARTITION = re.compile(r"#[Pp]#.*", re.DOTALL)
# One argument may have 128 KiB.
_LONGEST = 120_000

Table = tuple[str, str]


def is_plain(name: str) -> bool:
    """Tell whether a name is the same in the names of files."""
    return _PLAIN.fullmatch(name) is not None


def parse_table(text: str, option: str = "tables", wildcard: bool = False) -> Table:
    """Return schema and table of ``schema.table``; names that hold a dot or a backquote are written in backquotes.

    Args:
        text: what the user wrote.
        option: the option's name, for the message.
        wildcard: whether ``schema.*`` is allowed.

    Raises:
        MariabackupError: it is neither.
    """
    match = _QUOTED.fullmatch(text)
    if match is not None:
        table = "*" if match[3] else match[2].replace("``", "`")
        found = match[1].replace("``", "`"), table
    else:
        schema, _dot, table = text.partition(".")
        found = schema, table
        if not schema or not table or "." in table or "`" in text:
            raise MariabackupError(
                f"{option} holds {text!r}, which is not schema.table.",
                "Write shop.orders, or with backquotes where a name holds a dot: `my.shop`.`orders`.",
            )
    if found[1] == "*" and (match is None or match[3]) and not wildcard:
        raise MariabackupError(
            f"{option} holds {text!r}: names are exact there.", "Name the tables, or use databases for whole schemas."
        )
    return found


def quote_table(table: Table) -> str:
    """Return schema and table as ``parse_table`` reads them."""
    if all("." not in name and "`" not in name and name != "*" for name in table):
        return ".".join(table)
    return ".".join("`" + name.replace("`", "``") + "`" for name in table)


@dataclass(frozen=True)
class Selection:
    """What a partial backup holds; names as the server shows them, sorted."""

    databases: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    databases_exclude: tuple[str, ...] = ()
    tables_exclude: tuple[Table, ...] = ()

    @staticmethod
    def from_params(params: Mapping[str, Any]) -> Selection | None:
        """Read the options of a module; None for a whole backup.

        Raises:
            MariabackupError: a table is not written as ``schema.table``, or a name is empty.
        """
        lists = {name: params.get(name) or [] for name in OPTIONS}
        if not any(lists.values()):
            return None
        for name in ("databases", "databases_exclude"):
            if "" in lists[name]:
                raise MariabackupError(f"{name} holds an empty name.", "Name schemas, or leave it out.")
        return Selection(
            databases=tuple(sorted(set(lists["databases"]))),
            tables=tuple(sorted({parse_table(text) for text in lists["tables"]})),
            databases_exclude=tuple(sorted(set(lists["databases_exclude"]))),
            tables_exclude=tuple(sorted({parse_table(text, "tables_exclude") for text in lists["tables_exclude"]})),
        )

    def as_dict(self) -> dict[str, list[str]]:
        """Return the selection as a manifest and a result hold it: the options, those that are used."""
        found = {
            "databases": list(self.databases),
            "tables": [quote_table(table) for table in self.tables],
            "databases_exclude": list(self.databases_exclude),
            "tables_exclude": [quote_table(table) for table in self.tables_exclude],
        }
        return {name: names for name, names in found.items() if names}

    def names(self) -> set[str]:
        """Return every name in it, for the server to translate into names of files."""
        return {
            *self.databases,
            *self.databases_exclude,
            *(name for table in (*self.tables, *self.tables_exclude) for name in table),
        }

    def encode(self, file_names: Mapping[str, str]) -> Filter:
        """Return the selection in the names of files.

        Args:
            file_names: what the server answered; plain names need not be in it.

        Raises:
            MariabackupError: a name is not plain, and the server was not asked.
        """

        def encoded(name: str) -> str:
            if is_plain(name):
                return name
            if name not in file_names:
                raise MariabackupError(
                    f"How {name!r} is written in the names of files could not be found out: only the server knows that.",
                    "Give login options that work, and install PyMySQL on this host.",
                )
            return file_names[name]

        def pairs(tables: Iterable[Table]) -> dict[Table, Table]:
            return {(encoded(table[0]), encoded(table[1])): table for table in tables}

        return Filter(
            {encoded(name): name for name in self.databases},
            pairs(self.tables),
            {encoded(name): name for name in self.databases_exclude},
            pairs(self.tables_exclude),
        )


@dataclass(frozen=True)
class Filter:
    """A selection in the names of files; each encoded name with the one that the server shows."""

    databases: Mapping[str, str]
    tables: Mapping[Table, Table]
    databases_exclude: Mapping[str, str]
    tables_exclude: Mapping[Table, Table]

    def takes(self, directory: str, stem: str) -> bool:
        """Tell whether the files ``directory/stem.*`` are chosen; partitions go with their table."""
        table = directory, _PARTITION.sub("", stem)
        if directory in self.databases_exclude or table in self.tables_exclude:
            return False
        if not self.databases and not self.tables:
            return True
        return directory in self.databases or table in self.tables

    def arguments(self) -> list[str]:
        """Return the tool's arguments.

        Raises:
            MariabackupError: there are too many names for an argument.
        """
        found = []
        included = [*sorted(self.databases), *(".".join(table) for table in sorted(self.tables))]
        # A schema that is chosen whole and named again with a table would be taken for the one table.
        included = [name for name in included if "." not in name or name.split(".")[0] not in self.databases]
        if included:
            found.append(f"--databases={' '.join(included)}")
        if self.databases_exclude:
            found.append(f"--databases-exclude={' '.join(sorted(self.databases_exclude))}")
        if self.tables_exclude:
            patterns = (f"^{schema}[.]{table}(#[Pp]#.*)?$" for schema, table in sorted(self.tables_exclude))
            found.append(f"--tables-exclude={','.join(patterns)}")
        if any(len(argument) > _LONGEST for argument in found):
            raise MariabackupError(
                "So many names are chosen that they do not fit into the tool's arguments.",
                "Choose whole schemas with databases, and what not to take with tables_exclude.",
            )
        return found
