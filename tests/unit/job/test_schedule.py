# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Schedules: the texts of units, descriptions and metrics, and what a run does with the ends of its steps."""

from __future__ import annotations

import configparser
import json
import os
import re
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.dba.mariabackup.plugins.module_utils import locks
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.files import read_json, write_json
from ansible_collections.dba.mariabackup.plugins.module_utils.job import payload, scheduled
from ansible_collections.dba.mariabackup.plugins.module_utils.job.metrics import escape, metrics_text
from ansible_collections.dba.mariabackup.plugins.module_utils.job.schedule_text import (
    check_names,
    describe,
    description_text,
    service_text,
    shown,
    steps_of,
    timer_text,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.repository import outcomes

PARAMS: dict[str, Any] = {
    "name": "nightly",
    "state": "present",
    "on_calendar": "*-*-* 02:30",
    "randomized_delay": "30m",
    "persistent": True,
    "on_failure": None,
    "wait_timeout": 60,
    "metrics_dir": None,
    "backup_options": {"parallel": 4, "target_dir": None},
    "retention": None,
    "copy_to": None,
    "copy_retention": None,
    "repository": "/srv/repository",
    "instance": None,
    "defaults_file": None,
    "defaults_group_suffix": ".x",
    "login_password": 'a "secret" \\ of mine',
    "state_dir": "/var/lib/mariabackup",
    "_actor": "root",
    "_runner": ["x"],
}
RULES = {"keep_last": 3}


def unit(text: str) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser()
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text)
    return parser


def test_the_service() -> None:
    params = {**PARAMS, "on_failure": "alarm@%n.service", "repository": "/srv/50% of $x", "copy_to": "/mnt/b c"}
    found = unit(service_text(params, ["/usr/bin/python3", "-I", "/var/lib/mariabackup/runner/1.pyz"]))
    assert found["Unit"]["After"] == "mariadb@x.service"
    assert found["Unit"]["OnFailure"] == "alarm@%n.service"
    assert found["Unit"]["RequiresMountsFor"] == '"/var/lib/mariabackup" "/srv/50%% of $x" "/mnt/b c"'
    assert found["Service"]["ExecStart"] == (
        '"/usr/bin/python3" "-I" "/var/lib/mariabackup/runner/1.pyz" "scheduled" "/etc/mariabackup/schedules/nightly.json"'
    )
    assert found["Service"]["Type"] == "oneshot"
    assert "OnFailure" not in unit(service_text(PARAMS, ["x"]))["Unit"]


def test_remote_storage_is_no_mount() -> None:
    params = {**PARAMS, "repository": "s3:bucket/db"}
    check_names(params)
    assert unit(service_text(params, ["x"]))["Unit"]["RequiresMountsFor"] == '"/var/lib/mariabackup"'
    assert "s3:bucket" not in unit(service_text(params, ["x"]))["Unit"].values()


def test_the_timer() -> None:
    found = unit(timer_text(PARAMS))
    assert dict(found["Timer"]) == {
        "OnCalendar": "*-*-* 02:30",
        "RandomizedDelaySec": "30m",
        "AccuracySec": "1s",
        "Persistent": "yes",
        "Unit": "mariabackup-nightly.service",
    }
    assert unit(timer_text({**PARAMS, "persistent": False}))["Timer"]["Persistent"] == "no"


def test_the_steps() -> None:
    (backup,) = steps_of(PARAMS)
    assert backup["operation"] == "backup"
    assert backup["params"] == {
        "repository": "/srv/repository",
        "instance": None,
        "defaults_file": None,
        "defaults_group_suffix": ".x",
        "login_password": PARAMS["login_password"],
        "state_dir": "/var/lib/mariabackup",
        "parallel": 4,
        "target_dir": None,
    }
    steps = steps_of({**PARAMS, "retention": RULES, "copy_to": "/second", "copy_retention": {"keep_last": 9}})
    assert [(step["operation"], step["params"]["repository"]) for step in steps] == [
        ("backup", "/srv/repository"),
        ("copy_backup", "/srv/repository"),
        ("prune", "/srv/repository"),
        ("prune", "/second"),
    ]
    assert all(step["params"]["defaults_group_suffix"] == ".x" for step in steps)
    assert [step["params"].get("keep_last") for step in steps] == [None, None, 3, 9]
    assert [step["params"].get("login_password") for step in steps[1:]] == [None] * 3
    remote = {**PARAMS, "copy_to": "s3:bucket", "rclone_config": "/root/r.conf", "copy_retention": {"keep_last": 9}}
    remote["backup_options"] = {"format": "stream"}
    check_names(remote)
    assert [step["params"]["rclone_config"] for step in steps_of(remote)] == ["/root/r.conf"] * 3
    described = {
        **remote,
        "rclone_config": None,
        "rclone_remotes": {"s3": {"type": "s3", "secret_access_key": "geheim"}},
    }
    path = "/etc/mariabackup/schedules/nightly.rclone.conf"
    assert [step["params"]["rclone_config"] for step in steps_of(described)] == [path] * 3
    assert "geheim" not in description_text(describe(described))


