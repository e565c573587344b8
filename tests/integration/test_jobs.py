# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Long jobs as the controller sees them: lines of progress, a network that is cut, jobs that are left alone, found again, cancelled."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.harness.faults import (
    TOOL,
    clear_breakpoints,
    frozen,
    kill_runner,
    proceed,
    set_breakpoint,
    wait_program,
    wait_stopped,
)
from tests.integration.harness.modules import Result
from tests.integration.harness.playbooks import Playbooks
from tests.integration.harness.restores import TARGET, untouched
from tests.integration.harness.server import STATE_DIR, Server, show, wait_for

Books = Callable[[], Playbooks]

# Within the seconds of a test; without it the task's own setting counts, half a minute.
_QUICK = "-o ServerAliveInterval=1 -o ServerAliveCountMax=2 -o ConnectTimeout=3"


def plays(server: Server, *tasks: dict[str, Any], **variables: Any) -> list[dict[str, Any]]:
    """Return a playbook of these tasks."""
    return [{"hosts": server.name, "gather_facts": False, "vars": variables, "tasks": list(tasks)}]


def jobs(server: Server, operation: str) -> list[str]:
    """Return the ids of the host's jobs that do this."""
    found = server.out(f'grep -l \'"operation": "{operation}"\' {STATE_DIR}/jobs/*/job.json || true').splitlines()
    return [Path(path).parent.name for path in found]


@pytest.mark.suites("bullseye", "trixie")
def test_network_that_is_cut(server: Server, playbooks: Books) -> None:
    """In the middle of a backup, and of a restore: the jobs go on, and the tasks find them again when the network is back."""
    books = playbooks()

    def cut() -> None:
        server.run(["ip", "link", "set", "host0", "down"])
        wait_for(lambda: "connection is lost" in books.output.read_text(encoding="utf-8"), "the controller notices", 60)

    def mend() -> None:
        server.run(["ip", "link", "set", "host0", "up"])

    backup = {"dba.mariabackup.backup": {"target_dir": TARGET, "prepare": True}}
    process = books.start(plays(server, backup, ansible_ssh_extra_args=_QUICK))
    with frozen(server, wait_program(server, TOOL)):
        cut()
    mend()
    play = books.finish(process)
    assert play.returncode == 0, play.output
    assert play.result("backup")["path"] == TARGET

    server.dataset("change")
    set_breakpoint(server, "stop-after")
    restore = {"dba.mariabackup.restore": {"target_dir": TARGET, "existing_data": "delete"}}
    process = books.start(plays(server, restore, ansible_ssh_extra_args=_QUICK))
    wait_stopped(server)
    clear_breakpoints(server)
    cut()
    proceed(server)
    mend()
    play = books.finish(process)
    assert play.returncode == 0, play.output
    assert play.result("restore")["health"] == "ok"
    assert len(jobs(server, "restore")) == 1
    server.assert_seeded()


@pytest.mark.suites("trixie")
def test_progress(server: Server, playbooks: Books) -> None:
    """Lines with the phase, the bytes, the rate and the time that is left; none when they are not wanted. async is refused."""
    server.succeed("backup", target_dir=TARGET, prepare=True)
    restore = {"target_dir": TARGET, "existing_data": "delete", "bandwidth_limit": "12M"}
    books = playbooks()
    play = books.succeed(plays(server, {"dba.mariabackup.restore": restore}))
    lines = [line for line in play.output.splitlines() if line.startswith(f"{server.name}: restore ")]
    told = rf"{server.name}: restore \d+ % stage [\d.]+ MB of \d+ MB \d+ MB/s, 0:\d\d left"
    assert [line for line in lines if re.fullmatch(told, line)], play.output
    assert len(lines) == len(set(lines)) < 15
    result = play.result("restore")
    assert result["bytes"] > 10**6
    assert "job_id" not in result

    quiet = plays(
        server,
        {"dba.mariabackup.restore": {**restore, "progress": False, "state_dir": STATE_DIR}},
        {"dba.mariabackup.restore": restore, "async": 60, "poll": 0, "ignore_errors": True},
    )
    play = books.succeed(quiet)
    assert f"{server.name}: restore" not in play.output
    assert "wait: false" in play.results("restore")[1]["msg"]
    server.assert_seeded()


