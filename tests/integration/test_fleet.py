# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook restore_fleet on servers of every generation: who was restored, who was not, and what the table says of it."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.harness.faults import (
    boot_again,
    clear_breakpoints,
    power_cut,
    proceed,
    set_breakpoint,
    wait_stopped,
)
from tests.integration.harness.guide import Guide
from tests.integration.harness.playbooks import Play, Playbooks
from tests.integration.harness.pool import Pool
from tests.integration.harness.server import STATE_DIR, Server, assert_same, wait_for

BOOK = "dba.mariabackup.restore_fleet"
REPOSITORY = "/srv/repository"
# Snapshots by the names of the hosts.
Data = dict[str, dict[str, Any]]
SUITES = {"db1": "trixie", "db2": "trixie", "db3": "bookworm", "db4": "bullseye"}
PLACES = ("/etc", "/srv", "/var/lib/mariabackup", "/var/lib/mysql/mysql", "/root")
#: what Ansible runs on the controller alone
CONTROLLER = {
    *(
        "assert",
        "debug",
        "fail",
        "import_role",
        "import_tasks",
        "include_role",
        "include_tasks",
        "set_fact",
        "set_stats",
    ),
    "validate_argument_spec",
}


class Fleet:
    """Four servers, their inventory, and what their data was and is.

    Args:
        pool: of the hosts.
        collections: the directory of collections that holds the published one.
        scratch: a directory of this test.
        take: gives a server of a suite.
    """

    _numbers = itertools.count(1)

    def __init__(self, pool: Pool, collections: Path, scratch: Path, take: Callable[..., Server]) -> None:
        self.servers = {name: take(suite) for name, suite in SUITES.items()}
        self.lab = yaml.safe_load(pool.inventory())["all"]["vars"]
        self.hosts = {name: {"ansible_host": server.host.address} for name, server in self.servers.items()}
        self._collections, self._scratch = collections, scratch
        self.books = self.write({"mariabackup_repository": REPOSITORY, "mariabackup_existing_data": "keep"})

    def write(self, variables: dict[str, Any], **hosts: dict[str, Any]) -> Playbooks:
        """Write an inventory with more variables of hosts, and hosts more."""
        # The hosts of the lab have other names, and a backup is that of its host.
        common = {**self.lab, "mariabackup_instance": "{{ inventory_hostname }}", **variables}
        named = {name: {**self.hosts.get(name, {}), **hosts.get(name, {})} for name in {**self.hosts, **hosts}}
        text = yaml.safe_dump({"all": {"children": {"shop": {"hosts": named, "vars": common}}}}, sort_keys=False)
        self.books = Playbooks(self._collections, self._scratch, text)
        return self.books

    def run(self, *arguments: str, **variables: Any) -> Play:
        """Run the playbook over the group."""
        return self.books.run(BOOK, *arguments, **{"mariabackup_hosts": "shop", **variables})

    def mark(self) -> Data:
        """Make the data of every server tell whose it is, and return what it holds now."""
        for name, server in self.servers.items():
            server.sql(f"CREATE DATABASE of_{name}")
        return self.data()

    def data(self, without: Collection[str] = ()) -> Data:
        """Return what every server holds, but for some."""
        return {name: server.snapshot() for name, server in self.servers.items() if name not in without}

    def change(self, without: Collection[str] = ()) -> Data:
        """Change the data of every server, and return what it holds now, but for those whose data will not matter."""
        number = next(self._numbers)
        for server in self.servers.values():
            server.sql(f"CREATE DATABASE later_{number}; CREATE TABLE later_{number}.t ENGINE=InnoDB SELECT {number} a")
            server.sql("DROP TABLE IF EXISTS dba_innodb.part_sub")
        return self.data(without)

    def files(self) -> list[list[str]]:
        """Return what lies where a run that changes nothing would leave something: jobs, logs, sets."""
        return [server.listing(*PLACES) for server in self.servers.values()]

    def assert_data(self, old: Data, restored: Mapping[str, dict[str, Any]]) -> None:
        """Compare all data: that of the restored hosts with what was backed up, that of the others with what they held before."""
        for name, now in self.data().items():
            assert_same(restored[name] if name in restored else old[name], now, ignore_accounts=["mariabackup"])


def some(data: Data, names: str) -> Data:
    """Return the part of these hosts."""
    return {name: data[name] for name in names.split()}


def restores_of(server: Server) -> int:
    """Return how many restores of a host ended well."""
    audit = server.run(f"cat {STATE_DIR}/audit.log", check=False).stdout.splitlines()
    return [json.loads(line)["outcome"] for line in audit].count("restored")


