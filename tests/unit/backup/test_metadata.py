# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files in which the tool describes a backup, of both generations."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.metadata import (
    METADATA_FILES,
    build,
    parse_binlog_info,
    parse_checkpoints,
    parse_options,
    parse_pairs,
    parse_size,
    read_metadata,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError

from .conftest import sample


def test_generations() -> None:
    old = build(sample("10.11", "raw")["files"])
    new = build(sample("11.8", "prepared")["files"])
    assert old.names["checkpoints"] == "xtrabackup_checkpoints"
    assert new.names["info"] == "mariadb_backup_info"
    assert (old.backup_type, old.prepared, old.incremental, old.partial) == ("full-backuped", False, False, False)
    assert (new.backup_type, new.prepared) == ("log-applied", True)
    assert (old.to_lsn, old.last_lsn) == (44760, 5325538)
    assert (old.binlog_file, old.binlog_position, old.gtid) == ("bin.000002", 4232797, "0-1-32")
    assert old.server is not None
    assert old.server.number == "10.11.19"
    assert new.server is not None
    assert new.server.series == "11.8"
    assert old.uuid == "ed5c70a0-e662-11f1-9a05-02fc00000001"
    assert old.end_time == "2026-11-22 10:53:18"


def test_layout() -> None:
    meta = build(sample("11.8", "raw")["files"])
    assert meta.page_size == 16384
    assert meta.system_files == ["ibdata1"]
    assert (meta.undo_tablespaces, meta.undo_directory, meta.log_file_size) == (3, "./", 100663296)
    encrypted = build(sample("11.8", "raw", True)["files"])
    assert encrypted.options["file_key_management_filename"] == "/etc/mysql/keys"
    files = dict(sample("11.8", "raw")["files"])
    files["backup-my.cnf"] = "[mysqld]\ninnodb-data-file-path=ibdata1:10M;/x/ibdata2:5M:autoextend\n"
    assert build(files).system_files == ["ibdata1", "ibdata2"]


def test_new_names_win() -> None:
    files = dict(sample("11.8", "raw")["files"])
    files["xtrabackup_checkpoints"] = "backup_type = incremental\nfrom_lsn = 1\nto_lsn = 2\nlast_lsn = 3\n"
    assert build(files).to_lsn == 45141


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no backup_type"),
        ("backup_type = full-prepared\nfrom_lsn = 0\n", "Percona"),
        ("backup_type = strange\n", "'strange'"),
        ("backup_type = full-backuped\nfrom_lsn = 0\nto_lsn = 5\n", "last_lsn is None"),
        ("backup_type = full-backuped\nfrom_lsn = -1\nto_lsn = 5\nlast_lsn = 6\n", "from_lsn is '-1'"),
    ],
)
def test_damaged_checkpoints(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_checkpoints(text)


def test_info_with_a_long_gtid_list() -> None:
    pairs = parse_pairs(
        "name = \nbinlog_pos = filename 'a', position '4', GTID of the last change '0-1-2,\n1-1-5'\nend_time = x\n"
    )
    assert pairs["name"] == ""
    assert pairs["binlog_pos"].endswith("'0-1-2,1-1-5'")
    assert pairs["end_time"] == "x"


def test_binlog_info() -> None:
    assert parse_binlog_info("bin.000002\t4232797\t0-1-32\n") == ("bin.000002", 4232797, "0-1-32")
    assert parse_binlog_info("bin.000002\t4232797\t0-1-32,\n1-2-7\n") == ("bin.000002", 4232797, "0-1-32,1-2-7")
    assert parse_binlog_info("bin.000002\t4\t\n") == ("bin.000002", 4, "")
    assert parse_binlog_info("") == (None, None, "")


def test_position_from_info_when_there_is_no_binlog_info() -> None:
    files = {name: text for name, text in sample("10.11", "raw")["files"].items() if not name.endswith("binlog_info")}
    meta = build(files)
    assert (meta.binlog_file, meta.binlog_position, meta.gtid) == ("bin.000002", 4232797, "0-1-32")


def test_a_full_backup_with_increments_applied_is_no_increment() -> None:
    """The tool then puts the last increment's info file there, which says ``incremental = Y``."""
    for state, expected in (("raw", True), ("prepared", False)):
        files = dict(sample("10.11", state)["files"])
        files["xtrabackup_info"] = files["xtrabackup_info"].replace("incremental = N", "incremental = Y")
        files["xtrabackup_checkpoints"] = files["xtrabackup_checkpoints"].replace("full-backuped", "incremental")
        assert "incremental = Y" in files["xtrabackup_info"]
        assert build(files).incremental is expected


def test_options_and_sizes() -> None:
    assert parse_options("# x\n[mysqld]\ninnodb-page-size = 4096\nplugin_load=a=b\n\n") == {
        "innodb_page_size": "4096",
        "plugin_load": "a=b",
    }
    assert parse_size("96M") == 100663296
    assert parse_size("5") == 5
    with pytest.raises(ValueError, match="not a size"):
        parse_size("many")


def test_reading_a_directory(tmp_path: Path) -> None:
    with pytest.raises(MariabackupError, match="is not a directory"):
        read_metadata(str(tmp_path / "none"))
    with pytest.raises(MariabackupError, match="is not a readable backup"):
        read_metadata(str(tmp_path))
    (tmp_path / "xtrabackup_checkpoints").write_bytes(b"\0" * (5 << 20))
    with pytest.raises(MariabackupError, match="larger than"):
        read_metadata(str(tmp_path))


def test_metadata_files_name_both_generations() -> None:
    assert {"xtrabackup_info", "mariadb_backup_info", "backup-my.cnf", "donor_galera_info"} <= METADATA_FILES
