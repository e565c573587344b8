# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading ``SHOW CREATE TABLE``: what of a table can be imported as a file, and what is added to it afterwards (pure).

A tablespace has no foreign keys, and its file cannot bring FULLTEXT indexes along. So a table is imported bare, and both are
added when its data is in place.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.dba.mariabackup.plugins.module_utils.server.names import quote

_NAME = r"`(?:[^`]|``)*`"
_HEAD = re.compile(rf"CREATE TABLE {_NAME} \(", re.DOTALL)
_FOREIGN = re.compile(
    rf"  CONSTRAINT ({_NAME}) FOREIGN KEY (?:{_NAME} )?\(((?:{_NAME}(?:, ?)?)+)\)"
    rf" REFERENCES ({_NAME})(?:\.({_NAME}))? \(((?:{_NAME}(?:, ?)?)+)\)(.*)",
    re.DOTALL,
)
_COUNTER = re.compile(r"(\) ENGINE=\w+) AUTO_INCREMENT=(\d+)")
_FULLTEXT = re.compile(rf"  FULLTEXT KEY ({_NAME}) ", re.DOTALL)


def logical_lines(text: str) -> list[str]:
    """Split a definition at the ends of lines that are not part of a name or a text."""
    lines: list[str] = []
    start = position = 0
    quote_mark = ""
    while position < len(text):
        mark = text[position]
        if quote_mark:
            if mark == "\\" and quote_mark != "`":
                position += 1
            elif mark == quote_mark:
                # A doubled one closes and opens again, which comes to the same.
                quote_mark = ""
        elif mark in "`'\"":
            quote_mark = mark
        elif mark == "\n":
            lines.append(text[start:position])
            start = position + 1
        position += 1
    return [*lines, text[start:]]


def _unquote(name: str) -> str:
    return name[1:-1].replace("``", "`")


def _names(text: str) -> tuple[str, ...]:
    return tuple(_unquote(name) for name in re.findall(_NAME, text, re.DOTALL))


@dataclass(frozen=True)
class ForeignKey:
    """A foreign key.

    Attributes:
        name: of the constraint.
        columns: of the table that has it.
        schema: of the table that it refers to; None for the schema of its own table.
        table: the table that it refers to.
        referenced: that table's columns.
        actions: the rest, such as `` ON DELETE CASCADE``.
    """

    name: str
    columns: tuple[str, ...]
    schema: str | None
    table: str
    referenced: tuple[str, ...]
    actions: str

    def clause(self, schema: str, name: str | None = None, parent: tuple[str, str] | None = None) -> str:
        """Return it as ``ALTER TABLE ... ADD`` wants it.

        Args:
            schema: of the table that has it.
            name: another name of the constraint.
            parent: another table to refer to.
        """
        target = parent or (self.schema or schema, self.table)
        columns = ", ".join(quote(column) for column in self.columns)
        referenced = ", ".join(quote(column) for column in self.referenced)
        return (
            f"CONSTRAINT {quote(name or self.name)} FOREIGN KEY ({columns})"
            f" REFERENCES {quote(*target)} ({referenced}){self.actions}"
        )


@dataclass(frozen=True)
class Definition:
    """A table's definition, taken apart.

    Attributes:
        body: the lines of columns, keys and checks, without commas at their ends.
        fulltext: FULLTEXT keys, as ``ALTER TABLE ... ADD`` wants them.
        foreign_keys: its foreign keys.
        tail: from the closing bracket on, without AUTO_INCREMENT.
        counter: AUTO_INCREMENT.
    """

    body: tuple[str, ...]
    fulltext: tuple[str, ...]
    foreign_keys: tuple[ForeignKey, ...]
    tail: str
    counter: int | None

    def create(self, schema: str, table: str, more: str = "") -> str:
        """Return the statement that makes the bare table.

        Args:
            schema: where.
            table: under which name.
            more: further table options.
        """
        first, *rest = self.tail.split("\n", 1)
        tail = "\n".join([first + more, *rest])
        return f"CREATE TABLE {quote(schema, table)} (\n" + ",\n".join(self.body) + f"\n{tail}"

    def lines(self) -> list[str]:
        """Return what two definitions of the same table have in common, however they were made."""
        keys = sorted(f"  {key.clause('')}" for key in self.foreign_keys)
        return [*self.body, *(f"  {line}" for line in self.fulltext), *keys, *self.tail.split("\n")]

    def bare(self) -> Definition:
        """Return it without what is added after the import."""
        return Definition(self.body, (), (), self.tail, self.counter)

    @property
    def partitioned(self) -> bool:
        """Whether it has partitions."""
        return re.search(r"\n ?(?:/\*!\d+ )?PARTITION BY ", self.tail) is not None

    @property
    def elsewhere(self) -> bool:
        """Whether a part of it lies outside of the datadir."""
        return re.search(r"(DATA|INDEX) DIRECTORY\s*=", self.tail) is not None


def parse(text: str) -> Definition:
    """Take ``SHOW CREATE TABLE`` apart.

    Raises:
        ValueError: it is no table's, or is written in a way that is not known.
    """
    lines = logical_lines(text)
    end = next((number for number, line in enumerate(lines) if line.startswith(")")), None)
    if not _HEAD.fullmatch(lines[0]) or end is None:
        raise ValueError("it is not the definition of a table")
    body: list[str] = []
    fulltext: list[str] = []
    keys: list[ForeignKey] = []
    for line in (line[:-1] if line.endswith(",") else line for line in lines[1:end]):
        match = _FOREIGN.fullmatch(line)
        if match is not None:
            name, columns, first, second, referenced, actions = match.groups()
            schema = _unquote(first) if second else None
            table = _unquote(second or first)
            keys.append(
                ForeignKey(_unquote(name), _names(columns), schema, table, _names(referenced), actions.rstrip())
            )
        elif "FOREIGN KEY" in re.sub(rf"{_NAME}|'(?:[^'\\]|\\.|'')*'", "", line, flags=re.DOTALL):
            raise ValueError(f"its foreign key cannot be read: {line.strip()}")
        elif _FULLTEXT.match(line):
            fulltext.append(line.strip())
        else:
            body.append(line)
    tail = "\n".join(lines[end:])
    counter = _COUNTER.match(tail)
    return Definition(
        tuple(body),
        tuple(fulltext),
        tuple(keys),
        _COUNTER.sub(r"\1", tail, count=1),
        int(counter[2]) if counter else None,
    )


def fulltext_name(line: str) -> str:
    """Return the name of a FULLTEXT key in ``Definition.fulltext``."""
    match = re.search(_NAME, line, re.DOTALL)
    return _unquote(match[0]) if match else ""


def differences(server: Definition, backup: Definition) -> list[str]:
    """Return how two definitions differ, as lines of a diff; AUTO_INCREMENT does not count."""
    return list(_diff(server.lines(), backup.lines()))


def _diff(server: list[str], backup: list[str]) -> Iterator[str]:
    for line in difflib.ndiff(server, backup):
        if line[:2] in ("- ", "+ "):
            yield f"{'server' if line[0] == '-' else 'backup'}: {line[2:].strip()}"
