# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restores of servers that are not alone: primaries with replicas, and replicas; and GTIDs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.harness.layouts import BINLOG, LAYOUTS
from tests.integration.harness.replication import follow, replicate, status
from tests.integration.harness.restores import TARGET, by_hand, carry, refused, refused_early, untouched
from tests.integration.harness.server import Server, assert_same, show, wait_for

Take = Callable[..., Server]
# How far above the last known number a history begins whose end nobody knows, and how a warning tells of it.
BLIND_MARGIN = 1_000_000_000
BLIND = f"{BLIND_MARGIN} above"


def stopped(replica: Server, when: str = "") -> None:
    """Wait until a replica has found that its position is not in the primary's history."""
    wait_for(
        lambda: status(replica)["Last_IO_Errno"] == "1236", f"it stops{when}; {status(replica)}", timeout=40, pause=0.2
    )


def stays_stopped(replica: Server) -> None:
    """Assert that a replica stops again when it is asked to go on, and when its server has been restarted."""
    replica.sql("STOP SLAVE; START SLAVE")
    stopped(replica, " again")
    replica.restart_server()
    stopped(replica, " after a restart")
    assert status(replica)["Slave_IO_Running"] == "No"


def number(server: Server) -> int:
    """Return the sequence number of the last transaction in the binary log."""
    return int(server.sql("SELECT @@gtid_binlog_pos").split("-")[2])


@pytest.fixture
def pair(take: Take, request: pytest.FixtureRequest) -> tuple[Server, Server]:
    """A primary and its replica, of one suite."""
    suite, mode = request.param
    primary = take(suite, layout=BINLOG, bind_address="0.0.0.0")
    replica = take(suite, layout=BINLOG, server_id="12")
    replicate(primary, replica, mode)
    return primary, replica


PAIRS = [
    ("trixie", "slave_pos"),
    ("trixie", "no"),
    ("bookworm", "slave_pos"),
    ("bookworm", "no"),
    ("bullseye", "slave_pos"),
    ("bullseye", "no"),
]


@pytest.mark.parametrize("pair", PAIRS, indirect=True, ids="-".join)
def test_stale_replica_of_a_restored_primary_never_resumes(pair: tuple[Server, Server]) -> None:
    """Connected replica: refused until topology: allow; and a stale replica of a restored primary never resumes silently."""
    primary, replica = pair
    primary.succeed("backup", target_dir=TARGET)
    for row in range(2, 6):
        primary.sql(f"INSERT INTO dba_empty.t VALUES ({row})")
    follow(replica, "5")
    last = number(primary)
    with untouched(primary):
        result = refused_early(primary, "replica", "server id 12")
        assert "topology: allow" in result["action"]
    allowed = primary.succeed("restore", target_dir=TARGET, existing_data="delete", topology="allow")
    assert "server id 12" in str(allowed["warnings"]), show(allowed)
    before = replica.snapshot()
    stopped(replica)
    # The new history grows past every number and file that the replica has seen.
    for row in range(100, 120):
        primary.sql(f"INSERT INTO dba_empty.t VALUES ({row}); FLUSH BINARY LOGS")
    assert number(primary) > last + 15
    stays_stopped(replica)
    assert_same(before, replica.snapshot())


LOST = [("trixie", "slave_pos"), ("trixie", "no")]


