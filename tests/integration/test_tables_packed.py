# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Single tables out of streams, chains and remote storage, on real servers."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.harness.faults import clear_breakpoints, kill_runner, set_breakpoint, wait_stopped
from tests.integration.harness.server import STATE_DIR, Server, show
from tests.integration.harness.storage import CONFIG, Storage

REPOSITORY = "/srv/repository"
IDENTITY = "/root/test-identity"
_T = "(id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(200), KEY (v)) ENGINE=InnoDB"
_PARTS = "PARTITION BY HASH (id) PARTITIONS 3"
# What is there before the full backup, and what happens before each increment.
BEFORE = f"CREATE DATABASE shop; CREATE TABLE shop.orders {_T}; CREATE TABLE shop.parts {_T} {_PARTS}; CREATE TABLE shop.old {_T};"
STEPS = (
    f"CREATE TABLE shop.fresh {_T}; INSERT INTO shop.fresh (v) VALUES ('fresh'); RENAME TABLE shop.old TO shop.renamed;",
    "ALTER TABLE shop.orders ADD COLUMN note INT DEFAULT 5; DELETE FROM shop.parts WHERE id % 2;"
    "CREATE VIEW shop.seen AS SELECT id FROM shop.orders;",
)
TABLES = ("shop.orders", "shop.parts", "shop.fresh", "shop.renamed")


def _fill(server: Server, mark: str) -> None:
    for table in ("orders", "parts"):
        server.sql(f"INSERT INTO shop.{table} (v) SELECT CONCAT('{mark}', seq) FROM seq_1_to_2000", "shop")


def _chain(server: Server, **options: Any) -> list[str]:
    """Take a full backup and two increments with DDL between them; return their ids."""
    server.sql(BEFORE)
    _fill(server, "a")
    server.sql("INSERT INTO shop.old (v) VALUES ('old')")
    taken = [server.succeed("backup", type="full", **options)["id"]]
    for number, step in enumerate(STEPS):
        server.sql(step)
        _fill(server, f"b{number}")
        taken.append(server.succeed("backup", type="incremental", **options)["id"])
    return taken


def _state(server: Server) -> str:
    """Return checksums and definitions; the next AUTO_INCREMENT is a counter, which a rebuild sets to what the rows need."""
    found = server.sql(
        f"CHECKSUM TABLE {', '.join(TABLES)}; SHOW CREATE TABLE shop.orders; SHOW CREATE TABLE shop.parts"
    )
    return re.sub(r"AUTO_INCREMENT=\d+ ", "", found)


def _no_traces(server: Server) -> None:
    left = server.out(
        f"ls -d /var/lib/mysql.import-* {STATE_DIR}/imports/* 2>/dev/null; pgrep -fa '[s]cratch.cnf' || true"
    )
    assert left == "", left
    assert server.sql("SHOW DATABASES LIKE 'mariabackup%'") == ""


def _damage(server: Server) -> None:
    server.sql("TRUNCATE TABLE shop.orders; DROP TABLE shop.fresh; DELETE FROM shop.parts LIMIT 100")


def _key(server: Server) -> str:
    server.run(f"rm -f {IDENTITY}; age-keygen -o {IDENTITY} 2>/dev/null; chmod 0600 {IDENTITY}")
    return server.out(["age-keygen", "-y", IDENTITY])