def report_of(play: Play) -> dict[str, Any]:
    """Return the artifact, which is there once, and says what the table and the recap say."""
    (stats,) = play.results("ansible.builtin.set_stats")
    report: dict[str, Any] = stats["ansible_stats"]["data"]["mariabackup_restore_fleet"]
    (shown,) = [event["result"] for event in play.events if event["task"].endswith("Show the fleet")]
    (data,) = [event["result"] for event in play.events if event["task"].endswith("Show the same as data")]
    assert data["__mariabackup_fleet_report"] == report
    assert len(shown["msg"]) == len(report["hosts"]) + 1
    for line, row in zip(shown["msg"][1:], report["hosts"]):
        assert line.startswith(row["host"])
        assert line.endswith(row["result"])
    assert report["ok"] == (play.returncode == 0)
    failed = {name for name, rest in re.findall(r"^(\S+) +: (ok=.*)$", play.output, re.MULTILINE)
              if "failed=0" not in rest or "unreachable=0" not in rest}  # fmt: skip
    assert failed == set(report["failed"]), play.output
    return report


def results_of(play: Play) -> dict[str, str]:
    """Return what the table says of each host."""
    return {row["host"]: row["result"] for row in report_of(play)["hosts"]}


def modules_of(play: Play, host: str) -> list[str]:
    """Return the modules that ran on a host, without that of its plan."""
    ran = [
        event["action"].rpartition(".")[2]
        for event in play.events
        if event["host"] == host and event["status"] in ("ok", "failed") and "plan" not in event["result"]
    ]
    return [name for name in ran if name not in CONTROLLER]


@pytest.fixture
def fleet(pool: Pool, published: Path, tmp_path: Path, take: Callable[..., Server]) -> Fleet:
    """The four servers."""
    return Fleet(pool, published / "collections", tmp_path / "ansible", take)


HOOKS = """\
- name: Say that it is here
  ansible.builtin.shell: "echo {word} >> /srv/hooks && test ! -e /srv/no-{word}"
  changed_when: true
"""


def hooks_of(server: Server) -> str:
    """Return which hooks have run on a host, and forget them."""
    return " ".join(server.run("cat /srv/hooks; rm -f /srv/hooks", check=False).stdout.split())