@pytest.mark.parametrize("pair", LOST, indirect=True, ids="-".join)
def test_stale_replica_of_a_primary_that_was_lost_never_resumes(pair: tuple[Server, Server]) -> None:
    """The primary's disk is lost: no file tells any more which numbers its replica has seen, and it does not resume either."""
    primary, replica = pair
    primary.succeed("backup", target_dir=TARGET)
    for row in range(2, 6):
        primary.sql(f"INSERT INTO dba_empty.t VALUES ({row}); FLUSH BINARY LOGS")
    follow(replica, "5")
    last = number(primary)
    primary.stop_server()
    primary.run("find /var/lib/mysql -mindepth 1 -delete")
    before = replica.snapshot()
    restored = primary.succeed("restore", target_dir=TARGET)
    assert BLIND in str(restored["warnings"]), show(restored)
    # More than the replica has seen, in numbers and in files.
    for row in range(100, 110):
        primary.sql(f"INSERT INTO dba_empty.t VALUES ({row}); FLUSH BINARY LOGS")
    assert number(primary) > last + BLIND_MARGIN - 10
    stays_stopped(replica)
    assert_same(before, replica.snapshot())


def build_anew(replica: Server, primary: Server, mode: str) -> None:
    """Make a replica of what the primary holds now, as a person does: from a new backup."""
    primary.run(f"rm -rf {TARGET}-new")
    by_hand(primary, f"{TARGET}-new")
    replica.run(f"rm -rf {TARGET}-new")
    carry(primary, replica, f"{TARGET}-new")
    made = replica.succeed(
        "restore", target_dir=f"{TARGET}-new", existing_data="delete", topology="allow", gtid_state="backup"
    )
    position = f"MASTER_LOG_FILE='{made['binlog_file']}', MASTER_LOG_POS={made['binlog_position']}"
    if mode != "no":
        replica.sql(f"SET GLOBAL gtid_slave_pos = '{made['gtid']}'")
        position = "MASTER_USE_GTID=slave_pos"
    replica.sql(f"CHANGE MASTER TO MASTER_HOST='{primary.host.address}', MASTER_USER='repl', MASTER_PASSWORD='r',"
                f" MASTER_CONNECT_RETRY=1, {position}, MASTER_SSL=0, MASTER_SSL_VERIFY_SERVER_CERT=0; START SLAVE")  # fmt: skip


PUT_BACK = [("trixie", "slave_pos"), ("bookworm", "no"), ("bullseye", "slave_pos")]


@pytest.mark.parametrize("pair", PUT_BACK, indirect=True, ids="-".join)
def test_replica_of_new_data_never_resumes_on_the_old(
    pair: tuple[Server, Server], request: pytest.FixtureRequest
) -> None:
    """Old data is put back on a primary: refused while it has replicas; and what took the new data does not take the old."""
    primary, replica = pair
    primary.succeed("backup", target_dir=TARGET)
    primary.sql("INSERT INTO dba_empty.t VALUES (2); INSERT INTO dba_empty.t VALUES (3)")
    follow(replica, "3")
    old = primary.snapshot()
    logs = primary.out("ls /var/lib/mysql | grep -E 'mysqld-bin[.][0-9]+$'").split()
    primary.succeed("restore", target_dir=TARGET, existing_data="keep", topology="allow")
    stopped(replica)
    build_anew(replica, primary, request.node.callspec.params["pair"][1])
    for row in range(10, 20):
        primary.sql(f"INSERT INTO dba_empty.t VALUES ({row}); FLUSH BINARY LOGS")
    follow(replica, "19")
    last = number(primary)
    with untouched(primary):
        planned = primary.run_module("previous_datadir", check=True, state="restored")
        result = primary.fail("previous_datadir", "replica", "server id 12", "topology: allow", state="restored")
        assert planned["cause"] == result["cause"]
        assert result["refusals"], show(result)
    allowed = primary.succeed("previous_datadir", state="restored", topology="allow")
    assert "server id 12" in str(allowed["warnings"]), show(allowed)
    assert BLIND not in str(allowed["warnings"]), show(allowed)
    assert_same(old, primary.snapshot())
    assert set(logs) <= set(primary.out("ls /var/lib/mysql").split())
    before = replica.snapshot()
    stopped(replica)
    for row in range(100, 120):
        primary.sql(f"INSERT INTO dba_empty.t VALUES ({row}); FLUSH BINARY LOGS")
    assert last + 20 < number(primary) < last + 30
    stays_stopped(replica)
    assert_same(before, replica.snapshot())


