# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a controller sees of a job: its lines of progress, the look at it, what came of it; and what a job tells nobody."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.job import control, registry
from ansible_collections.dba.mariabackup.plugins.module_utils.job.secrets import MASK, secrets_in, without
from ansible_collections.dba.mariabackup.plugins.plugin_utils import poll, progress

GB = 10**9


@pytest.mark.parametrize(
    ("status", "line"),
    [
        ({"phase": "stage", "done": 42 * GB, "total": 100 * GB, "rate": 11 * GB // 10},
         "db1: restore 42 % stage 42 GB of 100 GB 1.1 GB/s, 0:53 left"),
        ({"phase": "stage", "done": GB, "total": 0, "rate": 5 * 10**6}, "db1: restore stage 1.0 GB 5.0 MB/s"),
        ({"phase": "stage", "done": 5, "total": 10, "rate": 0}, "db1: restore 50 % stage 5 B of 10 B"),
        ({"phase": "prepare", "done": 0, "total": 0, "rate": 0}, "db1: restore prepare"),
        ({}, "db1: restore"),
    ],
)  # fmt: skip
def test_line(status: dict[str, Any], line: str) -> None:
    assert progress.line("db1", "restore", status) == line


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (9949, "9.9 kB"), (9960, "10 kB"), (999499, "999 kB"), (999500, "1.0 MB"),
     (10**18, "1000 PB")],
)  # fmt: skip
def test_size(count: int, text: str) -> None:
    assert progress.size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(-1, "0:00"), (0.4, "0:00"), (59.6, "1:00"), (3599, "59:59"), (3661, "1:01:01")]
)
def test_duration(seconds: float, text: str) -> None:
    assert progress.duration(seconds) == text


def test_the_first_look_is_early_and_the_later_ones_are_rare() -> None:
    first = list(itertools.islice(progress.intervals(), 40))
    assert first[0] <= 0.3
    assert first == sorted(first)
    assert first[-1] <= 60


def look(directory: Path, seconds: float = 0.1) -> poll.Look | None:
    done = subprocess.run(
        ["sh", "-c", poll.command(str(directory), seconds)], capture_output=True, text=True, check=False
    )
    return poll.read(f"Welcome to db1\n{done.stdout}bye\n")


JOB = """
import sys, time
from ansible_collections.dba.mariabackup.plugins.module_utils.files import write_json
from ansible_collections.dba.mariabackup.plugins.module_utils.job import registry
lock = registry.claim(sys.argv[1])
print("claimed", flush=True)
sys.stdin.read()
if sys.argv[2]:
    write_json(f"{sys.argv[1]}/result.json", {"ok": True, "result": {"said": sys.argv[2]}})
"""


