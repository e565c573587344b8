# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a backup comes into being: beside its final place, which it takes in one step when it is proven.

``<target>.partial`` is renamed to ``<target>``. In a repository what is renamed is the directory around the backup's files,
which holds their description as well. A mount point cannot be renamed, so there the work is done inside, under a marker
that every proof refuses, and the marker goes last. An owner file beside both tells a later run
that a leftover is ours, and its lock whether its run is still alive: the kernel frees it with the process.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import stat
from collections.abc import Mapping
from typing import Any, Callable

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.inventory import INCOMPLETE_MARKER
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.manifest import (
    MANIFEST,
    Manifest,
    manifest_path,
    remove_manifest,
    write_manifest,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.files import (
    delete_tree,
    fsync_path,
    make_private_dirs,
    sync_file_system,
    write_atomic,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.stream.programs import Filter

PARTIAL_SUFFIX = ".partial"
OWNER_SUFFIX = ".partial.owner"
#: where a run may be looked at or killed: ``Context.point``
Point = Callable[[str], None]
_SHOWN = 10


def nowhere(_name: str) -> None:
    """Stop at no point."""


def entries_that_count(directory: str) -> list[str]:
    """Return the names in a directory that make it not empty; ``lost+found`` of a mount point does not count.

    Raises:
        OSError: it cannot be read.
    """
    mounted = os.path.ismount(directory)
    with os.scandir(directory) as entries:
        return sorted(entry.name for entry in entries if not (mounted and entry.name == "lost+found"))


class Workplace:
    """The target directory of a run, and the place where the run works until it is proven.

    Attributes:
        unit: what appears in one step: the directory of the backup's files, or in a repository the one around it.
        target: the directory of the backup's files.
        directory: where they are until then.
        work: where ``unit`` is until then.
    """

    def __init__(self, target_dir: str, inner: str = "") -> None:
        """Look where the place would be; changes nothing.

        Args:
            target_dir: absolute path; where it is a symbolic link, the directory behind it is meant.
            inner: the name of the directory in it that gets the backup's files; empty: the files lie in it directly.
        """
        self.unit = os.path.realpath(target_dir)
        self.target = os.path.join(self.unit, inner) if inner else self.unit
        self.inside = not inner and os.path.ismount(self.unit)
        self.work = self.unit if self.inside else self.unit + PARTIAL_SUFFIX
        self.directory = os.path.join(self.work, inner) if inner else self.work
        self._owner = self.unit + OWNER_SUFFIX
        if self.inside:
            # Beside a mount point lies another file system, which may be read-only.
            self._owner = os.path.join(self.target, INCOMPLETE_MARKER)
        self._fd: int | None = None
        self._made: list[str] = []
        self._in_place = False
        self._point: Point = nowhere

    @property
    def address(self) -> str:
        """What the user calls the place of the backup's files."""
        return self.target

    @property
    def file_system(self) -> str:
        """An existing directory on the file system that will hold the backup."""
        path = self.directory if self.inside else os.path.dirname(self.unit)
        while not os.path.isdir(path):
            path = os.path.dirname(path)
        return path

    @property
    def committed(self) -> bool:
        """Whether the backup has its place, whatever failed after that."""
        return self._in_place

    def leftover(self) -> bool:
        """Whether a run of ours died here and left something that the next one removes."""
        return self._owned() and not self._locked()

    def check(self) -> None:
        """Refuse a target that must not be touched; changes nothing.

        Raises:
            MariabackupError: it holds files, is no directory, or another run is busy there.
        """
        if self._owned() and self._locked():
            raise MariabackupError(
                f"Another run is taking a backup into {self.target} right now.",
                "Wait for it, or choose another directory.",
            )
        try:
            if os.path.lexists(self.unit) and not os.path.isdir(self.unit):
                raise MariabackupError(f"{self.unit} exists and is not a directory.", "Choose another target_dir.")
            if self.inside and self._owned():
                return
            names = entries_that_count(self.unit) if os.path.isdir(self.unit) else []
        except OSError as error:
            raise MariabackupError(
                f"{self.target} cannot be read: {error.strerror}.", "Run the task as a user who may write there."
            ) from error
        if names:
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            raise MariabackupError(
                f"The target directory {self.target} is not empty. It holds {', '.join(names[:_SHOWN])}{more}.",
                "Choose an empty or missing directory; a backup is never written over another.",
                details={"entries": names[:200]},
            )
        if not self.inside and os.path.lexists(self.work) and not self._owned():
            raise MariabackupError(
                f"{self.work} exists and was not left by a run of ours.",
                "Move it away; the backup is taken there and renamed when it is complete.",
            )

    def clear_leftover(self) -> bool:
        """Remove what a run that died has left beside the target, which may stand: it was killed just after its last step.

        Returns:
            False when there is nothing, or its run is alive.

        Raises:
            OSError: it cannot be removed.
        """
        if self.inside or not self.leftover():
            return False
        self._lock()
        try:
            self._clear()
        finally:
            self._unlock()
        return True

    def open(self, point: Point = nowhere) -> None:
        """Make the place ready: remove what a dead run left, take the lock, create the directory (0700).

        Args:
            point: told each place, here and in ``commit``, where it matters that the run may be killed.

        Raises:
            MariabackupError: as in ``check``, or it cannot be created.
        """
        self._point = point
        self.check()
        try:
            # The lock file must not live in a directory that somebody else can rename it out of: parents are 0700.
            self._made = make_private_dirs(os.path.dirname(self.unit))
            self._lock()
            self._point("place-locked")
            self._clear()
            if not self.inside:
                make_private_dirs(self.directory)
            self._point("place-opened")
        except OSError as error:
            self.discard()
            raise MariabackupError(
                f"{error.filename or self.directory} cannot be created: {error.strerror}.",
                "Correct target_dir, or run the task as a user who may write there.",
            ) from error
        except BaseException:
            self.discard()
            raise

    def commit(self, manifest: Manifest | None, beside: Mapping[str, str] | None = None) -> None:
        """Put the proven backup in its place with its manifest, durably.

        The manifest is written first: without its directory it says nothing, and the rename of the directory
        (on a mount point: the removal of the marker) makes both valid in one step.

        Args:
            manifest: None where there was none.
            beside: texts of further files beside the backup's own, by name; in a repository only.

        Raises:
            OSError: the disk failed.
        """
        sync_file_system(self.directory)
        for name, text in (beside or {}).items():
            write_atomic(os.path.join(self.work, name), text)
        self._point("place-described")
        if manifest is not None:
            write_manifest(self._manifest, manifest)
        self._point("place-manifest")
        self._publish(manifest)
        if not self.inside:
            self._take_place()
        self._point("place-renamed")
        self._unlock()
        self._make_durable()
        self._point("place-committed")

    def _take_place(self) -> None:
        """Give the work its final name."""
        if os.path.isdir(self.unit):
            # Its owner prepared this directory; rename(2) puts ours over it.
            status = os.stat(self.unit)
            os.chown(self.work, status.st_uid, status.st_gid)
            os.chmod(self.work, stat.S_IMODE(status.st_mode))
        os.rename(self.work, self.unit)
        self._in_place = True

    def _make_durable(self) -> None:
        fsync_path(self.unit)
        fsync_path(os.path.dirname(self.unit))

    def _publish(self, manifest: Manifest | None) -> None:
        """Bring a proven backup to where others see it, when that is not this place; nothing to do for a directory."""

    def open_stream(self, name: str, expected_bytes: int) -> int | Filter:
        """Return where a stream goes: a new file beside the metadata, open for writing, or a program that stores it.

        Args:
            name: of the file.
            expected_bytes: how long it may become, about.
        """
        del expected_bytes
        return os.open(os.path.join(self.work, name), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def stream_is_stored(self) -> None:
        """Note where a stream lies that went elsewhere; nothing to do for a file."""

    @property
    def _manifest(self) -> str:
        """Where the manifest is written: it must not show before its directory does."""
        return manifest_path(self.target) if self.unit == self.target else os.path.join(self.work, MANIFEST)

    def discard(self) -> None:
        """Remove what this run made; safe to call after ``commit`` and more than once, and when ``commit`` was stopped."""
        if self._fd is None:
            return
        if self._in_place:
            self._unlock()
            return
        self._clear()
        if self.unit == self.target:
            remove_manifest(self._manifest)
        self._unlock()
        for directory in reversed(self._made):
            try:
                os.rmdir(directory)
            except OSError:
                break

    def _owned(self) -> bool:
        return os.path.isfile(self._owner)

    def _locked(self) -> bool:
        try:
            # For writing: over NFS a lock that excludes others wants it.
            fd = os.open(self._owner, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return False
        except BlockingIOError:
            return True
        finally:
            os.close(fd)

    def _lock(self) -> None:
        while True:
            fd = os.open(self._owner, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                current = os.stat(self._owner)
                if current.st_ino != os.fstat(fd).st_ino:
                    # The run before us removed the file between our open and our lock.
                    raise FileNotFoundError(self._owner)
            except FileNotFoundError:
                os.close(fd)
                continue
            except BlockingIOError:
                os.close(fd)
                self.check()
                continue
            except BaseException:
                os.close(fd)
                raise
            self._fd = fd
            os.ftruncate(fd, 0)
            os.pwrite(fd, json.dumps(_identity()).encode() + b"\n", 0)
            os.fsync(fd)
            return

    def _unlock(self) -> None:
        if self._fd is not None:
            try:
                os.unlink(self._owner)
            except FileNotFoundError:
                pass
            os.close(self._fd)
            self._fd = None

    def _clear(self) -> None:
        """Remove the work of a dead run. Our owner file was made when the place was empty, so all of it is ours."""
        if not self.inside:
            if os.path.isdir(self.work):
                delete_tree(self.work)
            return
        for name in entries_that_count(self.directory):
            path = os.path.join(self.directory, name)
            if name == INCOMPLETE_MARKER:
                continue
            if os.path.isdir(path) and not os.path.islink(path):
                delete_tree(path)
            else:
                os.unlink(path)


def _identity() -> dict[str, Any]:
    """What a reader finds in the owner file; nothing is decided by it."""
    return {"written_by": "dba.mariabackup", "pid": os.getpid(), "host": socket.gethostname()}


class PreparingMarker:
    """Stands beside a backup while it is prepared in place: a killed run must not look like a finished one."""

    def __init__(self, path: str) -> None:
        """Name the marker.

        Args:
            path: the marker, of ``proof.preparing_marker``.
        """
        self.path = path

    def set(self, text: str) -> None:
        """Write the marker, durably.

        Raises:
            OSError: it cannot be written.
        """
        write_atomic(self.path, text)

    def clear(self) -> None:
        """Remove it, durably.

        Raises:
            OSError: it cannot be removed.
        """
        try:
            os.unlink(self.path)
        except FileNotFoundError:
            return
        fsync_path(os.path.dirname(self.path))