@pytest.mark.parametrize("pair", [("trixie", "slave_pos")], indirect=True, ids="-".join)
def test_replica_of_old_data_follows_what_is_put_back(pair: tuple[Server, Server]) -> None:
    """gtid_state: leave: the old data goes on where it ended, and the replica that waited there with it."""
    primary, replica = pair
    primary.succeed("backup", target_dir=TARGET)
    primary.sql("INSERT INTO dba_empty.t VALUES (2)")
    follow(replica, "2")
    last = number(primary)
    primary.succeed("restore", target_dir=TARGET, existing_data="keep", topology="allow")
    stopped(replica)
    primary.succeed("previous_datadir", state="restored", gtid_state="leave")
    primary.sql("INSERT INTO dba_empty.t VALUES (3)")
    assert last < number(primary) <= last + 5
    replica.sql("STOP SLAVE; START SLAVE")
    follow(replica, "3")
    assert_same(primary.snapshot(), replica.snapshot())


@pytest.mark.parametrize("pair", [("trixie", "slave_pos")], indirect=True, ids="-".join)
def test_replica_is_refused(pair: tuple[Server, Server]) -> None:
    """A replica: refused while it replicates, while it is stopped, and by its files while its server is down."""
    primary, replica = pair
    replica.succeed("backup", target_dir=TARGET)
    with untouched(replica):
        refused_early(replica, "replicates from a primary", "running")
        replica.sql("STOP SLAVE")
        refused(replica, "replicates from a primary", "stopped")
    replica.stop_server()
    refused_early(replica, "master.info")
    allowed = replica.succeed("restore", target_dir=TARGET, existing_data="keep", topology="allow")
    assert "master.info" in str(allowed["warnings"])
    # The server did not run before; the restore has started it, and it follows nobody by itself.
    assert status(replica).get("Slave_IO_Running", "No") == "No"
    replica.fail("previous_datadir", "The old data is a replica's", "master.info", state="restored")
    replica.succeed("previous_datadir", state="restored", topology="allow", gtid_state="leave")
    primary.sql("INSERT INTO dba_empty.t VALUES (2)")
    follow(replica, "2")


@pytest.mark.parametrize("suite", ["bullseye", "bookworm", "trixie"])
@pytest.mark.parametrize("layout", ["binlog", "binlog-outside"])
def test_swapped_back_data_goes_on_with_its_own_gtids(take: Take, suite: str, layout: str) -> None:
    """What was swapped back serves its old data and goes on with its own GTIDs: its replica follows on."""
    mode = "slave_pos"
    primary = take(suite, layout=LAYOUTS[layout], bind_address="0.0.0.0")
    replica = take(suite, layout=BINLOG, server_id="12")
    replicate(primary, replica, mode)
    primary.succeed("backup", target_dir=TARGET)
    primary.sql("INSERT INTO dba_empty.t VALUES (2); INSERT INTO dba_empty.t VALUES (3)")
    follow(replica, "3")
    last = number(primary)
    queries: list[dict[str, Any]] = [{"query": "SELECT 1", "expect": "2"}]
    with untouched(primary, same_process=False):
        refused(primary, "swapped back", phase="health", topology="allow", verify_queries=queries)
    # A server that starts empties its MEMORY tables when they are first read, and logs that.
    now = number(primary)
    assert last <= now <= last + 4
    primary.sql("INSERT INTO dba_empty.t VALUES (4)")
    assert number(primary) == now + 1
    # A replica that asked the new data, of which it knows nothing, has stopped there; it lacks nothing.
    replica.sql("STOP SLAVE; START SLAVE")
    follow(replica, "4")
    found = status(replica)
    assert (found["Slave_IO_Running"], found["Slave_SQL_Running"]) == ("Yes", "Yes"), found
    assert_same(primary.snapshot(), replica.snapshot())
