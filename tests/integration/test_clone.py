# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Another server made of a backup: masked before anybody can reach it, and no double of its source."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.harness.faults import clear_breakpoints, kill_runner, set_breakpoint, wait_stopped
from tests.integration.harness.layouts import BINLOG, LAYOUTS, PLAIN
from tests.integration.harness.playbooks import Playbooks
from tests.integration.harness.restores import TARGET, untouched
from tests.integration.harness.seeds import ROOT
from tests.integration.harness.server import Server, assert_same, show, wait_for

Take = Callable[..., Server]
Books = Callable[[], Playbooks]

REPOSITORY = "/srv/repository"
INSTANCE = "shop-production"
OPTION_FILE = "/etc/mysql/mariadb.conf.d/zz-mariabackup-clone-var-lib-mysql.cnf"
SOURCE_ID = "11"
# What production has that a clone must not have: people, an account, events, a place in replication.
PRODUCTION = """
CREATE DATABASE shop; USE shop;
CREATE TABLE customers (id INT PRIMARY KEY, name VARCHAR(80), email VARCHAR(80)) ENGINE=InnoDB;
INSERT INTO customers SELECT seq, CONCAT('Person ', seq), CONCAT('person', seq, '@home.org') FROM seq_1_to_500;
CREATE TABLE orders ENGINE=InnoDB SELECT seq AS id, seq % 500 AS customer FROM seq_1_to_2000;
CREATE USER shop@'%' IDENTIFIED BY 'secret'; GRANT ALL ON shop.* TO shop@'%';
CREATE DATABASE ticking;
CREATE TABLE ticking.ticks (id INT AUTO_INCREMENT PRIMARY KEY) ENGINE=InnoDB;
CREATE DEFINER = shop@'%' EVENT ticking.tick ON SCHEDULE EVERY 1 SECOND DO INSERT INTO ticking.ticks VALUES (NULL);
GRANT ALL ON ticking.* TO shop@'%';
CREATE EVENT ticking.quiet ON SCHEDULE EVERY 1 SECOND DISABLE DO INSERT INTO ticking.ticks VALUES (NULL);
SET GLOBAL gtid_strict_mode = 0; SET GLOBAL gtid_slave_pos = '7-99-5';
CHANGE MASTER 'north' TO MASTER_HOST = '192.0.2.1', MASTER_USER = 'x', MASTER_USE_GTID = slave_pos;
"""
# Reads, by the socket and by the network, as fast as it can; what comes of a query is a line.
HAMMER = r"""
ask="SELECT COUNT(*), SUM(email LIKE '%@home.org') FROM shop.customers"
while true; do
  mariadb -BNe "$ask" 2>/dev/null
  mariadb -BN --host=127.0.0.1 --user=reader --password=r -e "$ask" 2>/dev/null
done > /srv/seen
"""


def guide() -> tuple[dict[str, Any], list[str]]:
    """Return the variables and the commands of docs/clone.md."""
    text = (ROOT / "docs" / "clone.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```(yaml|shell)\n(.*?)```", text, re.DOTALL)
    (variables,) = [yaml.safe_load(block) for kind, block in blocks if kind == "yaml"]
    return variables, [line for kind, block in blocks if kind == "shell" for line in block.splitlines()]


def disable_events(snapshot: dict[str, Any]) -> None:
    """Make a snapshot that of a clone, whose events are the same but for that."""
    for event in snapshot["events"].values():
        event[:] = [text.replace(" PRESERVE ENABLE", " PRESERVE DISABLE") for text in event]


def status(server: Server) -> dict[str, str]:
    """Return what a clone has to differ in."""
    events = "SELECT CONCAT(event_name, ' ', status, ' ', definer) FROM information_schema.events WHERE event_schema"
    return {
        "server_id": server.sql("SELECT @@server_id"),
        "events": server.sql(f"{events} = 'ticking' ORDER BY 1"),
        "enabled": server.sql("SELECT COUNT(*) FROM information_schema.events WHERE status = 'ENABLED'"),
        "connections": server.out(["mariadb", "-e", "SHOW ALL SLAVES STATUS\\G"]),
        "slave_pos": server.sql("SELECT @@gtid_slave_pos"),
    }


@pytest.fixture
def pair(take: Take) -> tuple[Server, Server, dict[str, Any]]:
    """Production with a backup of it in a repository, a host that has other data and the repository, and production's data."""
    source = take("trixie", layout=BINLOG, event_scheduler="ON", server_id=SOURCE_ID)
    target = take("trixie", layout=PLAIN, log_bin="clone-bin", gtid_strict_mode="ON", event_scheduler="ON")
    source.sql(PRODUCTION)
    wait_for(lambda: int(source.sql("SELECT COUNT(*) FROM ticking.ticks")), "production's event has run")
    source.succeed("backup", repository=REPOSITORY, instance=INSTANCE)
    shutil.copytree(source.path(REPOSITORY), target.path(REPOSITORY))
    return source, target, source.snapshot()


