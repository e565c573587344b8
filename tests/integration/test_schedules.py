# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Schedules on real hosts: timers that fire, runs that fail, two at once, a host that was down, and removal."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from tests.integration.harness.backups import SECRET, backup_account, watch_for_secret
from tests.integration.harness.faults import TOOL, boot_again, frozen, wait_program
from tests.integration.harness.playbooks import Playbooks
from tests.integration.harness.server import STATE_DIR, Server, show, wait_for

REPOSITORY = "/srv/repository"
METRICS = "/srv/metrics"
NEVER = "2099-01-01"
ALARM = "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo %i >> /srv/alarms'\n"
# Everything that a schedule can leave, but for its backups and the records of its jobs.
TRACES = (
    "find /etc/systemd /etc/mariabackup /run/systemd/system /var/lib/systemd /var/lib/prometheus /srv/metrics"
    f" {STATE_DIR}/schedules -name '*mariabackup*' -o -path '/etc/mariabackup/*' -o -path '{STATE_DIR}/schedules/*' 2>/dev/null"
    " | grep -v journal; systemctl list-units --all --plain --no-legend 'mariabackup-*'"
)


def install(server: Server, name: str, **options: Any) -> dict[str, Any]:
    """Install a schedule that never fires by itself, unless ``on_calendar`` says otherwise."""
    values = {"on_calendar": NEVER, "repository": REPOSITORY, "metrics_dir": METRICS, "login_user": "root", **options}
    server.run(["mkdir", "-p", METRICS])
    return server.succeed("schedule", name=name, **values)


def start(server: Server, name: str, *options: str) -> int:
    """Start a run, wait for its end, and return what systemctl says."""
    return server.run(["systemctl", "start", *options, f"mariabackup-{name}.service"], check=False).returncode


def metrics(server: Server, name: str, directory: str = METRICS) -> dict[str, str]:
    """Return the lines of the text file by their metrics' names, without the prefix."""
    text = server.host.get(f"{directory}/mariabackup-{name}.prom")
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            match = re.fullmatch(r"mariabackup_(\w+)\{(.*)\} (\S+)", line)
            assert match, line
            assert f'instance="{server.out("hostname")}",schedule="{name}"' in match[2]
            found[match[1]] = match[3]
    return found


def runs(server: Server) -> dict[str, dict[str, Any]]:
    """Return what backup_info tells of the last runs, by schedule."""
    listed = server.succeed("backup_info", repository=REPOSITORY)["scheduled_runs"]
    return {run["schedule"]: run for run in listed}


def ids(server: Server, repository: str = REPOSITORY) -> list[str]:
    """Return the ids of the backups."""
    return [entry["id"] for entry in server.succeed("backup_info", repository=repository)["backups"]]


def soon(server: Server, seconds: int) -> str:
    """Return the time in so many seconds as a timer takes it."""
    return f"{datetime.now(timezone.utc) + timedelta(seconds=seconds):%Y-%m-%d %H:%M:%S} UTC"


def idle(server: Server, name: str) -> bool:
    """Tell whether no run is under way."""
    state = server.out(["systemctl", "show", "--property=ActiveState", "--value", f"mariabackup-{name}.service"])
    return state in ("inactive", "failed")


