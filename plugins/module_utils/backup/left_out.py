# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables that the server has and the tool has left out, although it says that everything is well.

The tool follows the server's DDL in the redo log since the last checkpoint. A tablespace that was discarded there, and whose
table was given another file and another name (``ALTER TABLE ... DISCARD TABLESPACE``, ``IMPORT TABLESPACE``, ``RENAME TABLE``),
counts as dropped for it: "We assume the table was dropped ... and ignore the tablespace", and ``completed OK!``. Seen on 10.5, 10.11 and
11.8. The definition is in the backup then and the data is not, which the files of a backup alone do not tell from a table that really
is discarded. The server's datadir tells.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable

from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError

# What the data of a table is called in a backup: as on the server, an increment of it, or a file that came during the run.
_NAMES = ("ibd", "ibd.delta", "ibd.meta", "new", "isl")
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
        definition = f"{_PARTITION.split(stem, maxsplit=1)[0]}.frm"
        there = stem in renamed or any(f"{stem}.{name}" in backup for name in _NAMES)
        if definition in backup and not there:
            found.append(path)
    return found if len(found) > unknown else []


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
    missing = left_out(_tablespaces(datadir), backup, renamed, 0 if directory is not None else len(notes))
    if missing:
        shown = ", ".join(missing[:10]) + (f" and {len(missing) - 10} more" if len(missing) > 10 else "")
        raise MariabackupError(
            f"The tool has left out tables that the server has: {shown}. It takes a table for dropped whose tablespace was"
            " imported since the server's last checkpoint, and reports success.",
            "Nothing was kept. Let the server write a checkpoint: restart it, or SET GLOBAL innodb_max_dirty_pages_pct_lwm = 0,"
            " innodb_max_dirty_pages_pct = 0, wait until Innodb_buffer_pool_pages_dirty is 0, and set them back. Then take the"
            " backup again.",
            details={"entries": missing[:200]},
        )


def _tablespaces(datadir: str) -> list[str]:
    found = []
    with os.scandir(datadir) as schemas:
        for schema in schemas:
            if schema.is_dir(follow_symlinks=False) and not schema.name.startswith(("#", ".")):
                try:
                    names = os.listdir(schema.path)
                except FileNotFoundError:
                    continue  # it was dropped just now
                found += [f"{schema.name}/{name}" for name in names if name.endswith(".ibd")]
    return found


def _target(note: str) -> str:
    """Return the new name of a renamed table, as the tool has noted it."""
    with open(note, encoding="utf-8", errors="surrogateescape") as stream:
        text = stream.read(4096).strip()
    text = text[2:] if text.startswith("./") else text
    return text[: -len(".ibd")] if text.endswith(".ibd") else text