def test_a_fleet_that_stops(fleet: Fleet) -> None:
    """Refusals, lost hosts and failures: the rest stays as it is, says so, and is restored by the next run."""
    saved = fleet.mark()
    for name, server in fleet.servers.items():
        server.succeed("backup", repository=REPOSITORY, instance=name)
        server.run("mkdir -p /var/lib/mariabackup")
    old = fleet.change()
    files = fleet.files()
    pids = {name: server.server_pid() for name, server in fleet.servers.items()}

    # Hosts that nobody has named.
    for arguments, variables, text in (
        ((), {"mariabackup_hosts": "nosuch"}, "has no host 'nosuch'"),
        (("--limit", "db1"), {"mariabackup_hosts": "nosuch"}, "has no host 'nosuch'"),
        (("--limit", "db1"), {"mariabackup_hosts": "db2"}, "has no host 'db2'"),
        ((), {"mariabackup_hosts": ""}, "has no host ''"),
    ):
        play = fleet.run(*arguments, **variables)
        assert play.returncode != 0
        assert text in play.output, play.output
    assert "Set mariabackup_hosts" in fleet.books.run(BOOK).output
    fleet.books.inventory.write_text("all:\n", encoding="utf-8")
    assert "has no host 'shop'" in fleet.run().output

    # One host refuses, one is not there: both are shown, the others were planned, and nobody was touched.
    common = {"mariabackup_repository": REPOSITORY, "mariabackup_existing_data": "keep"}
    fleet.write(common, db3={"mariabackup_existing_data": "fail"}, db5={"ansible_host": "127.0.0.1", "ansible_port": 1})
    play = fleet.run()
    assert results_of(play) == {
        "db1": "not touched", "db2": "not touched", "db3": "refused", "db4": "not touched", "db5": "unreachable"
    }  # fmt: skip
    assert "not empty" in report_of(play)["hosts"][2]["message"]
    fleet.write(common)
    play = fleet.run(mariabackup_instance_map={"db1": "db1"}, mariabackup_hosts="db1,db2")
    assert results_of(play) == {"db1": "not touched", "db2": "refused"}
    assert results_of(fleet.run("--tags", "plan")) == dict.fromkeys(fleet.servers, "not touched")
    assert fleet.files() == files
    assert {name: server.server_pid() for name, server in fleet.servers.items()} == pids
    fleet.assert_data(old, restored={})

    # The canary, then a batch with one host that does not come up healthy; the last batch stays as it is.
    (fleet.books.scratch / "before.yml").write_text(HOOKS.format(word="before"), encoding="utf-8")
    (fleet.books.scratch / "after.yml").write_text(HOOKS.format(word="after"), encoding="utf-8")
    fleet.write(common, db2={"mariabackup_verify_queries": [{"query": "SELECT 1", "expect": "2"}]})
    hooks = {"mariabackup_before_host_tasks": "before.yml", "mariabackup_after_host_tasks": "after.yml"}
    play = fleet.run(mariabackup_fleet_batch="[2, 1]", **hooks)
    assert results_of(play) == {"db1": "restored", "db2": "rolled back", "db3": "restored", "db4": "not touched"}
    fleet.assert_data(old, restored=some(saved, "db1 db3"))
    assert fleet.servers["db4"].server_pid() == pids["db4"]
    assert {name: hooks_of(server) for name, server in fleet.servers.items()} == {
        "db1": "before after", "db2": "before", "db3": "before after", "db4": ""
    }  # fmt: skip
    assert modules_of(play, "db1") == ["shell", "restore", "backup_account", "shell"]
    db2 = report_of(play)["hosts"][1]
    assert "expect" in db2["message"] or "SELECT 1" in db2["message"], db2

    # What comes before fails on one host: its batch is held back, and the host that was ready gets what comes after.
    fleet.write(common)
    fleet.servers["db4"].run("touch /srv/no-before")
    play = fleet.run("--limit", "db2,db4", mariabackup_fleet_canary=0, mariabackup_fleet_batch=0, **hooks)
    assert results_of(play) == {"db2": "not touched", "db4": "not touched, before hook failed"}
    assert hooks_of(fleet.servers["db2"]) == "before after"
    assert hooks_of(fleet.servers["db4"]) == "before"
    fleet.assert_data(old, restored=some(saved, "db1 db3"))

    # The ones that are left, by name, through a store that takes one at a time; what comes after fails for one of them.
    fleet.servers["db4"].run("rm /srv/no-before && touch /srv/no-after")
    play = fleet.run("--limit", "db2,db4", mariabackup_fleet_batch="100%", mariabackup_fleet_throttle=1, **hooks)
    assert results_of(play) == {"db2": "restored", "db4": "restored, after hook failed"}
    fleet.assert_data(old, restored=saved)

    # Again, over all of them: nothing to do, and what was written since stays.
    for server in fleet.servers.values():
        hooks_of(server)
        server.run("rm -f /srv/no-after")
    old = fleet.change()
    pids = {name: server.server_pid() for name, server in fleet.servers.items()}
    play = fleet.run(mariabackup_if_not_restored=True, **hooks)
    assert results_of(play) == dict.fromkeys(fleet.servers, "already restored")
    assert {hooks_of(server) for server in fleet.servers.values()} == {"after"}
    assert {name: server.server_pid() for name, server in fleet.servers.items()} == pids
    fleet.assert_data(old, restored={})


def test_a_host_that_is_lost_while_it_restores(fleet: Fleet) -> None:
    """The power of one of a batch goes: its neighbour is restored, the next batch is not touched, and --limit brings all to an end."""
    saved = fleet.mark()
    lost = fleet.servers["db2"]
    other = lost.succeed("backup", repository=REPOSITORY, instance="db2")["id"]
    for name, server in fleet.servers.items():
        server.succeed("backup", repository=REPOSITORY, instance=name)
    old = fleet.change()
    set_breakpoint(lost, "stage-after")
    process = fleet.books.start(
        BOOK, mariabackup_hosts="shop", mariabackup_fleet_batch="[2, 1]", mariabackup_reconnect_timeout=1
    )
    wait_stopped(lost)
    clear_breakpoints(lost)
    power_cut(lost, boot=False)
    play = fleet.books.finish(process)
    assert results_of(play) == {"db1": "restored", "db2": "unreachable", "db3": "restored", "db4": "not touched"}, (
        play.output
    )
    assert "Run the same task again" in report_of(play)["hosts"][1]["message"]
    boot_again(lost)
    fleet.assert_data(old, restored=some(saved, "db1 db3"))

    # This time the controller is lost. The next run finds its jobs, one at work and one that is done.
    again = {"mariabackup_hosts": "shop", "mariabackup_fleet_canary": 0, "mariabackup_fleet_batch": "100%"}
    set_breakpoint(lost, "stage-after")
    process = fleet.books.start(BOOK, "--limit", "db2,db4", **again)
    wait_stopped(lost)
    clear_breakpoints(lost)
    wait_for(lambda: restores_of(fleet.servers["db4"]) == 1, "the other host is restored", 60)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    # Who means another backup has to wait.
    play = fleet.run("--check", "--limit", "db2", mariabackup_backup_id=other)
    assert results_of(play) == {"db2": "refused"}
    assert "is working on it" in report_of(play)["hosts"][0]["message"]
    process = fleet.books.start(BOOK, "--limit", "db2,db4", **again)
    wait_for(lambda: "db2: restore stage" in fleet.books.output.read_text(encoding="utf-8"), "it attaches", 60)
    proceed(lost)
    play = fleet.books.finish(process)
    assert results_of(play) == {"db2": "restored", "db4": "restored"}, play.output
    fleet.assert_data(old, restored=saved)
    assert {restores_of(server) for server in fleet.servers.values()} == {1}