@pytest.mark.suites("bullseye")
def test_through_the_role(server: Server, playbooks: Callable[[], Playbooks]) -> None:
    """A timer fires again and again without a controller: backups, retention, second copies, metrics; removed without a trace."""
    books = playbooks()
    books.succeed("dba.mariabackup.install", mariabackup_hosts=server.name)
    server.run("mkdir -p /var/lib/prometheus/node-exporter")
    one = {
        "name": "often",
        "on_calendar": "*:*:0/2",
        "retention": {"keep_last": 2},
        "copy_to": "/srv/second",
        "copy_retention": {"keep_last": 3},
        "backup_options": {"label": "by schedule", "parallel": "2"},
    }
    common = {"mariabackup_hosts": server.name, "mariabackup_repository": REPOSITORY}
    books.succeed("dba.mariabackup.schedule", **common, mariabackup_schedules=[one])
    seen: set[str] = set()
    wait_for(lambda: len(seen.update(ids(server)) or seen) >= 4, "four backups", timeout=60)
    rare = {**one, "on_calendar": NEVER}
    changed = books.succeed("dba.mariabackup.schedule", **common, mariabackup_schedules=[rare])
    assert changed.result("schedule")["results"][0]["actions"] == [
        "write /etc/systemd/system/mariabackup-often.timer",
        "reload systemd",
        "start mariabackup-often.timer",
    ]
    again = books.succeed("dba.mariabackup.schedule", **common, mariabackup_schedules=[rare])
    assert again.result("schedule")["changed"] is False, show(again.result("schedule"))
    wait_for(lambda: idle(server, "often"), "the last run has ended")
    listed = server.succeed("backup_info", repository=REPOSITORY)["backups"]
    assert [entry["label"] for entry in listed] == ["by schedule"] * 2
    assert len(ids(server, "/srv/second")) == 3
    assert ids(server) == ids(server, "/srv/second")[-2:]
    verified = server.succeed("backup_info", repository=REPOSITORY, verify=True)
    assert verified["valid"]
    found = metrics(server, "often", "/var/lib/prometheus/node-exporter")
    assert server.out("stat -c %a /var/lib/prometheus/node-exporter/mariabackup-often.prom") == "644"
    created = datetime.fromisoformat(listed[-1]["created"].replace("Z", "+00:00")).timestamp()
    assert float(found["last_success_timestamp_seconds"]) == created
    assert 0 <= time.time() - float(found["last_run_timestamp_seconds"]) < 60
    assert found["last_run_success"] == found["last_backup_chain_length"] == "1"
    assert int(found["last_backup_size_bytes"]) == listed[-1]["size_bytes"]
    assert int(found["last_backup_stored_bytes"]) > 1_000_000
    assert float(found["last_backup_duration_seconds"]) == listed[-1]["duration_seconds"]
    assert "last_error_info" not in found
    run = runs(server)["often"]
    assert (run["ok"], run["backup_id"], run["last_backup_id"]) == (True, listed[-1]["id"], listed[-1]["id"])
    # The same jobs as those of tasks.
    result = json.loads(server.host.get(f"{run['log_path'].rpartition('/')[0]}/result.json"))
    assert result["ok"]
    server.dataset("change")
    server.succeed("restore", repository="/srv/second", existing_data="delete")
    server.run("systemctl is-enabled --quiet mariabackup-often.timer")
    books.succeed("dba.mariabackup.schedule", **common, mariabackup_schedules=[{"name": "often", "state": "absent"}])
    assert server.out(TRACES) == ""
    assert len(ids(server)) == 2


@pytest.mark.suites("trixie")
def test_increments_and_streams(server: Server) -> None:
    """A schedule of increments, one of streams, each with a second copy that restores when the first is lost."""
    install(server, "increments", backup_options={"type": "auto", "full_every": "6d"}, copy_to="/srv/second",
            retention={"keep_last": 1}, copy_retention={"keep_last": 1})  # fmt: skip
    assert start(server, "increments") == 0
    server.dataset("change")
    changed = server.snapshot()
    assert start(server, "increments") == 0
    assert metrics(server, "increments")["last_backup_chain_length"] == "2"
    assert len(ids(server)) == 2
    assert ids(server, "/srv/second") == ids(server)
    server.run(["rm", "-rf", REPOSITORY])
    options = {"backup_options": {"format": "stream", "compression": "zstd"}, "copy_to": "/srv/of-streams"}
    install(server, "streams", **options)
    assert start(server, "streams") == 0
    assert runs(server)["streams"]["ok"]
    server.run(["rm", "-rf", REPOSITORY])
    for repository in ("/srv/second", "/srv/of-streams"):
        verified = server.succeed("backup_info", repository=repository, verify=True)
        assert verified["valid"], show(verified)
        server.sql("DROP DATABASE dba_engines")
        server.succeed("restore", repository=repository, existing_data="delete")
        assert server.snapshot()["tables"] == changed["tables"]