def begin(directory: Path, says: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", JOB, str(directory), says], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stdout.readline() == "claimed\n"
    return process


def test_a_look_at_a_job_from_its_beginning_to_its_end(tmp_path: Path) -> None:
    directory = tmp_path / "a job's"
    directory.mkdir()
    process = begin(directory, "done")
    assert look(directory) == poll.Look(poll.RUNNING)
    ctx = Context(str(directory), str(tmp_path))
    with ctx.phase("stage"):
        ctx.progress(1, 2)
        assert look(directory) == poll.Look(poll.RUNNING, {"phase": "stage", "done": 0, "total": 0, "rate": 0})
    process.communicate("")
    found = look(directory, 60)
    assert found is not None
    assert found.state == poll.ENDED
    assert found.outcome == {"ok": True, "result": {"said": "done"}}
    assert not (directory / registry.HEARD).exists()
    subprocess.run(["sh", "-c", poll.mark(str(directory))], check=True)
    assert (directory / registry.HEARD).exists()


def test_a_look_waits_for_the_end_and_not_longer(tmp_path: Path) -> None:
    process = begin(tmp_path, "done")
    waiting = subprocess.Popen(["sh", "-c", poll.command(str(tmp_path), 60)], stdout=subprocess.PIPE, text=True)
    time.sleep(0.2)
    assert waiting.poll() is None
    process.communicate("")
    started = time.monotonic()
    found = poll.read(waiting.communicate(timeout=30)[0])
    assert time.monotonic() - started < 5
    assert found is not None
    assert found.outcome is not None


def test_a_job_that_died_and_one_that_is_gone(tmp_path: Path) -> None:
    process = begin(tmp_path, "never")
    process.kill()
    process.communicate()
    assert look(tmp_path, 60) == poll.Look(poll.ENDED)
    assert look(tmp_path / "nothing") == poll.Look(poll.GONE)


def test_a_host_without_flock_tells_as_well(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("cat", "true"):
        os.symlink(f"/bin/{name}", programs / name)
    directory = tmp_path / "job"
    directory.mkdir()
    process = begin(directory, "")

    def seen() -> poll.Look | None:
        command = ["/bin/sh", "-c", poll.command(str(directory), 60)]
        return poll.read(
            subprocess.run(command, env={"PATH": str(programs)}, capture_output=True, text=True, check=False).stdout
        )

    assert seen() == poll.Look(poll.RUNNING)
    process.communicate("")
    assert seen() == poll.Look(poll.ENDED)


def test_no_answer_is_no_look() -> None:
    assert poll.read("Connection closed by remote host") is None
    assert poll.read(poll.command("/nowhere", 1)) is None  # an echo of the command itself


def test_rate_is_of_what_the_phase_counts_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    ctx = Context(str(tmp_path), str(tmp_path))

    def told() -> dict[str, Any]:
        return dict(json.loads((tmp_path / "status.json").read_text(encoding="utf-8")))

    with ctx.phase("stage"):
        assert told() == {"phase": "stage", "done": 0, "total": 0, "rate": 0}
        now[0] = 100.5
        ctx.progress(500, 4000)
        assert told()["done"] == 0  # once a second is enough
        now[0] = 102
        ctx.progress(2000, 4000)
        assert told() == {"phase": "stage", "done": 2000, "total": 4000, "rate": 1000}
        now[0] = 103
        ctx.progress(100, 900)  # the next file set
        now[0] = 105
        ctx.progress(500, 900)
        assert told() == {"phase": "stage", "done": 500, "total": 900, "rate": 200}


def test_no_secret_is_left_in_a_result() -> None:
    params = {
        "login_password": "hunter2", "restored_login_password": "hunter2-and-more", "login_user": "root",
        "rclone_remotes": {"store": {"type": "s3", "secret_access_key": "0123456789abcdef"}},
    }  # fmt: skip
    outcome = {
        "ok": False,
        "error": {"msg": "hunter2-and-more was refused, and so was hunter2", "log_tail": ["s3 0123456789abcdef"], "rc": 1,
                  "cmd": ["hunter2"]},
        "warnings": [],
    }  # fmt: skip
    found = without(outcome, secrets_in(params))
    assert "hunter2" not in json.dumps(found)
    assert "0123456789abcdef" not in json.dumps(found)
    assert found["error"]["cmd"] == [MASK]
    assert found["error"]["rc"] == 1
    assert found["error"]["log_tail"] == ["s3 ********"]
    assert without(outcome, secrets_in({})) == outcome


@pytest.mark.parametrize(
    ("left", "outcome"),
    [
        ({"ok": True, "result": {}}, "succeeded"),
        ({"ok": False, "error": {"rolled_back": True}}, "failed"),
        ({"ok": False, "cancelled": True, "error": {"rolled_back": True}}, "rolled_back"),
        ({"ok": False, "cancelled": True, "error": {"rolled_back": False}}, "cancelled"),
        ({"ok": False, "cancelled": True, "error": {"rolled_back": False, "undecided": True}}, "failed"),
        (None, "lost"),
    ],
)
def test_outcome(left: dict[str, Any] | None, outcome: str) -> None:
    assert control.outcome_of(left) == outcome
    known = {"job_id": "1", "operation": "restore", "log_path": "/log", "changed": True}
    asked = control.report(known, left, cancelling=True)
    assert asked["outcome"] == outcome
    assert bool(asked.get("failed")) == (outcome in ("failed", "lost"))
    assert bool(control.report(known, left, cancelling=False).get("failed")) == (outcome != "succeeded")


def finished(state_dir: Path, ok: bool = True, **params: Any) -> str:
    directory = registry.create_job(str(state_dir), "backup", params)
    process = begin(Path(directory), "done")
    process.communicate("")
    if not ok:
        Path(directory, "result.json").write_text('{"ok": false, "error": {}}', encoding="utf-8")
    return directory


def test_the_same_task_gets_what_its_lost_run_has_done(tmp_path: Path) -> None:
    directory = finished(tmp_path, target_dir="/srv/a", login_password="one", wait=False)
    assert (
        registry.find_unheard(str(tmp_path), "backup", {"target_dir": "/srv/a", "login_password": "two"}) == directory
    )
    assert registry.find_unheard(str(tmp_path), "backup", {"target_dir": "/srv/b"}) is None
    assert registry.find_unheard(str(tmp_path), "restore", {"target_dir": "/srv/a"}) is None
    registry.mark_heard(directory)
    assert registry.find_unheard(str(tmp_path), "backup", {"target_dir": "/srv/a"}) is None


def test_neither_a_failure_nor_yesterdays_result_is_taken_for_work(tmp_path: Path) -> None:
    finished(tmp_path, ok=False, target_dir="/srv/a")
    assert registry.find_unheard(str(tmp_path), "backup", {"target_dir": "/srv/a"}) is None
    directory = finished(tmp_path, target_dir="/srv/b")
    os.utime(f"{directory}/result.json", (0, time.time() - 3600))
    assert registry.find_unheard(str(tmp_path), "backup", {"target_dir": "/srv/b"}) is None


def test_only_a_living_job_is_asked_to_stop(tmp_path: Path) -> None:
    process = begin(tmp_path, "never")
    assert registry.ask_to_stop(str(tmp_path))
    process.communicate()
    assert process.returncode == -15
    assert not registry.ask_to_stop(str(tmp_path))
    assert not registry.ask_to_stop(str(tmp_path / "nothing"))