def test_a_password_is_in_the_description_and_not_shown() -> None:
    text = description_text(describe(PARAMS))
    assert json.loads(text)["steps"][0]["params"]["login_password"] == PARAMS["login_password"]
    seen = shown(text)
    assert "secret" not in seen
    assert "mine" not in seen
    assert json.loads(seen)["steps"][0]["params"]["login_password"] == "(hidden)"
    assert '"login_password": null' in shown(description_text(describe({**PARAMS, "login_password": None})))


@pytest.mark.parametrize(
    "bad",
    [
        {"name": ""},
        {"name": "a/b"},
        {"name": ".hidden"},
        {"name": "a b"},
        {"name": "a" * 65},
        {"on_failure": "a.service b.service"},
        {"on_failure": "a\nb"},
        {"on_calendar": " "},
        {"on_calendar": "daily\nUnit=x"},
        {"randomized_delay": ""},
        {"repository": "relative"},
        {"copy_to": "/a\nb"},
        {"metrics_dir": "relative"},
        {"copy_to": "s3:bucket"},
    ],
    ids=str,
)
def test_what_cannot_stand_in_a_unit_is_refused(bad: dict[str, Any]) -> None:
    check_names(PARAMS)
    with pytest.raises(MariabackupError, match=f"{next(iter(bad))} is"):
        check_names({**PARAMS, **bad})


OUTCOME: dict[str, Any] = {
    "schedule": "nightly",
    "instance": 'd"b\\1\n',
    "repository": "/srv/repository",
    "last_backup": {
        "id": "x",
        "finished": "2026-11-22T10:15:03Z",
        "size_bytes": 2147483648,
        "stored_bytes": 1073741824,
        "duration_seconds": 11.4,
        "chain_length": 3,
    },
    "last_run": {"started": "2026-11-23T10:15:00Z", "ended": "2026-11-23T10:15:30Z", "ok": True},
}


def test_metrics_of_a_run_that_ended_well() -> None:
    text = metrics_text(OUTCOME)
    labels = r'{instance="d\"b\\1\n",schedule="nightly"}'
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert lines == [
        f"mariabackup_last_success_timestamp_seconds{labels} 1795342503",
        f"mariabackup_last_run_timestamp_seconds{labels} 1795428930",
        f"mariabackup_last_run_success{labels} 1",
        f"mariabackup_last_backup_size_bytes{labels} 2147483648",
        f"mariabackup_last_backup_stored_bytes{labels} 1073741824",
        f"mariabackup_last_backup_duration_seconds{labels} 11.4",
        f"mariabackup_last_backup_chain_length{labels} 3",
    ]
    assert text.endswith("\n")
    for line in lines:
        name = line.partition("{")[0]
        assert re.search(rf"^# HELP {name} \S.*\n# TYPE {name} gauge\n{name}", text, re.MULTILINE)


def test_metrics_of_a_run_that_failed_keep_the_last_success() -> None:
    run = {"ended": "2026-11-23T10:15:30Z", "ok": False, "failed_phase": "backup", "error": "no\nway: " + "x" * 500}
    text = metrics_text({**OUTCOME, "last_run": run})
    assert 'last_success_timestamp_seconds{instance="d\\"b\\\\1\\n",schedule="nightly"} 1795342503' in text
    assert re.search(r"^mariabackup_last_run_success\{.*\} 0$", text, re.MULTILINE)
    found = re.search(r'^mariabackup_last_error_info\{.*,phase="backup",error="(.*)"\} 1$', text, re.MULTILINE)
    assert found
    assert found[1].startswith("no way: x")
    assert len(found[1]) == 200


def test_metrics_before_the_first_backup() -> None:
    run = {"ended": "2026-11-23T10:15:30Z", "ok": False, "failed_phase": None, "error": "no"}
    text = metrics_text({**OUTCOME, "last_backup": None, "last_run": run})
    assert "last_backup" not in text
    assert "last_success" not in text
    assert 'phase="",error="no"} 1' in text


def test_labels_are_escaped() -> None:
    assert escape('a\\b"c\nd') == 'a\\\\b\\"c\\nd'


