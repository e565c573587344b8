# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables that the server has and the tool has left out, although it says that everything is well.

The tool follows the server's DDL in the redo log since the last checkpoint. A tablespace that was discarded there, and whose
table was given another file and another name (``ALTER TABLE ... DISCARD TABLESPACE``, ``IMPORT TABLESPACE``, ``RENAME TABLE``),
counts as dropped for it: "We assume the table was dropped ... and ignore the tablespace", and ``completed OK!``. Seen on 10.5, 10.11 and
11.8. The definition is in the backup then and the data is not, which the files of a backup alone do not tell from a table that really
is discarded. The server's datadir tells.

Since 10.11 the tool passes over Aria files that are symbolic links (``DATA DIRECTORY``) without a word; 10.5 follows them, as all do with
MyISAM's.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable

from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError

# What the data of a table is called in a backup: as on the server, an increment of it, or a file that came during the run.
_NAMES = ("ibd", "ibd.delta", "ibd.meta", "new", "isl")
_LINKED = (".MAD", ".MAI", ".MYD", ".MYI")
_PARTITION = re.compile(r"#[Pp]#")


def left_out(server: Iterable[str], backup: Collection[str], renamed: Collection[str], unknown: int = 0) -> list[str]:
    """Return which tables' files are missing in a backup that has the tables' definitions (pure).

    Args:
        server: paths of the server's ``.ibd`` files below its datadir.
        backup: paths of the files of the backup.
        renamed: paths, without ``.ibd``, that tables got during the run; their files have the old names in the backup.
        unknown: how many more tables were renamed to names that are not known.
    """
    found = []
    for path in sorted(server):
        stem = path[: -len(".ibd")]
        there = stem in renamed or any(f"{stem}.{name}" in backup for name in _NAMES)
        if _definition(path) in backup and not there:
            found.append(path)
    return found if len(found) > unknown else []


def left_out_links(links: Iterable[str], backup: Collection[str]) -> list[str]:
    """Return which linked files of tables are missing in a backup that has the tables' definitions (pure).

    Args:
        links: paths of the server's linked files below its datadir.
        backup: paths of the files of the backup.
    """
    return sorted(path for path in links if path not in backup and _definition(path) in backup)


def _definition(path: str) -> str:
    return f"{_PARTITION.split(path.rpartition('.')[0], maxsplit=1)[0]}.frm"


def require_all(datadir: str, backup: Collection[str], directory: str | None) -> None:
    """Refuse a backup that lacks a table which the server still has.

    Args:
        datadir: of the server, which goes on meanwhile.
        backup: paths of the files of the backup.
        directory: where they lie; None for a stream, whose notes about renamed tables cannot be read.

    Raises:
        MariabackupError: names the files.
        OSError: a directory cannot be read.
    """
    notes = [path for path in backup if path.endswith(".ren")]
    renamed = {_target(os.path.join(directory, path)) for path in notes} if directory is not None else set()
    tablespaces, links = _look(datadir)
    missing = left_out(tablespaces, backup, renamed, 0 if directory is not None else len(notes))
    if missing:
        raise MariabackupError(
            f"The tool has left out tables that the server has: {_shown(missing)}. It takes a table for dropped whose tablespace was"
            " imported since the server's last checkpoint, and reports success.",
            "Nothing was kept. Let the server write a checkpoint: restart it, or SET GLOBAL innodb_max_dirty_pages_pct_lwm = 0,"
            " innodb_max_dirty_pages_pct = 0, wait until Innodb_buffer_pool_pages_dirty is 0, and set them back. Then take the"
            " backup again.",
            details={"entries": missing[:200]},
        )
    missing = left_out_links(links, backup)
    if missing:
        raise MariabackupError(
            "The tool has left out tables whose files are links to another directory (DATA DIRECTORY or INDEX DIRECTORY):"
            f" {_shown(missing)}.",
            "Nothing was kept. Move them into the datadir, then take the backup again. ALTER TABLE leaves them where they are:"
            " copy each into a new one (CREATE TABLE ... LIKE, INSERT ... SELECT) and rename that.",
            details={"entries": missing[:200]},
        )


def _shown(names: list[str]) -> str:
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def _look(datadir: str) -> tuple[list[str], list[str]]:
    """Return the tablespaces of the schemas, and the files of other tables that are links."""
    tablespaces, links = [], []
    with os.scandir(datadir) as schemas:
        for schema in schemas:
            if schema.is_dir(follow_symlinks=False) and not schema.name.startswith(("#", ".")):
                try:
                    entries = list(os.scandir(schema.path))
                except FileNotFoundError:
                    continue  # it was dropped just now
                tablespaces += [f"{schema.name}/{entry.name}" for entry in entries if entry.name.endswith(".ibd")]
                links += [
                    f"{schema.name}/{entry.name}"
                    for entry in entries
                    if entry.name.endswith(_LINKED) and entry.is_symlink()
                ]
    return tablespaces, links


def _target(note: str) -> str:
    """Return the new name of a renamed table, as the tool has noted it."""
    with open(note, encoding="utf-8", errors="surrogateescape") as stream:
        text = stream.read(4096).strip()
    text = text[2:] if text.startswith("./") else text
    return text[: -len(".ibd")] if text.endswith(".ibd") else text
