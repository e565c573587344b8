# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gives a backup that was made by hand its manifest, once it has been proven; the backup itself is not touched."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.backup import info
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.hashing import hash_tree
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.manifest import (
    FileEntry,
    Manifest,
    manifest_path,
    safe_layout,
    write_manifest,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.metadata import BackupMetadata
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.proof import Proof, inspect_backup, summary
from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.version import number_of

#: what the tool's files do not tell
UNKNOWN = "unknown"
_FORMAT = "%Y-%m-%d %H:%M:%S"


def check(params: Mapping[str, Any], ctx: Context) -> dict[str, Any]:
    """Plan for check mode: the same proof and the same refusals as ``run``, nothing written."""
    path = os.path.abspath(params["target_dir"])
    found = info.run(params, ctx)
    if not found["valid"]:
        # Its own words where the directory is missing.
        inspect_backup(path)
        raise MariabackupError(
            f"The backup {path} cannot be adopted: {summary(found['problems'])}",
            "Only a backup that can be restored is adopted. Use another one.",
            phase="verify",
            details={"problems": found["problems"][:200]},
        )
    if os.path.lexists(manifest_path(path)):
        return found
    with ctx.phase("verify"):
        proof = inspect_backup(path)
        manifest = build(proof, _require_full(proof), {}, "none")
    after = f"{manifest_path(path)}: {manifest.type} backup {manifest.id}, finished {manifest.created}\n"
    return {**found, "changed": True, "diff": {"before": "", "after": after}}


def run(params: Mapping[str, Any], ctx: Context) -> dict[str, Any]:
    """Prove the backup and write its manifest beside it; one that has a manifest is left as it is.

    Args:
        params: ``target_dir``; ``checksum`` (``sha256``, ``none``); ``verify``: what ``info.run`` is to do where there is a
            manifest already.

    Raises:
        MariabackupError: it is no full backup that can be restored, or the disk refuses; nothing was written.
    """
    planned = check(params, ctx)
    if not planned["changed"]:
        return planned
    path = os.path.abspath(params["target_dir"])
    try:
        with ctx.phase("verify"):
            proof = inspect_backup(path)
            meta = _require_full(proof)
            entries = {name: FileEntry(size) for name, size in proof.files.items()}
            if params["checksum"] == "sha256":
                total = proof.size_bytes
                entries = hash_tree(
                    path, proof.files, min(4, os.cpu_count() or 1), lambda done: ctx.progress(done, total)
                )
            ctx.point("adopt-before")
        with ctx.phase("commit"):
            write_manifest(manifest_path(path), build(proof, meta, entries, params["checksum"]))
    except OSError as error:
        raise MariabackupError(
            f"{error.filename or path}: {error.strerror or error}.",
            "Check the disk and the permissions; nothing was kept.",
        ) from error
    return {**info.run({**params, "verify": False}, ctx), "changed": True, "diff": planned["diff"]}


def _require_full(proof: Proof) -> BackupMetadata:
    meta = proof.require("Only a backup that can be restored is adopted. Use another one.")
    if meta.incremental or meta.partial:
        raise MariabackupError(
            f"{proof.path} is {'an incremental' if meta.incremental else 'a partial'} backup.",
            "Only a full backup of all tables is adopted.",
        )
    return meta


def build(proof: Proof, meta: BackupMetadata, entries: Mapping[str, FileEntry], checksum: str) -> Manifest:
    """Make the manifest out of what the tool wrote down (pure).

    The times in its info file have no zone: they are taken for those of this host. Where the backup comes from is not in it.
    """
    ended = _time(meta.end_time)
    started = _time(meta.start_time)
    moment = (ended or datetime.fromtimestamp(0, timezone.utc)).astimezone(timezone.utc)
    suffix = hashlib.sha256((meta.uuid or proof.path).encode("utf-8", "surrogateescape")).hexdigest()[:6]
    return Manifest(
        id=f"{moment:%Y%m%dT%H%M%SZ}-{suffix}",
        type="full",
        created=f"{moment:%Y-%m-%dT%H:%M:%SZ}",
        host=UNKNOWN,
        datadir=None,
        server_version=meta.server_version,
        tool_version=number_of(meta.tool_version),
        from_lsn=meta.from_lsn,
        to_lsn=meta.to_lsn,
        last_lsn=meta.last_lsn,
        uuid=meta.uuid,
        gtid=meta.gtid,
        binlog_file=meta.binlog_file,
        binlog_position=meta.binlog_position,
        duration_seconds=max(0.0, (ended - started).total_seconds()) if ended and started else 0.0,
        prepared=proof.prepared,
        checksum=checksum,
        schemas=proof.schemas,
        layout=safe_layout(meta.options),
        files=dict(entries),
    )


def _time(text: str | None) -> datetime | None:
    try:
        return datetime.strptime(text, _FORMAT) if text else None
    except ValueError:
        return None
