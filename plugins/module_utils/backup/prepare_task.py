# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operation ``prepare``: a backup made consistent in place, or as a prepared copy elsewhere."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any, Callable

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.hashing import hash_tree
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.manifest import (
    FileEntry,
    Manifest,
    manifest_path,
    read_manifest,
    write_manifest,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.memory import memory_argument
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.metadata import REDO_FILE, BackupMetadata
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
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.redo import (
    KEPT_REDO_FILE,
    check_prepared_redo,
    check_raw_redo,
    read_redo_header,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.space import Estimate, check_space, human
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.workplace import PreparingMarker, Workplace
from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.files import fsync_path, sync_file_system
from ansible_collections.dba.mariabackup.plugins.module_utils.locks import exclusive, probe
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.find import Tool
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.options import check_extra_args
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.run import ends_on_signal
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.version import number_of

# copy_tree(source, target) of the room datadir, given by the caller: rooms beside each other do not import.
CopyTree = Callable[[str, str], Any]


@dataclass
class _Plan:
    source: str
    proof: Proof
    meta: BackupMetadata
    manifest: Manifest | None
    tool: Tool | None
    place: Workplace | None
    resumed: bool
    needed: bool

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
            size = human(planned.proof.stored_bytes)
            steps.append({"phase": "copy", "action": f"copy the backup to {planned.place.directory}", "detail": size})
        memory = memory_argument(params.get("use_memory"), planned.proof.files.get("ib_logfile0", 0))
        where = planned.place.directory if planned.place else planned.source
        steps.append({"phase": "prepare", "action": f"apply the redo log in {where}", "detail": human(memory)})
        steps.append({"phase": "verify", "action": "prove it from its bytes", "detail": "and write its manifest"})
        if planned.place is not None:
            steps.append({"phase": "commit", "action": f"put it in place as {planned.target}", "detail": "synced"})
    return {"changed": planned.needed, **_result(planned.proof, planned.manifest, planned.target), "plan": steps}


def run(params: Mapping[str, Any], ctx: Context, copy_tree: CopyTree | None = None) -> dict[str, Any]:
    """Prepare a full backup.

    Args:
        params: ``target_dir`` with ``in_place`` or ``dest``; ``use_memory``, ``export``, ``verify_checksums``; the tool
            options; ``state_dir``.
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
                **_result(planned.proof, planned.manifest, planned.target),
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
    source = os.path.realpath(params["target_dir"])
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
    meta = proof.require()
    exported = bool(params.get("export")) and bool(missing_export(source))
    place: Workplace | None = None
    needed = resumed or not proof.prepared or exported
    if dest:
        place = Workplace(os.path.abspath(dest))
        done = _done_before(place.target, meta, params)
        if done is not None:
            return _Plan(source, done[0], meta, done[1], None, place, False, False)
        if place.target == source or os.path.commonpath([place.target, source]) in (place.target, source):
            raise MariabackupError(
                f"dest {place.target} and the backup {source} lie inside of each other.", "Choose another dest."
            )
        place.check()
        if not place.leftover():
            check_space(place.file_system, Estimate(proof.stored_bytes, len(proof.files) + 16), "the prepared copy")
        needed = True
    memory_argument(params.get("use_memory"), 0)
    tool = tool_for(params, meta) if needed and (resumed or not proof.prepared or exported) else None
    return _Plan(source, proof, meta, manifest, tool, place, resumed, needed)


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
    place.open()
    try:
        with ctx.phase("copy"):
            _copy(planned.source, place, copy_tree)
        if not planned.resumed and params.get("verify_checksums") and planned.manifest is not None:
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
            prepare_directory(place.directory, ctx, params, extra_args=params.get("extra_args") or ())
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
            _bring_back_redo(planned.source, planned.meta)
        marker.set("This directory is being prepared by dba.mariabackup. If no run is under way, run it again.\n")
        _keep_redo(planned.source)
        prepare_directory(planned.source, ctx, params, again=planned.resumed, extra_args=params.get("extra_args") or ())
    with ctx.phase("verify"):
        proof, manifest = _describe(planned, planned.source, params, ctx)
    with ctx.phase("commit"):
        sync_file_system(planned.source)
        if manifest is not None:
            write_manifest(manifest_path(planned.source), manifest)
        _drop_kept_redo(planned.source)
        marker.clear()
    return _result(proof, manifest, planned.source)


def _keep_redo(directory: str) -> None:
    """Keep the log: the tool discards it shortly before it is done, and a run killed there could not be taken up again.

    The tool of 10.8 and later removes it, so a second name keeps it (seen on 10.11 and 11.8); that of 10.5 truncates it
    where it lies, so it takes a copy.
    """
    header = read_redo_header(directory)
    if header is None or not header.creator.startswith("Backup"):
        return
    kept = os.path.join(directory, KEPT_REDO_FILE)
    if os.path.lexists(kept):
        return
    source = os.path.join(directory, REDO_FILE)
    try:
        if header.kind != "stream":
            raise OSError("needs a copy")
        os.link(source, kept)
    except OSError:
        shutil.copyfile(source, f"{kept}.tmp")
        fsync_path(f"{kept}.tmp")
        os.rename(f"{kept}.tmp", kept)
    fsync_path(directory)


def _bring_back_redo(directory: str, meta: BackupMetadata) -> None:
    """Put the kept log back where a killed run had removed its own and left nothing that can be used."""
    if meta.prepared and not check_prepared_redo(directory, meta):
        return
    if not check_raw_redo(directory, meta) or check_raw_redo(directory, meta, KEPT_REDO_FILE):
        return
    os.rename(os.path.join(directory, KEPT_REDO_FILE), os.path.join(directory, REDO_FILE))


def _drop_kept_redo(directory: str) -> None:
    for name in (KEPT_REDO_FILE, f"{KEPT_REDO_FILE}.tmp"):
        try:
            os.unlink(os.path.join(directory, name))
        except FileNotFoundError:
            continue


def _describe(planned: _Plan, directory: str, params: Mapping[str, Any], ctx: Context) -> tuple[Proof, Manifest | None]:
    """Prove the prepared directory and write down what it is now."""
    proof = inspect_backup(directory, marked_by_caller=True, partial_ok=True)
    proof.require("The tool reports success, but the result cannot be trusted. Begin again from the backup.")
    old = planned.manifest
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
