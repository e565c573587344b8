# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for a job: for its result, and for its death."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.files import read_json
from ansible_collections.dba.mariabackup.plugins.module_utils.job import launch, registry

JOB = """
import sys, time
from ansible_collections.dba.mariabackup.plugins.module_utils.files import write_json
from ansible_collections.dba.mariabackup.plugins.module_utils.job import registry
directory, works, says = sys.argv[1], float(sys.argv[2]), sys.argv[3]
lock = registry.claim(directory)
time.sleep(works)
if says:
    write_json(f"{directory}/result.json", {"ok": True, "result": {"said": says, "at": time.time()}})
"""


def start(directory: Path, works: float, says: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", JOB, str(directory), str(works), says])


def test_the_result_is_there_when_the_job_ends(tmp_path: Path) -> None:
    """However long it worked: nobody sleeps past the end."""
    process = start(tmp_path, 1.5, "done")
    result = launch.wait(str(tmp_path))["result"]
    late = time.time() - result["at"]
    process.wait()
    assert result["said"] == "done"
    assert late < 1


def test_several_wait_for_one_job(tmp_path: Path) -> None:
    process = start(tmp_path, 0.5, "done")
    found: list[str] = []
    waiting = [
        threading.Thread(target=lambda: found.append(launch.wait(str(tmp_path))["result"]["said"]))
        for number in range(4)
    ]
    for thread in waiting:
        thread.start()
    for thread in waiting:
        thread.join(30)
    process.wait()
    assert found == ["done"] * 4


def test_a_job_that_died_at_once_is_noticed(tmp_path: Path) -> None:
    """Between two looks: nobody has seen it alive, and nobody waits for it to begin."""
    start(tmp_path, 0, "").wait()
    started = time.monotonic()
    with pytest.raises(MariabackupError, match="ended without a result"):
        launch.wait(str(tmp_path))
    assert time.monotonic() - started < 5


def test_a_killed_job_is_noticed(tmp_path: Path) -> None:
    process = start(tmp_path, 60, "never")
    while not registry.alive(str(tmp_path)):
        time.sleep(0.01)
    threading.Timer(0.2, process.kill).start()
    with pytest.raises(MariabackupError, match="ended without a result"):
        launch.wait(str(tmp_path))
    process.wait()
    assert read_json(str(tmp_path / "result.json")) is None
