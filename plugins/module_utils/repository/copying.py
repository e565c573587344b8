# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operation ``copy_backup``: a backup, with its chain, in another repository, and checked there."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.inventory import take_inventory
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.manifest import DATA, MANIFEST
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.space import Estimate, check_space
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.workplace import Workplace
from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.locks import exclusive, probe
from ansible_collections.dba.mariabackup.plugins.module_utils.repository import instructions
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.access import open_repository
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.catalogue import Entry, chain_of
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.local import Repository
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.source import find, request_of
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.transfer import (
    CopyTree,
    beside,
    has_data,
    manifest_of,
    problems_of_files,
    send,
    verify,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.stream.rclone import is_remote, repository_name
from ansible_collections.dba.mariabackup.plugins.module_utils.stream.remotes import lasting_config
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.run import ends_on_signal


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
        """What to call the instance's directory in the target."""
        return self.target.place(self.instance)

    @property
    def directory(self) -> str:
        """The instance's directory in the target; of remote storage, in its mirror."""
        return self.target.directory(self.instance)


def check(params: Mapping[str, Any], ctx: Context) -> dict[str, Any]:
    """Plan for check mode: the same refusals as ``run``, nothing written."""
    with ctx.phase("plan"), _disk_errors():
        planned = _plan(params, ctx)
        probe(params["state_dir"], planned.target.lock_key(planned.instance), "copy")
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
            key = planned.target.lock_key(planned.instance)
            stack.enter_context(exclusive(params["state_dir"], key, "copy"))
            for entry in planned.chain:
                stack.enter_context(planned.source.reading(entry))
            planned.target.remove_leftovers(planned.instance, ctx)
            planned = _plan(params, ctx)
            _check_space(planned)
        for entry in planned.missing:
            _copy(entry, planned, params, ctx, copy_tree)
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
    instance = request["instance"]
    names = [repository_name(params[option]) for option in ("repository", "to")]
    _require_two_places(*names)
    source, target = (open_repository({**params, "repository": name}, ctx) for name in names)
    chain = chain_of(source.directory(instance), find(request, params, ctx).id)
    files = [entry.id for entry in chain if entry.head is None or entry.head.manifest.stream is None]
    if is_remote(names[1]) and files:
        raise MariabackupError(
            f"{names[1]} is remote storage, which holds streams only, and {files[0]} is a directory of files.",
            "Back up as a stream (format: stream), or into the remote storage as well.",
        )
    there = {entry.id: entry for entry in target.entries(instance)}
    missing = [entry for entry in chain if not _is_there(entry, there.get(entry.id))]
    return _Plan(source, target, instance, chain, missing)


def _require_two_places(first: str, second: str) -> None:
    """Refuse repositories that are one, or lie inside of each other."""
    if is_remote(first) != is_remote(second):
        return
    if is_remote(first):
        paths = [name.rstrip("/") + "/" for name in (first, second)]
        same = paths[0].startswith(paths[1]) or paths[1].startswith(paths[0])
    else:
        roots = [os.path.realpath(name) for name in (first, second)]
        same = os.path.commonpath(roots) in roots
    if same:
        raise MariabackupError(
            f"The repositories {first} and {second} are one, or lie inside of each other.",
            "Choose a place for the second copy that is not lost together with the first.",
        )


def _is_there(entry: Entry, there: Entry | None) -> bool:
    """Tell whether the backup is in the target already, as ``there``.

    Raises:
        MariabackupError: something else is, or it has been damaged there.
    """
    if there is None:
        return False
    action = "Look at it with backup_info; remove it, or choose another repository."
    if _text(entry.path) != _text(there.path):
        raise MariabackupError(f"Another backup has this id already: {there.path}.", action)
    texts = [problem.text for problem in problems_of_files(there)]
    sizes = beside(there)
    texts += [f"{name} is missing or cut." for name, size in beside(entry).items() if sizes.get(name) != size]
    if texts:
        raise MariabackupError(
            f"The backup {there.path} is damaged: {texts[0]}", action, details={"problems": texts[:200]}
        )
    return True


def _check_space(planned: _Plan) -> None:
    if planned.missing and not is_remote(planned.target.place()):
        inventories = [take_inventory(os.path.join(entry.path, DATA)) for entry in planned.missing if has_data(entry)]
        others = [size for entry in planned.missing for size in beside(entry).values()]
        needed = Estimate(
            sum(inventory.stored_bytes for inventory in inventories) + sum(others),
            sum(len(inventory.files) + len(inventory.schemas) for inventory in inventories) + len(others) + 16,
        )
        place = Workplace(os.path.join(planned.directory, planned.missing[0].id), DATA)
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


def _copy(entry: Entry, planned: _Plan, params: Mapping[str, Any], ctx: Context, copy_tree: CopyTree) -> None:
    """Copy one backup beside its place, check it there, and let it appear in one step."""
    manifest = manifest_of(entry)
    place = planned.target.workplace(planned.instance, entry.id, stream=manifest.stream is not None)
    place.open(ctx.point)
    try:
        with ctx.phase("copy"):
            ctx.log(f"copying {entry.path} to {planned.place}")
            expected = send(entry, place, params, ctx, copy_tree)
        with ctx.phase("verify"):
            # What arrived is what the disk gives back, not what is still in memory.
            verify(place, manifest, expected, params, ctx)
        with ctx.phase("commit"):
            ctx.point("copy-commit")
            # The manifest as it was, byte for byte, and after everything else.
            place.commit(
                None,
                {instructions.NAME: _restore_text(entry, planned, place.unit, params), MANIFEST: _text(entry.path)},
            )
    finally:
        place.discard()


def _text(path: str) -> str:
    """Return the manifest in a backup's directory as it is written."""
    with open(os.path.join(path, MANIFEST), encoding="utf-8", errors="surrogateescape") as stream:
        return stream.read()


def _restore_text(entry: Entry, planned: _Plan, path: str, params: Mapping[str, Any]) -> str:
    """Return how to restore the copy by hand."""
    before = planned.chain[: planned.chain.index(entry)]
    bases = [other.head.manifest for other in before if other.head is not None]
    remote = planned.place if is_remote(planned.target.place()) else None
    return instructions.restore_text(manifest_of(entry), path, bases, remote, lasting_config(params))
