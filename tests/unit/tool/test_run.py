# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running a program as the tool is run: its log, its end, and ours."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.find import find_tool, which
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.run import failure, run_tool, starter

SH = "/bin/sh"


def run(script: str, log: Path, **options):
    return run_tool([SH, "-c", script], str(log), **options)


def test_success_needs_both_the_code_and_the_last_line(tmp_path: Path) -> None:
    log = tmp_path / "log"
    good = run("echo a; echo '[00] 2026-01-01 10:00:00 completed OK!' >&2", log)
    assert (good.rc, good.completed_ok, good.log_offset) == (0, True, 0)
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    silent = run("echo nothing", log)
    assert (silent.rc, silent.completed_ok, silent.tail) == (0, False, ["nothing"])
    assert silent.log_offset > 0
    failed = run("echo 'completed OK!'; exit 3", log)
    assert (failed.rc, failed.completed_ok) == (3, False)


def test_surroundings(tmp_path: Path) -> None:
    log = tmp_path / "log"
    outcome = run("umask; nice; cat /proc/self/oom_score_adj; pwd; ps -o pgid= -p $$", log, cwd=str(tmp_path))
    umask, nice, score, cwd, group = outcome.tail
    assert (umask, nice, score, cwd) == ("0077", str(max(os.nice(0), 10)), "500", str(tmp_path))
    assert int(group) != os.getpgid(0)
    plain = run("nice; cat /proc/self/oom_score_adj", log, low_priority=False)
    assert plain.tail[0] == str(os.nice(0))
    assert plain.tail[1] != "500"


@pytest.mark.parametrize(("own", "gets"), [(0, 10), (10, 10), (15, 15)])
def test_low_priority_is_not_lowered_twice(own: int, gets: int) -> None:
    """A restore works at a low priority already, and so would all that it starts."""
    nice = which(["nice"])
    assert nice is not None
    done = subprocess.run(
        [nice, "-n", str(own - os.nice(0)), *starter(), nice], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(gets)


def test_descriptors_are_passed(tmp_path: Path) -> None:
    fd = os.memfd_create("x")
    os.write(fd, b"inside")
    assert run(f"cat /proc/self/fd/{fd}", tmp_path / "log", pass_fds=[fd]).tail == ["inside"]
    os.close(fd)


def test_ticks(tmp_path: Path) -> None:
    ticks = []
    run("sleep 0.8", tmp_path / "log", on_tick=lambda: ticks.append(1))
    assert 2 <= len(ticks) <= 4


def test_a_tick_that_fails_ends_the_program(tmp_path: Path) -> None:
    def fail() -> None:
        raise MariabackupError("cancelled", "nothing")

    started = time.monotonic()
    with pytest.raises(MariabackupError, match="cancelled"):
        run("sleep 60 & wait", tmp_path / "log", on_tick=fail)
    assert time.monotonic() - started < 10


def test_missing_program(tmp_path: Path) -> None:
    outcome = run_tool(["/none/such"], str(tmp_path / "log"))
    assert outcome.rc == 127
    assert "cannot run /none/such" in outcome.tail[0]


def test_failure_names_signal_and_cause(tmp_path: Path) -> None:
    killed = failure(run("kill -9 $$", tmp_path / "log"), "backup")
    assert killed.rc == 137
    assert "ended by SIGKILL" in killed.cause
    full = failure(run("echo 'x: No space left on device'; exit 1", tmp_path / "log"), "backup")
    assert "disk is full" in full.cause
    assert full.log_path == str(tmp_path / "log")


def test_hashes_are_blotted_out_of_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    outcome = run("echo \"GRANT USAGE ON *.* TO x IDENTIFIED BY PASSWORD '*SECRETSECRET'\"; echo end", log)
    text = log.read_text()
    assert "SECRET" not in text
    assert text.endswith("end\n")
    assert outcome.tail[0].endswith("'********'")


PARENT = """
import sys
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.run import run_tool
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
try:
    run_tool(["/bin/sh", "-c", "echo $$ >&2; exec sleep 60"], sys.argv[1])
except MariabackupError as error:
    print(error)
"""


def start_parent(log: Path) -> tuple[subprocess.Popen[str], int]:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(log)],
        stdout=subprocess.PIPE,
        text=True,
        # Whoever runs the tests with nohup has SIGHUP ignored, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
    )
    for _attempt in range(200):
        time.sleep(0.05)
        if log.exists() and log.read_text().strip():
            return parent, int(log.read_text().split()[0])
    raise AssertionError("the child did not start")


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_the_program_ends_with_us(tmp_path: Path, number: signal.Signals) -> None:
    parent, child = start_parent(tmp_path / "log")
    assert is_running(child)
    parent.send_signal(number)
    output, _errors = parent.communicate(timeout=30)
    for _attempt in range(100):
        if not is_running(child):
            break
        time.sleep(0.05)
    assert not is_running(child)
    if number != signal.SIGKILL:
        assert f"Stopped by {number.name}" in output


def program(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_find_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    answer = "echo 'x based on MariaDB server {}-MariaDB debian-linux-gnu (x86_64)' >&2"
    older = program(tmp_path / "mariabackup", answer.format("10.5.23"))
    if which(("mariadb-backup",)) is None:
        assert find_tool().path == older
    newer = program(tmp_path / "mariadb-backup", answer.format("10.11.18"))
    assert find_tool().path == newer
    assert find_tool(older).version.number == "10.5.23"
    assert find_tool("mariabackup").version.number == "10.5.23"


def test_find_tool_refuses(tmp_path: Path) -> None:
    with pytest.raises(MariabackupError, match="does not exist"):
        find_tool("/none/mariadb-backup")
    other = program(tmp_path / "xtrabackup", "echo 'xtrabackup version 8.0.35 based on MySQL server 8.0.35' >&2")
    with pytest.raises(MariabackupError, match="is not MariaDB's"):
        find_tool(other)
    silent = program(tmp_path / "silent", "exit 1")
    with pytest.raises(MariabackupError, match="does not tell a version"):
        find_tool(silent)
