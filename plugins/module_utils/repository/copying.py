# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operation ``copy_backup``: a backup, with its chain, in another repository, and checked there.

What a backup consists of, and how its files get there, is in the functions from ``_has_data`` on.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Callable, Optional

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.hashing import hash_tree
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.inventory import take_inventory
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.manifest import (
    DATA,
    MANIFEST,
    FileEntry,
    Manifest,
    read_manifest,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.proof import compare_files
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.redo import Problem
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.space import Estimate, check_space
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.workplace import Workplace
from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.files import sync_file_system
from ansible_collections.dba.mariabackup.plugins.module_utils.locks import exclusive, probe
from ansible_collections.dba.mariabackup.plugins.module_utils.repository import instructions
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.catalogue import Entry, chain_of, read_entry
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.local import Repository
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.source import find, request_of
from ansible_collections.dba.mariabackup.plugins.module_utils.stream.rclone import is_remote
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.run import ends_on_signal

#: copies a directory: source, target, checksums by name (None: there are none), and whom to tell of bytes
CopyTree = Callable[[str, str, Optional[Mapping[str, str]], Callable[[int], None]], None]


@dataclass(frozen=True)
class _Plan:
    """Which backups are copied, and which are there already; the full one first."""

    source: Repository
    target: Repository
    instance: str
    chain: list[Entry]
    missing: list[Entry]

    @property
    def place(self) -> str:
        """The instance's directory in the target."""
        return self.target.directory(self.instance)


def check(params: Mapping[str, Any], ctx: Context) -> dict[str, Any]:
    """Plan for check mode: the same refusals as ``run``, nothing written."""
    with ctx.phase("plan"), _disk_errors():
        planned = _plan(params, ctx)
        probe(params["state_dir"], planned.place, "copy")
        _check_space(planned)
        steps = [
            {"phase": "copy", "action": "copy it and check it there", "detail": os.path.join(planned.place, entry.id)}
            for entry in planned.missing
        ]
    return {**_result(planned, planned.missing), "plan": steps}


def run(params: Mapping[str, Any], ctx: Context, *, copy_tree: CopyTree) -> dict[str, Any]:
    """Copy what is missing there, bases first, so that a chain is never without its base.

    Raises:
        MariabackupError: there is no such backup, another one has its id in the target, what arrived is not what was sent, or
            a disk refuses. What had arrived before stays; of the one that failed nothing is left.
    """
    started = time.monotonic()
    with ends_on_signal(), _disk_errors(), ExitStack() as stack:
        with ctx.phase("plan"):
            planned = _plan(params, ctx)
            # The same lock as that of backup and prune: nobody removes a base there whose increment is on its way.
            stack.enter_context(exclusive(params["state_dir"], planned.place, "copy"))
            for entry in planned.chain:
                stack.enter_context(planned.source.reading(entry))
            planned.target.remove_leftovers(planned.instance, ctx)
            planned = _plan(params, ctx)
            _check_space(planned)
        for entry in planned.missing:
            _copy(entry, planned, ctx, copy_tree)
    seconds = round(time.monotonic() - started, 3)
    return {**_result(planned, planned.missing), "duration_seconds": seconds, "log_path": ctx.log_path}


@contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise MariabackupError(
            f"{error.filename or 'A repository'}: {error.strerror or error}.",
            "Check the disk and the permissions, then run the task again; nothing of this copy was kept.",
        ) from error


def _plan(params: Mapping[str, Any], ctx: Context) -> _Plan:
    request = request_of(params)
    if request is None:
        raise MariabackupError("repository names no repository.", "Set it to the one that holds the backup.")
    if is_remote(request["repository"]) or is_remote(params["to"]):
        raise MariabackupError(
            "Only repositories in directories of this host are copied.",
            "Back up into the remote storage as well (a second task, or a schedule of its own).",
        )
    source, target, instance = Repository(request["repository"]), Repository(params["to"]), request["instance"]
    roots = [os.path.realpath(repository.root) for repository in (source, target)]
    if os.path.commonpath(roots) in roots:
        raise MariabackupError(
            f"The repositories {source.root} and {target.root} are one, or lie inside of each other.",
            "Choose a place for the second copy that is not lost together with the first.",
        )
    chain = chain_of(source.directory(instance), find(request, params, ctx).id)
    missing = [entry for entry in chain if not _is_there(entry, os.path.join(target.directory(instance), entry.id))]
    return _Plan(source, target, instance, chain, missing)


def _is_there(entry: Entry, path: str) -> bool:
    """Tell whether the backup lies at ``path`` already.

    Raises:
        MariabackupError: something else does, or it has been damaged there.
    """
    there = read_entry(path)
    if there is None:
        return False
    action = "Look at it with backup_info; remove it, or choose another repository."
    if _text(entry.path, MANIFEST) != _text(path, MANIFEST):
        raise MariabackupError(f"Another backup has this id already: {path}.", action)
    texts = [problem.text for problem in _problems(there)]
    sizes = _beside(path)
    texts += [f"{name} is missing or cut." for name, size in _beside(entry.path).items() if sizes.get(name) != size]
    if texts:
        raise MariabackupError(f"The backup {path} is damaged: {texts[0]}", action, details={"problems": texts[:200]})
    return True


def _check_space(planned: _Plan) -> None:
    if planned.missing:
        inventories = [take_inventory(os.path.join(entry.path, DATA)) for entry in planned.missing if _has_data(entry)]
        others = [size for entry in planned.missing for size in _beside(entry.path).values()]
        needed = Estimate(
            sum(inventory.stored_bytes for inventory in inventories) + sum(others),
            sum(len(inventory.files) + len(inventory.schemas) for inventory in inventories) + len(others) + 16,
        )
        place = Workplace(os.path.join(planned.place, planned.missing[0].id), DATA)
        check_space(place.file_system, needed, "the copy")


def _result(planned: _Plan, copied: list[Entry]) -> dict[str, Any]:
    entry = planned.chain[-1]
    heads = [other.head for other in planned.chain if other.head is not None]
    before = [known.id for known in planned.target.entries(planned.instance)]
    new = [other.id for other in copied]
    kept = [name for name in before if name not in new]
    return {
        "changed": bool(copied),
        "id": entry.id,
        "path": os.path.join(planned.place, entry.id),
        "chain": [other.id for other in planned.chain],
        "copied": new,
        "size_bytes": sum(head.size_bytes for head in heads),
        "files": sum(head.file_count for head in heads),
        "diff": {
            "before": "".join(f"{name}\n" for name in kept),
            "after": "".join(f"{name}\n" for name in sorted([*kept, *new])),
        },
    }


def _copy(entry: Entry, planned: _Plan, ctx: Context, copy_tree: CopyTree) -> None:
    """Copy one backup beside its place, check it there, and let it appear in one step."""
    manifest = _manifest(entry)
    place = Workplace(os.path.join(planned.place, entry.id), _inner(entry))
    place.open()
    try:
        work = os.path.dirname(place.directory)
        with ctx.phase("copy"):
            ctx.log(f"copying {entry.path} to {work}")
            expected = _send(entry, manifest, work, ctx, copy_tree)
        with ctx.phase("verify"):
            # What arrived is what the disk gives back, not what is still in memory.
            sync_file_system(work)
            _forget(work, expected)
            ctx.point("copy-verify")
            _compare(work, expected, ctx)
        with ctx.phase("commit"):
            ctx.point("copy-commit")
            # The manifest as it was, byte for byte, and after everything else.
            place.commit(None, {**_restore_text(entry, place.unit), MANIFEST: _text(entry.path, MANIFEST)})
    finally:
        place.discard()


def _manifest(entry: Entry) -> Manifest:
    manifest = read_manifest(os.path.join(entry.path, MANIFEST))
    if manifest is None:
        raise MariabackupError(f"The backup {entry.path} is being removed.", "Use another backup.")
    return manifest


def _text(path: str, name: str) -> str:
    with open(os.path.join(path, name), encoding="utf-8", errors="replace") as stream:
        return stream.read()


def _restore_text(entry: Entry, path: str) -> dict[str, str]:
    """Return RESTORE.txt, by its name, with the place of the copy instead of the original's."""
    try:
        text = _text(entry.path, instructions.NAME)
    except FileNotFoundError:
        return {}
    old, new = (os.path.dirname(place) for place in (entry.path, path))
    text = text.replace(shlex.quote(entry.path), shlex.quote(path)).replace(f"{old}/", f"{new}/")
    return {instructions.NAME: text}


def _has_data(entry: Entry) -> bool:
    """Tell whether the backup is a directory of files; whatever else it may be lies beside its manifest."""
    return os.path.isdir(os.path.join(entry.path, DATA))


def _inner(entry: Entry) -> str:
    """Return the directory in that of the backup which is synced before its manifest is written."""
    names = sorted(name for name in os.listdir(entry.path) if os.path.isdir(os.path.join(entry.path, name)))
    return DATA if _has_data(entry) or not names else names[0]


def _problems(entry: Entry) -> list[Problem]:
    """Compare the names and sizes of its files with its manifest."""
    if not _has_data(entry):
        return []
    return compare_files(_manifest(entry), take_inventory(os.path.join(entry.path, DATA)).files)


def _send(entry: Entry, manifest: Manifest, work: str, ctx: Context, copy_tree: CopyTree) -> dict[str, tuple[int, str]]:
    """Copy what a backup consists of, but for the texts that are written last, and return the size and SHA-256 of each file.

    A source that has changed since its backup is found here.
    """
    done, total = 0, manifest.size_bytes
    source, target = os.path.join(entry.path, DATA), os.path.join(work, DATA)

    def tell(count: int) -> None:
        nonlocal done
        done += count
        ctx.progress(done, total)

    entries: Mapping[str, FileEntry] = {}
    if _has_data(entry):
        entries = manifest.files
        sums = {name: file.sha256 or "" for name, file in entries.items()} if manifest.checksum == "sha256" else None
        if sums is None:
            problems = _problems(entry)
            if problems:
                raise MariabackupError(f"The backup {entry.path} is damaged: {problems[0].text}", "Use another backup.")
            entries = hash_tree(source, manifest.files, 2)
        copy_tree(source, target, sums, tell)
    expected = {f"{DATA}/{name}": (file.size, file.sha256 or "") for name, file in entries.items()}
    for name in _beside(entry.path):
        expected[name] = _copy_file(os.path.join(entry.path, name), os.path.join(work, name))
    stream = manifest.stream
    if stream is not None:
        size, digest = expected.get(stream.file, (None, None))
        if size != stream.size or stream.sha256 not in (None, digest):
            raise MariabackupError(
                f"The backup {entry.path} is damaged: its stream was changed.", "Use another backup."
            )
    return expected


def _beside(path: str) -> dict[str, int]:
    """Return what lies beside the data of a backup and is copied as it is: name and size of each file, at any depth."""
    found: dict[str, int] = {}
    for directory, names, files in os.walk(path):
        inside = os.path.relpath(directory, path)
        if inside == ".":
            names[:] = [name for name in names if name != DATA]
            files = [name for name in files if name not in (MANIFEST, instructions.NAME)]
        for name in files:
            place = os.path.join(directory, name)
            if not os.path.islink(place):
                found[os.path.normpath(os.path.join(inside, name))] = os.path.getsize(place)
    return found


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


def _compare(directory: str, expected: Mapping[str, tuple[int, str]], ctx: Context) -> None:
    """Read what arrived, all of it, and hold it against what was sent.

    Raises:
        MariabackupError: it differs.
    """
    total = sum(size for size, _digest in expected.values())
    found = hash_tree(directory, expected, min(4, os.cpu_count() or 1), lambda done: ctx.progress(done, total))
    wrong = [name for name, value in expected.items() if (found[name].size, found[name].sha256) != value]
    if wrong:
        raise MariabackupError(
            f"What arrived in {directory} is not what was sent: {', '.join(wrong[:5])}.",
            "Check the disk there; nothing of this copy was kept. Run the task again.",
            details={"entries": wrong[:200]},
        )
