# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host tells of its restores: how each ended or stands, and which of them counts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.locks import exclusive
from ansible_collections.dba.mariabackup.plugins.module_utils.restore import journal as journals
from ansible_collections.dba.mariabackup.plugins.module_utils.restore import records

DATADIR = "/var/lib/mysql"


def create(state_dir: Path, number: int, datadir: str = DATADIR, **data: Any) -> journals.Journal:
    identity = f"202601{number:02}T020304Z-00000{number}"
    source = {"path": "/srv/repository/db1/x/data", "backup_id": "x"}
    journal = journals.create(
        str(state_dir), datadir, identity, phase="plan", source=source, members=[], result={"method": "copy"}
    )
    journal.write(**data)
    return journal


def told(state_dir: Path, last: int = 10, datadir: str | None = None) -> list[dict[str, Any]]:
    found = records.run({"last": last, "datadir": datadir}, Context(str(state_dir), str(state_dir), check_mode=True))
    return list(found["restores"])


@pytest.mark.parametrize(
    ("changes", "outcome", "phase"),
    [
        ({"state": journals.COMMITTED, "phase": "commit"}, "restored", None),
        ({"state": journals.ACCEPTED, "phase": "start"}, "accepted", None),
        ({"state": journals.UNDECIDED, "phase": "start"}, "undecided", "start"),
        ({"state": journals.RUNNING, "phase": "stage"}, "interrupted", "stage"),
        ({"state": journals.RETURNED, "phase": "verify"}, "failed", "verify"),
        ({"state": journals.RETURNED, "phase": "health", "direction": journals.BACK}, "rolled_back", "health"),
        (
            {"state": journals.RETURNED, "phase": "commit", "direction": journals.BACK, "put_back": True},
            "put_back",
            None,
        ),
    ],
)
def test_how_a_run_ended(tmp_path: Path, changes: dict[str, Any], outcome: str, phase: str | None) -> None:
    create(tmp_path, 1, **changes)
    (found,) = told(tmp_path)
    assert (found["outcome"], found["failed_phase"], found["current"]) == (outcome, phase, True)
    assert (found["started"], found["datadir"], found["method"]) == ("2026-01-01T02:03:04Z", DATADIR, "copy")


def test_a_run_under_way_is_told_from_one_that_was_interrupted(tmp_path: Path) -> None:
    create(tmp_path, 1, phase="stage")
    with exclusive(str(tmp_path), DATADIR, "restore"):
        assert told(tmp_path)[0]["outcome"] == "running"
    assert told(tmp_path)[0]["outcome"] == "interrupted"


def test_the_audit_record_and_the_times_belong_to_their_runs(tmp_path: Path) -> None:
    timing = {
        "duration_seconds": 2.5,
        "phases": [{"name": "stage", "seconds": 2.0}],
        "log_path": "/log",
        "failed_phase": "health",
    }
    run = create(tmp_path, 1, state=journals.RETURNED, phase="swap", timing=timing)
    lines = [{"run": run["id"], "reason": "old"}, {"run": run["id"], "reason": "a disk", "time": "T", "who": "anna"}]
    (tmp_path / "audit.log").write_text("{\n[]\n" + "".join(f"{json.dumps(line)}\n" for line in lines))
    (found,) = told(tmp_path)
    assert (found["reason"], found["ended"], found["who"]) == ("a disk", "T", "anna")
    assert found["failed_phase"] == "health"
    assert (found["duration_seconds"], found["phases"], found["log_path"]) == (2.5, timing["phases"], "/log")


def test_the_run_that_counts_comes_first_then_the_newest(tmp_path: Path) -> None:
    """An older run whose data a person has put back is the current one."""
    runs = [create(tmp_path, number, state=journals.COMMITTED) for number in (1, 2, 3)]
    journals.make_current(runs[0])
    assert [each["run"] for each in told(tmp_path)] == [runs[0]["id"], runs[2]["id"], runs[1]["id"]]
    assert [each["current"] for each in told(tmp_path)] == [True, False, False]
    assert [each["run"] for each in told(tmp_path, last=1)] == [runs[0]["id"]]
    other = create(tmp_path, 4, datadir="/srv/data")
    assert {each["datadir"] for each in told(tmp_path, last=1)} == {DATADIR, "/srv/data"}
    assert [each["run"] for each in told(tmp_path, datadir="/srv/data")] == [other["id"]]


def test_what_cannot_be_read_does_not_hide_the_rest(tmp_path: Path) -> None:
    assert told(tmp_path) == []
    run = create(tmp_path, 1)
    damaged = create(tmp_path, 2)
    Path(damaged.path).write_text("{")
    found = records.run({"last": 10, "datadir": None}, Context(str(tmp_path), str(tmp_path), check_mode=True))
    assert [each["run"] for each in found["restores"]] == [run["id"]]
    (problem,) = found["problems"]
    assert damaged.path in problem


def test_no_restore_at_all_is_no_number(tmp_path: Path) -> None:
    with pytest.raises(MariabackupError, match="last is 0"):
        told(tmp_path, last=0)
