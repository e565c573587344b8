# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What prepare refuses before it starts; its runs are tested on real backups."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.metadata import read_metadata
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.prepare import (
    check_key_file,
    missing_export,
    tool_for,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.prepare_task import check
from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError


def fake_tool(path: Path, version: str) -> str:
    path.write_text(f"#!/bin/sh\necho 'x based on MariaDB server {version}-MariaDB linux' >&2\n")
    path.chmod(0o755)
    return str(path)


def planned(tmp_path: Path, path: Path, **params):
    state = str(tmp_path / "state")
    return check(
        {"target_dir": str(path), "state_dir": state, **params}, Context(str(tmp_path), state, check_mode=True)
    )


def test_the_tool_must_be_of_the_series(builder, tmp_path: Path) -> None:
    meta = read_metadata(str(builder("10.11")))
    assert tool_for({"mariadb_backup": fake_tool(tmp_path / "a", "10.11.3")}, meta).version.number == "10.11.3"
    with pytest.raises(MariabackupError, match="only by the series"):
        tool_for({"mariadb_backup": fake_tool(tmp_path / "b", "11.8.6")}, meta)


def test_the_key_file_must_be_there(builder, tmp_path: Path) -> None:
    path = builder("11.8", "raw", True)
    with pytest.raises(MariabackupError, match="/etc/mysql/keys"):
        check_key_file(read_metadata(str(path)))
    keys = tmp_path / "keys"
    keys.write_text("1;00")
    config = path / "backup-my.cnf"
    config.write_text(config.read_text().replace("/etc/mysql/keys", str(keys)))
    check_key_file(read_metadata(str(path)))


def test_one_of_in_place_and_dest(builder, tmp_path: Path) -> None:
    path = builder()
    for params in ({}, {"in_place": True, "dest": "/x"}):
        with pytest.raises(MariabackupError, match="Exactly one of in_place and dest"):
            planned(tmp_path, path, **params)


def test_plans(builder, tmp_path: Path) -> None:
    path = builder()
    tool = fake_tool(tmp_path / "tool", "10.11.18")
    copy = planned(tmp_path, path, dest=str(tmp_path / "copy"), mariadb_backup=tool)
    assert copy["changed"]
    assert [step["phase"] for step in copy["plan"]] == ["copy", "prepare", "verify", "commit"]
    assert copy["path"] == str(tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    here = planned(tmp_path, path, in_place=True, mariadb_backup=tool)
    assert [step["phase"] for step in here["plan"]] == ["prepare", "verify"]
    with pytest.raises(MariabackupError, match="lie inside of each other"):
        planned(tmp_path, path, dest=str(path / "copy"), mariadb_backup=tool)


def test_a_prepared_backup_needs_nothing(builder, tmp_path: Path) -> None:
    path = builder("11.8", "prepared")
    done = planned(tmp_path, path, in_place=True, mariadb_backup="/none")
    assert (done["changed"], done["prepared"], done["plan"]) == (False, True, [])


def test_missing_export(builder) -> None:
    path = builder()
    assert missing_export(str(path)) == ["shop/t"]
    (path / "shop" / "t.cfg").write_text("")
    assert missing_export(str(path)) == []
