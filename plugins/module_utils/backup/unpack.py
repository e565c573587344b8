# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings the files of a backup into a directory, whatever it is stored as, and proves that they have arrived."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Callable

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.manifest import (
    Manifest,
    manifest_path,
    read_manifest,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.proof import Proof, inspect_backup
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.stored import extract
from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context

#: copy_tree(source, target) of the room datadir, given by the caller: rooms beside each other do not import
CopyTree = Callable[[str, str], Any]


def look_at_increment(path: str) -> Proof:
    """Look at an increment; it is not read to its end."""
    return inspect_backup(path, manifest=read_manifest(manifest_path(path)), as_increment=True)


def look_at_chain(paths: Sequence[str]) -> list[Proof]:
    """Look at the backups of a chain, the full one, which may be partial, first; none is read to its end."""
    full, *increments = paths
    return [
        inspect_backup(full, manifest=read_manifest(manifest_path(full)), partial_ok=True),
        *(look_at_increment(path) for path in increments),
    ]


def room_of(proof: Proof) -> int:
    """Return what the files take where they are put: those of a stream are not compressed there."""
    stream = proof.manifest is not None and proof.manifest.stream is not None
    return proof.size_bytes if stream else proof.stored_bytes


def room_of_chain(proofs: Sequence[Proof]) -> int:
    """Return what a chain takes while it is applied: each increment is applied from a copy beside the result."""
    increments = [room_of(proof) for proof in proofs[1:]]
    return room_of(proofs[0]) + sum(increments) + max(increments, default=0)


def extractor(stored: Manifest, params: Mapping[str, Any], ctx: Context) -> CopyTree:
    """Return what puts the files of a stream into a directory, as copying does those of another backup."""

    def extract_into(source: str, target: str) -> None:
        # mbstream changes into an empty directory, and the copier makes its own.
        os.makedirs(target, mode=0o700, exist_ok=True)
        extract(source, stored, target, params, ctx)

    return extract_into


def proven_copy(
    proofs: Iterable[Proof], params: Mapping[str, Any], ctx: Context, copy_tree: CopyTree
) -> Callable[[str, str], None]:
    """Return what copies any of these backups, or extracts it, and compares the copy with its manifest.

    Args:
        params: ``verify_checksums``: whether to compare the checksums of a copy. A stream is always compared.
    """
    known = {proof.path: proof for proof in proofs}

    def copy(source: str, target: str) -> None:
        proof = known[source]
        manifest = proof.manifest
        if manifest is not None and manifest.stream is not None:
            extractor(manifest, params, ctx)(source, target)
            return
        copy_tree(source, target)
        if params.get("verify_checksums"):
            increment = proof.metadata is not None and proof.metadata.incremental
            inspect_backup(
                target,
                manifest=manifest,
                verify_checksums=True,
                marked_by_caller=True,
                partial_ok=True,
                as_increment=increment,
            ).require(f"Nothing was kept. If the backup {source} is damaged as well, use another.")

    return copy
