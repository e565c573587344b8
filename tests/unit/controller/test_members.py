# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which member of a group the backup is taken from, and what is said of the others."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.dba.mariabackup.plugins.plugin_utils.members import Choice, choose

ALONE: dict[str, Any] = {
    "reachable": True,
    "problem": None,
    "server_id": 1,
    "read_only": False,
    "replicas": [],
    "connections": [],
    "galera": None,
    "unknown": [],
}
PRIMARY = {**ALONE, "replicas": ["db2 (server id 2)"]}
DOWN = {**ALONE, "reachable": False, "problem": "No server answers.", "connections": None}
UNREACHABLE = {"unreachable": True, "msg": "ssh"}
FAILED = {"failed": True, "msg": "PyMySQL is missing."}
BLIND = {**ALONE, "connections": None, "unknown": ["Could not read the replica's connections"]}


def replica(lag: int | None = 0, io: str = "Yes", sql: str = "Yes", **more: Any) -> dict[str, Any]:
    link = {
        "name": "",
        "primary": "db1:3306",
        "primary_server_id": 1,
        "io_running": io,
        "sql_running": sql,
        "lag_seconds": lag,
        "delay_seconds": 0,
        "error": None,
    }
    return {**ALONE, "server_id": 2, "read_only": True, "connections": [{**link, **more}]}


def node(**changes: Any) -> dict[str, Any]:
    state = {
        "cluster": "c",
        "size": 3,
        "cluster_status": "Primary",
        "state": "Synced",
        "ready": True,
        "connected": True,
        "desync": False,
        "receive_queue": 0,
    }
    return {**ALONE, "galera": {**state, **changes}}


def pick(max_lag: int = 60, from_primary: bool = True, **members: dict[str, Any]) -> Choice:
    return choose(members, max_lag=max_lag, from_primary=from_primary)


CASES: list[tuple[str, dict[str, Any], str | None, str, dict[str, str]]] = [
    ("alone", {"db1": ALONE}, "db1", "the only member", {}),
    ("alone, read-only", {"db1": {**ALONE, "read_only": True}}, "db1", "the only member", {}),
    ("a replica rather than the primary", {"db1": PRIMARY, "db2": replica()}, "db2", "0 s behind",
     {"db1": "the primary, as no replica"}),
    ("the least lag", {"db1": PRIMARY, "db2": replica(9), "db3": replica(3)}, "db3", "3 s behind",
     {"db2": "9 s behind, and db3 was taken"}),
    ("equals by name", {"db3": replica(), "db2": replica()}, "db2", "0 s", {"db3": "db2 was taken"}),
    ("stopped", {"db1": PRIMARY, "db2": replica(None, "No", "No"), "db3": replica(5)}, "db3", "5 s",
     {"db2": "not running: the thread that fetches says No"}),
    ("broken", {"db2": replica(None, sql="No", error="Error 1062"), "db3": replica()}, "db3", "",
     {"db2": "applies says No, Error 1062"}),
    ("too far behind", {"db1": PRIMARY, "db2": replica(61)}, "db1", "no replica can be taken", {"db2": "61 s behind, and 60"}),
    ("on purpose", {"db1": PRIMARY, "db2": replica(3600, delay_seconds=3600)}, "db1", "", {"db2": "3600 s of it on purpose"}),
    ("lag unknown", {"db1": PRIMARY, "db2": replica(None)}, "db1", "", {"db2": "does not say how far"}),
    ("named connection", {"db1": PRIMARY, "db2": replica(0, "No", name="north")}, "db1", "", {"db2": "connection 'north'"}),
    ("down and away", {"db1": DOWN, "db2": UNREACHABLE, "db3": FAILED, "db4": replica()}, "db4", "",
     {"db1": "No server answers", "db2": "host is unreachable", "db3": "PyMySQL is missing"}),
    ("nobody", {"db1": DOWN, "db2": replica(None, "No")}, None, "no member", {"db1": "cannot be asked", "db2": "fetches"}),
    ("not asked", {"db1": {}, "db2": replica()}, "db2", "", {"db1": "not asked"}),
    ("blind", {"db1": PRIMARY, "db2": BLIND}, "db1", "", {"db2": "could not be read: Could not read"}),
    ("a detached replica that is read-only", {"db1": PRIMARY, "db2": {**ALONE, "read_only": True}}, "db1", "",
     {"db2": "read-only and has no connection"}),
    ("a detached replica that is writable", {"db1": {**ALONE, "server_id": 1}, "db2": {**ALONE, "server_id": 9},
     "db3": replica(None, "No")}, "db1", "", {"db2": "nobody follows it", "db3": "fetches"}),
    ("two primaries", {"db1": ALONE, "db2": {**ALONE, "server_id": 9}}, None, "",
     {"db1": "not known: db1, db2", "db2": "not known: db1, db2"}),
    ("nodes", {"n1": node(receive_queue=4), "n2": node(), "n3": node(state="Donor/Desynced", desync=True)}, "n2",
     "0 write sets", {"n1": "4 write sets to apply, and n2 was taken", "n3": "Donor/Desynced, not Synced"}),
    ("a node by itself", {"n1": node(cluster_status="non-Primary"), "n2": node(connected=False), "n3": node(ready=False)},
     None, "", {"n1": "cut off", "n2": "cut off", "n3": "not Synced"}),
    ("a desynchronised node", {"n1": node(desync=True), "n2": node(receive_queue=99)}, "n2", "", {"n1": "wsrep_desync"}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("members", "chosen", "reason", "others"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_the_member_and_why(members: dict[str, Any], chosen: str | None, reason: str, others: dict[str, str]) -> None:
    choice = choose(members, max_lag=60, from_primary=True)
    assert choice.host == chosen
    assert reason in choice.reason
    assert set(choice.passed_over) == set(members) - {chosen}
    for host, words in others.items():
        assert words in choice.passed_over[host], choice.passed_over


def test_the_primary_can_be_spared() -> None:
    choice = pick(db1=PRIMARY, db2=replica(None, "No"), from_primary=False)
    assert choice.host is None
    assert "mariabackup_backup_from_primary is false" in choice.passed_over["db1"]
    assert pick(db1=ALONE, from_primary=False).host == "db1"
