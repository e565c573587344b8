# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of the restores of a host, from their journals and the audit record: read only."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.ids import time_of
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.remote_record import address_of
from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.locks import probe
from ansible_collections.dba.mariabackup.plugins.module_utils.restore import audit
from ansible_collections.dba.mariabackup.plugins.module_utils.restore import journal as journals
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.journal import Journal

# How a run ended, or stands. A run that is unfinished is RUNNING while somebody works on its datadir.
RUNNING = "running"
INTERRUPTED = "interrupted"
UNDECIDED = "undecided"
RESTORED = "restored"
ACCEPTED = "accepted"
PUT_BACK = "put_back"
ROLLED_BACK = "rolled_back"
FAILED = "failed"

_ENDED = {journals.UNDECIDED: UNDECIDED, journals.COMMITTED: RESTORED, journals.ACCEPTED: ACCEPTED}


def run(params: Mapping[str, Any], ctx: Context) -> dict[str, Any]:
    """List the restores of every datadir of the host, or of ``datadir``, the newest of each first.

    Raises:
        MariabackupError: ``last`` is no number of restores.
    """
    if params["last"] < 1:
        raise MariabackupError(f"last is {params['last']}.", "Set it to how many restores are to be listed, 1 or more.")
    noted = _noted(ctx.state_dir)
    found: list[dict[str, Any]] = []
    problems: list[str] = []
    for top in _tops(params, ctx):
        paths = _journals_of(top)
        for path, is_current in paths[: params["last"]]:
            try:
                run_ = journals.load(path)
            except MariabackupError as error:
                problems.append(error.cause)
                continue
            busy = run_.unfinished and _busy(ctx.state_dir, run_["datadir"])
            found.append({**describe(run_, noted.get(run_["id"], {}), busy), "current": is_current})
    return {"changed": False, "restores": found, "problems": problems}


def outcome_of(run_: Journal, busy: bool) -> str:
    """Tell how a run ended, or stands.

    Args:
        run_: its journal.
        busy: somebody works on its datadir.
    """
    state = run_["state"]
    if state == journals.RUNNING:
        return RUNNING if busy else INTERRUPTED
    if state != journals.RETURNED:
        return _ENDED[state]
    if run_.get("put_back"):
        return PUT_BACK
    return ROLLED_BACK if run_["direction"] == journals.BACK else FAILED


def describe(run_: Journal, noted: Mapping[str, Any], busy: bool) -> dict[str, Any]:
    """Describe a run.

    Args:
        run_: its journal.
        noted: its last line in the audit record; empty where there is none.
        busy: somebody works on its datadir.
    """
    outcome = outcome_of(run_, busy)
    result, timing, source = run_.get("result") or {}, run_.get("timing") or {}, run_.get("source") or {}
    served = outcome in (RESTORED, ACCEPTED, PUT_BACK)
    return {
        "run": run_["id"],
        "datadir": run_["datadir"],
        "outcome": outcome,
        "failed_phase": None if served or outcome == RUNNING else timing.get("failed_phase") or run_["phase"],
        "reason": noted.get("reason") or None,
        "who": noted.get("who"),
        "started": f"{time_of(run_['id']):%Y-%m-%dT%H:%M:%SZ}",
        "ended": noted.get("time"),
        "source": address_of(source["path"]) if source.get("path") else None,
        "backup_id": source.get("backup_id"),
        "kept": journals.kept_paths(run_),
        **{name: result.get(name) for name in ("method", "bytes", "files", "server_version", "health")},
        "downtime_seconds": result.get("downtime_seconds"),
        "duration_seconds": timing.get("duration_seconds"),
        "phases": timing.get("phases") or [],
        "log_path": timing.get("log_path"),
    }


def _tops(params: Mapping[str, Any], ctx: Context) -> list[str]:
    """Return the directories that hold runs, one for each datadir."""
    if params["datadir"]:
        return [journals.runs_directory(ctx.state_dir, os.path.realpath(params["datadir"]))]
    top = os.path.join(ctx.state_dir, "restores")
    try:
        return sorted(os.path.join(top, name) for name in os.listdir(top))
    except FileNotFoundError:
        return []


def _journals_of(top: str) -> list[tuple[str, bool]]:
    """Return the journals below a directory, the run that a task goes on with first, then from the newest on."""
    link = os.path.join(top, "current")
    current = os.path.basename(os.readlink(link)) if os.path.islink(link) else ""
    try:
        names = sorted((name for name in os.listdir(top) if name != "current"), reverse=True)
    except FileNotFoundError:
        return []
    names.sort(key=lambda name: name != current)
    paths = [(os.path.join(top, name, "journal.json"), name == current) for name in names]
    return [(path, is_current) for path, is_current in paths if os.path.exists(path)]


def _busy(state_dir: str, datadir: str) -> bool:
    try:
        probe(state_dir, datadir, "restore")
    except MariabackupError:
        return True
    return False


def _noted(state_dir: str) -> dict[str, dict[str, Any]]:
    """Return the last line about each run in the audit record; a damaged line says nothing."""
    found: dict[str, dict[str, Any]] = {}
    try:
        with open(audit.path_of(state_dir), encoding="utf-8", errors="replace") as lines:
            for line in lines:
                try:
                    entry = json.loads(line)
                except ValueError:
                    continue
                if isinstance(entry, dict) and isinstance(entry.get("run"), str):
                    found[entry["run"]] = entry
    except FileNotFoundError:
        pass
    return found
