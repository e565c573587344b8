# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page as data: the answer, what needs attention, and the rows of its tables (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from ansible_collections.dba.mariabackup.plugins.plugin_utils.report import charts, words
from ansible_collections.dba.mariabackup.plugins.plugin_utils.report.attention import (
    CRITICAL,
    SEVERITIES,
    WARNING,
    Finding,
    findings_of,
    ordered,
)
from ansible_collections.dba.mariabackup.plugins.plugin_utils.report.hosts import (
    Host,
    age_of,
    chain_in_words,
    host_of,
    rules_in_words,
)

_UNKNOWN = frozenset({"unreachable", "unreadable"})
_WITHOUT = frozenset({"no_backup", "too_old"})
_WAITING = frozenset({"undecided", "interrupted"})
_OUTCOMES = {
    "restored": "restored",
    "accepted": "new data accepted",
    "put_back": "old data put back",
    "rolled_back": "rolled back",
    "failed": "failed",
    "undecided": "undecided",
    "interrupted": "interrupted",
    "running": "under way",
}
_GOOD_OUTCOMES = frozenset({"restored", "accepted", "put_back", "running"})
_PROOFS = {"sizes": "sizes", "sha256": "checksums", "stream": "read to its end", "structure": "structure alone"}


def report(gathered: Iterable[Mapping[str, Any]], now: datetime, names: Iterable[str] = ()) -> dict[str, Any]:
    """Return what the page and the summary are made of.

    Args:
        gathered: one dictionary for each host; see ``hosts.host_of``.
        now: the time, aware.
        names: the hosts that the report is about; those that nothing was gathered of were not asked.

    Returns:
        ``page`` (every string in it escaped for HTML), ``summary`` (lines of plain text) and ``totals``.

    Raises:
        MariabackupError: a host's ``max_age`` is no span of time.
    """
    hosts = [host_of(each) for each in gathered]
    asked = {host.name for host in hosts}
    hosts += [host_of({"name": name}) for name in names if name not in asked]
    by_host = {host.name: ordered(findings_of(host, now)) for host in hosts}
    findings = ordered(finding for each in by_host.values() for finding in each)
    safe, answer = answer_of(by_host)
    anchors = {host.name: f"host-{number}" for number, host in enumerate(hosts)}
    # Who needs somebody comes first; findings are ordered, so the first one is the worst.
    rank = {finding.host: place for place, finding in reversed(list(enumerate(findings)))}
    hosts.sort(key=lambda host: (rank.get(host.name, len(findings)), host.name))
    totals: dict[str, Any] = {"safe": safe, "hosts": len(hosts)}
    totals.update({name: sum(each.severity == name for each in findings) for name in SEVERITIES})
    totals["stored_bytes"] = sum(host.stored_bytes for host in hosts)
    page = {
        "safe": safe,
        "answer": answer,
        "made": words.stamp(now),
        "totals": {**totals, "stored": words.size(totals["stored_bytes"])},
        "findings": [_finding_row(each, anchors) for each in findings],
        "backups": [_backup_row(host, by_host[host.name], anchors, now) for host in hosts],
        "restores": [_restore_row(host, each, anchors) for host in hosts for each in host.restores],
        "keeping": [_keeping_row(host, anchors, now) for host in hosts if host.known],
        "places": charts.SHOWN,
        "height": charts.HEIGHT,
    }
    return {"page": words.escaped(page), "summary": _summary(answer, findings), "totals": totals}


def answer_of(by_host: Mapping[str, Sequence[Finding]]) -> tuple[bool, str]:
    """Answer whether the hosts are safe: whether each is known to have a good backup within its limit, and nothing half done."""
    number = len(by_host)

    def having(kinds: frozenset[str]) -> int:
        return sum(any(finding.kind in kinds for finding in each) for each in by_host.values())

    without, waiting, unknown = having(_WITHOUT), having(_WAITING), having(_UNKNOWN)
    told = [
        (without, "has no good backup within its limit", "have no good backup within their limits"),
        (waiting, "has an unfinished restore", "have unfinished restores"),
        (unknown, "could not be asked", "could not be asked"),
    ]
    parts = [f"{some} {one if some == 1 else many}" for some, one, many in told if some]
    if not parts:
        if number == 1:
            return True, "Safe: the host has a good backup within its limit."
        return True, f"Safe: all {number} hosts have a good backup within their limits."
    head = "Not safe" if without or waiting else "Not known"
    return False, f"{head}: of {words.count(number, 'host')}, {', '.join(parts)}."


def _summary(answer: str, findings: Sequence[Finding]) -> list[str]:
    width = max((len(finding.host) for finding in findings), default=0)
    return [answer] + [
        f"{finding.severity.ljust(8)}  {finding.host.ljust(width)}  {finding.what}" for finding in findings
    ]


