# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a backup consists of, and how its files get from one repository into another and are proven there."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from typing import Any, Callable, Optional

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.hashing import hash_tree
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.inventory import take_inventory
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.manifest import (
    DATA,
    MANIFEST,
    METADATA,
    FileEntry,
    Manifest,
    read_manifest,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.proof import compare_files
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.redo import Problem
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.remote_record import read_record
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.stored import verify_bytes
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.workplace import Workplace
from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.files import sync_file_system
from ansible_collections.dba.mariabackup.plugins.module_utils.repository import instructions
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.catalogue import Entry
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.remote import RemoteWorkplace
from ansible_collections.dba.mariabackup.plugins.module_utils.stream.rclone import from_params

#: copies a directory: source, target, checksums by name (None: there are none), and whom to tell of bytes
CopyTree = Callable[[str, str, Optional[Mapping[str, str]], Callable[[int], None]], None]
#: size and SHA-256 of a file; None where only the storage could tell it
Expected = tuple[int, Optional[str]]

_WRITTEN_LAST = (MANIFEST, instructions.NAME)


def manifest_of(entry: Entry) -> Manifest:
    """Return the whole manifest of a backup.

    Raises:
        MariabackupError: it is gone.
    """
    manifest = read_manifest(os.path.join(entry.path, MANIFEST))
    if manifest is None:
        raise MariabackupError(f"The backup {entry.path} is being removed.", "Use another backup.")
    return manifest


def has_data(entry: Entry) -> bool:
    """Tell whether the backup is a directory of files; whatever else it may be lies beside its manifest."""
    return os.path.isdir(os.path.join(entry.path, DATA))


def problems_of_files(entry: Entry) -> list[Problem]:
    """Compare the names and sizes of its files with its manifest."""
    if not has_data(entry):
        return []
    return compare_files(manifest_of(entry), take_inventory(os.path.join(entry.path, DATA)).files)


def beside(entry: Entry) -> dict[str, int]:
    """Return what lies beside the data of a backup and is copied as it is: name and size of each file, at any depth."""
    record = read_record(entry.path)
    if record is not None:
        return {name: size for name, size in record.files.items() if name not in _WRITTEN_LAST}
    found: dict[str, int] = {}
    for directory, names, files in os.walk(entry.path):
        inside = os.path.relpath(directory, entry.path)
        if inside == ".":
            names[:] = [name for name in names if name != DATA]
            files = [name for name in files if name not in _WRITTEN_LAST]
        for name in files:
            place = os.path.join(directory, name)
            if not os.path.islink(place):
                found[os.path.normpath(os.path.join(inside, name))] = os.path.getsize(place)
    return found


def send(
    entry: Entry, place: Workplace, params: Mapping[str, Any], ctx: Context, copy_tree: CopyTree
) -> dict[str, Expected]:
    """Copy what a backup consists of, but for the texts that are written last, and return what has to have arrived.

    A source of this host that has changed since its backup is found here.

    Raises:
        MariabackupError: it has, or the storage refuses.
    """
    manifest = manifest_of(entry)
    expected: dict[str, Expected] = {}
    if has_data(entry):
        expected = _send_files(entry, manifest, place.work, ctx, copy_tree)
    record, stream = read_record(entry.path), manifest.stream
    small = {name: size for name, size in beside(entry).items() if stream is None or name != stream.file}
    if record is None:
        for name in small:
            expected[name] = _copy_file(os.path.join(entry.path, name), os.path.join(place.work, name))
    else:
        # rclone compares what it copies with the checksum that the storage has.
        from_params(params).fetch(record.url, place.work, small)
        expected.update({name: (size, None) for name, size in small.items()})
    if stream is None:
        return expected
    if isinstance(place, RemoteWorkplace):
        source = f"{record.url}/{stream.file}" if record else os.path.join(entry.path, stream.file)
        place.bring_stream(source, stream.file)
        place.stream_is_stored()
        expected[stream.file] = stream.size, stream.sha256
    elif record is not None:
        # However long that takes: rclone itself gives up on a connection that says nothing.
        from_params(params).copy_file(f"{record.url}/{stream.file}", os.path.join(place.work, stream.file))
        expected[stream.file] = stream.size, stream.sha256
    else:
        found = _copy_file(os.path.join(entry.path, stream.file), os.path.join(place.work, stream.file))
        if found[0] != stream.size or stream.sha256 not in (None, found[1]):
            raise MariabackupError(
                f"The backup {entry.path} is damaged: its stream was changed.", "Use another backup."
            )
        expected[stream.file] = found
    return expected


def _send_files(entry: Entry, manifest: Manifest, work: str, ctx: Context, copy_tree: CopyTree) -> dict[str, Expected]:
    done, total = 0, manifest.size_bytes
    source, target = os.path.join(entry.path, DATA), os.path.join(work, DATA)

    def tell(count: int) -> None:
        nonlocal done
        done += count
        ctx.progress(done, total)

    entries: Mapping[str, FileEntry] = manifest.files
    sums = {name: file.sha256 or "" for name, file in entries.items()} if manifest.checksum == "sha256" else None
    if sums is None:
        problems = problems_of_files(entry)
        if problems:
            raise MariabackupError(f"The backup {entry.path} is damaged: {problems[0].text}", "Use another backup.")
        entries = hash_tree(source, manifest.files, 2)
    copy_tree(source, target, sums, tell)
    return {f"{DATA}/{name}": (file.size, file.sha256 or "") for name, file in entries.items()}


def verify(
    place: Workplace, manifest: Manifest, expected: Mapping[str, Expected], params: Mapping[str, Any], ctx: Context
) -> None:
    """Read what arrived, all of it, from where it lies now, and hold it against what was sent.

    Raises:
        MariabackupError: it differs.
    """
    here = dict(expected)
    sync_file_system(place.work)
    if isinstance(place, RemoteWorkplace) and manifest.stream is not None:
        del here[manifest.stream.file]
    _forget(place.work, here)
    ctx.point("copy-verify")
    if len(here) < len(expected):
        # What describes it is compared by rclone when it is stored, after this.
        verify_bytes(os.path.join(place.work, METADATA), manifest, params, ctx)
    _compare(place.work, here, ctx)


def _copy_file(source: str, target: str) -> tuple[int, str]:
    """Copy one file, 0600, and return its size and the SHA-256 of what was read."""
    digest, size = hashlib.sha256(), 0
    os.makedirs(os.path.dirname(target), 0o700, exist_ok=True)
    fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(source, "rb") as reader, os.fdopen(fd, "wb") as writer:
        while block := reader.read(1 << 20):
            digest.update(block)
            size += len(block)
            writer.write(block)
    return size, digest.hexdigest()


def _forget(directory: str, names: Iterable[str]) -> None:
    """Let the kernel forget what it has of these files, which are on the disk, so that they are read from there."""
    for name in names:
        fd = os.open(os.path.join(directory, name), os.O_RDONLY)
        try:
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(fd)


def _compare(directory: str, expected: Mapping[str, Expected], ctx: Context) -> None:
    total = sum(size for size, _digest in expected.values())
    found = hash_tree(directory, expected, min(4, os.cpu_count() or 1), lambda done: ctx.progress(done, total))
    wrong = [
        name
        for name, (size, digest) in expected.items()
        if found[name].size != size or digest not in (None, found[name].sha256)
    ]
    if wrong:
        raise MariabackupError(
            f"What arrived in {directory} is not what was sent: {', '.join(wrong[:5])}.",
            "Check the disk there; nothing of this copy was kept. Run the task again.",
            details={"entries": wrong[:200]},
        )