def test_a_controller_that_is_killed_ten_times(fleet: Fleet) -> None:
    """At random moments, in the middle of a fleet's restore: in the end every host is restored, and each of them once."""
    saved = fleet.mark()
    for name, server in fleet.servers.items():
        server.succeed("backup", repository=REPOSITORY, instance=name)
    fleet.change(saved)
    common = {"mariabackup_hosts": "shop", "mariabackup_if_not_restored": True, "mariabackup_fleet_batch": 3}
    seed = time.time_ns()
    moments = random.Random(seed)
    for _number in range(10):
        process = fleet.books.start(BOOK, **common)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(moments.uniform(1, 9))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    for server in fleet.servers.values():
        wait_for(lambda server=server: not server.job_pids(), f"{server.name}: its job ends", 60)
    play = fleet.books.run(BOOK, **common)
    assert play.returncode == 0, f"seed {seed}\n{play.output}"
    assert set(results_of(play).values()) <= {"restored", "already restored"}
    fleet.assert_data({}, restored=saved)
    assert {restores_of(server) for server in fleet.servers.values()} == {1}, f"seed {seed}"


@pytest.mark.suites("trixie")
def test_one_machine_under_two_names(pool: Pool, published: Path, tmp_path: Path, server: Server) -> None:
    """Never two restores of it at the same time: the second, which is another task, is refused while the first works."""
    server.succeed("backup", repository=REPOSITORY)
    server.dataset("change")
    lab = yaml.safe_load(pool.inventory())["all"]["vars"]
    where = {"ansible_host": server.host.address, "mariabackup_instance": server.name}
    text = json.dumps({"all": {"hosts": {"one": where, "other": {**where, "mariabackup_run_id": "x"}}, "vars": lab}})
    books = Playbooks(published / "collections", tmp_path / "ansible", text)
    set_breakpoint(server, "stage-after")
    process = books.start(
        BOOK,
        mariabackup_hosts="all",
        mariabackup_repository=REPOSITORY,
        mariabackup_existing_data="delete",
        mariabackup_fleet_canary=0,
        mariabackup_fleet_batch=2,
    )
    wait_stopped(server)
    clear_breakpoints(server)
    wait_for(lambda: '"status": "failed"' in books.record.read_text(encoding="utf-8"), "a refusal")
    proceed(server)
    play = books.finish(process)
    assert sorted(results_of(play).values()) == ["refused", "restored"], play.output
    assert any("is working on it" in row["message"] for row in report_of(play)["hosts"])
    server.assert_seeded()


def test_the_guide(fleet: Fleet) -> None:
    """Every command of docs/fleet.md, in its order, and whose data each of them has left where."""
    guide = Guide("fleet")
    written = yaml.safe_load(guide.files["inventory.yml"])["all"]["children"]["shop"]
    assert list(written["hosts"]) == list(fleet.servers)
    guide.write_files(fleet.books.scratch)
    # Their addresses are the lab's.
    fleet.write(written["vars"])
    commands = iter(guide.commands)
    saved = fleet.mark()
    for command in next(commands).splitlines():
        fleet.books.follow(command)
    # The file system that all of them see.
    for name, server in fleet.servers.items():
        for other in fleet.servers.values():
            if other is not server:
                shutil.copytree(server.path(f"{REPOSITORY}/{name}"), other.path(f"{REPOSITORY}/{name}"))

    exchanged = {"db1": saved["db2"], "db2": saved["db1"]}
    for word, result, restored in (
        ("--check", "would be restored", {}),
        ("--forks", "restored", saved),
        ("--limit", "restored", some(saved, "db2 db4")),
        ("if_not_restored", "already restored", {}),
        ("before=", "restored", saved),
        ("backup_id", "restored", dict.fromkeys(("db1", "db2"), saved["db1"])),
        ("map.yml", "restored", exchanged),
        ("drain.yml", "restored", saved),
    ):
        command = next(commands)
        assert word in command
        old, files = fleet.change(restored), fleet.files()
        play = fleet.books.follow(command)
        assert fleet.files() == files or result != "would be restored"
        assert results_of(play) == dict.fromkeys(restored or saved, result)
        fleet.assert_data(old, restored)
    assert not list(commands)
    for server in fleet.servers.values():
        assert server.exists("/run/in-service")
