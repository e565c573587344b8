# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of the backups of a fleet: one row for each host, and the table of them (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible.module_utils.common.text.formatters import bytes_to_human

from ansible_collections.dba.mariabackup.plugins.plugin_utils.table import lines_of

# What can become of a host.
TAKEN, PLANNED, RECENT, NOT_CHOSEN, FAILED = "taken", "would be taken", "recent", "not chosen", "failed"
_HEAD = ("host", "backup", "type", "size", "files", "seconds", "server", "result")
_KEYS = ("id", "path", "type", "size_bytes", "files", "duration_seconds", "server_version")


def report(hosts: Sequence[Mapping[str, Any]], choices: Mapping[str, Mapping[str, Any]], check: bool) -> dict[str, Any]:
    """Return ``hosts`` (the rows), ``taken`` and ``failed`` (names), and ``lines`` (the table for people).

    Args:
        hosts: ``host``, ``group``, ``backup`` (the task's result) and ``failure`` (why there is none) of each.
        choices: the choice of each group, see the filter ``choose_members``.
        check: nothing was done, only planned.
    """
    rows = [_row(host, choices.get(host.get("group") or "", {}), check) for host in hosts]
    return {
        "hosts": rows,
        "taken": [row["host"] for row in rows if row["result"] == TAKEN],
        "failed": [row["host"] for row in rows if row["result"] == FAILED],
        "lines": [*_table(rows), *(_plans(hosts) if check else ())],
    }


def _row(host: Mapping[str, Any], choice: Mapping[str, Any], check: bool) -> dict[str, Any]:
    backup = host.get("backup") or {}
    name, group = host["host"], host.get("group") or None
    result, reason = _outcome(backup, str(host.get("failure") or ""), check)
    if group and choice:
        if choice["host"] is None:
            result, reason = FAILED, f"{choice['reason']} of {group}: {choice['passed_over'].get(name, '')}"
        elif choice["host"] != name:
            result, reason = NOT_CHOSEN, str(choice["passed_over"].get(name, ""))
        elif result != FAILED:
            reason = str(choice["reason"])
    return {"host": name, "group": group, "result": result, "reason": reason, **{key: backup.get(key) for key in _KEYS}}


def _outcome(backup: Mapping[str, Any], failure: str, check: bool) -> tuple[str, str]:
    """Return what became of a backup, and in words what there is to say about it."""
    if backup.get("unreachable"):
        return FAILED, "the host is unreachable"
    if failure or backup.get("failed"):
        return FAILED, failure or str(backup.get("msg") or "")
    if not backup or backup.get("skipped"):
        return FAILED, "it was not reached"
    if not backup.get("changed"):
        return RECENT, "there is one that is new enough"
    if check:
        return PLANNED, ""
    return TAKEN, "prepared" if backup.get("prepared") else ""


def _words(row: Mapping[str, Any]) -> str:
    shown = {TAKEN: "proven", RECENT: "", NOT_CHOSEN: "not chosen", FAILED: "FAILED"}.get(row["result"], row["result"])
    return ", ".join(word for word in (shown, " ".join(str(row["reason"]).split())) if word)


def _table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    cells: list[Sequence[Any]] = [_HEAD]
    for row in rows:
        seconds = row["duration_seconds"]
        cells.append(
            (
                row["host"],
                row["path"] or None,
                row["type"] or None,
                bytes_to_human(row["size_bytes"]) if isinstance(row["size_bytes"], int) else None,
                row["files"],
                f"{seconds:.1f}" if isinstance(seconds, (int, float)) else None,
                str(row["server_version"] or "-").split("-", maxsplit=1)[0] or None,
                _words(row),
            )
        )
    return lines_of(cells)


def _plans(hosts: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = []
    for host in hosts:
        steps = (host.get("backup") or {}).get("plan")
        if steps:
            lines.append(f"{host['host']}, the plan:")
            lines += [
                f"  {step['phase'].ljust(9)}{step['action']}{': ' + step['detail'] if step['detail'] else ''}"
                for step in steps
            ]
    return lines
