# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""examples/awx on real servers: the guide's commands, and every template through ansible-runner, as AWX runs it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tests.integration.harness.awx import Awx, workflow
from tests.integration.harness.faults import clear_breakpoints, proceed, runners, set_breakpoint, wait_stopped
from tests.integration.harness.guide import Guide
from tests.integration.harness.server import Server, assert_same
from tests.support.awx import load
from tests.tools.tree import copy_to

pytestmark = pytest.mark.xdist_group("awx")

LENT = "/run/mariabackup-secrets"
STORE = "/srv/store"
SECRET = "s3cret-of-a-credential"
OURS = ["mariabackup", "dba"]


@pytest.fixture(scope="session")
def followed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """The home of somebody who has followed the guide in a checkout of the collection, and what each command printed."""
    top = tmp_path_factory.mktemp("guide")
    home = top / "home"
    home.mkdir()
    dropped = ("PYTHONPATH", "ANSIBLE_CONFIG", "ANSIBLE_COLLECTIONS_PATH")
    env = {name: value for name, value in os.environ.items() if name not in dropped}
    for who in ("AUTHOR", "COMMITTER"):
        env.update({f"GIT_{who}_NAME": "somebody", f"GIT_{who}_EMAIL": "somebody@example.com"})
    checkout = copy_to(top / "checkout")
    printed = {}
    for command in Guide("awx").commands:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=checkout,
            env={**env, "HOME": str(home), "ANSIBLE_HOME": str(home / ".ansible")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}"
        printed[command] = done.stdout
    return home, printed


def test_the_guide_s_commands(followed: tuple[Path, dict[str, str]]) -> None:
    """They make a project, and a context for an execution environment that holds the collection and what it needs."""
    home, printed = followed
    project = home / "mariadb-awx"
    tracked = subprocess.run(["git", "-C", project, "ls-files"], check=True, stdout=subprocess.PIPE, text=True).stdout
    (archive,) = (project / "collections").glob("dba-mariabackup-*.tar.gz")
    assert {f"collections/{archive.name}", "ansible.cfg", "restore_fleet.yml"} <= set(tracked.split())
    context = project / "context"
    assert (context / "_build" / "collections" / archive.name).read_bytes() == archive.read_bytes()
    written = {path.name for path in context.iterdir()}
    assert written & {"Containerfile", "Dockerfile"}
    (found,) = [text for command, text in printed.items() if "introspect" in command]
    needs = yaml.safe_load(found[found.index("---") :])
    assert needs["python"] == []
    assert [line.split()[0] for line in needs["system"]] == ["openssh-client", "openssh-clients"]


@pytest.fixture
def awx(
    followed: tuple[Path, dict[str, str]], tmp_path: Path, server: Server, take: Callable[..., Server]
) -> Iterator[Awx]:
    """An AWX with two hosts, whose encrypted streams lie where only its credentials lead."""
    home, _printed = followed
    servers = [server, take(server.suite)]
    for each in servers:
        each.run(f"mkdir {STORE}")
    key = server.out("age-keygen 2>/dev/null")
    found = Awx(
        home / "mariadb-awx",
        home / "mariadb-awx-collections",
        tmp_path / "awx",
        servers,
        {
            "mariabackup_repository": "store:backups",
            "mariabackup_format": "stream",
            "mariabackup_encryption_recipients": [server.out(["age-keygen", "-y", "/dev/stdin"], input=key)],
        },
    )
    found.credentials = {
        "Backup key": {"identity": key},
        "Backup storage": {"configuration": f"# {SECRET}\n[store]\ntype = alias\nremote = {STORE}"},
        "Database administrator": {"username": "dba", "password": SECRET},
    }
    yield found
    found.close()


def prepare(awx: Awx) -> None:
    """Prepare the hosts, and take a backup of each."""
    everyone = {"mariabackup_hosts": "databases"}
    for server in awx.servers.values():
        server.sql(f"CREATE USER dba@localhost IDENTIFIED BY '{SECRET}'")
        server.sql("GRANT ALL ON *.* TO dba@localhost WITH GRANT OPTION")
    installed = awx.launch("MariaDB: prepare hosts", everyone).succeeded()
    for result in installed.results("backup_account").values():
        assert result["invocation"]["module_args"]["login_user"] == "dba"
    answers = {"mariabackup_type": "auto", "mariabackup_throttle": 0, "mariabackup_backup_throttle": 0}
    taken = awx.launch("MariaDB: back up", {**everyone, **answers}).succeeded()
    assert taken.artifacts["mariabackup_backup_fleet"]["failed"] == []
    assert [result["encrypted"] for result in taken.results("backup").values()] == [True, True]


