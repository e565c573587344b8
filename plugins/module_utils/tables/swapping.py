# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Putting proven tables in place in one statement, and everything that follows; a later run can do it as well."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.selection import Table, quote_table
from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import Interrupted, MariabackupError, error_of
from ansible_collections.dba.mariabackup.plugins.module_utils.server.names import quote
from ansible_collections.dba.mariabackup.plugins.module_utils.tables.definition import ForeignKey
from ansible_collections.dba.mariabackup.plugins.module_utils.tables.journal import (
    FINISH,
    SWAP,
    Child,
    Entry,
    Journal,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.tables.live import Live
from ansible_collections.dba.mariabackup.plugins.module_utils.tables.staging import remove_staging


def swap(journal: Journal, live: Live, ctx: Context) -> None:
    """Rename all tables into place in one statement: on the way to it nobody sees some of them.

    Raises:
        MariabackupError: the server refuses; then it has renamed none.
    """
    journal.write(SWAP)
    ctx.point("import-swap")
    live.query(f"RENAME TABLE {', '.join(_renames(journal, live))}")
    ctx.point("import-swapped")
    journal.write(FINISH)


def _renames(journal: Journal, live: Live) -> list[str]:
    """Return the renames that are still to be done; a server of 10.5 that dies within the statement may have done some."""
    found = []
    for entry in journal.entries:
        if not live.exists((journal.schema, entry.staged)):
            continue
        if entry.previous is not None and not live.exists((entry.schema, entry.previous)):
            found.append(f"{quote(*entry.table)} TO {quote(entry.schema, entry.previous)}")
        found.append(f"{quote(journal.schema, entry.staged)} TO {quote(*entry.table)}")
    return found


def swapped(journal: Journal, live: Live) -> bool | None:
    """Tell whether the tables are in place: all (True), none (False), or some (None)."""
    waiting = [live.exists((journal.schema, entry.staged)) for entry in journal.entries]
    moved = [entry.previous is not None and live.exists((entry.schema, entry.previous)) for entry in journal.entries]
    if journal.phase == FINISH:
        return True
    if not any(waiting):
        # If they are not in place either, somebody has dropped the import's schema: nothing was moved, and nothing is left.
        return all(_in_place(live, entry) for entry in journal.entries)
    return False if all(waiting) and not any(moved) else None


def _in_place(live: Live, entry: Entry) -> bool:
    return live.exists(entry.table) and (entry.previous is None or live.exists((entry.schema, entry.previous)))


def complete_swap(journal: Journal, live: Live) -> None:
    """Do what is left of the renames."""
    live.query(f"RENAME TABLE {', '.join(_renames(journal, live))}")
    journal.write(FINISH)


def finish(journal: Journal, live: Live, ctx: Context) -> list[dict[str, Any]]:
    """Give the tables in place their foreign keys, drop or keep the old tables, and clean up.

    Every step looks first whether it was done, so a later run can begin again.

    Returns:
        The foreign keys with what was found out about them.

    Raises:
        MariabackupError: the tables are in place; the message says what is missing.
    """
    try:
        for entry in journal.entries:
            _drop_own(live, entry)
        ctx.point("import-freed")
        _find_followers(journal, live)
        for child in journal.children:
            _point_to(live, child.child, child.key)
        for entry in journal.entries:
            for key in entry.foreign_keys:
                _point_to(live, entry.table, key)
        ctx.point("import-keyed")
        if not journal.keep:
            for entry in journal.entries:
                _drop_old(live, entry, ctx)
    except (MariabackupError, Interrupted) as raised:
        error = error_of(raised)
        raise MariabackupError(
            f"The tables {', '.join(quote_table(entry.table) for entry in journal.entries)} are imported and in place, but"
            f" what follows failed: {error.cause}",
            "Mend the cause, then run the same task again: it goes on there. The old tables are kept until then.",
            details={**error.details, "tables": [_state(entry) for entry in journal.entries]},
        ) from error
    found = [_report(live, entry.table, key) for entry in journal.entries for key in entry.foreign_keys]
    found += [_report(live, child.child, child.key) for child in journal.children]
    for report in found:
        if report["orphans"]:
            ctx.warn(
                f"{report['orphans']} rows of {report['table']} refer by {report['name']} to rows that"
                f" {report['references']} does not have."
            )
    clean_up(journal, live)
    return found


def _find_followers(journal: Journal, live: Live) -> None:
    """Note every foreign key that has followed an old table, also one that was made since the plan."""
    known = {(child.child, child.key.name) for child in journal.children}
    old = {(entry.schema, entry.previous) for entry in journal.entries if entry.previous is not None}
    for entry in journal.entries:
        if entry.previous is None:
            continue
        for found in live.referring((entry.schema, entry.previous), old):
            if (found.child, found.key.name) not in known and found.child not in {one.table for one in journal.entries}:
                journal.children.append(Child(found.child, entry.table, replace(found.key, table=entry.name)))
    journal.write()


def _drop_old(live: Live, entry: Entry, ctx: Context) -> None:
    if entry.previous is None:
        return
    if live.triggers((entry.schema, entry.previous)):
        ctx.warn(f"{quote(entry.schema, entry.previous)} is kept: it has got triggers since the import began.")
        return
    live.query(f"DROP TABLE IF EXISTS {quote(entry.schema, entry.previous)}")


def _state(entry: Entry) -> dict[str, Any]:
    return {"name": quote_table(entry.table), "state": "imported", "previous": entry.previous}


def clean_up(journal: Journal, live: Live) -> None:
    """Remove the import's own schema, its directory and its journal."""
    live.query(f"DROP DATABASE IF EXISTS {quote(journal.schema)}")
    remove_staging(journal.directory)
    journal.remove()


def take_back(journal: Journal, live: Live) -> None:
    """Undo an import whose tables are not in place, schemas that were made for it included."""
    for schema in journal.new_schemas:
        if schema in live.schemas() and not live.query(f"SHOW TABLES FROM {quote(schema)}"):
            live.query(f"DROP DATABASE {quote(schema)}")
    clean_up(journal, live)


def _drop_own(live: Live, entry: Entry) -> None:
    """Take the foreign keys from an old table: they hold the names, and would tie a kept table to its parents."""
    if entry.previous is None or not live.exists((entry.schema, entry.previous)):
        return
    keys = live.definition((entry.schema, entry.previous)).foreign_keys
    if keys:
        drops = ", ".join(f"DROP FOREIGN KEY {quote(key.name)}" for key in keys)
        live.query(f"ALTER TABLE {quote(entry.schema, entry.previous)} {drops}")


def _point_to(live: Live, table: Table, key: ForeignKey) -> None:
    """Have a table refer to the parent that its key names; RENAME has made a child follow the old parent."""
    present = next((own for own in live.definition(table).foreign_keys if own.name == key.name), None)
    if present == key:
        return
    if present is not None:
        live.query(f"ALTER TABLE {quote(*table)} DROP FOREIGN KEY {quote(key.name)}")
    live.query(f"ALTER TABLE {quote(*table)} ADD {key.clause(table[0])}")


def _report(live: Live, table: Table, key: ForeignKey) -> dict[str, Any]:
    return {
        "table": quote_table(table),
        "name": key.name,
        "references": quote_table((key.schema or table[0], key.table)),
        "orphans": live.orphans(table, key),
    }
