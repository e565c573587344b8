# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One backup of a replication group from its best member, and a fleet in which not every host can be backed up."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from typing import Any

import yaml

from tests.integration.harness.documentation import documented, undocumented
from tests.integration.harness.layouts import BINLOG
from tests.integration.harness.playbooks import Play, Playbooks
from tests.integration.harness.replication import replicate
from tests.integration.harness.seeds import ROOT
from tests.integration.harness.server import Server

Take = Callable[..., Server]
REPOSITORY = "/srv/repository"


def guide() -> list[str]:
    """Return the arguments after the playbook's name of the command in docs/fleet-backups.md."""
    text = (ROOT / "docs" / "fleet-backups.md").read_text(encoding="utf-8")
    (found,) = re.findall(r"^ansible-playbook -i inventory.yml dba[.]mariabackup[.]backup (.*)$", text, re.MULTILINE)
    return shlex.split(found)


def fleet(play: Play) -> dict[str, Any]:
    """Return what a run has handed on."""
    (stats,) = play.results("ansible.builtin.set_stats")
    return dict(stats["ansible_stats"]["data"]["mariabackup_backup_fleet"])


def test_a_fleet(take: Take, playbooks: Callable[[], Playbooks]) -> None:
    """The good replica is taken, not the primary, nor the one that stands still; a host that is away stops nobody."""
    primary = take("trixie", layout=BINLOG, bind_address="0.0.0.0")
    good = take("trixie", layout=BINLOG, server_id="12", read_only="ON")
    still = take("trixie", layout=BINLOG, server_id="13", read_only="ON")
    replicate(primary, good)
    primary.sql("DROP TABLE dba_empty.t; DROP USER repl@'%'")
    replicate(primary, still)
    still.sql("STOP SLAVE")
    about_server_info(primary, good, still)

    books = playbooks()
    inventory = yaml.safe_load(books.inventory.read_text(encoding="utf-8"))
    hosts = inventory["all"]["children"]["trixie"]["hosts"]
    for server in (primary, good, still):
        hosts[server.name]["mariabackup_backup_group"] = "shop"
    # Nobody listens there. It is a batch of its own.
    hosts["away"] = {**hosts[good.name], "ansible_port": 9, "mariabackup_backup_group": ""}
    members: dict[str, Any] = {name: {} for name in ("away", primary.name, good.name, still.name)}
    inventory["all"]["children"]["databases"] = {"hosts": members}

    def run(*arguments: str, **variables: Any) -> tuple[Play, dict[str, tuple[str, str]], dict[str, Any]]:
        books.inventory.write_text(json.dumps(inventory), encoding="utf-8")
        play = books.run("dba.mariabackup.backup", *guide(), *arguments, **variables)
        found = fleet(play)
        return play, {row["host"]: (row["result"], row["reason"]) for row in found["hosts"]}, found

    play, rows, found = run(mariabackup_backup_serial=1)
    assert play.returncode != 0, play.output
    assert found["taken"] == [good.name]
    assert found["failed"] == ["away"]
    assert rows["away"] == ("failed", "the host is unreachable")
    assert rows[primary.name] == ("not chosen", f"the primary, as no replica can be taken, and {good.name} was taken")
    assert rows[still.name][0] == "not chosen"
    assert "not running" in rows[still.name][1]
    (backup,) = [row for row in found["hosts"] if row["host"] == good.name]
    assert backup["path"].startswith(f"{REPOSITORY}/shop/")
    assert [server.exists(REPOSITORY) for server in (primary, good, still)] == [False, True, False]
    assert re.search(rf"{good.name} +{backup['path']} +full .* proven, a replica that is \d s behind", play.output)
    assert re.search(r"^away +.*unreachable=\d.* failed=1 ", play.output, re.MULTILINE), play.output

    # No replica will do. The primary is spared on demand, and then its group fails, with the reasons; the others go on.
    good.sql("STOP SLAVE")
    hosts[still.name]["mariabackup_backup_group"] = ""
    del members["away"]
    play, rows, found = run(mariabackup_backup_from_primary=False)
    assert play.returncode != 0
    assert (found["taken"], found["failed"]) == ([still.name], [primary.name, good.name])
    assert "mariabackup_backup_from_primary is false" in rows[primary.name][1]
    assert "not running" in rows[good.name][1]
    play, rows, found = run("--check")
    assert play.returncode == 0, play.output
    assert rows[primary.name] == ("would be taken", "the primary, as no replica can be taken")
    assert f"{primary.name}, the plan:" in play.output
    assert not primary.exists(REPOSITORY)


def about_server_info(primary: Server, good: Server, still: Server) -> None:
    """The role and state of each, what an account with less may see, and a server that is down."""
    infos = {server: server.succeed("server_info") for server in (primary, good, still)}
    for info in infos.values():
        assert info["reachable"] is True
        assert info["problem"] is None
        assert not undocumented("server_info", info)
        assert set(documented("server_info", "RETURN")) - set(info) <= {
            "failed_phase", "cause", "action", "cmd", "rc", "log_tail",
        }  # fmt: skip
        assert info["changed"] is False
    assert [infos[server]["role"] for server in (primary, good, still)] == ["primary", "replica", "replica"]
    assert f"{good.name} (server id 12)" in infos[primary]["replicas"]
    assert (infos[primary]["server_id"], infos[primary]["read_only"], infos[good]["read_only"]) == (11, False, True)
    (link,) = infos[good]["connections"]
    described = documented("server_info", "RETURN")["connections"]["contains"]
    assert set(link) == set(described)
    assert (link["primary_server_id"], link["io_running"], link["sql_running"], link["error"]) == (
        11,
        "Yes",
        "Yes",
        None,
    )
    assert link["lag_seconds"] < 60
    (link,) = infos[still]["connections"]
    assert (link["io_running"], link["sql_running"], link["lag_seconds"]) == ("No", "No", None)
    # The least privileges, and one less.
    login = {"login_user": "looker", "login_password": "look-only"}
    good.sql(
        "SET sql_log_bin = 0; CREATE USER looker@localhost IDENTIFIED BY 'look-only'; GRANT SLAVE MONITOR ON *.* TO looker@localhost"
    )
    assert good.succeed("server_info", **login)["role"] == "replica"
    good.sql("SET sql_log_bin = 0; REVOKE SLAVE MONITOR ON *.* FROM looker@localhost")
    info = good.succeed("server_info", **login)
    assert (info["reachable"], info["role"], info["connections"]) == (True, None, None)
    assert "connections" in str(info["unknown"])
    good.sql("SET sql_log_bin = 0; DROP USER looker@localhost")
    still.stop_server()
    info = still.succeed("server_info", check=True)
    assert (info["reachable"], info["role"]) == (False, None)
    assert "No server answers" in info["problem"]
    still.start_server()
    still.sql("STOP SLAVE")
