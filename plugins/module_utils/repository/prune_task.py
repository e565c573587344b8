# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operation ``prune``: removes from a repository what no rule keeps, and says of each backup why it stays or goes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.chain import broken_chains
from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.locks import exclusive, probe
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.access import open_repository
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.basis import manifests_of
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.catalogue import Entry
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.local import Repository, instance_of
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.measures import parse_span
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.presence import damage_of
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.retention import (
    Decision,
    Rules,
    Stored,
    decide,
    deletion_order,
)


def rules_of(params: Mapping[str, Any]) -> Rules:
    """Build the rules from the module's options.

    Raises:
        MariabackupError: none is set, or a value cannot be used.
    """
    within = params.get("keep_within")
    try:
        rules = Rules(
            last=params.get("keep_last") or 0,
            within=parse_span("keep_within", within) if within else None,
            **{name: params.get(f"keep_{name}") or 0 for name in ("daily", "weekly", "monthly", "yearly")},
        )
    except ValueError as error:
        raise MariabackupError(
            f"A rule cannot be used: {error}.", "Set it to a whole number, 0 for not used."
        ) from error
    if rules.empty:
        raise MariabackupError(
            "No rule says what to keep.", "Set at least one of keep_last, keep_within, keep_daily and so on."
        )
    return rules


def check(params: Mapping[str, Any], ctx: Context) -> dict[str, Any]:
    """Decide, and remove nothing."""
    with ctx.phase("plan"):
        repository, instance, rules = open_repository(params, ctx), instance_of(params), rules_of(params)
        probe(params["state_dir"], repository.lock_key(instance), "prune")
        entries = list(repository.entries(instance))
        decisions, _order = _decide(repository, entries, rules)
    return _result(
        repository, instance, entries, decisions, [decision.id for decision in decisions if not decision.keep]
    )


def run(params: Mapping[str, Any], ctx: Context) -> dict[str, Any]:
    """Remove what no rule keeps, increments before their bases.

    Raises:
        MariabackupError: no rule is set, another prune is busy, or the disk refuses; everything that is left is whole.
    """
    with ctx.phase("plan"):
        repository, instance, rules = open_repository(params, ctx), instance_of(params), rules_of(params)
    with exclusive(params["state_dir"], repository.lock_key(instance), "prune"):
        with ctx.phase("plan"):
            entries = list(repository.entries(instance))
            decisions, order = _decide(repository, entries, rules)
        by_id = {entry.id: entry for entry in entries}
        removed: list[str] = []
        with ctx.phase("remove"):
            repository.remove_leftovers(instance, ctx)
            try:
                needed: set[str | None] = set()
                for name in order:
                    ctx.point("prune-remove")
                    if name not in needed and repository.remove(by_id[name], ctx.point):
                        removed.append(name)
                        ctx.log(f"removed {by_id[name].path}")
                        continue
                    # Somebody has begun to read it, or what is built on it, since the decision: its base is needed as well.
                    needed.add(_base_of(by_id[name]))
                    ctx.warn(f"{by_id[name].path} is in use by now, so it stays until the next time.")
            except OSError as error:
                raise MariabackupError(
                    f"{error.filename or repository.root}: {error.strerror or error}.",
                    "Check the disk and the permissions, then run the task again; what is left is whole.",
                ) from error
    return {**_result(repository, instance, entries, decisions, removed), "log_path": ctx.log_path}


def _decide(repository: Repository, entries: list[Entry], rules: Rules) -> tuple[list[Decision], list[str]]:
    """Decide about every backup that can be read; the others stay, and say why.

    What has lost its files counts for nothing, although its manifest is whole: else it would take the place of a good one.
    """
    broken = broken_chains(manifests_of(entries))
    stored = [
        Stored(entry.id, entry.time, _base_of(entry), broken.get(entry.id) or damage_of(entry), _series_of(entry))
        for entry in entries
        if entry.head is not None
    ]
    in_use = [entry.id for entry in entries if entry.head is not None and repository.in_use(entry)]
    decisions = decide(stored, rules, datetime.now(timezone.utc), in_use)
    order = deletion_order(decisions, stored)
    unread = [Decision(entry.id, True, (entry.problem or "",)) for entry in entries if entry.head is None]
    return sorted([*decisions, *unread], key=lambda decision: decision.id), order


def _series_of(entry: Entry) -> str:
    """Return what a partial backup holds, as one word for all backups of the same choice."""
    selection = entry.head.manifest.selection if entry.head else None
    return json.dumps(selection, sort_keys=True) if selection is not None else ""


def _base_of(entry: Entry) -> str | None:
    return entry.head.manifest.base_id if entry.head else None


def _result(
    repository: Repository, instance: str, entries: list[Entry], decisions: list[Decision], removed: list[str]
) -> dict[str, Any]:
    by_id = {entry.id: entry for entry in entries}

    def describe(decision: Decision) -> dict[str, Any]:
        entry = by_id[decision.id]
        return {
            "id": decision.id,
            "type": entry.head.manifest.type if entry.head else None,
            "base_id": _base_of(entry),
            "created": entry.head.manifest.created if entry.head else None,
            "size_bytes": entry.head.size_bytes if entry.head else None,
            "keep": decision.keep,
            "reasons": list(decision.reasons),
        }

    freed = [by_id[name].head for name in removed]
    kept = [entry.id for entry in entries if entry.id not in removed]
    return {
        "changed": bool(removed),
        "path": repository.place(instance),
        "instance": instance,
        "decisions": [describe(decision) for decision in decisions],
        "removed": removed,
        "freed_bytes": sum(head.stored_bytes for head in freed if head is not None),
        "diff": {
            "before": "".join(f"{entry.id}\n" for entry in entries),
            "after": "".join(f"{name}\n" for name in kept),
        },
    }