@pytest.mark.suites("trixie")
def test_begin_now_and_fetch_later(server: Server, playbooks: Books) -> None:
    """wait: false, then the module job: the examples of its documentation; and what it says when nothing, or too much, is there."""
    books = playbooks()
    server.fail("job", "There is no job below")
    backup = {"dba.mariabackup.backup": {"target_dir": TARGET, "wait": False}, "register": "begun"}
    fetch = {"dba.mariabackup.job": {"id": "{{ begun.job_id }}"}}
    play = books.succeed(plays(server, backup, fetch))
    begun, fetched = play.result("backup"), play.result("job")
    assert set(begun) >= {"job_id", "log_path"}
    assert "path" not in begun
    assert fetched["outcome"] == "succeeded"
    assert fetched["operation"] == "backup"
    assert fetched["result"]["path"] == TARGET
    assert fetched["log_path"] == begun["log_path"]
    assert fetched["changed"] is False
    # Fetched as often as one likes; what is over cannot be cancelled.
    assert server.succeed("job", id=begun["job_id"])["result"] == fetched["result"]
    assert server.succeed("job", state="cancelled")["outcome"] == "succeeded"
    server.fail("job", "There is no job monday", id="monday")

    failed = server.succeed("backup", target_dir=TARGET, wait=False)
    told = server.fail("job", "not empty", id=failed["job_id"])
    assert told["outcome"] == "failed"
    assert told["result"]["entries"]

    set_breakpoint(server, "plan-after")
    first = server.succeed("restore", target_dir=TARGET, existing_data="delete", wait=False)["job_id"]
    wait_stopped(server)
    clear_breakpoints(server)
    second = server.succeed("prepare", target_dir=TARGET, dest="/srv/backup/copy", wait=False)["job_id"]
    with frozen(server, wait_program(server, TOOL)):
        assert set(server.fail("job", "2 jobs run")["jobs"]) == {first, second}
    assert server.succeed("job", id=second)["result"]["path"] == "/srv/backup/copy"
    running = server.succeed("job", id=first, wait=False)
    assert running["outcome"] == "running"
    kill_runner(server)
    lost = server.fail("job", "ended without a result", id=first)
    assert lost["outcome"] == "lost"
    server.assert_seeded()


def cancel(server: Server, job_id: str) -> Result:
    """Cancel a job that stands at a breakpoint, and return what the task says."""
    assert server.succeed("job", id=job_id, state="cancelled", check=True)["changed"]
    wait_stopped(server)
    clear_breakpoints(server)
    asked = server.succeed("job", id=job_id, state="cancelled", wait=False)
    assert (asked["outcome"], asked["changed"]) == ("running", True), show(asked)
    proceed(server)
    return server.succeed("job", id=job_id, state="cancelled")


@pytest.mark.suites("trixie", "bullseye")
def test_cancel(server: Server) -> None:
    """Before the stop everything stays as it was, then the old data is swapped back, and at last the restore finishes."""
    server.succeed("backup", target_dir=TARGET, prepare=True)
    pid = server.server_pid()
    options = {"target_dir": TARGET, "existing_data": "delete", "wait": False}

    with untouched(server):
        set_breakpoint(server, "verify-before")
        result = cancel(server, server.succeed("restore", **options)["job_id"])
    assert result["outcome"] == "cancelled", show(result)
    assert result["result"]["failed_phase"] == "verify"
    assert server.server_pid() == pid

    server.sql("CREATE DATABASE only_old")
    set_breakpoint(server, "health-before")
    result = cancel(server, server.succeed("restore", **options)["job_id"])
    assert result["outcome"] == "rolled_back", show(result)
    assert "swapped back" in result["result"]["msg"]
    assert server.sql("SHOW DATABASES LIKE 'only_old'") == "only_old"

    set_breakpoint(server, "commit-opened")
    result = cancel(server, server.succeed("restore", **options)["job_id"])
    assert result["outcome"] == "succeeded", show(result)
    server.assert_seeded()

    backup = server.succeed("backup", target_dir="/srv/backup/other", wait=False)
    with frozen(server, wait_program(server, TOOL)):
        running = server.start_module("job", id=backup["job_id"], state="cancelled")
        wait_for(lambda: "asked to stop" in server.host.get(backup["log_path"]) or running.done(), "the job stops", 30)
    assert running.result()["outcome"] == "cancelled"
    assert not server.exists("/srv/backup/other")
    assert os.path.basename(os.path.dirname(backup["log_path"])) == backup["job_id"]