def restored(server: Server) -> bool:
    """Tell whether the backup's data serves, all of it as it was."""
    now = server.snapshot()
    if now["tables"] != server.seeded["tables"]:
        return False
    assert_same(server.seeded, now, ignore_accounts=OURS)
    return True


def step(identifier: str) -> str:
    """Return the name of the template of a step of the workflow."""
    nodes = workflow("MariaDB: plan, approve, restore, report")["simplified_workflow_nodes"]
    (name,) = [node["unified_job_template"] for node in nodes if node["identifier"] == identifier]
    return str(name)


def plan_restore_report(awx: Awx, page: Path) -> None:
    """The workflow: each job gets its variables, and the artifacts of those before it. The restore is in two slices at once."""
    for server in awx.servers.values():
        server.dataset("change")
    answers = {
        "mariabackup_hosts": "databases",
        "confirmed_hosts": "databases",
        "mariabackup_existing_data": "delete",
        "mariabackup_topology": "refuse",
        "mariabackup_fleet_canary": 1,
        "mariabackup_fleet_batch": "25%",
        "mariabackup_fleet_throttle": 0,
        "mariabackup_if_not_restored": "true",
        "mariabackup_report_path": str(page),
    }
    planned = awx.launch(step("plan"), {}, workflow_variables=answers).succeeded().artifacts
    found = planned["mariabackup_restore_fleet"]
    assert {row["host"]: row["result"] for row in found["hosts"]} == dict.fromkeys(awx.servers, "would be restored")
    assert not any(restored(server) for server in awx.servers.values())

    passed = {**planned, **answers}
    slices = [awx.launch(step("restore"), {}, workflow_variables=passed, job_slice=(number, 2)) for number in (1, 2)]
    done = [job.succeeded().artifacts["mariabackup_restore_fleet"] for job in slices]
    rows = [[(row["host"], row["result"]) for row in fleet["hosts"]] for fleet in done]
    assert rows == [[(name, "restored")] for name in sorted(awx.servers)]
    assert [set(job.results("restore")) for job in slices] == [{name} for name in sorted(awx.servers)]
    assert all(restored(server) for server in awx.servers.values())

    # What slices have set, a workflow merges; the last one wins.
    passed = {**planned, "mariabackup_restore_fleet": done[-1], **answers}
    reported = awx.launch(step("report"), {}, workflow_variables=passed).succeeded().artifacts["mariabackup_report"]
    assert (reported["hosts"], reported["path"]) == (2, str(page))
    assert all(name in page.read_text(encoding="utf-8") for name in awx.servers)


def one_host(awx: Awx, server: Server) -> None:
    """A host is restored when its name was typed twice; a job that was cancelled half-way is taken up by the next one."""
    server.dataset("change")
    answers = {
        "mariabackup_hosts": server.name,
        "mariabackup_existing_data": "delete",
        "mariabackup_topology": "refuse",
    }
    wrong = {**answers, "confirmed_hosts": "databases"}
    refused = awx.launch("MariaDB: restore a host", wrong, "--limit", server.name).wait()
    assert refused.status == "failed"
    assert "launch the job again and type exactly" in refused.output
    assert refused.results("restore") == {}

    answers["confirmed_hosts"] = server.name
    set_breakpoint(server, "prepare-before")
    first = awx.launch("MariaDB: restore a host", answers)
    wait_stopped(server)
    clear_breakpoints(server)
    assert first.cancel().status == "canceled"
    assert len(runners(server)) == 1
    again = awx.launch("MariaDB: restore a host", answers)
    again.wait_for_event(f"{server.name}: restore prepare")
    assert len(runners(server)) == 1
    proceed(server)
    assert again.succeeded().results("restore")[server.name]["health"] == "ok"
    assert restored(server)


def another_server(awx: Awx, server: Server) -> None:
    """A clone gets the id that was asked for."""
    answers = {
        "mariabackup_hosts": server.name,
        "confirmed_hosts": server.name,
        "mariabackup_instance": server.name,
        "mariabackup_existing_data": "delete",
        "mariabackup_clone_server_id": 4711,
    }
    awx.launch("MariaDB: clone a server", answers).succeeded()
    assert server.sql("SELECT @@server_id") == "4711"


@pytest.mark.suites("trixie")
def test_every_template(awx: Awx, server: Server, tmp_path: Path) -> None:
    """Surveys answered, credentials attached, events and artifacts read back; no secret is told, and none is left behind."""
    prepare(awx)
    plan_restore_report(awx, tmp_path / "page.html")
    one_host(awx, server)
    another_server(awx, server)
    assert {job.template for job in awx.jobs} == {entry["name"] for entry in load()["controller_templates"]}
    told = "".join(job.told() for job in awx.jobs)
    assert SECRET not in told
    assert "AGE-SECRET-KEY" not in told
    for each in awx.servers.values():
        assert not each.exists(LENT)