@pytest.mark.suites("trixie")
def test_a_run_that_fails(server: Server) -> None:
    """OnFailure= fires, the metrics and backup_info say why, the last success stays; the next run that works clears it."""
    server.host.put(ALARM, "/etc/systemd/system/alarm@.service")
    install(server, "nightly", on_failure="alarm@%n.service", login_user=None)
    assert start(server, "nightly") == 0
    good = metrics(server, "nightly")
    assert not server.exists("/srv/alarms")
    server.stop_server()
    assert start(server, "nightly") != 0
    wait_for(lambda: server.exists("/srv/alarms"), "the alarm")
    assert server.out("cat /srv/alarms") == "mariabackup-nightly.service"
    bad = metrics(server, "nightly")
    assert (bad["last_run_success"], bad["last_error_info"]) == ("0", "1")
    assert bad["last_success_timestamp_seconds"] == good["last_success_timestamp_seconds"]
    assert bad["last_backup_size_bytes"] == good["last_backup_size_bytes"]
    run = runs(server)["nightly"]
    assert (run["ok"], run["failed_phase"], run["backup_id"]) == (False, "backup", None)
    assert run["last_backup_id"] == ids(server)[0]
    assert "Failed to connect to MariaDB server" in server.host.get(run["log_path"])
    assert "failed: backup:" in server.out("journalctl --no-pager -o cat -u mariabackup-nightly.service")
    server.start_server()
    # A wrong password, which must be nowhere but in the description.
    backup_account(server)
    changed = install(server, "nightly", on_failure="alarm@%n.service", login_user="backup", login_password="Falsch-1",
                      diff_mode=True)  # fmt: skip
    assert "Falsch-1" not in show(changed)
    with watch_for_secret(server, "Falsch-1") as seen:
        assert start(server, "nightly") != 0
    assert seen == []
    wait_for(lambda: len(server.out("cat /srv/alarms").split()) == 2, "the second alarm")
    assert "password" in runs(server)["nightly"]["error"]
    found = server.run(
        "grep -rlF Falsch-1 /etc /var/lib/mariabackup /var/log /srv /tmp /run/systemd", check=False
    ).stdout
    assert found == "/etc/mariabackup/schedules/nightly.json\n"
    assert server.out(
        "stat -c %a /etc/mariabackup /etc/mariabackup/schedules /etc/mariabackup/schedules/nightly.json"
    ) == ("700\n700\n600")
    assert "Falsch-1" not in server.out("journalctl --no-pager -o cat")
    install(server, "nightly", login_user="backup", login_password=SECRET)
    assert start(server, "nightly") == 0
    assert "last_error_info" not in metrics(server, "nightly")
    # Killed: no end, the metrics stay, and the next run is as any other.
    server.run("systemctl start --no-block mariabackup-nightly.service")
    wait_for(lambda: runs(server)["nightly"]["ended"] is None, "a run has begun", pause=0.005)
    server.run("systemctl kill --signal=KILL mariabackup-nightly.service")
    wait_for(lambda: idle(server, "nightly"), "the run is dead")
    assert runs(server)["nightly"]["ok"] is None
    assert metrics(server, "nightly")["last_run_success"] == "1"
    assert start(server, "nightly") == 0
    assert runs(server)["nightly"]["ok"] is True
    assert all(name in ids(server) for name in server.out(f"ls {REPOSITORY}/$(hostname)").split())