def test_a_clone(pair: tuple[Server, Server, dict[str, Any]], playbooks: Books, tmp_path: Path) -> None:
    """As the guide does it, with a client that never rests; before that everything that must leave the old data alone."""
    source, target, production = pair
    variables, commands = guide()
    target.sql("CREATE USER reader@'127.0.0.1' IDENTIFIED BY 'r'; GRANT SELECT ON *.* TO reader@'127.0.0.1'")
    options = {name.removeprefix("mariabackup_"): value for name, value in variables.items()}
    options.update(clone=True, existing_data="keep")
    seen = target.path("/srv/seen")
    target.start(["bash", "-c", HAMMER])
    before = status(target)

    # A statement that fails after others, a proof that fails, the source's id: the old server is not even stopped.
    with untouched(target):
        broken = {**options, "post_restore_sql": [*options["post_restore_sql"], "UPDATE shop.nothing SET a = 1"]}
        failed = target.fail("restore", "Statement 6 of 6", "shop.nothing", "not been touched", **broken)
        assert failed["failed_phase"] == "clone", show(failed)
        unmasked = {**options, "post_restore_sql": ["UPDATE shop.customers SET email = '' WHERE id < 7"]}
        failed = target.fail("restore", "'500'", "expected '0'", "not been touched", **unmasked)
        assert failed["failed_phase"] == "clone", show(failed)
        double = {"clone_server_id": int(SOURCE_ID), "gtid_state": "backup"}
        target.fail("restore", "has the server_id 11", "history of its own", **double, **options)
    # It does not come up healthy: the old data has the old id again.
    gone = target.fail(
        "restore", "missing", "swapped back", expect_schemas=["missing"], failed_data="delete", **options
    )
    assert gone["rolled_back"] is True
    assert not target.exists(OPTION_FILE)
    assert status(target) == before
    # Killed when the data is ready but nothing has been stopped: the same task begins anew, and a check says what it will do.
    set_breakpoint(target, "clone-after")
    running = target.start_module("restore", **options)
    wait_stopped(target, running)
    assert target.exists(OPTION_FILE)
    kill_runner(target)
    clear_breakpoints(target)
    assert_same(target.seeded, target.snapshot(check=True), ignore_accounts=["reader"])

    # Before it begins anew, which derives the number anew, the file has to be gone.
    restored = target.succeed("restore", clone_events="keep", clone_replication="keep", **options)
    found = status(target)
    assert found["server_id"] == str(restored["server_id"])
    assert found["slave_pos"] == "7-99-5"
    assert "tick ENABLED shop@%" in found["events"]
    # A person puts the old data back, with all that belongs to it.
    target.succeed("previous_datadir", state="restored")
    assert status(target) == before

    books = playbooks()
    (books.scratch / "clone.yml").write_text(yaml.safe_dump(variables), encoding="utf-8")
    inventory = books.inventory.read_text(encoding="utf-8").replace(f"{target.name}:", "test1:")
    books.inventory.write_text(inventory, encoding="utf-8")
    for number, command in enumerate(commands):
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=books.scratch,
            env=books.environment,
            text=True,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        if number == 0:
            assert "run 5 statements of post_restore_sql" in done.stdout
            assert status(target) == before

    clone = status(target)
    number = int(target.sql("SELECT @@server_id"))
    assert number >= 1 << 31
    assert number == restored["server_id"], "the same host gets the same number"
    assert f"server_id = {number}\n" in target.host.get(OPTION_FILE)
    assert clone["events"].splitlines() == ["quiet DISABLED root@localhost", "tick DISABLED shop@%"]
    assert (clone["enabled"], clone["connections"], clone["slave_pos"]) == ("0", "", "")
    assert target.sql("SELECT @@event_scheduler, @@read_only") == "ON\t0"
    target.sql("CREATE TABLE shop.after (a INT)")
    assert target.sql("SELECT @@gtid_binlog_pos").split("-")[1] == str(number)
    # Otherwise it is production's data, the definitions and owners of its events included.
    disable_events(production)
    after = target.snapshot(check=True)
    assert_same(production, after, ignore_accounts=["shop", "tester"], ignore_schemas=["shop", "ticking"])
    checksum = "CHECKSUM TABLE shop.orders EXTENDED; SELECT SUM(id) FROM shop.customers"
    assert target.sql(checksum) == source.sql(checksum)
    wait_for(lambda: "500\t0" in seen.read_text(encoding="ascii").splitlines()[-1:], "the client has read the clone")
    assert set(seen.read_text(encoding="ascii").splitlines()) == {"500\t0"}
    ticks = "SELECT COUNT(*) FROM ticking.ticks"
    assert target.sql(ticks) == target.sql(ticks)


@pytest.mark.parametrize(("suite", "layout"), [("bullseye", "separate"), ("bookworm", "instance")])
def test_a_clone_in_separate_directories(take: Take, suite: str, layout: str) -> None:
    """The parts of the opened copy find their directories, and one instance of several gets an id of its own."""
    server = take(suite, layout=LAYOUTS[layout])
    instance = server.layout.instance
    suffix = {"defaults_group_suffix": f".{instance}"} if instance else {}
    server.succeed("backup", target_dir=TARGET, **suffix)
    before = server.snapshot()
    statements = ["CREATE USER cloned@localhost IDENTIFIED BY 'secret'", "CREATE DATABASE cloned", "USE cloned",
                  "CREATE TABLE a (i INT)"]  # fmt: skip
    options = {"target_dir": TARGET, "existing_data": "delete", "clone": True, "clone_server_id": 4711}
    restored = server.succeed(
        "restore", post_restore_sql=statements, service=server.layout.service, **options, **suffix
    )
    assert restored["server_id"] == 4711
    assert server.sql("SELECT @@server_id; SHOW TABLES IN cloned") == "4711\na"
    if instance:
        assert f"[mariadbd.{instance}]" in server.out("cat /etc/mysql/mariadb.conf.d/zz-*")
    disable_events(before)
    assert_same(before, server.snapshot(check=True), ignore_accounts=["cloned"], ignore_schemas=["cloned"])
    assert server.out(f"find {server.datadir} -maxdepth 1 -name '.mariabackup*'") == ""
