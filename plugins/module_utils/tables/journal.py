# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal of an import: what a later run needs to finish it, or to take it back."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.selection import Table
from ansible_collections.dba.mariabackup.plugins.module_utils.files import (
    fsync_path,
    make_private_dirs,
    path_key,
    read_json,
    write_json,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.tables.definition import ForeignKey

#: nothing outside of the import's own schema and directory has been touched
STAGE = "stage"
#: the tables are being renamed into place, or have been
SWAP = "swap"
#: they are in place; foreign keys and what is left over are being seen to
FINISH = "finish"


@dataclass
class Entry:
    """One table of an import.

    Attributes:
        schema, name: where it goes.
        staged: its name in the import's own schema.
        previous: the name that the table gets which is there already; None where there is none.
        foreign_keys: of the backup's definition.
        bytes, checksum: what the result tells.
    """

    schema: str
    name: str
    staged: str
    previous: str | None = None
    foreign_keys: list[ForeignKey] = field(default_factory=list)
    bytes: int = 0
    checksum: str = ""

    @property
    def table(self) -> Table:
        """Schema and name."""
        return self.schema, self.name


@dataclass
class Child:
    """A foreign key of another table that refers to a table which is replaced."""

    child: Table
    parent: Table
    key: ForeignKey


@dataclass
class Journal:
    """See the module; ``request`` tells whether a task is the same one, ``keep`` whether the old tables stay."""

    path: str
    id: str
    request: Any
    source: str
    backup_id: str
    directory: str
    schema: str
    keep: bool
    phase: str = STAGE
    new_schemas: list[str] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    children: list[Child] = field(default_factory=list)

    def write(self, phase: str | None = None) -> None:
        """Write it down, durably, with a new phase if there is one."""
        self.phase = phase or self.phase
        make_private_dirs(os.path.dirname(self.path))
        value = asdict(self)
        del value["path"]
        write_json(self.path, value)

    def remove(self) -> None:
        """Forget it: the import is through, or has been taken back."""
        try:
            os.unlink(self.path)
        except FileNotFoundError:
            return
        fsync_path(os.path.dirname(self.path))


def journal_path(state_dir: str, datadir: str) -> str:
    """Return the file for imports into a datadir."""
    return os.path.join(state_dir, "imports", f"{path_key(os.path.realpath(datadir))}.json")


def read_journal(path: str) -> Journal | None:
    """Return the journal that an interrupted import has left, or None."""
    value = read_json(path)
    if not isinstance(value, dict):
        return None
    entries = [Entry(**{**entry, "foreign_keys": _keys(entry["foreign_keys"])}) for entry in value.pop("entries")]
    children = [
        Child((one["child"][0], one["child"][1]), (one["parent"][0], one["parent"][1]), _keys([one["key"]])[0])
        for one in value.pop("children")
    ]
    return Journal(path, **value, entries=entries, children=children)


def _keys(values: list[Mapping[str, Any]]) -> list[ForeignKey]:
    return [
        ForeignKey(**{**value, "columns": tuple(value["columns"]), "referenced": tuple(value["referenced"])})
        for value in values
    ]