@pytest.mark.suites("trixie")
def test_two_at_once(server: Server) -> None:
    """Two timers at the same second, and a task of somebody at the same time: each waits for the others, and nobody fails."""
    server.host.put(ALARM, "/etc/systemd/system/alarm@.service")
    when = soon(server, 5)
    for name in ("first", "second"):
        install(server, name, on_calendar=when, on_failure="alarm@%n.service", retention={"keep_last": 5})
    assert runs(server) == {}
    wait_for(lambda: len(runs(server)) == 2 and all(run["ok"] for run in runs(server).values()), "two runs", timeout=40)
    assert len(ids(server)) == 2
    jobs = []
    for directory in server.out(f"ls -d {STATE_DIR}/jobs/*").split():
        about = json.loads(server.host.get(f"{directory}/job.json"))
        if about["operation"] in ("backup", "prune"):
            jobs.append((about["created"], server.path(f"{directory}/result.json").stat().st_mtime, about["operation"]))
    jobs.sort()
    assert [job[2] for job in jobs] == ["backup", "prune"] * 2
    assert all(jobs[number][1] <= jobs[number + 1][0] for number in range(3)), jobs
    # A backup by hand, which a run by schedule waits for; and one that does not want to wait so long.
    running = server.start_module("backup", repository=REPOSITORY)
    with frozen(server, wait_program(server, TOOL)):
        server.run("systemctl start --no-block mariabackup-first.service")
        wait_for(lambda: runs(server)["first"]["ended"] is None, "it has begun")
        install(server, "hasty", wait_timeout=1, defaults_file=None, instance="other", repository=REPOSITORY)
        time.sleep(1.5)
        assert not idle(server, "first")
    assert not running.result().get("failed"), show(running.result())
    wait_for(lambda: runs(server)["first"]["ok"], "the run by schedule ended well")
    assert len(ids(server)) == 4
    assert not server.exists("/srv/alarms")
    running = server.start_module("backup", repository=REPOSITORY)
    with frozen(server, wait_program(server, TOOL)):
        assert start(server, "hasty") != 0
    assert not running.result().get("failed"), show(running.result())
    listed = server.succeed("backup_info", repository=REPOSITORY, instance="other")
    assert "a backup (process" in listed["scheduled_runs"][0]["error"]


@pytest.mark.suites("bookworm")
def test_a_host_that_was_down(server: Server) -> None:
    """A persistent timer makes up for the run that was due meanwhile, when the server is up."""
    install(server, "nightly", on_calendar=soon(server, 6))
    install(server, "not-this", on_calendar=soon(server, 6), persistent=False)
    server.host.power_cut()
    time.sleep(6)
    assert not server.path(REPOSITORY).exists()
    boot_again(server)
    wait_for(lambda: server.path(f"{STATE_DIR}/schedules/nightly.json").exists(), "the timer has fired")
    wait_for(lambda: runs(server)["nightly"]["ended"], "the run has ended")
    assert runs(server)["nightly"]["ok"], show(runs(server)["nightly"])
    assert len(ids(server)) == 1
    assert list(runs(server)) == ["nightly"]
    server.run("systemctl is-active --quiet mariabackup-nightly.timer")


