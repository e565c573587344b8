# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which member of a replication group or a cluster the one backup is taken from: a pure decision, and why not the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SYNCED, PRIMARY_COMPONENT = "Synced", "Primary"


@dataclass(frozen=True)
class Choice:
    """The member that is taken.

    Attributes:
        host: None when no member can be.
        reason: why this one.
        passed_over: why each of the others was not taken, by host.
    """

    host: str | None
    reason: str
    passed_over: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Fit:
    """A member that a backup can be taken from; the one with the lowest rank is taken."""

    rank: tuple[int, int]
    words: str


def choose(members: Mapping[str, Mapping[str, Any]], *, max_lag: int, from_primary: bool) -> Choice:
    """Choose the healthiest, least lagging member: a node or a replica, and the primary only where no replica will do.

    Args:
        members: what the module ``server_info`` said, or how its task failed, by host.
        max_lag: how far behind a replica may be, in seconds.
        from_primary: whether the primary may be taken.
    """
    fits: dict[str, _Fit] = {}
    why_not: dict[str, str] = {}
    primary, doubts = _primary(members)
    for host, info in members.items():
        found = _judge_primary(len(members), from_primary) if host == primary else _judge(info, max_lag)
        if isinstance(found, str):
            why_not[host] = doubts.get(host, found)
        else:
            fits[host] = found
    if not fits:
        return Choice(None, "no member can be taken", why_not)
    # Of equal ones the first by name, so that a chain of increments stays with one.
    chosen = min(fits, key=lambda host: (fits[host].rank, host))
    passed = {host: f"{fit.words}, and {chosen} was taken" for host, fit in fits.items() if host != chosen}
    return Choice(chosen, fits[chosen].words, {**why_not, **passed})


def _judge(info: Mapping[str, Any], max_lag: int) -> _Fit | str:
    """Return how fit a member is that is not the primary, or why it is not."""
    silent = _silent(info)
    if silent:
        return silent
    if info["galera"]:
        return _judge_node(info["galera"])
    if info["connections"] is None:
        return f"its replication could not be read: {'; '.join(info['unknown'])}"
    if not info["connections"]:
        return "it is read-only and has no connection to a primary"
    lag = 0
    for link in info["connections"]:
        broken = _broken(link)
        if broken:
            return broken
        lag = max(lag, link["lag_seconds"])
    if lag > max_lag:
        on_purpose = max(link["delay_seconds"] for link in info["connections"])
        delayed = f" ({on_purpose} s of it on purpose)" if on_purpose else ""
        return f"it is {lag} s behind{delayed}, and {max_lag} s are allowed"
    return _Fit((0, lag), f"a replica that is {lag} s behind")


def _silent(info: Mapping[str, Any]) -> str:
    if info.get("unreachable"):
        return "the host is unreachable"
    if "reachable" not in info:
        return f"its state is not known: {info.get('msg') or 'it was not asked'}"
    return "" if info["reachable"] else f"the server cannot be asked: {info['problem']}"


def _broken(link: Mapping[str, Any]) -> str:
    name = f"its connection {link['name']!r}" if link["name"] else "its replication"
    threads = {"fetches": link["io_running"], "applies": link["sql_running"]}
    for does, state in threads.items():
        if state != "Yes":
            error = f", {link['error']}" if link["error"] else ""
            return f"{name} is not running: the thread that {does} says {state}{error}"
    return f"{name} does not say how far behind it is" if link["lag_seconds"] is None else ""


def _judge_node(node: Mapping[str, Any]) -> _Fit | str:
    if not node["connected"] or node["cluster_status"] != PRIMARY_COMPONENT:
        return f"it is cut off from its cluster ({node['cluster_status'] or 'no status'})"
    if not node["ready"] or node["state"] != SYNCED:
        return f"the node is {node['state'] or 'not ready'}, not {SYNCED}"
    if node["desync"]:
        return "the node is desynchronised (wsrep_desync)"
    return _Fit((0, node["receive_queue"]), f"a synced node with {node['receive_queue']} write sets to apply")


def _judge_primary(members: int, from_primary: bool) -> _Fit | str:
    if members > 1 and not from_primary:
        return "it is the primary, and mariabackup_backup_from_primary is false"
    return _Fit((1, 0), "the primary, as no replica can be taken" if members > 1 else "the only member")


def _primary(members: Mapping[str, Mapping[str, Any]]) -> tuple[str | None, dict[str, str]]:
    """Return the group's primary, if it is known for sure, and why other writable members are not it.

    A replica that was detached and left writable looks like a primary, and its data may be of last year. So where several could
    be it, it is the one that others follow.
    """
    asked = {host: info for host, info in members.items() if not _silent(info) and not info["galera"]}
    alone = [
        host
        for host, info in asked.items()
        if info["connections"] == [] and (not info["read_only"] or len(members) == 1)
    ]
    if len(alone) < 2:
        return (alone[0] if alone else None), {}
    followed = {link["primary_server_id"] for info in asked.values() for link in info["connections"] or ()}
    leaders = [host for host in alone if asked[host]["replicas"] or asked[host]["server_id"] in followed]
    if len(leaders) == 1:
        why = "it is writable, replicates from nobody, and nobody follows it"
        return leaders[0], {host: why for host in alone if host != leaders[0]}
    why = f"which one is the primary is not known: {', '.join(sorted(alone))} are writable and replicate from nobody"
    return None, dict.fromkeys(alone, why)
