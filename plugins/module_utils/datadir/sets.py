# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sets on disk: staged directories made, files distributed to them, finished sets tidied up and removed."""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
from collections.abc import Sequence

from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.exchange import move
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.inspect import (
    entries,
    is_mount_point,
    nested_mounts,
    same_mount,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.layout import INSIDE, NEVER_OWNED, Layout, Place
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.place import DIR_MODE, FILE_MODE
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.swap import Member
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.files import delete_tree, fsync_path, make_private_dirs

_OURS = re.compile(r"(?:.*\.)?(?:restore|previous|failed)-[A-Za-z0-9][A-Za-z0-9._-]*")
DYING_SUFFIX = ".deleting"


def is_ours(path: str) -> bool:
    """Tell whether the last part of ``path`` is a name that this collection gives to a set."""
    return _OURS.fullmatch(os.path.basename(path.rstrip("/"))) is not None


def make_staged(members: Sequence[Member]) -> list[str]:
    """Make the staged directories (mode 0700) that are missing, and return those that were made.

    ``.mariabackup`` inside a mount point gets mode 0700 too: a server that could look into it would list a schema there.
    """
    made: list[str] = []
    for member in members:
        if not os.path.isdir(member.staged):
            make_private_dirs(os.path.dirname(member.staged))
            os.mkdir(member.staged, DIR_MODE)
            fsync_path(os.path.dirname(member.staged))
            made.append(member.staged)
    return made


def distribute(layout: Layout, members: Sequence[Member]) -> list[tuple[str, str]]:
    """Move InnoDB's files and Aria's log out of the flat staged datadir, to where the server will look for them.

    A backup keeps the system tablespace, undo, redo and Aria logs at its top. Run this after the preparation. It may
    be run again after an interruption. Directories of the set inside the datadir are made, empty ones too.

    Returns:
        What was moved, as pairs of paths.
    """
    staged = {member.live: member.staged for member in members}
    top = staged[layout.datadir]
    for place in layout.inner:
        relative = os.path.relpath(place.path, layout.datadir)
        os.makedirs(os.path.join(top, relative), DIR_MODE, exist_ok=True)
    moved: list[tuple[str, str]] = []
    for name in NEVER_OWNED:
        # The tool backs lost+found up as if it were a schema, and another copier may have brought it along.
        if os.path.isdir(os.path.join(top, name)):
            delete_tree(os.path.join(top, name))
    for name in entries(top, allowed=()):
        directory = layout.directory_of(name)
        source = os.path.join(top, name)
        if directory == layout.datadir or not stat.S_ISREG(os.lstat(source).st_mode):
            continue
        if directory in staged:
            target = os.path.join(staged[directory], name)
        else:
            target = os.path.join(top, os.path.relpath(directory, layout.datadir), name)
        transfer(source, target)
        moved.append((source, target))
    return moved


def transfer(source: str, target: str) -> None:
    """Rename a file, or copy, sync and remove it where the target lies on another file system.

    The target has its name only when it is whole.
    """
    if same_mount(source, os.path.dirname(target)):
        move(source, target)
        return
    # The name of the half-done copy belongs to us alone; an interrupted run left it or nothing.
    half = f"{target}.part"
    try:
        with open(source, "rb") as reader, open(half, "wb") as writer:
            os.fchmod(writer.fileno(), FILE_MODE)
            shutil.copyfileobj(reader, writer, 1024 * 1024)
            writer.flush()
            os.fsync(writer.fileno())
    except OSError as error:
        raise MariabackupError(
            f"Could not copy {os.path.basename(source)} to {os.path.dirname(target)}: {error.strerror}.",
            "Make room there or mend the cause, then run the same task again; the server has not been touched.",
        ) from error
    os.rename(half, target)
    fsync_path(os.path.dirname(target))
    os.unlink(source)
    fsync_path(os.path.dirname(source))


def tidy(members: Sequence[Member]) -> None:
    """Remove what a finished swap left empty: staged directories and ``.mariabackup``. Never removes a file."""
    for member in members:
        paths = [member.staged, member.previous] if member.mode == "entries" else []
        for path in (*paths, os.path.join(member.live, INSIDE)):
            try:
                os.rmdir(path)
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                    raise


def remove_tree(path: str) -> bool:
    """Remove a set of ours; returns whether there was one.

    It is renamed first, so that an interrupted removal leaves nothing that could be taken for a complete set; running this
    again goes on with it. Symbolic links are removed, never followed.

    Raises:
        MariabackupError: the name is none of ours, something is mounted there, or the disk refuses.
    """
    path = os.path.abspath(path)
    if not is_ours(path) or os.path.islink(path):
        raise MariabackupError(
            f"{path} is not a directory that this collection made, so it is not removed.",
            "Remove it by hand if it is not needed.",
        )
    dying = path + DYING_SUFFIX
    found = os.path.lexists(path) or os.path.lexists(dying)
    for target in (path, dying):
        if os.path.lexists(target) and (is_mount_point(target) or nested_mounts(target)):
            raise MariabackupError(f"Something is mounted in {target}.", "Unmount it, then run the same task again.")
    try:
        if os.path.lexists(dying):
            delete_tree(dying)
        if os.path.lexists(path):
            os.rename(path, dying)
            fsync_path(os.path.dirname(path))
            delete_tree(dying)
        if found:
            fsync_path(os.path.dirname(path))
            _remove_if_empty(os.path.dirname(path))
    except OSError as error:
        raise MariabackupError(
            f"Could not remove {error.filename or path}: {error.strerror}.",
            f"Mend the cause and run the same task again, or remove {dying} by hand: it is not a complete set.",
        ) from error
    return found


def _remove_if_empty(path: str) -> None:
    if os.path.basename(path) == INSIDE:
        try:
            os.rmdir(path)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise


def clear(place: Place) -> list[str]:
    """Delete every entry of the set in a live directory, and return their names. There is no way back.

    For ``existing_data: delete_first`` alone. The directory itself stays.
    """
    removed = [name for name in entries(place.path, allowed=()) if place.owns(name)]
    for name in removed:
        path = os.path.join(place.path, name)
        try:
            if os.path.isdir(path) and not os.path.islink(path):
                delete_tree(path)
            else:
                os.unlink(path)
        except OSError as error:
            raise MariabackupError(
                f"Could not delete {error.filename or path}: {error.strerror}.",
                "A part of the old data is deleted already. Mend the cause, then run the same task again.",
            ) from error
    if removed:
        fsync_path(place.path)
    return removed
