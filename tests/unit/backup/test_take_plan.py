# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is decided before a backup run; the runs themselves are tested on real servers."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path

import pytest

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.manifest import manifest_path, write_manifest
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.proof import inspect_backup
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.take_plan import (
    ServerKnowledge,
    checksum_of,
    plan_take,
    result_of,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError

from .test_proof import manifest_of


@pytest.fixture
def tool(tmp_path: Path) -> str:
    path = tmp_path / "mariadb-backup"
    path.write_text(
        "#!/bin/sh\necho 'mariadb-backup based on MariaDB server 10.11.18-MariaDB debian-linux-gnu (x86_64)' >&2\n"
    )
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def params(tmp_path: Path, tool: str) -> dict[str, object]:
    options = tmp_path / "my.cnf"
    options.write_text("[mariadbd]\ndatadir=/srv/data\n")
    return {"target_dir": str(tmp_path / "new" / "b"), "mariadb_backup": tool, "defaults_file": str(options)}


SERVER = ServerKnowledge(version="10.11.18-MariaDB")


def test_plan(params: dict[str, object]) -> None:
    plan = plan_take({**params, "prepare": True, "parallel": 4}, SERVER)
    assert (plan.datadir, plan.options.parallel) == ("/srv/data", 4)
    assert plan.user is not None
    assert [step["phase"] for step in plan.steps({"prepare": True})] == ["backup", "prepare", "verify", "commit"]
    assert not Path(str(params["target_dir"])).parent.exists()


def test_increments_need_a_repository(params: dict[str, object]) -> None:
    for kind in ("incremental", "auto"):
        with pytest.raises(MariabackupError, match=f"type is {kind}, and the base of an increment is looked for"):
            plan_take({**params, "type": kind}, SERVER)


def test_the_timeline_is_that_of_the_datadir(params: dict[str, object]) -> None:
    plan = plan_take(params, SERVER, timeline_of=lambda path: f"of {path}")
    assert (plan.type, plan.timeline) == ("full", "of /srv/data")


def test_what_the_server_says_wins(params: dict[str, object]) -> None:
    assert plan_take(params, ServerKnowledge("10.11.18-MariaDB", "/srv/other")).datadir == "/srv/other"


def test_an_account_in_an_option_file_is_not_overridden(params: dict[str, object], tmp_path: Path) -> None:
    account = tmp_path / "account.cnf"
    account.write_text("[client]\nuser=backup\npassword=geheim\n")
    plan = plan_take({**params, "config_file": str(account)}, SERVER)
    assert plan.user is None
    assert "geheim" not in repr(plan)


@pytest.mark.parametrize(
    ("change", "server", "says"),
    [
        ({"parallel": 0}, SERVER, "parallel is 0"),
        ({"throttle": -1}, SERVER, "throttle is -1"),
        ({"parallel": True}, SERVER, "parallel is True"),
        ({"extra_args": ["--stream=mbstream"]}, SERVER, "extra_args holds --stream"),
        ({"defaults_file": "/none.cnf"}, SERVER, "does not exist"),
        ({"target_dir": "/srv/data/backup"}, SERVER, "lie inside of each other"),
        ({"target_dir": "/srv"}, SERVER, "lie inside of each other|is not empty"),
        ({}, ServerKnowledge("11.8.6-MariaDB"), "the series differ"),
        ({}, ServerKnowledge("10.11.19-MariaDB"), "older than the server"),
        ({}, ServerKnowledge("8.0.36-28"), "not MariaDB"),
        ({}, ServerKnowledge("10.11.18-MariaDB", None, {"innodb_log_archive": "ON"}), "archives its redo log"),
    ],
)
def test_refusals(params: dict[str, object], change: dict[str, object], server: ServerKnowledge, says: str) -> None:
    with pytest.raises(MariabackupError, match=says):
        plan_take({**params, **change}, server)


def test_option_files_that_change_the_backup(params: dict[str, object], tmp_path: Path) -> None:
    Path(str(params["defaults_file"])).write_text("[client]\ncompress\n")
    with pytest.raises(MariabackupError, match="compress"):
        plan_take(params, SERVER)


def test_checksum() -> None:
    assert checksum_of({}) == "sha256"
    assert checksum_of({"checksum": "none"}) == "none"
    with pytest.raises(MariabackupError, match="checksum is md5"):
        checksum_of({"checksum": "md5"})


def test_a_young_backup_makes_the_run_unnecessary(builder, params: dict[str, object]) -> None:
    path = builder()
    manifest = manifest_of(path)
    now = f"{datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
    write_manifest(manifest_path(str(path)), manifest)
    raw = Path(manifest_path(str(path)))
    value = json.loads(raw.read_text())
    skipping = {**params, "target_dir": str(path), "skip_if_newer_than": 3600}
    with pytest.raises(MariabackupError, match="is not empty"):
        plan_take(skipping, SERVER)
    raw.write_text(json.dumps({**value, "created": now}))
    existing = plan_take(skipping, SERVER).existing
    assert existing is not None
    assert (existing["id"], existing["path"]) == ("x", str(path))
    (path / "shop" / "t.ibd").unlink()
    with pytest.raises(MariabackupError, match="is not empty"):
        plan_take(skipping, SERVER)


def test_result_keys(builder) -> None:
    path = builder()
    result = result_of(manifest_of(path), inspect_backup(str(path)))
    assert {
        "id",
        "path",
        "type",
        "base_id",
        "from_lsn",
        "to_lsn",
        "last_lsn",
        "gtid",
        "binlog_file",
        "binlog_position",
        "server_version",
        "tool_version",
        "size_bytes",
        "stored_bytes",
        "files",
        "duration_seconds",
        "compression",
        "encrypted",
        "prepared",
    } <= set(result)
