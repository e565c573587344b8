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
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.chain import INCREMENTAL
from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.repository import outcomes
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.access import open_repository
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.basis import (
    links_of,
    problems_of,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.catalogue import Entry
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.filtering import Filter, filter_of
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.freshness import judge
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.measures import parse_span
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
    repository, instance, wanted = open_repository(params, ctx), request["instance"], filter_of(params)
    entries = list(repository.entries(instance))
    problems = problems_of(entries)
    sound = [entry for entry in entries if entry.id not in problems]
    listed: dict[str, Any] = {
        "backups": _list(entries, problems, repository.place(instance), wanted),
        "instances": repository.instances(),
        "violations": _judge(sound, params, repository.place(instance), ctx),
        "scheduled_runs": outcomes.runs_of(ctx.state_dir, repository.place(), instance),
    }
    if not entries and listed["instances"]:
        ctx.warn(f"There is no backup of {instance}. Set instance to one of {', '.join(listed['instances'])}.")
    if not entries or not (params["backup_id"] or params["before"] or params["verify"]):
        return {
            "changed": False,
            "exists": bool(entries),
            "valid": bool(entries) and not problems,
            "verified": None,
            "problems": [
                f"{os.path.join(repository.place(instance), entry.id)}: {problems[entry.id]}"
                for entry in entries
                if entry.id in problems
            ],
            "backup": None,
            **listed,
        }
    entry = find(request, params, ctx)
    with reading(entry.data):
        found = _examine(entry, entries, problems, params, ctx)
    for text in found["problems"]:
        ctx.warn(f"{os.path.join(repository.place(instance), entry.id)}: {text}")
    return {**found, **listed}


def _examine(
    entry: Entry, entries: list[Entry], problems: dict[str, str], params: Mapping[str, Any], ctx: Context
) -> dict[str, Any]:
    """Examine one backup and, of an increment, everything that it is built on."""

    def look(link: Entry) -> dict[str, Any]:
        kind = link.head.manifest.type if link.head else None
        return info.run({**params, "target_dir": link.data, "_increment": kind == INCREMENTAL}, ctx)

    found = look(entry)
    others: list[str] = []
    for link in [] if entry.id in problems else links_of(entry, entries)[:-1]:
        looked = look(link)
        texts = looked["problems"] or ([] if looked["exists"] else ["Its files are gone."])
        others += [f"{link.id}: {text}" for text in texts]
    if entry.id in problems:
        others.append(problems[entry.id])
    return {**found, "problems": [*found["problems"], *others], "valid": found["valid"] and not others}


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


def _list(entries: list[Entry], problems: Mapping[str, str], place: str, wanted: Filter) -> list[dict[str, Any]]:
    """Describe the wanted backups, with the ids of each chain from the full one on; a broken chain is empty.

    Args:
        place: what to call the directory of the instance; of remote storage the entries lie in the mirror.
    """
    chains: dict[str, list[str]] = {}
    found = []
    for entry in entries:
        # In a sound chain every base is older, so it came before.
        if entry.head is not None and entry.id not in problems:
            base = entry.head.manifest.base_id
            chains[entry.id] = [*(chains[base] if base else []), entry.id]
        if wanted.passes(entry):
            path = os.path.join(place, entry.id)
            found.append(_describe(entry, path, chains.get(entry.id, []), problems.get(entry.id)))
    return found


def _describe(entry: Entry, path: str, chain: list[str], problem: str | None) -> dict[str, Any]:
    head = entry.head
    manifest = head.manifest if head else None
    return {
        "id": entry.id,
        "path": path,
        "problem": problem,
        "type": manifest.type if manifest else None,
        "base_id": manifest.base_id if manifest else None,
        "chain": chain,
        "label": manifest.label if manifest else None,
        "created": manifest.created if manifest else None,
        "host": manifest.host if manifest else None,
        "server_version": manifest.server_version if manifest else None,
        "gtid": manifest.gtid if manifest else None,
        "size_bytes": head.size_bytes if head else None,
        "stored_bytes": head.stored_bytes if head else None,
        "files": head.file_count if head else None,
        "duration_seconds": manifest.duration_seconds if manifest else None,
        "compression": manifest.compression if manifest else None,
        "encrypted": manifest.encrypted if manifest else None,
        "prepared": manifest.prepared if manifest else None,
        "partial": manifest.partial if manifest else None,
        "selection": manifest.selection if manifest else None,
        "instance": os.path.basename(os.path.dirname(entry.path)),
    }
