# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What needs attention, and whether the hosts are safe."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.plugin_utils.report.attention import findings_of, ordered
from ansible_collections.dba.mariabackup.plugins.plugin_utils.report.hosts import host_of
from ansible_collections.dba.mariabackup.plugins.plugin_utils.report.page import answer_of

from .conftest import NOW, Said, iso


def kinds(gathered: dict[str, Any]) -> list[str]:
    return [finding.kind for finding in ordered(findings_of(host_of(gathered), NOW))]


def answer(*gathered: dict[str, Any]) -> tuple[bool, str]:
    hosts = [host_of(each) for each in gathered]
    return answer_of({host.name: findings_of(host, NOW) for host in hosts})


def test_a_host_with_a_young_backup_needs_nothing(said: Said) -> None:
    assert kinds(said.host()) == []
    assert (
        kinds(said.host("db1", said.restore(), backups=said.backups(said.backup(4), scheduled_runs=[said.run()]))) == []
    )


def test_ages_count_against_the_hosts_own_limit(said: Said) -> None:
    assert kinds(said.host(backups=said.backups(said.backup(25.9)))) == []
    assert kinds(said.host(backups=said.backups(said.backup(26.1)))) == ["too_old"]
    assert kinds(said.host(backups=said.backups(said.backup(26.1)), max_age="8d")) == []
    assert kinds(said.host(backups=said.backups(said.backup(-1)))) == ["future"]
    with pytest.raises(MariabackupError, match="mariabackup_report_max_age is 'soon'"):
        host_of(said.host(max_age="soon"))


def test_only_whole_backups_that_can_be_restored_count(said: Said) -> None:
    old = said.backup(50)
    assert kinds(said.host(backups=said.backups())) == ["no_backup"]
    assert kinds(said.host(backups=said.backups(said.backup(1, partial=True)))) == ["no_backup"]
    assert kinds(said.host(backups=said.backups(old, said.backup(1, problem="Its base is missing.")))) == [
        "too_old",
        "broken",
    ]
    # The manifest is whole, and what it describes is not.
    damaged = said.backups(old, said.backup(1), problems=["ibdata1: it has 3 bytes."])
    assert kinds(said.host(backups=damaged)) == ["too_old", "broken"]
    assert kinds(said.host(backups=said.backups(said.backup(1), problems=["gone"]))) == ["no_backup"]
    (finding,) = findings_of(host_of(said.host(backups=said.backups(instances=["db9"]))), NOW)
    assert "backups of db9" in finding.detail


def test_a_directory_is_its_one_backup(said: Said) -> None:
    one = {**said.backup(3), "chain": None}
    told = {**said.backups(), "backup": one, "verified": "sizes"}
    assert kinds(said.host(backups=told)) == []
    assert kinds(said.host(backups={**told, "verified": "structure"})) == ["unverified"]


def test_sizes_are_compared_among_full_backups(said: Said) -> None:
    def with_last(size: int, **changes: Any) -> dict[str, Any]:
        return said.backups(*(said.backup(100 - day, 1000) for day in range(3)), said.backup(2, size, **changes))

    assert kinds(said.host(backups=with_last(1490))) == []
    assert kinds(said.host(backups=with_last(1510))) == ["size_drift"]
    assert kinds(said.host(backups=with_last(490))) == ["size_drift"]
    assert kinds(said.host(backups=with_last(490, type="incremental"))) == []
    assert kinds(said.host(backups=with_last(490), size_drift=0)) == []


def test_runs_that_failed_or_have_no_end(said: Said) -> None:
    def with_run(**changes: Any) -> dict[str, Any]:
        return said.host(backups=said.backups(said.backup(4), scheduled_runs=[said.run(**changes)]))

    assert kinds(with_run(ok=False, failed_phase="backup", error="No.")) == ["run_failed"]
    assert kinds(with_run(ok=None, ended=None, started=iso(2))) == []
    assert kinds(with_run(ok=None, ended=None, started=iso(13))) == ["run_hangs"]


@pytest.mark.parametrize(
    ("outcome", "changes", "found"),
    [
        ("restored", {}, []),
        ("accepted", {}, []),
        ("put_back", {}, []),
        ("restored", {"health": "unverified_login"}, ["unverified_login"]),
        ("restored", {"kept": ["/var/lib/mysql.previous-x"]}, ["kept"]),
        ("rolled_back", {"kept": ["/var/lib/mysql.failed-x"]}, ["rolled_back", "kept"]),
        ("failed", {}, ["restore_failed"]),
        ("running", {"kept": ["/var/lib/mysql.restore-x"]}, ["restoring"]),
        ("undecided", {"kept": ["/var/lib/mysql.previous-x"]}, ["undecided"]),
        ("interrupted", {"kept": ["/var/lib/mysql.previous-x"]}, ["interrupted"]),
    ],
)
def test_restores(said: Said, outcome: str, changes: dict[str, Any], found: list[str]) -> None:
    assert kinds(said.host("db1", said.restore(outcome, **changes))) == found


def test_hosts_that_say_nothing(said: Said) -> None:
    assert kinds({"name": "db1"}) == ["unreachable"]
    gone = {"unreachable": True, "msg": "Task failed: No route to host"}
    (finding,) = findings_of(host_of(said.host(backups=gone, restores={"skipped": True})), NOW)
    assert (finding.kind, finding.detail) == ("unreachable", "No route to host")
    assert kinds(said.host(restores=gone)) == ["unreachable"]
    assert kinds(said.host(backups={"msg": "MODULE FAILURE"})) == ["unreadable"]
    assert kinds(said.host(restores={"msg": "MODULE FAILURE"})) == ["restores_unreadable"]
    assert kinds(said.host(restores={"restores": [], "problems": ["The journal x cannot be read."]})) == [
        "restores_unreadable"
    ]


def test_the_answer(said: Said) -> None:
    good, none = said.host("a"), said.host("b", backups=said.backups())
    waiting, gone = said.host("c", said.restore("undecided")), {"name": "d"}
    assert answer(good) == (True, "Safe: the host has a good backup within its limit.")
    assert answer(good, said.host("z", said.restore("rolled_back"))) == (
        True,
        "Safe: all 2 hosts have a good backup within their limits.",
    )
    assert answer(good, gone) == (False, "Not known: of 2 hosts, 1 could not be asked.")
    assert answer(good, none, waiting, gone) == (
        False,
        "Not safe: of 4 hosts, 1 has no good backup within its limit, 1 has an unfinished restore, 1 could not be asked.",
    )


def test_the_worst_comes_first(said: Said) -> None:
    rolled_back, none = said.host("a", said.restore("rolled_back")), said.host("c", backups=said.backups())
    old = said.host("b", backups=said.backups(said.backup(99)))
    findings = [finding for each in (rolled_back, old, none) for finding in findings_of(host_of(each), NOW)]
    assert [finding.host for finding in ordered(findings)] == ["c", "b", "a"]
