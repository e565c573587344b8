# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal, and the file that runs without a controller."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.files import path_key
from ansible_collections.dba.mariabackup.plugins.module_utils.job import operations, payload, registry, runner
from ansible_collections.dba.mariabackup.plugins.module_utils.locks import exclusive, probe
from ansible_collections.dba.mariabackup.plugins.module_utils.restore import journal


def test_a_journal_is_on_the_disk_when_write_returns(tmp_path: Path) -> None:
    run = journal.create(str(tmp_path), "/var/lib/mysql", "r1", phase="plan", had_data=True)
    run.write(phase="swap", steps=[{"a": 1}])
    again = journal.current(str(tmp_path), "/var/lib/mysql")
    assert again is not None
    assert again["phase"] == "swap"
    assert again.unfinished
    assert not again.rebooted
    assert Path(run.path).stat().st_mode & 0o777 == 0o600


def test_a_signal_ends_a_job_that_goes_on_after_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A login that fails is an answer for whoever has another; being asked to stop is the end."""

    def logins(_params: dict[str, Any], ctx: Context) -> dict[str, Any]:
        with ctx.phase("health"), contextlib.suppress(MariabackupError, OSError):
            runner._interrupted(signal.SIGTERM, None)
        return {}

    monkeypatch.setitem(operations.OPERATIONS, "logins", lambda: (logins, logins))
    outcome = runner.execute("logins", {}, Context(str(tmp_path), str(tmp_path)))
    assert not outcome["ok"]
    assert outcome["error"]["failed_phase"] == "health"
    assert "SIGTERM" in outcome["error"]["msg"]


def test_another_boot_is_noticed(tmp_path: Path) -> None:
    run = journal.create(str(tmp_path), "/d", "r1", phase="swap")
    text = json.loads(Path(run.path).read_text())
    text["boot_id"] = "of yesterday"
    Path(run.path).write_text(json.dumps(text))
    assert journal.load(run.path).rebooted


@pytest.mark.parametrize("text", ["{", "[]", '{"version": 99}', '{"version": 1', ""])
def test_a_damaged_journal_is_refused_and_nothing_is_guessed(tmp_path: Path, text: str) -> None:
    path = tmp_path / "journal.json"
    path.write_text(text)
    with pytest.raises(MariabackupError, match="journal"):
        journal.load(str(path))


def test_the_newest_run_is_current(tmp_path: Path) -> None:
    journal.create(str(tmp_path), "/d", "r1", phase="plan").write(state=journal.RETURNED)
    journal.create(str(tmp_path), "/d", "r2", phase="plan")
    current = journal.current(str(tmp_path), "/d")
    assert current is not None
    assert current["id"] == "r2"
    assert [run["id"] for run in journal.all_runs(str(tmp_path), "/d")] == ["r1", "r2"]


@pytest.mark.parametrize(
    ("path", "key"), [("/var/lib/mysql", "var-lib-mysql"), ("/a-b/c_d", "a_2db-c_5fd"), ("/.x", "_2ex")]
)
def test_keys_are_unit_file_safe_and_unique(path: str, key: str) -> None:
    assert path_key(path) == key


def test_a_lock_names_its_holder_and_dies_with_it(tmp_path: Path) -> None:
    with exclusive(str(tmp_path), "/d", "backup"), pytest.raises(MariabackupError, match=r"a backup \(process"):
        probe(str(tmp_path), "/d", "restore")
    probe(str(tmp_path), "/d", "restore")


def test_a_walker_imports_no_operation(tmp_path: Path) -> None:
    """A stream waits for it; an operation imports ten times as much."""
    command = [sys.executable, "-I", "-X", "importtime", payload.install_runner(str(tmp_path))]
    walker = subprocess.run(
        [*command, "walk", str(tmp_path / "report")], input="", capture_output=True, text=True, check=False, cwd="/"
    )
    assert walker.returncode == 1
    assert "it is empty" in walker.stderr
    assert "stream.walk" in walker.stderr
    assert "job.operations" not in walker.stderr
    other = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    assert "job.operations" in other.stderr


def test_the_runner_is_one_file_that_runs_alone(tmp_path: Path) -> None:
    path = payload.install_runner(str(tmp_path))
    assert payload.install_runner(str(tmp_path)) == path
    done = subprocess.run([sys.executable, "-I", path], capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 2
    assert "usage: RUNNER job DIRECTORY | repair JOURNAL" in done.stderr
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    assert not [name for name in names if "__pycache__" in name or "ansible/" in name]


def test_secrets_are_no_part_of_a_jobs_identity() -> None:
    plain = {"target_dir": "/b", "login_password": "one", "rclone_remotes": {"a": {}}, "_runner": ["x"]}
    other = {"target_dir": "/b", "login_password": "two", "_runner": ["y"]}
    assert registry.fingerprint("backup", plain) == registry.fingerprint("backup", other)
    assert registry.fingerprint("backup", plain) != registry.fingerprint("restore", plain)


def test_the_next_job_removes_the_secrets_of_one_that_was_killed(tmp_path: Path) -> None:
    killed, waiting, running = (Path(registry.create_job(str(tmp_path), "backup", {})) for _number in range(3))
    os.close(registry.claim(str(killed)))
    descriptor = registry.claim(str(running))
    for directory in (killed, waiting, running):
        (directory / "rclone.conf").touch()
    registry.create_job(str(tmp_path), "backup", {})
    left = {
        directory: {"params.json", "rclone.conf"} & set(os.listdir(directory))
        for directory in (killed, waiting, running)
    }
    os.close(descriptor)
    assert left == {killed: set(), waiting: {"params.json", "rclone.conf"}, running: {"params.json", "rclone.conf"}}


def test_a_job_keeps_its_parameters_private(tmp_path: Path) -> None:
    directory = Path(registry.create_job(str(tmp_path), "backup", {"login_password": "secret"}))
    assert directory.stat().st_mode & 0o777 == 0o700
    assert (directory / "params.json").stat().st_mode & 0o777 == 0o600
    assert not registry.alive(str(directory))
    descriptor = registry.claim(str(directory))
    assert descriptor >= 0
    assert registry.find_running(str(tmp_path), "backup", {"login_password": "other"}) is not None
