# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""InnoDB's layout options, and the differences that stop a server."""

from __future__ import annotations

import pytest

from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.innodb import (
    SystemFile,
    compare_innodb,
    parse_data_file_path,
    parse_size,
    start_bytes,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError

MIB = 1024 * 1024


@pytest.mark.parametrize(("text", "size"), [("12M", 12 * MIB), ("1g", 1024 * MIB), ("16384", 16384), ("8K", 8192)])
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("value", "files"),
    [
        ("ibdata1:12M:autoextend", [SystemFile("ibdata1", 12 * MIB, True)]),
        ('"ibdata1:12M"', [SystemFile("ibdata1", 12 * MIB)]),
        (
            "/a/ibdata1:1G;sub/ibdata2:50M:autoextend:max:500M",
            [SystemFile("/a/ibdata1", 1024 * MIB), SystemFile("sub/ibdata2", 50 * MIB, True, 500 * MIB)],
        ),
    ],
)
def test_data_file_path(value: str, files: list[SystemFile]) -> None:
    assert parse_data_file_path(value) == tuple(files)


@pytest.mark.parametrize(
    "value", ["ibdata1", "ibdata1:x", ":12M", "ibdata1:12M:grow", "ibdata1:12M:autoextend:max", ""]
)
def test_data_file_path_that_cannot_be_read(value: str) -> None:
    with pytest.raises(MariabackupError, match="cannot be read"):
        parse_data_file_path(value)


@pytest.mark.parametrize("value", ["/dev/sdb:5Gnewraw", "/dev/sdb:5Graw", "ibdata1:12M;/dev/vg/x:1G"])
def test_raw_devices(value: str) -> None:
    with pytest.raises(MariabackupError, match="raw device"):
        parse_data_file_path(value)


def test_equal_layouts_do_not_differ() -> None:
    backup = {
        "innodb_page_size": "16384",
        "innodb_data_file_path": "ibdata1:12M:autoextend",
        "innodb_undo_tablespaces": "3",
    }
    assert compare_innodb(backup, {**backup, "innodb_page_size": "16k", "innodb_data_home_dir": "/sys"}) == []


@pytest.mark.parametrize(
    ("backup", "server", "word"),
    [
        ({"innodb_page_size": "16384"}, {"innodb_page_size": "8192"}, "innodb_page_size is 16384"),
        (
            {"innodb_data_file_path": "ibdata1:12M:autoextend"},
            {"innodb_data_file_path": "ibdata2:12M:autoextend"},
            "ibdata2",
        ),
        ({"innodb_data_file_path": "ibdata1:12M;ibdata2:12M:autoextend"}, {}, "ibdata1, ibdata2"),
        (
            {"innodb_data_file_path": "ibdata1:12M:autoextend"},
            {"innodb_data_file_path": "ibdata1:50M:autoextend"},
            "50 MiB",
        ),
        ({"innodb_data_file_path": "ibdata1:12M:autoextend"}, {"innodb_data_file_path": "ibdata1:12M"}, "12 MiB"),
        ({"innodb_undo_tablespaces": "0"}, {"innodb_undo_tablespaces": "3"}, "innodb_undo_tablespaces"),
        ({"lower_case_table_names": "0"}, {"lower_case_table_names": "1"}, "lower_case_table_names"),
    ],
)
def test_differences(backup: dict[str, str], server: dict[str, str], word: str) -> None:
    (difference,) = compare_innodb(backup, server)
    assert word in difference


def test_the_real_size_of_a_growing_file_counts() -> None:
    backup = {"innodb_data_file_path": "ibdata1:12M:autoextend"}
    assert (
        compare_innodb(backup, {"innodb_data_file_path": "ibdata1:50M:autoextend"}, sizes={"ibdata1": 76 * MIB}) == []
    )
    assert compare_innodb(backup, {"innodb_data_file_path": "ibdata1:76M"}, sizes={"ibdata1": 76 * MIB}) == []
    assert compare_innodb(backup, {"innodb_data_file_path": "ibdata1:50M"}, sizes={"ibdata1": 76 * MIB}) != []


def test_a_file_above_the_servers_maximum() -> None:
    backup = {"innodb_data_file_path": "ibdata1:12M:autoextend"}
    server = {"innodb_data_file_path": "ibdata1:12M:autoextend:max:50M"}
    assert compare_innodb(backup, server, sizes={"ibdata1": 50 * MIB}) == []
    (difference,) = compare_innodb(backup, server, sizes={"ibdata1": 76 * MIB})
    assert "76 MiB" in difference
    assert "50 MiB" in difference


def test_what_a_server_deals_with_itself() -> None:
    assert compare_innodb({"innodb_undo_tablespaces": "3"}, {"innodb_undo_tablespaces": "0"}) == []
    assert (
        compare_innodb({"innodb_undo_tablespaces": "0"}, {"innodb_undo_tablespaces": "3"}, server_version=(10, 11, 18))
        == []
    )
    assert compare_innodb({"innodb_checksum_algorithm": "crc32"}, {"innodb_checksum_algorithm": "full_crc32"}) == []
    assert compare_innodb({"innodb_log_file_size": "1"}, {"innodb_log_file_size": "2"}) == []


@pytest.mark.parametrize(
    ("options", "needs"),
    [
        ({}, (96 * MIB, 12 * MIB)),
        (
            {"innodb_log_file_size": "16777216", "innodb_temp_data_file_path": "ibtmp1:12M:autoextend"},
            (16 * MIB, 12 * MIB),
        ),
        ({"innodb-log-file-size": "1G", "innodb_log_files_in_group": "2"}, (2048 * MIB, 12 * MIB)),
        ({"innodb_temp_data_file_path": "a:1M;b:3M:autoextend:max:9M"}, (96 * MIB, 4 * MIB)),
        ({"innodb_temp_data_file_path": "nonsense"}, (96 * MIB, 0)),
    ],
)
def test_what_a_start_needs(options: dict[str, str], needs: tuple[int, int]) -> None:
    assert start_bytes(options) == needs
