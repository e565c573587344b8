# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report on the backups of a fleet."""

from __future__ import annotations

from typing import Any

from ansible_collections.dba.mariabackup.plugins.filter.choose_members import choose_members
from ansible_collections.dba.mariabackup.plugins.plugin_utils.backup_report import report

DONE: dict[str, Any] = {
    "changed": True,
    "id": "i1",
    "path": "/srv/r/shop/i1/data",
    "type": "full",
    "size_bytes": 3 << 20,
    "files": 12,
    "duration_seconds": 1.25,
    "server_version": "11.8.6-MariaDB-deb13",
    "prepared": False,
}
SHOP = {"shop": {"host": "db2", "reason": "a replica that is 0 s behind", "passed_over": {"db1": "the primary"}}}


def host(name: str, backup: dict[str, Any] | None = None, group: str = "", failure: str = "") -> dict[str, Any]:
    return {"host": name, "group": group, "backup": backup or {}, "failure": failure}


def test_a_row_for_each_host() -> None:
    found = report(
        [
            host("db1", {"skipped": True}, "shop"),
            host("db2", DONE, "shop"),
            host("db3", {"unreachable": True, "msg": "ssh"}),
            host("db4", {"failed": True, "msg": "no room"}),
            host("db5", {**DONE, "changed": False}),
            host("db6"),
            host("db7", failure="wrong variable"),
        ],
        SHOP,
        check=False,
    )
    assert [(row["host"], row["result"], row["reason"]) for row in found["hosts"]] == [
        ("db1", "not chosen", "the primary"),
        ("db2", "taken", "a replica that is 0 s behind"),
        ("db3", "failed", "the host is unreachable"),
        ("db4", "failed", "no room"),
        ("db5", "recent", "there is one that is new enough"),
        ("db6", "failed", "it was not reached"),
        ("db7", "failed", "wrong variable"),
    ]
    assert found["taken"] == ["db2"]
    assert found["failed"] == ["db3", "db4", "db6", "db7"]
    lines = found["lines"]
    assert lines[0].split() == ["host", "backup", "type", "size", "files", "seconds", "server", "result"]
    assert lines[2].split(maxsplit=8)[1:] == ["/srv/r/shop/i1/data", "full", "3.00", "MB", "12", "1.2", "11.8.6",
                                              "proven, a replica that is 0 s behind"]  # fmt: skip
    assert lines[3].endswith("FAILED, the host is unreachable")


def test_a_group_without_a_usable_member_fails_with_the_reasons() -> None:
    none = {"shop": {"host": None, "reason": "no member can be taken", "passed_over": {"db1": "down", "db2": "broken"}}}
    found = report([host("db1", group="shop"), host("db2", group="shop"), host("db3", DONE)], none, check=False)
    assert found["failed"] == ["db1", "db2"]
    assert found["hosts"][1]["reason"] == "no member can be taken of shop: broken"


def test_the_chosen_member_may_fail_all_the_same() -> None:
    found = report([host("db2", {"failed": True, "msg": "no room"}, "shop")], SHOP, check=False)
    assert found["hosts"][0]["reason"] == "no room"


def test_check_mode_shows_the_plans() -> None:
    plan = [
        {"phase": "copy", "action": "take a full backup", "detail": "/srv/b"},
        {"phase": "x", "action": "y", "detail": ""},
    ]
    found = report([host("db1", {**DONE, "plan": plan})], {}, check=True)
    assert found["hosts"][0]["result"] == "would be taken"
    assert found["taken"] == []
    assert found["lines"][2:] == ["db1, the plan:", "  copy     take a full backup: /srv/b", "  x        y"]


def test_servers_by_themselves_are_in_no_group() -> None:
    assert choose_members([{"host": "db1", "group": "", "server": {}}]) == {}
    assert choose_members([{"host": "db1", "group": "a", "server": None}])["a"]["host"] is None
