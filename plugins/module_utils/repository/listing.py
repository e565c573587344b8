# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a repository, one backup of it, or one directory holds, and whether it can be restored: read only."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.backup import info
from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.repository import outcomes
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.catalogue import Entry
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.freshness import judge, parse_span
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.local import Repository
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.source import find, reading, request_of

#: what there is to list for one directory
NO_LIST: dict[str, Any] = {"backups": [], "instances": [], "violations": [], "scheduled_runs": []}


def run(params: Mapping[str, Any], ctx: Context) -> dict[str, Any]:
    """List the backups of an instance; examine the one that is named, or ``target_dir``.

    Raises:
        MariabackupError: there is no such backup, or the repository cannot be read.
    """
    request = request_of(params)
    if request is None:
        return {**info.run(params, ctx), **NO_LIST}
    repository, instance = Repository(request["repository"]), request["instance"]
    entries = list(repository.entries(instance))
    listed = {
        "backups": _chains(entries),
        "instances": repository.instances(),
        "violations": _judge(entries, params, repository.directory(instance), ctx),
        "scheduled_runs": outcomes.runs_of(ctx.state_dir, repository.root, instance),
    }
    if not entries or not (params["backup_id"] or params["before"] or params["verify"]):
        return {
            "changed": False,
            "exists": bool(entries),
            "valid": bool(entries) and all(entry.head is not None for entry in entries),
            "verified": None,
            "problems": [f"{entry.path}: {entry.problem}" for entry in entries if entry.problem],
            "backup": None,
            **listed,
        }
    entry = find(request)
    with reading(entry.data):
        return {**info.run({**params, "target_dir": entry.data}, ctx), **listed}


def _judge(entries: list[Entry], params: Mapping[str, Any], where: str, ctx: Context) -> list[str]:
    """Hold the newest backup against the thresholds; warn about what is wrong, or fail, as the caller wishes."""
    max_age, size_drift = params["max_age"], params["size_drift"]
    if max_age is None and size_drift is None:
        return []
    limit = parse_span("max_age", max_age) if max_age is not None else None
    violations = judge(entries, datetime.now(timezone.utc), limit, size_drift)
    if violations and params["violation"] == "fail":
        raise MariabackupError(
            f"{where}: {' '.join(violations)}",
            "Look at the last runs of the module backup for this instance, and take a backup.",
            details={"violations": violations},
        )
    for text in violations:
        ctx.warn(f"{where}: {text}")
    return violations


def _chains(entries: list[Entry]) -> list[dict[str, Any]]:
    """Describe every backup, with the ids of its chain from the full one on; a broken chain is empty."""
    bases = {entry.id: entry.head.manifest.base_id for entry in entries if entry.head is not None}
    found = []
    for entry in entries:
        chain: list[str] = []
        link: str | None = entry.id
        while link is not None and link in bases and link not in chain:
            chain.insert(0, link)
            link = bases[link]
        found.append(_describe(entry, chain if link is None else []))
    return found


def _describe(entry: Entry, chain: list[str]) -> dict[str, Any]:
    head = entry.head
    manifest = head.manifest if head else None
    return {
        "id": entry.id,
        "path": entry.path,
        "problem": entry.problem,
        "type": manifest.type if manifest else None,
        "base_id": manifest.base_id if manifest else None,
        "chain": chain,
        "label": manifest.label if manifest else None,
        "created": manifest.created if manifest else None,
        "host": manifest.host if manifest else None,
        "server_version": manifest.server_version if manifest else None,
        "gtid": manifest.gtid if manifest else None,
        "size_bytes": head.size_bytes if head else None,
        "files": head.file_count if head else None,
        "duration_seconds": manifest.duration_seconds if manifest else None,
        "prepared": manifest.prepared if manifest else None,
        "instance": os.path.basename(os.path.dirname(entry.path)),
    }
