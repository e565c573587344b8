# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A repository in a local directory: ``<root>/<instance>/<id>/`` with the manifest written last, and who uses what of it.

Whoever reads a backup holds a shared lock on its manifest, and whoever removes one needs that lock for itself. The kernel frees
it with its process, so nothing is ever in use that nobody reads.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import time
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.ids import is_id
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.manifest import DATA, MANIFEST, METADATA
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.workplace import (
    OWNER_SUFFIX,
    PARTIAL_SUFFIX,
    Point,
    Workplace,
    nowhere,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.files import delete_tree, fsync_path
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.catalogue import Entry, read_entry

DELETING_SUFFIX = ".deleting"
_PATIENCE_SECONDS = 2.0


def instance_of(params: Mapping[str, Any]) -> str:
    """Return whose backups are meant: the option ``instance``, else this host's name, with the server's suffix as ``@x``.

    Raises:
        MariabackupError: the name cannot be the name of a directory.
    """
    suffix = str(params.get("defaults_group_suffix") or "").lstrip(".")
    name = str(params.get("instance") or f"{socket.gethostname()}{'@' + suffix if suffix else ''}")
    if name.startswith(".") or "/" in name or not name.isprintable() or len(os.fsencode(name)) > 200:
        raise MariabackupError(
            f"instance is {name!r}, which cannot be the name of a directory.",
            "Choose a name without / and control characters that does not begin with a dot.",
        )
    return name


class Repository:
    """The directory ``root``; nothing is made before the first backup is taken into it."""

    def __init__(self, root: str) -> None:
        self.root = os.path.abspath(root)

    def instances(self) -> list[str]:
        """Return the names of all instances that have a directory, sorted.

        Raises:
            MariabackupError: the repository cannot be read.
        """
        return sorted(name for name in self._names(self.root) if not name.startswith("."))

    def directory(self, instance: str) -> str:
        """Return where the backups of one instance lie."""
        return os.path.join(self.root, instance)

    def lock_key(self, instance: str) -> str:
        """Return the directory that stands for an instance where one task at a time may work on it, for ``locks``."""
        return self.directory(instance)

    def place(self, instance: str = "") -> str:
        """Return what to call the repository, or the backups of one instance in it, in a message."""
        return self.directory(instance) if instance else self.root

    def fetch(self, entry: Entry) -> None:
        """Bring what describes a backup to this host; nothing to do where it lies here."""

    def entries(self, instance: str) -> Iterator[Entry]:
        """Yield the backups of one instance, oldest first. What has no manifest is no backup, and is passed over."""
        for name in self._ids(instance):
            entry = read_entry(os.path.join(self.directory(instance), name))
            if entry is not None:
                yield entry

    def newest_id(self, instance: str) -> str | None:
        """Return the newest id that was ever begun and has left anything: unfinished ones count."""
        names = (name.partition(".")[0] for name in self._names(self.directory(instance)))
        return max((name for name in names if is_id(name)), default=None)

    def workplace(self, instance: str, backup_id: str, *, stream: bool = False) -> Workplace:
        """Return where the backup ``backup_id`` comes into being."""
        return Workplace(os.path.join(self.directory(instance), backup_id), METADATA if stream else DATA)

    def remove_leftovers(self, instance: str, ctx: Context) -> None:
        """Remove what runs that died have left, and removals that did not end. What cannot be removed is in nobody's way."""
        top = self.directory(instance)
        for name in self._left(top):
            stem, _dot, ending = name.partition(".")
            path = os.path.join(top, name)
            try:
                if f".{ending}" == DELETING_SUFFIX:
                    self._remove_dying(instance, stem)
                elif not self.workplace(instance, stem).clear_leftover():
                    continue
            except (OSError, MariabackupError) as error:
                ctx.warn(f"{path}, which a run that died has left, cannot be removed: {error}")
            else:
                ctx.log(f"removed {path}, which a run that died had left")

    @contextlib.contextmanager
    def reading(self, entry: Entry) -> Iterator[None]:
        """Keep a backup from being removed for as long as the block lasts.

        Raises:
            MariabackupError: it is being removed, or is gone.
        """
        # Whoever asks whether it is in use holds the lock alone for an instant.
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while (fd := _lock(entry.path, fcntl.LOCK_SH)) is None and time.monotonic() < deadline:
            time.sleep(0.01)
        if fd is None:
            raise MariabackupError(
                f"The backup {entry.path} is being removed.", "Use another backup, or wait until prune has ended."
            )
        try:
            yield
        finally:
            os.close(fd)

    def in_use(self, entry: Entry) -> bool:
        """Whether somebody reads the backup right now."""
        fd = _lock(entry.path, fcntl.LOCK_EX)
        if fd is None:
            return True
        os.close(fd)
        return False

    def remove(self, entry: Entry, point: Point = nowhere) -> bool:
        """Remove a backup; returns False, and leaves it, when somebody reads it.

        It loses its name in one step, so an interrupted removal leaves nothing that could be taken for a backup.

        Args:
            point: told each place where it matters that the run may be killed.

        Raises:
            OSError: the disk refuses.
        """
        if not take_name(entry.path):
            return False
        point("prune-renamed")
        delete_tree(entry.path + DELETING_SUFFIX)
        point("prune-removed")
        return True

    def _remove_dying(self, instance: str, backup_id: str) -> None:
        """Finish a removal that did not end."""
        delete_tree(os.path.join(self.directory(instance), backup_id) + DELETING_SUFFIX)

    def _left(self, top: str) -> list[str]:
        """Return the names of what runs have left, or work on: directories, and owner files, which may stand alone."""
        names = [name for name in self._names(top) if name.endswith((DELETING_SUFFIX, PARTIAL_SUFFIX))]
        names += [name for name in self._names(top, files=True) if name.endswith(OWNER_SUFFIX)]
        # The directory, with which its owner file goes, sorts before that.
        return sorted(name for name in names if is_id(os.path.splitext(name.removesuffix(".owner"))[0]))

    def _ids(self, instance: str) -> list[str]:
        top = self.directory(instance)
        return sorted(name for name in self._names(top) if is_id(name) and not os.path.islink(os.path.join(top, name)))

    def _names(self, path: str, *, files: bool = False) -> list[str]:
        """Return the names of the directories in ``path``, or of the files; none where it is missing."""
        try:
            with os.scandir(path) as found:
                entries = list(found)
            if files:
                return [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]
            return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise MariabackupError(
                f"The repository {path} cannot be read: {error.strerror}.", "Correct repository, or the permissions."
            ) from error


def take_name(path: str) -> bool:
    """Rename the directory of a backup that is to be removed, durably; returns False when somebody reads it."""
    fd = _lock(path, fcntl.LOCK_EX)
    if fd is None:
        return False
    try:
        os.rename(path, path + DELETING_SUFFIX)
    finally:
        # Whoever waits for the lock finds that the backup has no name any more.
        os.close(fd)
    fsync_path(os.path.dirname(path))
    return True


def _open(path: str, how: int) -> int:
    """Open a file to be locked. A lock that excludes others wants a descriptor for writing over NFS, where that is allowed."""
    flags = os.O_CLOEXEC | os.O_NOFOLLOW
    if how == fcntl.LOCK_EX:
        try:
            return os.open(path, os.O_RDWR | flags)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
                raise
    return os.open(path, os.O_RDONLY | flags)


def _lock(path: str, how: int) -> int | None:
    """Lock a backup's manifest at once, shared or alone; returns None when it is locked otherwise or gone.

    Raises:
        MariabackupError: it is no file that can be locked.
    """
    place = os.path.join(path, MANIFEST)
    fd: int | None = None
    try:
        fd = _open(place, how)
        fcntl.flock(fd, how | fcntl.LOCK_NB)
        # It may have been removed between our open and our lock.
        if os.lstat(place).st_ino == os.fstat(fd).st_ino:
            locked, fd = fd, None
            return locked
    except (BlockingIOError, FileNotFoundError):
        pass
    except OSError as error:
        raise MariabackupError(
            f"{place} cannot be locked: {error.strerror}.",
            "Look at it: it has to be a file, not a link to one, that this user may read.",
        ) from error
    finally:
        if fd is not None:
            os.close(fd)
    return None