def installed(tmp_path: Path, **changes: Any) -> Path:
    """Write a description and return its path."""
    params = {**PARAMS, "state_dir": str(tmp_path / "state"), "repository": str(tmp_path / "r"), "instance": "db1"}
    params |= {"metrics_dir": str(tmp_path), "retention": RULES, "wait_timeout": 0}
    path = tmp_path / "nightly.json"
    path.write_text(description_text(describe({**params, **changes})))
    return path


def leave(result: dict[str, Any], seen: list[str] | None = None) -> Any:
    """Return something that runs a job, and leaves this as its result."""

    def run_job(directory: str) -> int:
        operation = read_json(os.path.join(directory, "job.json"))["operation"]
        if seen is not None:
            seen.append(operation)
        write_json(os.path.join(directory, "result.json"), result)
        return 0 if result["ok"] else 1

    return run_job


def test_the_first_step_that_fails_ends_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, seen = installed(tmp_path), list[str]()
    failed = {"ok": False, "error": {"msg": "backup: no. Do this.", "failed_phase": "backup", "log_path": "/log"}}
    assert scheduled.run(str(path), leave(failed, seen)) == 1
    assert seen == ["backup"]
    assert "failed: backup: no. Do this." in capsys.readouterr().err
    (run,) = outcomes.runs_of(str(tmp_path / "state"), str(tmp_path / "r"), "db1")
    assert (run["ok"], run["failed_phase"], run["error"]) == (False, "backup", "backup: no. Do this.")
    assert (run["log_path"], run["backup_id"], run["last_backup_id"]) == ("/log", None, None)
    assert run["retention"] == RULES
    assert outcomes.runs_of(str(tmp_path / "state"), str(tmp_path / "r"), "db2") == []
    prometheus = tmp_path / "mariabackup-nightly.prom"
    assert prometheus.stat().st_mode & 0o777 == 0o644
    assert 'phase="backup",error="backup: no. Do this."} 1' in prometheus.read_text()


def test_metrics_that_cannot_be_written_do_not_fail_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = installed(tmp_path, metrics_dir=str(tmp_path / "none"))
    assert scheduled.run(str(path), leave({"ok": False, "error": {"msg": "x"}})) == 1
    assert "The metrics cannot be written" in capsys.readouterr().err
    assert outcomes.read(str(tmp_path / "state"), "nightly")["last_run"]["failed_phase"] == "backup"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 99}'])
def test_a_description_that_cannot_be_read(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    assert scheduled.run(str(path), leave({"ok": True})) == 1
    assert scheduled.run(str(tmp_path / "none.json"), leave({"ok": True})) == 1


def test_a_run_waits_for_another_one_as_long_as_it_may(tmp_path: Path) -> None:
    path = installed(tmp_path)
    description = read_json(str(path))
    turn, state_dir = scheduled._turn(description), str(tmp_path / "state")
    with locks.exclusive(state_dir, turn, "backup by schedule"):
        assert scheduled.run(str(path), leave({"ok": True})) == 1
    error = outcomes.read(state_dir, "nightly")["last_run"]["error"]
    assert "a backup by schedule (process" in error
    other = scheduled._turn({**description, "steps": [{"params": {"defaults_group_suffix": ".y"}}]})
    assert other != turn


def test_patience(tmp_path: Path) -> None:
    """Who is patient gets the lock when it is free; who is not is refused at once."""
    held, free = threading.Event(), threading.Event()

    def hold() -> None:
        with locks.exclusive(str(tmp_path), "/d", "backup"):
            held.set()
            free.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(10)
    with pytest.raises(MariabackupError), locks.exclusive(str(tmp_path), "/d", "restore"):
        pass
    token = locks.PATIENCE.set(10)
    threading.Timer(0.3, free.set).start()
    started = time.monotonic()
    with locks.exclusive(str(tmp_path), "/d", "restore"):
        assert 0.2 < time.monotonic() - started < 5
    locks.PATIENCE.reset(token)
    thread.join()


def test_the_planned_command_is_the_one_that_is_installed(tmp_path: Path) -> None:
    planned = payload.planned_command(str(tmp_path))
    assert not list(tmp_path.iterdir())
    assert payload.runner_command(str(tmp_path)) == planned


def test_outcomes_that_are_damaged_are_none(tmp_path: Path) -> None:
    folder = tmp_path / "schedules"
    folder.mkdir()
    for number, text in enumerate(["", "{", "[]", "{}", '{"instance": "db1", "repository": "/r"}']):
        (folder / f"{number}.json").write_text(text)
    assert outcomes.runs_of(str(tmp_path), "/r", "db1") == []
    assert outcomes.read(str(tmp_path), "1") == {}
    assert outcomes.runs_of(str(tmp_path / "none"), "/r", "db1") == []
