# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one backup directory holds, and whether it can be restored: read only."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.manifest import manifest_path, read_manifest
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.proof import Proof, inspect_backup
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.remote_record import address_of
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.stored import verify as verify_stored
from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError


def run(params: Mapping[str, Any], ctx: Context) -> dict[str, Any]:
    """Examine ``target_dir``; with ``verify`` every file is read and compared with the manifest.

    With ``_increment`` it has to be an increment, and the caller looks at what it is built on.

    A directory that is missing or no backup is an answer, not a failure.
    """
    path = os.path.abspath(params["target_dir"])
    with ctx.phase("verify"):
        if not os.path.isdir(path):
            return {"changed": False, "exists": False, "valid": False, "verified": None, "problems": [], "backup": None}
        problems: list[str] = []
        try:
            manifest = read_manifest(manifest_path(path))
        except MariabackupError as error:
            problems.append(error.cause)
            manifest = None
        proof = inspect_backup(
            path,
            manifest=manifest,
            verify_checksums=params["verify"],
            as_increment=bool(params.get("_increment")),
            partial_ok=True,
        )
        if params["verify"] and manifest is not None and manifest.stream is not None and proof.ok:
            try:
                proof.verified = verify_stored(path, manifest, params, ctx)
            except MariabackupError as error:
                name = manifest.stream.file
                problems.append(error.cause if name in error.cause else f"{name}: {error.cause}")
            else:
                if proof.verified != "stream":
                    ctx.warn("The backup is encrypted, and without identity_file only its stored bytes were verified.")
    problems += [problem.text for problem in proof.problems]
    for warning in proof.warnings:
        ctx.warn(warning)
    return {
        "changed": False,
        "exists": True,
        "valid": not problems,
        "verified": proof.verified,
        "problems": problems,
        "backup": _describe(proof),
    }


def _describe(proof: Proof) -> dict[str, Any] | None:
    """Return what is known of the backup; a manifest knows more than the backup itself."""
    meta, manifest = proof.metadata, proof.manifest
    if meta is None:
        return None
    kind = "incremental" if meta.incremental else "full"
    return {
        "id": manifest.id if manifest else meta.uuid,
        "path": address_of(proof.path),
        "type": manifest.type if manifest else kind,
        "base_id": manifest.base_id if manifest else None,
        "label": manifest.label if manifest else None,
        "created": manifest.created if manifest else meta.end_time,
        "host": manifest.host if manifest else None,
        "from_lsn": meta.from_lsn,
        "to_lsn": meta.to_lsn,
        "last_lsn": meta.last_lsn,
        "gtid": meta.gtid,
        "binlog_file": meta.binlog_file,
        "binlog_position": meta.binlog_position,
        "server_version": meta.server_version,
        "tool_version": meta.tool_version,
        "size_bytes": proof.size_bytes,
        "stored_bytes": proof.stored_bytes,
        "files": len(proof.files),
        "schemas": proof.schemas,
        "compression": manifest.compression if manifest else "none",
        "encrypted": manifest.encrypted if manifest else False,
        "partial": meta.partial or (manifest is not None and manifest.partial),
        "selection": manifest.selection if manifest else None,
        "prepared": proof.prepared,
        "manifest": manifest is not None,
    }
