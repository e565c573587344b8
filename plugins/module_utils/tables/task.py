# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operation ``import_tables``: single tables of a backup brought into a running server."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.remote_record import address_of
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.selection import quote_table
from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError, foreseen
from ansible_collections.dba.mariabackup.plugins.module_utils.locks import exclusive, probe
from ansible_collections.dba.mariabackup.plugins.module_utils.repository import source as sources
from ansible_collections.dba.mariabackup.plugins.module_utils.tables import importing, staging, swapping
from ansible_collections.dba.mariabackup.plugins.module_utils.tables.journal import (
    STAGE,
    Entry,
    Journal,
    journal_path,
    read_journal,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.tables.live import Live, leave_binary_log, live_session
from ansible_collections.dba.mariabackup.plugins.module_utils.tables.plan import (
    Plan,
    check_room,
    judge,
    make_plan,
    requested_tables,
    steps,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.run import ends_on_signal

_LONGEST_NAME = 64


def check(params: Mapping[str, Any], ctx: Context) -> dict[str, Any]:
    """Plan for check mode: the same refusals as ``run`` but for those that need the definitions, nothing written."""
    with ctx.phase("plan"), live_session(params, params["lock_wait_timeout"]) as live:
        datadir = live.facts().datadir
        probe(ctx.state_dir, datadir, "import of tables")
        unfinished = read_journal(journal_path(ctx.state_dir, datadir))
        if unfinished is not None and unfinished.phase != STAGE and unfinished.request == _request(params):
            step = {"phase": "finish", "action": "finish the import that was interrupted", "detail": unfinished.id}
            return {"changed": True, "plan": [step], **_outline(unfinished)}
        plan = _plan(*_with_source(params, ctx), live)
    for text in plan.warnings:
        ctx.warn(text)
    directory = staging.staging_directory(datadir.rstrip("/"), _new_id())
    return {
        "changed": True,
        "backup_id": plan.backup_id,
        "source": address_of(plan.source),
        "server_version": plan.facts.version,
        "tables": [
            {
                "name": quote_table(item.table),
                "action": "replace" if item.exists else "create",
                "bytes": item.stored.bytes if plan.knows_sizes else None,
                "previous": None,
                "checksum": None,
                "state": "planned",
            }
            for item in plan.items
        ],
        "plan": steps(plan, params, directory),
        "diff": _diff(plan),
    }


def _plan(params: Mapping[str, Any], links: Sequence[str], live: Live) -> Plan:
    plan = make_plan(params, live, links)
    check_room(plan)
    return plan


def _diff(plan: Plan) -> dict[str, str]:
    before = [f"{quote_table(item.table)}: {'exists' if item.exists else 'missing'}" for item in plan.items]
    sizes = [f", {item.stored.bytes} bytes" if plan.knows_sizes else "" for item in plan.items]
    after = [f"{quote_table(item.table)}: of backup {plan.backup_id}{size}" for item, size in zip(plan.items, sizes)]
    return {"before": "\n".join(before) + "\n", "after": "\n".join(after) + "\n"}


def _request(params: Mapping[str, Any]) -> Any:
    """Return what makes two tasks the same task, as JSON gives it back."""
    source = sources.request_of(params) or {"target_dir": os.path.realpath(params["target_dir"])}
    tables = [list(table) for table in requested_tables(params)]
    return {"source": source, "tables": tables, "existing": params["existing"]}


def _with_source(params: Mapping[str, Any], ctx: Context) -> tuple[dict[str, Any], list[str]]:
    """Find the backup of a repository; return the options with its directory, and the directories of its chain.

    Raises:
        MariabackupError: there is none.
    """
    request = sources.request_of(params)
    path = params["target_dir"] if request is None else sources.find(request, params, ctx).data
    return {**params, "target_dir": path}, sources.links(path)


def _new_id() -> str:
    return f"{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


def run(params: Mapping[str, Any], ctx: Context) -> dict[str, Any]:
    """Import the tables.

    Raises:
        MariabackupError: it says which tables are in place. Until the exchange none is touched, and nothing is left.
    """
    started = time.monotonic()
    with ends_on_signal(), live_session(params, params["lock_wait_timeout"]) as live:
        datadir = live.facts().datadir.rstrip("/")
        with exclusive(ctx.state_dir, datadir, "import of tables"):
            leave_binary_log(live)
            done = _settle(params, live, datadir, ctx)
            result = done if done is not None else _import(params, live, datadir, ctx)
    return {
        **result,
        "changed": True,
        "duration_seconds": round(time.monotonic() - started, 3),
        "phases": ctx.phases,
        "log_path": ctx.log_path,
    }


def _settle(params: Mapping[str, Any], live: Live, datadir: str, ctx: Context) -> dict[str, Any] | None:
    """Finish or take back an import that was interrupted; return its result when it was this very task."""
    with ctx.phase("plan"):
        journal = read_journal(journal_path(ctx.state_dir, datadir))
        if journal is None:
            return None
        ctx.log(f"import {journal.id} was interrupted in the phase {journal.phase}")
        state = False if journal.phase == STAGE else swapping.swapped(journal, live)
        if state is False:
            swapping.take_back(journal, live)
            return None
        gone = [quote_table(entry.table) for entry in journal.entries if not live.exists(entry.table)]
        if state is True and gone:
            # Somebody has dropped them since, or restored the server from a backup.
            ctx.warn(f"The import {journal.id} cannot be finished, because {', '.join(gone)} is gone; it is forgotten.")
            swapping.clean_up(journal, live)
            return None
    with ctx.phase("finish"):
        if state is None:
            swapping.complete_swap(journal, live)
        keys = swapping.finish(journal, live, ctx)
    if journal.request == _request(params):
        return {**_outline(journal), "server_version": live.facts().version, "foreign_keys": keys}
    ctx.warn(f"An import that was interrupted, {journal.id}, has been finished first.")
    return None


def _import(params: Mapping[str, Any], live: Live, datadir: str, ctx: Context) -> dict[str, Any]:
    with ctx.phase("plan"):
        params, links = _with_source(params, ctx)
        with sources.reading(params["target_dir"]):
            plan = _plan(params, links, live)
        for text in plan.warnings:
            ctx.warn(text)
        run_id = _new_id()
        journal = Journal(
            path=journal_path(ctx.state_dir, datadir),
            id=run_id,
            request=_request_of_plan(params),
            source=plan.source,
            backup_id=plan.backup_id,
            directory=staging.staging_directory(datadir, run_id),
            schema=f"mariabackup_import_{run_id[-6:]}",
            keep=params["existing"] != "replace",
        )
        journal.write()
    try:
        stage = _unpack if plan.packed else _copy
        plan = stage(plan, journal, params, live, ctx)
        _bring(plan, journal, params, live, datadir, ctx)
    except BaseException as error:
        _give_up(journal, error, params, ctx)
        raise
    with ctx.phase("finish"):
        keys = swapping.finish(journal, live, ctx)
    return {
        **_outline(journal),
        "server_version": plan.facts.version,
        "foreign_keys": keys,
        "diff": _diff(plan),
    }


def _request_of_plan(params: Mapping[str, Any]) -> Any:
    """As ``_request``; the options that named a backup of a repository are still there, beside its directory."""
    if params.get("repository"):
        return _request({**params, "target_dir": None})
    return _request(params)


def _copy(plan: Plan, journal: Journal, params: Mapping[str, Any], _live: Live, ctx: Context) -> Plan:
    """Copy what the tables need, and prepare it."""
    with ctx.phase("stage"), sources.reading(params["target_dir"]):
        staging.copy_needed(plan.source, plan.manifest, plan.items, journal.directory, params, ctx)
        ctx.point("import-staged")
    with ctx.phase("prepare"):
        staging.prepare(journal.directory, params, ctx)
    return plan


def _unpack(plan: Plan, journal: Journal, params: Mapping[str, Any], live: Live, ctx: Context) -> Plan:
    """Unpack and prepare a stream or a chain where the copy is made, and plan with what is there now."""
    with sources.reading(params["target_dir"]):
        with ctx.phase("stage"):
            staging.unpack_full(plan.packed, journal.directory, params, ctx)
            ctx.point("import-unpacked")
        with ctx.phase("prepare"):
            staging.prepare_chain(plan.packed, journal.directory, params, ctx)
    with ctx.phase("plan"):
        found = make_plan({**params, "target_dir": journal.directory}, live)
        staging.keep_needed(found.items, journal.directory)
    return replace(found, source=plan.source, manifest=plan.manifest)


def _bring(plan: Plan, journal: Journal, params: Mapping[str, Any], live: Live, datadir: str, ctx: Context) -> None:
    """From the prepared copy to the exchange, and the exchange."""

    def examine() -> None:
        journal.children = judge(plan, live)

    with ctx.phase("export"):
        lower_case = plan.facts.variables.get("lower_case_table_names", "0")
        staging.export(journal.directory, plan.items, plan.binary, lower_case, params, ctx, examine)
        ctx.point("import-exported")
    with ctx.phase("import"):
        importing.import_all(live, journal.schema, datadir, plan.items, ctx)
        ctx.point("import-proven")
    with ctx.phase("swap"):
        journal.new_schemas = plan.new_schemas
        journal.write()
        for schema in plan.new_schemas:
            live.query(next(item.database for item in plan.items if item.table[0] == schema))
        journal.entries = [
            Entry(
                schema=item.table[0],
                name=item.table[1],
                staged=item.staged,
                previous=_previous_name(item.table[1], journal.id, item.number) if item.exists else None,
                foreign_keys=list(item.definition.foreign_keys),
                bytes=item.stored.bytes,
                checksum=item.checksum,
            )
            for item in plan.items
        ]
        swapping.swap(journal, live, ctx)


def _previous_name(name: str, run_id: str, number: int) -> str:
    """Return the name of an old table: its own, as far as there is room, and the run's."""
    ending = f"_previous_{run_id[:16]}"
    if len(name) + len(ending) > _LONGEST_NAME:
        ending = f"{ending}_{number}"
    return name[: _LONGEST_NAME - len(ending)] + ending


def _give_up(journal: Journal, error: BaseException, params: Mapping[str, Any], ctx: Context) -> None:
    """Take back what was done, unless the tables are in place; a session that broke is opened anew."""
    told = foreseen(error)
    try:
        with live_session(params, params["lock_wait_timeout"]) as live:
            leave_binary_log(live)
            state = False if journal.phase == STAGE else swapping.swapped(journal, live)
            if state is False:
                swapping.take_back(journal, live)
                if told is not None:
                    told.details.setdefault("tables", [])
            elif told is not None:
                told.action = "The tables are in place; run the same task again, and it finishes the rest."
    except MariabackupError as other:
        ctx.warn(f"What the import has made could not be removed: {other.cause} The next import removes it.")


def _outline(journal: Journal) -> dict[str, Any]:
    return {
        "backup_id": journal.backup_id,
        "source": address_of(journal.source),
        "tables": [
            {
                "name": quote_table(entry.table),
                "action": "create" if entry.previous is None else "replace",
                "bytes": entry.bytes,
                "previous": quote_table((entry.schema, entry.previous)) if entry.previous and journal.keep else None,
                "checksum": entry.checksum,
                "state": "imported",
            }
            for entry in journal.entries
        ],
    }