def test_from_a_chain_of_streams(server: Server) -> None:
    """The last increment, by names and by schema.*, and the full backup alone, encrypted and compressed; and what is refused."""
    stream: dict[str, Any] = {"repository": REPOSITORY, "format": "stream", "compression": "zstd"}
    full, _first, last = _chain(server, **stream, encryption_recipients=[_key(server)])
    whole = _state(server)
    stored = server.checksums(REPOSITORY)
    _damage(server)
    back: dict[str, Any] = {"repository": REPOSITORY, "existing": "replace"}
    # What only the names of files can tell is told before anything is unpacked, check mode included.
    for check in (True, False):
        server.fail("import_tables", "is encrypted", "identity_file", check=check, tables=["shop.orders"], **back)
        back["identity_file"] = IDENTITY
        result = server.fail(
            "import_tables", "does not hold the table shop.none", check=check, tables=["shop.none"], **back
        )
        assert result["failed_phase"] == "plan", show(result)
        del back["identity_file"]
    back["identity_file"] = IDENTITY
    planned = server.succeed("import_tables", check=True, diff_mode=True, tables=["shop.*"], **back)
    assert planned["backup_id"] == last
    assert {(entry["name"], entry["action"], entry["bytes"]) for entry in planned["tables"]} == {
        ("shop.orders", "replace", None), ("shop.parts", "replace", None), ("shop.renamed", "replace", None),
        ("shop.fresh", "create", None),
    }  # fmt: skip
    assert "2 increments" in show(planned)
    _no_traces(server)
    # A view is a definition like any other until it is unpacked; the server in service is still as it was.
    before = server.snapshot()
    result = server.fail("import_tables", "is a view", tables=["shop.seen", "shop.orders"], **back)
    assert result["tables"] == []
    assert server.snapshot() == before
    _no_traces(server)
    result = server.succeed("import_tables", tables=["shop.*"], **back)
    assert {entry["name"] for entry in result["tables"]} == set(TABLES)
    assert all(entry["bytes"] for entry in result["tables"])
    assert result["source"].startswith(REPOSITORY)
    assert [phase["name"] for phase in result["phases"]][:3] == ["plan", "stage", "prepare"]
    assert _state(server) == whole
    assert server.sql("CHECK TABLE shop.orders, shop.parts, shop.fresh, shop.renamed EXTENDED").count("OK") == len(
        TABLES
    )
    _no_traces(server)
    # The full backup, in which a table had another name.
    planned = server.succeed("import_tables", check=True, backup_id=full, tables=["shop.old"], **back)
    assert planned["tables"][0]["bytes"] > 0
    result = server.succeed("import_tables", backup_id=full, tables=["shop.old"], **back)
    assert server.sql("SELECT v FROM shop.old") == "old"
    assert result["backup_id"] == full
    assert server.checksums(REPOSITORY) == stored, "an import changed the backups"
    _no_traces(server)


@pytest.mark.suites("trixie")
def test_from_a_chain_of_directories_and_killed(server: Server) -> None:
    """Increments as directories; kill -9 while they are unpacked and applied: nothing is left, and the same task goes through."""
    _chain(server, repository=REPOSITORY)
    whole = _state(server)
    stored = server.checksums(REPOSITORY)
    options: dict[str, Any] = {"repository": REPOSITORY, "tables": list(TABLES), "existing": "replace"}
    for point in ("import-unpacked", "increment-1-copied", "increment-2-applied", "import-judged", "import-swapped"):
        _damage(server)
        damaged = server.snapshot()
        set_breakpoint(server, point)
        running = server.start_module("import_tables", **options)
        wait_stopped(server, running)
        clear_breakpoints(server)
        kill_runner(server)
        assert running.result().get("failed"), point
        if point != "import-swapped":
            assert server.snapshot()["tables"] == damaged["tables"], point
        result = server.succeed("import_tables", **options)
        assert len(result["tables"]) == len(TABLES), point
        assert _state(server) == whole, point
        _no_traces(server)
    assert server.checksums(REPOSITORY) == stored, "an import changed the backups"


@pytest.mark.suites("trixie")
def test_from_remote_storage(server: Server, take: Callable[..., Server]) -> None:
    """A chain in S3, encrypted: nothing of its streams is stored on the host."""
    Storage(take("bookworm", start=False, data=False)).configure(server)
    where: dict[str, Any] = {"repository": "store:backups", "rclone_config": CONFIG}
    _chain(server, **where, format="stream", compression="lz4", encryption_recipients=[_key(server)])
    whole = _state(server)
    _damage(server)
    options: dict[str, Any] = {**where, "identity_file": IDENTITY, "tables": list(TABLES), "existing": "replace"}
    server.succeed("import_tables", check=True, **options)
    server.succeed("import_tables", **options)
    assert _state(server) == whole
    assert server.out("find / -xdev -name 'backup.mbstream*' -not -path '/proc/*' 2>/dev/null || true") == ""
    _no_traces(server)
