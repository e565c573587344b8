# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of every module, run as they are printed, through ansible-playbook and the published collection."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.harness.documentation import documented, undocumented
from tests.integration.harness.playbooks import Playbooks
from tests.integration.harness.seeds import ROOT
from tests.integration.harness.server import Server, show

Task = dict[str, Any]
# Each one builds on those before it.
ORDER = (
    "server_info", "backup_account", "backup", "job", "import_tables", "backup_info", "copy_backup", "prune", "schedule", "prepare",
    "restore", "restore_info", "previous_datadir",
)  # fmt: skip
UNDECIDED: Task = {
    "dba.mariabackup.restore": {
        "target_dir": "/srv/backup/tuesday",
        "existing_data": "keep",
        "rollback_on_failure": False,
        "verify_queries": [{"query": "SELECT 1", "expect": "2"}],
    },
    "failed_when": False,
}


def _shell(script: str) -> Task:
    return {"ansible.builtin.shell": script}


BEFORE: dict[str, Task] = {
    "Take a full backup with the account of the install role": _shell("rm -r /srv/backup/monday*"),
    "Take over a backup that was made with the plain tool": _shell(
        "mariadb-backup --backup --user=root --target-dir=/srv/backup/by-hand"
    ),
    "Restore onto a new server, whose datadir has to be empty": _shell(
        "systemctl stop mariadb.socket mariadb-extra.socket mariadb && find /var/lib/mysql -mindepth 1 -delete"
    ),
    "Keep the new data of a restore that a power cut interrupted": UNDECIDED,
    "Make a test server of production's newest backup, without its customers' addresses": {
        "block": [
            _shell(
                "mariadb -e \"CREATE TABLE shop.customers (id INT, email VARCHAR(99)); INSERT INTO shop.customers VALUES (1, 'a@b')\""
            ),
            {
                "dba.mariabackup.backup": {
                    "repository": "/srv/repository",
                    "instance": "shop-production",
                    "login_user": "root",
                }
            },
        ]
    },
    # The tool leaves out what was imported since the last checkpoint.
    "Bring all tables of a schema back from the newest backup": {
        "block": [
            _shell("systemctl restart mariadb"),
            {"dba.mariabackup.backup": {"repository": "/srv/repository", "login_user": "root"}},
        ]
    },
}


def examples(module: str) -> list[Task]:
    """Return the tasks in the EXAMPLES of a module."""
    return list(documented(module, "EXAMPLES"))


def quibbles(event: dict[str, Any]) -> list[str]:
    """Return how a result and its documentation differ: keys that are missing, and keys that nobody has described."""
    module, result = event["action"].rpartition(".")[2], event["result"]
    real = () if "plan" in result else ("success and not in check mode",)
    # A task that does not wait knows nothing of its result.
    real = () if "job_id" in result and module != "job" else ("always", "success", *real)
    always = {name for name, about in documented(module, "RETURN").items() if about["returned"] in real}
    differences = [f"{event['task']}: {name} is missing" for name in sorted(always - set(result))]
    return differences + [f"{event['task']}: {name} is not documented" for name in undocumented(module, result)]


def test_every_module_is_in_the_order() -> None:
    """No module's examples are left out."""
    assert sorted(ORDER) == sorted(path.stem for path in Path(ROOT, "plugins", "modules").glob("*.py"))


@pytest.mark.suites("trixie")
@pytest.mark.layout("instance")
def test_every_example_runs(server: Server, playbooks: Callable[[], Playbooks]) -> None:
    """Each EXAMPLE runs, on a host with two instances, in the order of a first day, and RETURN describes the results."""
    server.start_server("mariadb")
    server.run(
        ["mariadb"], input="CREATE DATABASE shop; CREATE TABLE shop.orders (id INT); INSERT INTO shop.orders VALUES (1)"
    )
    tasks: list[Task] = []
    for module in ORDER:
        for task in examples(module):
            before = BEFORE.get(task["name"])
            tasks += [before] if before else []
            tasks.append(task)
    play = playbooks().run([{"hosts": server.name, "gather_facts": False, "tasks": tasks}])
    failed = [f"{event['task']}\n{show(event['result'])}" for event in play.events if event["status"] == "failed"]
    assert play.returncode == 0, "\n".join(failed) or play.output
    names = {task["name"] for module in ORDER for task in examples(module)}
    ours = [event for event in play.events if event["task"] in names]
    assert {event["task"] for event in ours if event["status"] == "ok"} == names
    wrong = [line for event in ours if event["action"].startswith("dba.") for line in quibbles(event)]
    assert not wrong, "\n".join(wrong)
    assert server.run(["mariadb", "-N", "-e", "SELECT COUNT(*) FROM shop.orders"]).stdout == "1\n"