@pytest.mark.suites("bookworm")
def test_removal_ends_a_run(server: Server) -> None:
    """A schedule that is removed in the middle of its run leaves no backup and no trace; so does one that lost its parts."""
    server.run(["mkdir", "-p", METRICS])
    before = server.listing("/etc", "/srv")
    planned = install(server, "nightly", check=True, diff_mode=True)
    assert f"OnCalendar={NEVER}" in planned["diff"]["after"]
    assert server.listing("/etc", "/srv") == before
    done = install(server, "nightly", diff_mode=True)
    assert {name: done[name] for name in ("actions", "diff")} == {name: planned[name] for name in ("actions", "diff")}
    assert install(server, "nightly")["changed"] is False
    # As a task leaves it that was killed before systemd knew of it; and somebody's own change.
    server.run("touch -d 'next year' /etc/systemd/system/mariabackup-nightly.service")
    assert install(server, "nightly")["actions"] == ["reload systemd"]
    server.run(
        "echo >> /etc/systemd/system/mariabackup-nightly.service; systemctl disable --now mariabackup-nightly.timer"
    )
    assert install(server, "nightly")["actions"] == [
        "write /etc/systemd/system/mariabackup-nightly.service",
        "reload systemd",
        "start mariabackup-nightly.timer",
    ]
    server.run("systemctl start --no-block mariabackup-nightly.service")
    # The tool is held where it is; systemd lets it go on when it ends it.
    stop = ["pkill", "-STOP", "-f", "[m]ariadb-backup .*--target-dir="]
    wait_for(lambda: server.run(stop, check=False).returncode == 0, "the tool runs", pause=0.002)
    planned = server.succeed("schedule", name="nightly", state="absent", check=True)
    server.run("systemctl is-active --quiet mariabackup-nightly.timer")
    removed = server.succeed("schedule", name="nightly", state="absent", diff_mode=True)
    assert removed["actions"] == planned["actions"]
    assert removed["actions"][0] == "stop mariabackup-nightly.timer"
    assert "ExecStart" in removed["diff"]["before"]
    assert removed["diff"]["after"] == ""
    assert server.out(TRACES) == ""
    assert ids(server) == []
    assert server.succeed("schedule", name="nightly", state="absent")["changed"] is False
    install(server, "nightly")
    assert start(server, "nightly") == 0
    server.run("rm /etc/systemd/system/mariabackup-nightly.timer && systemctl daemon-reload")
    assert server.succeed("schedule", name="nightly", state="absent", metrics_dir=METRICS)["changed"]
    assert server.out(TRACES) == ""


@pytest.mark.suites("trixie")
def test_what_cannot_be_scheduled(server: Server) -> None:
    """Options are checked as the modules check them, and times by systemd, before anything is written."""
    before = server.listing("/etc", "/srv")
    good = {"name": "x", "on_calendar": NEVER, "repository": REPOSITORY}

    def refused(text: str, **options: Any) -> None:
        server.fail("schedule", text, **{**good, **options})
        server.fail("schedule", text, check=True, **{**good, **options})

    refused("backup_options has paralel, which the module backup does not know", backup_options={"paralel": 4})
    refused("backup_options: argument 'parallel' is of type", backup_options={"parallel": "four"})
    refused("mutually exclusive", backup_options={"target_dir": "/srv/x"})
    refused("are options of this module", backup_options={"login_password": "x"})
    refused("on_calendar is 'sometimes', which systemd does not understand", on_calendar="sometimes")
    refused("randomized_delay is 'long'", randomized_delay="long")
    refused("on_calendar is", on_calendar="daily\nUnit=x")
    refused("on_failure is", on_failure="a.service\nRequires=b")
    refused("cannot be a part of a unit's name", name="../x")
    refused("No rule says what to keep", retention={"keep_last": 0})
    refused("keep_within is 'soon'", retention={"keep_within": "soon"})
    refused("is no directory", metrics_dir="/srv/none")
    refused("wait_timeout is -1", wait_timeout=-1)
    refused("missing parameter(s) required by 'copy_retention'", copy_retention={"keep_last": 1})
    refused("on_calendar", on_calendar=None)
    assert server.listing("/etc", "/srv") == before


@pytest.mark.suites("trixie")
@pytest.mark.layout("instance")
def test_one_of_several_servers(server: Server) -> None:
    """A schedule of the instance x backs up that one, as db@x, waits for no other, and prunes the right directory."""
    server.start_server("mariadb")
    install(server, "of-x", defaults_group_suffix=".x", retention={"keep_last": 1}, copy_to="/srv/second")
    assert "After=mariadb@x.service" in server.host.get("/etc/systemd/system/mariabackup-of-x.service")
    for _number in range(2):
        assert start(server, "of-x") == 0
    instance = f"{server.out('hostname')}@x"
    listed = server.succeed("backup_info", repository=REPOSITORY, instance=instance)
    assert len(listed["backups"]) == 1
    assert listed["scheduled_runs"][0]["ok"]
    assert len(server.succeed("backup_info", repository="/srv/second", instance=instance)["backups"]) == 2