def _finding_row(finding: Finding, anchors: Mapping[str, str]) -> dict[str, Any]:
    return {
        "severity": finding.severity,
        "kind": finding.kind,
        "host": finding.host,
        "anchor": anchors[finding.host],
        "what": finding.what,
        "detail": finding.detail,
        "action": finding.action,
        "command": finding.command,
    }


def _backup_row(host: Host, findings: Sequence[Finding], anchors: Mapping[str, str], now: datetime) -> dict[str, Any]:
    last, age = host.last_good, age_of(host.last_good, now)
    drift = host.drift
    examined = last is not None and host.examined is not None and host.examined.get("id") == last.get("id")
    row: dict[str, Any] = {
        "host": host.name,
        "anchor": anchors[host.name],
        "state": _state_of(host, findings),
        "known": host.known,
        "limit": words.span(host.limit),
        "id": None,
    }
    if last is None:
        return row
    old = age is not None and age > host.limit
    return {
        **row,
        "id": last.get("id"),
        "created": words.stamp(words.parse_time(last.get("created"))),
        "age": words.span(age) if age is not None else "unknown",
        "age_seconds": int(age.total_seconds()) if age is not None else None,
        "old": old,
        "filled": charts.filled(age.total_seconds(), host.limit.total_seconds()) if age is not None else 100.0,
        "label": last.get("label") or "",
        "size": words.size(last.get("size_bytes")),
        "on": words.size(_full_bytes(host, last)),
        "stored": words.size(last.get("stored_bytes")),
        "drift": f"{drift:+.0f} %" if drift is not None else "",
        "bars": charts.sizes(host.whole),
        "chain": chain_in_words(last),
        "links": len(last.get("chain") or []),
        "proof": _PROOFS.get(str(host.proof), "unverified") if examined else "manifest",
        "encrypted": bool(last.get("encrypted")),
    }


def _full_bytes(host: Host, backup: Mapping[str, Any]) -> int | None:
    """Return the size of the full backup that an increment is built on."""
    chain = backup.get("chain") or []
    if len(chain) < 2:
        return None
    return next((each.get("size_bytes") for each in host.backups if each.get("id") == chain[0]), None)


def _state_of(host: Host, findings: Sequence[Finding]) -> str:
    """Return the state of a host in a word: of the worst that was found."""
    if not host.reached:
        return "unreachable"
    worst = findings[0].severity if findings else ""
    return worst if worst in (CRITICAL, WARNING) else "good"


def _restore_row(host: Host, restore: Mapping[str, Any], anchors: Mapping[str, str]) -> dict[str, Any]:
    outcome = str(restore.get("outcome"))
    downtime, identity = restore.get("downtime_seconds"), restore.get("backup_id")
    return {
        "host": host.name,
        "anchor": anchors[host.name],
        "started": words.stamp(words.parse_time(restore.get("started"))),
        "outcome": _OUTCOMES.get(outcome, outcome),
        "good": outcome in _GOOD_OUTCOMES,
        "datadir": restore.get("datadir"),
        "source": restore.get("source") or "-",
        # In a repository the id tells enough.
        "backup": identity if identity and identity in str(restore.get("source")) else restore.get("source") or "-",
        "method": restore.get("method") or "-",
        "bytes": words.size(restore.get("bytes")),
        "duration": words.seconds(restore.get("duration_seconds")),
        "downtime": words.seconds(downtime)
        if downtime is not None
        else _about(charts.away(restore.get("phases") or [])),
        "downtime_seconds": downtime,
        "health": restore.get("health") or "-",
        "segments": charts.phases(restore.get("phases") or []),
    }


def _about(length: float) -> str:
    return f"about {words.seconds(length)}" if length else "-"


def _keeping_row(host: Host, anchors: Mapping[str, str], now: datetime) -> dict[str, Any]:
    oldest = host.backups[0] if host.backups else None
    age = age_of(oldest, now)
    return {
        "host": host.name,
        "anchor": anchors[host.name],
        "runs": [_run_row(run) for run in host.runs],
        "kept": len(host.backups),
        "full": sum(each.get("type") == "full" for each in host.backups),
        "oldest": words.stamp(words.parse_time(oldest.get("created"))) if oldest else None,
        "oldest_age": words.span(age) if age is not None else "",
        "stored": words.size(host.stored_bytes),
    }


def _run_row(run: Mapping[str, Any]) -> dict[str, Any]:
    ok = run.get("ok")
    return {
        "schedule": run.get("schedule"),
        "started": words.stamp(words.parse_time(run.get("started"))),
        "result": "ok" if ok else "under way" if ok is None else "failed",
        "rules": rules_in_words(run.get("retention")),
    }
