# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup that a restore consumes: prepared where it lies, moved, and given back whole when the restore does not come to serve.

It is prepared before it is moved, as the documented procedure has it, because a prepare in place can be killed anywhere
and taken up again (backup/prepare_task.py). A move is a rename, or a copy that is synced before the first source file
goes. So at every instant a file that the source still has is whole, and every other one is whole where the restore put it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.backup import prepare_task
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.inventory import MOVED_MARKER, take_inventory
from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.sets import transfer
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.files import (
    fsync_path,
    read_json,
    sync_file_system,
    write_atomic,
    write_json,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.journal import Journal
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.switching import members_of

_LIST = "moved.json"


def metadata_dir(journal: Journal) -> str:
    """Return where the backup's own description is kept: the datadir gets none of it."""
    return os.path.join(journal.directory, "metadata")


def prepare_source(journal: Journal, params: Mapping[str, Any], ctx: Context) -> None:
    """Apply the log in the backup's own directory, or go on with that after a kill.

    Raises:
        MariabackupError: as the module ``prepare`` has it; the backup stays where it is.
    """
    prepare_task.run({**params, "target_dir": journal["source"]["path"], "in_place": True, "dest": None}, ctx)


def remember(journal: Journal) -> None:
    """Write down, synced, which files the backup has and their sizes, before the first of them is moved."""
    write_json(os.path.join(journal.directory, _LIST), take_inventory(journal["source"]["path"]).files)
    mark(journal)


def mark(journal: Journal) -> None:
    """Mark the directory that the files are moved out of: nobody takes a backup into it while they may come back."""
    write_atomic(
        os.path.join(journal["source"]["path"], MOVED_MARKER),
        f"dba.mariabackup: restore {journal['id']} of {journal['datadir']} moves the files of this backup; it removes this"
        " file when it has ended, or has given them back.\n",
    )


def unmark(journal: Journal) -> None:
    """Leave the directory, with or without files, to whoever wants it; a mark of another run stays.

    Nothing is looked at for a run that only read its backup: that may lie on a server of files which no longer answers.
    """
    if journal["result"]["method"] != "move":
        return
    source = journal["source"]["path"]
    path = os.path.join(source, MOVED_MARKER)
    with contextlib.suppress(FileNotFoundError):
        with open(path, encoding="utf-8") as stream:
            ours = journal["id"] in stream.read()
        if ours:
            os.unlink(path)
            # A mark that came back after a power cut would belong to a run that has ended.
            fsync_path(source)


def remove_source(journal: Journal, ctx: Context) -> None:
    """Remove the files of a backup that another program has copied to another file system, and that were synced there.

    Raises:
        MariabackupError: a copy is missing or of another size; nothing was removed.
    """
    source, staged = journal["source"]["path"], members_of(journal)[0].staged
    sizes = read_json(os.path.join(journal.directory, _LIST))
    wrong = [name for name, size in sizes.items() if _size(os.path.join(staged, name)) != size]
    if wrong:
        raise MariabackupError(
            f"The program has not copied the backup whole: {', '.join(sorted(wrong)[:5])}.",
            "The backup is where it was. Take copier: builtin.",
            details={"entries": sorted(wrong)},
        )
    for relative in sizes:
        os.unlink(os.path.join(source, relative))
    ctx.log(f"removed the files of {source}, which were copied")


def give_back(journal: Journal, ctx: Context) -> None:
    """Bring every file of the backup back to where it was; may be called again after a kill.

    What the restore added to the staged set (files carried over, directories) stays behind.

    Raises:
        MariabackupError: a file is neither here nor there; everything that was found is back.
    """
    source = journal["source"]["path"]
    names = read_json(os.path.join(journal.directory, _LIST))
    if names is None:
        unmark(journal)
        return
    os.makedirs(source, mode=0o700, exist_ok=True)
    mark(journal)  # the tool's --move-back takes the mark along
    places = _where_files_are(journal)
    missing = []
    for relative in names:
        target = os.path.join(source, relative)
        if os.path.lexists(target):
            continue
        # The files of separate directories lie at the top of the backup, and anywhere in the staged set.
        origin = places.get(relative) or places.get(f"*/{relative}")
        if origin is None:
            missing.append(relative)
            continue
        os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
        transfer(origin, target)
        ctx.point("give-back")
    sync_file_system(source)
    if missing:
        raise MariabackupError(
            f"The backup was moved, and {len(missing)} of its files are not found any more: {', '.join(missing[:5])}.",
            f"The others are back in {source}. Put these there too, then run the same task again; or give them up: remove"
            f" {os.path.join(journal.directory, _LIST)}.",
            details={"entries": missing},
        )
    unmark(journal)
    ctx.log(f"gave the backup back to {source}")


def _size(path: str) -> int | None:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return None


def _where_files_are(journal: Journal) -> dict[str, str]:
    """Return the paths of all staged files by their relative path, and by ``*/`` and their name."""
    found: dict[str, str] = {}
    for top in [*(member.staged for member in members_of(journal)), metadata_dir(journal)]:
        for directory, _directories, names in os.walk(top):
            for name in names:
                path = os.path.join(directory, name)
                found.setdefault(os.path.relpath(path, top), path)
                found.setdefault(f"*/{name}", path)
    return found
