# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operation ``prepare``: a backup made consistent in place, or as a prepared copy elsewhere."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.apply import apply_increments
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.chain import FULL
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.hashing import hash_tree
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.kept_redo import (
    bring_back_redo,
    drop_kept_redo,
    keep_redo,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.manifest import (
    FileEntry,
    Manifest,
    manifest_path,
    read_manifest,
    write_manifest,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.memory import memory_argument
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.metadata import BackupMetadata
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.prepare import (
    missing_export,
    prepare_directory,
    tool_for,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.proof import (
    Proof,
    inspect_backup,
    preparing_marker,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.space import Estimate, check_space, human
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.stored import check_readable
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.unpack import (
    CopyTree,
    extractor,
    look_at_increment,
    proven_copy,
    room_of_chain,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.workplace import PreparingMarker, Workplace
from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.files import sync_file_system
from ansible_collections.dba.mariabackup.plugins.module_utils.locks import exclusive, probe
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.find import Tool
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.options import check_extra_args
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.run import ends_on_signal
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.version import number_of


@dataclass
class _Plan:
    """What is going to be done.

    ``source``, ``proof`` and ``manifest`` are those of the backup, or of the full one at the root of an increment's chain.
    ``meta`` and ``last`` are those of the last increment then.
    """

    source: str
    proof: Proof
    meta: BackupMetadata
    manifest: Manifest | None
    tool: Tool | None
    place: Workplace | None
    resumed: bool
    needed: bool
    increments: tuple[Proof, ...] = ()
    #: the manifest of a full backup that is stored as a stream, and has to be extracted first
    stored: Manifest | None = None

    @property
    def last(self) -> Manifest | None:
        """The manifest of the state that the result is in, as the full backup that the result is."""
        if not self.increments:
            return self.manifest
        found = self.increments[-1].manifest
        return replace(found.unpacked(), type=FULL, base_id=None, from_lsn=0) if found else None

    @property
    def target(self) -> str:
        """The directory that will be prepared in the end."""
        return self.place.target if self.place else self.source


def check(params: Mapping[str, Any], ctx: Context) -> dict[str, Any]:
    """Plan for check mode: the same refusals as ``run``, nothing written.

    Raises:
        MariabackupError: what would stop the run.
    """
    with ctx.phase("plan"):
        planned = _plan(params)
        if params.get("state_dir") and planned.needed:
            probe(params["state_dir"], planned.source, "prepare")
    steps: list[dict[str, str]] = []
    if planned.needed:
        if planned.place is not None:
            size = human(sum(one.stored_bytes for one in (planned.proof, *planned.increments)))
            steps.append({"phase": "copy", "action": f"copy the backup to {planned.place.directory}", "detail": size})
        memory = memory_argument(params.get("use_memory"), planned.proof.files.get("ib_logfile0", 0))
        where = planned.place.directory if planned.place else planned.source
        count = len(planned.increments)
        logs = f"the redo log and {count} increment{'s' if count > 1 else ''}" if count else "the redo log"
        steps.append({"phase": "prepare", "action": f"apply {logs} in {where}", "detail": human(memory)})
        steps.append({"phase": "verify", "action": "prove it from its bytes", "detail": "and write its manifest"})
        if planned.place is not None:
            steps.append({"phase": "commit", "action": f"put it in place as {planned.target}", "detail": "synced"})
    described = planned.increments[-1] if planned.increments else planned.proof
    return {"changed": planned.needed, **_result(described, planned.last, planned.target), "plan": steps}


def run(params: Mapping[str, Any], ctx: Context, copy_tree: CopyTree | None = None) -> dict[str, Any]:
    """Prepare a full backup.

    Args:
        params: ``target_dir`` with ``in_place`` or ``dest``; ``use_memory``, ``export``, ``verify_checksums``; the tool
            options; ``state_dir``. For an increment of a repository, whose directory is ``target_dir``, ``_chain``: the
            directories from the full backup on to it.
        copy_tree: copies a directory; needed for ``dest``.

    Returns:
        ``changed`` and the keys that describe a backup.

    Raises:
        MariabackupError: with ``dest`` nothing was left behind and the backup is as it was. In place the backup
            stays marked as half prepared; running it again is the way on.
    """
    started = time.monotonic()
    with ends_on_signal(), ExitStack() as stack:
        with ctx.phase("plan"):
            planned = _plan(params)
            if planned.needed and params.get("state_dir"):
                stack.enter_context(exclusive(params["state_dir"], planned.source, "prepare"))
        if not planned.needed:
            return {
                **_result(planned.proof, planned.last, planned.target),
                "changed": False,
                "duration_seconds": round(time.monotonic() - started, 3),
                "log_path": ctx.log_path,
            }
        try:
            result = _to_dest(planned, params, ctx, copy_tree) if planned.place else _in_place(planned, params, ctx)
        except OSError as error:
            raise MariabackupError(
                f"{error.filename or planned.target}: {error.strerror or error}.", "Check the disk, then run it again."
            ) from error
    seconds = round(time.monotonic() - started, 3)
    return {**result, "changed": True, "duration_seconds": seconds, "log_path": ctx.log_path}


def _plan(params: Mapping[str, Any]) -> _Plan:
    chain = [os.path.realpath(path) for path in params.get("_chain") or [params["target_dir"]]]
    source = chain[0]
    in_place, dest = bool(params.get("in_place")), params.get("dest")
    if in_place == bool(dest):
        raise MariabackupError(
            "Exactly one of in_place and dest is needed: prepare changes the files it works on.",
            "Set dest to get a prepared copy, or in_place: true to change the backup itself.",
        )
    check_extra_args(params.get("extra_args") or ())
    manifest = read_manifest(manifest_path(source))
    resumed = os.path.lexists(preparing_marker(source))
    # What an interrupted run left matches no manifest; its whole redo log is what can still be proven.
    proof = inspect_backup(
        source, manifest=None if resumed else manifest, resuming=resumed and in_place, partial_ok=True
    )
    increments = tuple(look_at_increment(path) for path in chain[1:])
    proof.require()
    meta = [one.require() for one in (proof, *increments)][-1]
    stored = manifest if manifest is not None and manifest.stream is not None else None
    for one in (stored, *(increment.manifest for increment in increments)):
        if one is not None and one.stream is not None:
            check_readable(one, params)
    if stored is not None:
        manifest = stored.unpacked()
    exported = bool(params.get("export")) and bool(missing_export(source))
    place: Workplace | None = None
    needed = resumed or not proof.prepared or exported
    if dest:
        place = Workplace(os.path.abspath(dest))
        done = _done_before(place.target, meta, params)
        if done is not None:
            return _Plan(source, done[0], meta, done[1], None, place, False, False)
        if increments and place.inside:
            raise MariabackupError(
                f"dest {place.target} is a mount point, and increments are applied from copies beside it.",
                "Name a directory inside of it.",
            )
        if place.target == source or os.path.commonpath([place.target, source]) in (place.target, source):
            raise MariabackupError(
                f"dest {place.target} and the backup {source} lie inside of each other.", "Choose another dest."
            )
        place.check()
        if not place.leftover():
            count = sum(len(one.files) for one in (proof, *increments))
            needed_bytes = room_of_chain((proof, *increments))
            check_space(place.file_system, Estimate(needed_bytes, count + 16), "the prepared copy")
        needed = True
    memory_argument(params.get("use_memory"), 0)
    tool = tool_for(params, meta) if needed and (resumed or not proof.prepared or exported) else None
    return _Plan(source, proof, meta, manifest, tool, place, resumed, needed, increments, stored)


def _done_before(target: str, meta: BackupMetadata, params: Mapping[str, Any]) -> tuple[Proof, Manifest | None] | None:
    """Recognise the copy that an earlier run of the same task made."""
    if not os.path.isdir(target) or not os.listdir(target):
        return None
    manifest = read_manifest(manifest_path(target))
    proof = inspect_backup(target, manifest=manifest, partial_ok=True)
    if proof.metadata is None or not proof.ok or not proof.prepared:
        return None
    if meta.uuid is None or proof.metadata.uuid != meta.uuid:
        return None
    if params.get("export") and missing_export(target):
        return None
    return proof, manifest


def _to_dest(planned: _Plan, params: Mapping[str, Any], ctx: Context, copy_tree: CopyTree | None) -> dict[str, Any]:
    place = planned.place
    if place is None or copy_tree is None:
        raise MariabackupError("There is no way to copy the backup here.", "Report this as a defect.")
    place.open(ctx.point)
    try:
        with ctx.phase("copy"):
            if planned.stored is None:
                _copy(planned.source, place, copy_tree)
            else:
                _copy(planned.source, place, extractor(planned.stored, params, ctx))
        if (
            planned.stored is None
            and not planned.resumed
            and params.get("verify_checksums")
            and planned.manifest is not None
        ):
            with ctx.phase("verify_copy"):
                # The last moment at which the manifest can vouch for the files; the copy is what counts.
                copied = inspect_backup(
                    place.directory,
                    manifest=planned.manifest,
                    verify_checksums=True,
                    marked_by_caller=True,
                    partial_ok=True,
                )
                copied.require(f"Nothing was kept. If the backup {planned.source} is damaged as well, use another.")
        with ctx.phase("prepare"):
            extra = params.get("extra_args") or ()
            # Only the last step exports.
            first = {**params, "export": params.get("export") and not planned.increments}
            prepare_directory(place.directory, ctx, first, extra_args=extra)
            sources = [one.path for one in planned.increments]
            apply_increments(
                place.directory,
                sources,
                proven_copy(planned.increments, params, ctx, copy_tree),
                ctx,
                params,
                extra_args=extra,
            )
        with ctx.phase("verify"):
            proof, manifest = _describe(planned, place.directory, params, ctx)
        with ctx.phase("commit"):
            place.commit(manifest)
    finally:
        place.discard()
    return _result(proof, manifest, place.target)


def _copy(source: str, place: Workplace, copy_tree: CopyTree) -> None:
    """Copy the backup; a mount point is not empty (our marker, lost+found), so there it goes through a directory."""
    if not place.inside:
        copy_tree(source, place.directory)
        return
    staging = os.path.join(place.directory, ".mariabackup-copy")
    os.mkdir(staging, 0o700)
    copy_tree(source, staging)
    for name in os.listdir(staging):
        os.rename(os.path.join(staging, name), os.path.join(place.directory, name))
    os.rmdir(staging)


def _in_place(planned: _Plan, params: Mapping[str, Any], ctx: Context) -> dict[str, Any]:
    marker = PreparingMarker(preparing_marker(planned.source))
    if not planned.resumed and params.get("verify_checksums") and planned.manifest is not None:
        with ctx.phase("verify_source"):
            # The last moment at which the manifest can vouch for the files.
            inspect_backup(planned.source, manifest=planned.manifest, verify_checksums=True, partial_ok=True).require()
    with ctx.phase("prepare"):
        if planned.resumed:
            ctx.log("an earlier prepare of this directory did not end; it is done again")
            bring_back_redo(planned.source, planned.meta)
        marker.set("This directory is being prepared by dba.mariabackup. If no run is under way, run it again.\n")
        keep_redo(planned.source)
        prepare_directory(planned.source, ctx, params, again=planned.resumed, extra_args=params.get("extra_args") or ())
    with ctx.phase("verify"):
        proof, manifest = _describe(planned, planned.source, params, ctx)
    with ctx.phase("commit"):
        sync_file_system(planned.source)
        if manifest is not None:
            write_manifest(manifest_path(planned.source), manifest)
        drop_kept_redo(planned.source)
        marker.clear()
    return _result(proof, manifest, planned.source)


def _describe(planned: _Plan, directory: str, params: Mapping[str, Any], ctx: Context) -> tuple[Proof, Manifest | None]:
    """Prove the prepared directory and write down what it is now."""
    proof = inspect_backup(directory, marked_by_caller=True, partial_ok=True)
    proof.require("The tool reports success, but the result cannot be trusted. Begin again from the backup.")
    old = planned.last
    if old is None:
        return proof, None
    if old.checksum == "sha256":
        total = proof.size_bytes
        files = hash_tree(directory, proof.files, min(4, os.cpu_count() or 1), lambda done: ctx.progress(done, total))
    else:
        files = {name: FileEntry(size) for name, size in proof.files.items()}
    exported = old.exported or bool(params.get("export"))
    return proof, replace(old, prepared=True, exported=exported, files=files)


def _result(proof: Proof, manifest: Manifest | None, path: str) -> dict[str, Any]:
    meta = proof.require()
    return {
        "id": manifest.id if manifest else meta.uuid,
        "path": path,
        "type": "full",
        "base_id": manifest.base_id if manifest else None,
        "from_lsn": meta.from_lsn,
        "to_lsn": meta.to_lsn,
        "last_lsn": meta.last_lsn,
        "gtid": meta.gtid,
        "binlog_file": meta.binlog_file,
        "binlog_position": meta.binlog_position,
        "server_version": meta.server_version,
        "tool_version": number_of(meta.tool_version),
        "size_bytes": proof.size_bytes,
        "stored_bytes": proof.stored_bytes,
        "files": len(proof.files),
        "compression": manifest.compression if manifest else "none",
        "encrypted": bool(manifest and manifest.encrypted),
        "prepared": proof.prepared,
        "label": manifest.label if manifest else None,
    }
