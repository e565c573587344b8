# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all playbooks have in common, and those that have no role."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.harness.playbooks import Playbooks
from tests.integration.harness.server import Server

ROOT = Path(__file__).resolve().parents[2]
Books = Callable[[], Playbooks]


@pytest.mark.suites("trixie")
def test_info_and_prune(server: Server, playbooks: Books) -> None:
    """The backups of a repository as a table and as data, and what goes of them; a host whose backups are not as they should be fails."""
    books = playbooks()
    common: dict[str, Any] = {"mariabackup_hosts": server.name, "mariabackup_repository": "/srv/repository"}
    assert f"{server.name}  -" in books.succeed("dba.mariabackup.info", **common).output
    late = books.run("dba.mariabackup.info", **common, mariabackup_max_age="1h")
    assert late.returncode == 2, late.output
    violation = late.result("backup_info")["violations"][0]
    assert late.output.count(violation) >= 2, late.output  # in the failure, and in the table
    ids = [server.succeed("backup", repository="/srv/repository", format="stream")["id"] for _number in range(2)]
    play = books.succeed(
        "dba.mariabackup.info", "-e", "ansible_show_custom_stats=true", **common, mariabackup_verify=True
    )
    for one in ids:
        assert re.search(rf"{server.name} +{one} +full +\S+Z +[\d.]+ MB +[\d.]+ MB +1 +-", play.output), play.output

    rules = {"mariabackup_retention": {"keep_last": 1}}
    play = books.succeed("dba.mariabackup.prune", "--check", **common, **rules)
    assert re.search(rf"{server.name} +{ids[0]} +full +would go ", play.output), play.output
    play = books.succeed("dba.mariabackup.prune", **common, **rules)
    assert re.search(rf"{server.name} +{ids[0]} +full +removed ", play.output), play.output
    assert re.search(rf"{server.name} +{ids[1]} +full +kept +.*keep_last|{ids[1]} +full +kept +\S+", play.output), (
        play.output
    )
    listed = server.succeed("backup_info", repository="/srv/repository")["backups"]
    assert [backup["id"] for backup in listed] == ids[1:]
    assert "No rule says what to keep" in books.run("dba.mariabackup.prune", **common).output


# What a server and its system write by themselves, Ansible's own directory, and the index that apt makes of its lists when the
# module apt asks what is installed.
_LIVE = (
    "/proc", "/sys", "/dev", "/run", "/tmp", "/var/tmp", "/var/log", "/var/lib/systemd", "/var/lib/mysql", "/root/.ansible", "/opt",
    "/var/cache",
)  # fmt: skip
CHECKED: dict[str, dict[str, Any]] = {
    "install": {},
    "backup": {},
    "restore": {"mariabackup_existing_data": "keep"},
    "restore_fleet": {"mariabackup_existing_data": "keep"},
    "clone": {"mariabackup_existing_data": "keep", "mariabackup_post_restore_sql": ["DROP DATABASE IF EXISTS shop"]},
    "prune": {"mariabackup_retention": {"keep_last": 1}},
    "info": {"mariabackup_verify": True},
    "schedule": {"mariabackup_schedules": [{"name": "nightly", "on_calendar": "*-*-* 02:30"}]},
    "report": {"mariabackup_report_path": "/nowhere/report.html"},
}


def test_every_playbook_is_checked() -> None:
    """The test below leaves none out."""
    assert set(CHECKED) == {path.stem for path in (ROOT / "playbooks").glob("*.yml")} - {"hosts"}


@pytest.mark.suites("trixie")
def test_check_mode_of_every_playbook_writes_nothing(server: Server, playbooks: Books) -> None:
    """--check --diff on a host that has not been prepared, and on one with backups: not one file is another afterwards."""
    books = playbooks()
    common: dict[str, Any] = {"mariabackup_hosts": server.name, "mariabackup_repository": "/srv/repository"}
    leave_out = " -o ".join(f"-path {path}" for path in _LIVE)

    def files() -> list[str]:
        listed = server.out(f"find / \\( {leave_out} \\) -prune -o -printf '%y %m %u:%g %s %T@ %p %l\\n'").splitlines()
        return sorted(line for line in listed if " /root/" not in line or ".ansible" not in line)

    def untouched(playbook: str, before: list[str]) -> None:
        play = books.run(f"dba.mariabackup.{playbook}", "--check", "--diff", **common, **CHECKED[playbook])
        assert play.returncode == 0, f"{playbook}\n{play.output}"
        difference = sorted(set(files()) ^ set(before))
        assert not difference, f"{playbook}: {difference[:20]}"

    before = files()
    pid = server.server_pid()
    untouched("install", before)
    books.succeed("dba.mariabackup.install", **common)
    for _number in range(2):
        books.succeed("dba.mariabackup.backup", **common)
    before = files()
    for playbook in CHECKED:
        untouched(playbook, before)
    assert server.server_pid() == pid
