# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A repository in remote storage: the same layout as a local one, streams only, with the manifest uploaded last.

A remote has no renames and no locks. So a backup is what has a manifest, and everything else about it is there before. The small
files (manifests, and of a backup that is used its metadata) are mirrored on the host, and all that reads a local repository reads the
mirror; the stream alone is read where it lies. A stream goes up while it is made, and comes down while it is extracted: no copy of it is
ever stored on the host.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.ids import is_id, time_of
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.manifest import (
    FILE_LIST,
    MANIFEST,
    METADATA,
    Manifest,
    read_manifest,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.remote_record import (
    NAME,
    RemoteRecord,
    read_record,
    write_record,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.workplace import Point, Workplace, nowhere
from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.files import delete_tree, make_private_dirs, path_key
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.catalogue import Entry
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.local import (
    DELETING_SUFFIX,
    Repository,
    take_name,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.stream.programs import Filter
from ansible_collections.dba.mariabackup.plugins.module_utils.stream.rclone import Rclone

# An upload that is older than this and has no manifest is nobody's any more.
_ABANDONED = timedelta(days=2)


class RemoteRepository(Repository):
    """A remote of rclone, ``NAME:path``.

    Args:
        root: the remote.
        rclone: with the configuration that names it.
        mirror: a private directory of this host for the small files; made when it is needed.
        shared: the mirror of the runs of this host, where ``mirror`` is another one, of a task that must not write there.
    """

    def __init__(self, root: str, rclone: Rclone, mirror: str, shared: str | None = None) -> None:
        super().__init__(os.path.join(mirror, path_key(root)))
        self.remote = root
        self._rclone = rclone
        self._shared = Repository(os.path.join(shared or mirror, path_key(root)))
        #: the list of each instance: one task asks several times, and a bucket with years of backups answers slowly
        self._listed: dict[str, dict[str, dict[str, int]]] = {}
        #: what the mirror held of each before that list was made
        self._mirrored: dict[str, set[str]] = {}

    def place(self, instance: str = "") -> str:
        return join(self.remote, instance) if instance else self.remote

    def lock_key(self, instance: str) -> str:
        return self._shared.directory(instance)

    def instances(self) -> list[str]:
        return [name for name in self._rclone.directories(self.remote) if not name.startswith(".")]

    def entries(self, instance: str) -> Iterator[Entry]:
        self._refresh(instance)
        yield from super().entries(instance)

    def newest_id(self, instance: str) -> str | None:
        names = [name for name in self._rclone.directories(self.place(instance)) if is_id(name)]
        return max([*names, super().newest_id(instance) or ""]) or None

    def workplace(self, instance: str, backup_id: str, *, stream: bool = False) -> Workplace:
        del stream  # it holds nothing else
        unit = os.path.join(self.directory(instance), backup_id)
        return RemoteWorkplace(unit, join(self.place(instance), backup_id), self._rclone)

    def fetch(self, entry: Entry) -> None:
        """Bring what describes a backup to this host: the list of its files, and its metadata."""
        record = read_record(entry.path)
        if record is None:
            return
        names = [name for name in record.files if name == FILE_LIST or name.startswith(f"{METADATA}/")]
        missing = {
            name: size for name in names if _size(os.path.join(entry.path, name)) != (size := record.files[name])
        }
        left = self._borrow(os.path.join(_instance_of(entry), entry.id), missing)
        if left:
            self._rclone.fetch(record.url, entry.path, left)

    def in_use(self, entry: Entry) -> bool:
        # Whoever reads it holds the lock in the mirror that the runs share; what is not there, nobody reads.
        shared = os.path.join(self._shared.directory(_instance_of(entry)), entry.id)
        return os.path.lexists(os.path.join(shared, MANIFEST)) and super().in_use(replace(entry, path=shared))

    def remove_leftovers(self, instance: str, ctx: Context) -> None:
        super().remove_leftovers(instance, ctx)
        now = datetime.now(timezone.utc)
        for name, files in self._units(instance).items():
            if MANIFEST in files or now - time_of(name) < _ABANDONED:
                continue
            url = join(self.place(instance), name)
            try:
                self._rclone.purge(url)
            except MariabackupError as error:
                ctx.warn(f"{url}, an upload that died, cannot be removed: {error.cause}")
            else:
                ctx.log(f"removed {url}, an upload that died")
        try:
            self._rclone.clean_up(self.place(instance))
        except MariabackupError as error:
            # Most kinds of storage have no such uploads, and a host that may only write may not do this.
            ctx.log(f"unfinished uploads, if there are any, are left: {error.cause}")

    def remove(self, entry: Entry, point: Point = nowhere) -> bool:
        """Remove a backup; without its manifest it is none any more, whatever happens to the rest.

        Its directory in the mirror is renamed first, and goes last: a removal that did not end is known by it.
        """
        if not take_name(entry.path):
            return False
        point("prune-renamed")
        url = join(self.place(_instance_of(entry)), entry.id)
        self._listed.clear()
        self._rclone.remove_file(join(url, MANIFEST))
        point("prune-unlisted")
        self._rclone.purge(url)
        point("prune-purged")
        delete_tree(entry.path + DELETING_SUFFIX)
        point("prune-removed")
        return True

    def _remove_dying(self, instance: str, backup_id: str) -> None:
        # Where the manifest is still there, so is the backup, and the rules decide about it anew.
        if MANIFEST not in self._units(instance).get(backup_id, {}):
            self._rclone.purge(join(self.place(instance), backup_id))
        super()._remove_dying(instance, backup_id)

    def _units(self, instance: str) -> dict[str, dict[str, int]]:
        """Return the size of every file that we know how to name, by its path in the backup's directory, for each id."""
        if instance in self._listed:
            return self._listed[instance]
        self._mirrored[instance] = set(self._ids(instance))
        found = self._listed[instance] = {}
        for file in self._rclone.files(self.place(instance)):
            name, _slash, rest = file.path.partition("/")
            parts = rest.split("/")
            known = len(parts) == 1 or (len(parts) == 2 and parts[0] == METADATA)
            if is_id(name) and rest and known and not any(part in ("", ".", "..") for part in parts):
                found.setdefault(name, {})[rest] = file.size
        return found

    def _refresh(self, instance: str) -> None:
        """Bring the mirror to what the remote holds."""
        top = self.directory(instance)
        units = {name: files for name, files in self._units(instance).items() if MANIFEST in files}
        if units:
            make_private_dirs(top)
        elif not os.path.isdir(top):
            return
        with _alone(top):
            # A backup that has appeared since the list was made is not in it, and is there.
            for name in self._mirrored[instance] - set(units):
                delete_tree(os.path.join(top, name), ignore_errors=True)
            manifests = {os.path.join(name, MANIFEST): files[MANIFEST] for name, files in units.items()}
            missing = {name: size for name, size in manifests.items() if _size(os.path.join(top, name)) != size}
            left = self._borrow(instance, missing)
            if left:
                self._rclone.fetch(self.place(instance), top, left)
            for name, files in units.items():
                unit, record = os.path.join(top, name), RemoteRecord(join(self.place(instance), name), files)
                # A stream may be lost beside a manifest that stays as it is.
                if read_record(unit) != record:
                    write_record(unit, record)

    def _borrow(self, directory: str, files: Mapping[str, int]) -> list[str]:
        """Copy files from the mirror that the runs share, where this is another one, and return those that are not there.

        Args:
            directory: below the mirror's top.
            files: the path of each in it, and the size that it has in the remote.
        """
        if self._shared.root == self.root:
            return list(files)
        left = []
        for name, size in files.items():
            source, target = (os.path.join(top, directory, name) for top in (self._shared.root, self.root))
            try:
                if _size(source) != size:
                    raise FileNotFoundError(source)
                os.makedirs(os.path.dirname(target), 0o700, exist_ok=True)
                shutil.copyfile(source, target)
            except OSError:
                # It may not be for this user to read, or vanish at this moment.
                left.append(name)
        return left


class RemoteWorkplace(Workplace):
    """A place whose stream goes up while it is made; what describes it follows, and the manifest last.

    Args:
        unit: the backup's directory in the mirror.
        url: its directory in the remote.
    """

    def __init__(self, unit: str, url: str, rclone: Rclone) -> None:
        super().__init__(unit, METADATA)
        self.url = url
        self._rclone = rclone
        self._begun = False

    @property
    def address(self) -> str:
        return self.url

    def open_stream(self, name: str, expected_bytes: int) -> int | Filter:
        self._begun = True
        return self._rclone.writer(join(self.url, name), expected_bytes)

    def bring_stream(self, source: str, name: str) -> None:
        """Copy a stream that lies elsewhere, on this host or in remote storage; rclone tries again what fails for a moment."""
        self._begun = True
        self._rclone.copy_file(source, join(self.url, name))

    def stream_is_stored(self) -> None:
        write_record(self.work, RemoteRecord(self.url, {file.path: file.size for file in self._rclone.files(self.url)}))

    def _publish(self, manifest: Manifest | None) -> None:
        local = {name: size for name, size in _files_below(self.work).items() if name != NAME}
        self._rclone.store(self.work, self.url, [name for name in local if name != MANIFEST])
        self._point("place-uploaded")
        expected = {name: size for name, size in local.items() if name != MANIFEST}
        manifest = manifest or read_manifest(self._manifest)
        if manifest is not None and manifest.stream is not None:
            expected[manifest.stream.file] = manifest.stream.size
        arrived = {file.path: file.size for file in self._rclone.files(self.url)}
        wrong = [name for name, size in expected.items() if arrived.get(name) != size]
        if wrong:
            raise MariabackupError(
                f"{', '.join(wrong)} did not arrive whole in {self.url}.",
                "Look at the storage, then run the task again.",
            )
        write_record(self.work, RemoteRecord(self.url, {**expected, MANIFEST: local[MANIFEST]}))
        self._rclone.store(self.work, self.url, [MANIFEST])
        # It is a backup now, and nothing that fails here makes it none.
        self._begun = False
        self._point("place-published")

    def _take_place(self) -> None:
        # What is in the remote is a backup by now, and what is missing here is mirrored by the next task.
        with contextlib.suppress(OSError), _alone(os.path.dirname(self.unit)):
            # Another task of this host may have listed it already, and have it in use.
            if not os.path.isdir(self.unit):
                super()._take_place()
        if not self._in_place:
            delete_tree(self.work, ignore_errors=True)
            self._in_place = True

    def _make_durable(self) -> None:
        with contextlib.suppress(OSError):
            super()._make_durable()

    def discard(self) -> None:
        # What another run has left may be whole in the remote: it was killed after its last upload, perhaps.
        if self._begun and self._fd is not None:
            self._purge()
        super().discard()

    def _purge(self) -> None:
        """Remove what an upload has left; a host may have no right to do that, and then it stays without a manifest."""
        with contextlib.suppress(MariabackupError):
            # Its manifest may have arrived although the upload was stopped, and must not outlive what it describes.
            self._rclone.remove_file(join(self.url, MANIFEST))
            self._rclone.purge(self.url)


def join(url: str, name: str) -> str:
    """Append a name to a remote path."""
    return f"{url}{name}" if url.endswith((":", "/")) else f"{url}/{name}"


def _instance_of(entry: Entry) -> str:
    return os.path.basename(os.path.dirname(entry.path))


@contextlib.contextmanager
def _alone(directory: str) -> Iterator[None]:
    """One job at a time brings a mirror up to date."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _size(path: str) -> int | None:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return None


def _files_below(directory: str) -> dict[str, int]:
    found = {}
    for top, _directories, names in os.walk(directory):
        for name in names:
            path = os.path.join(top, name)
            found[os.path.relpath(path, directory)] = os.stat(path).st_size
    return found
