# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions: what the programs print, and which belong together."""

from __future__ import annotations

import pytest

from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.version import (
    check_target_server,
    check_tool_for_backup,
    check_tool_for_prepare,
    number_of,
    parse_version,
)


@pytest.mark.parametrize(
    ("text", "number", "mariadb"),
    [
        ("mariadb-backup based on MariaDB server 10.5.23-MariaDB debian-linux-gnu (x86_64)", "10.5.23", True),
        ("mariadb-backup based on MariaDB server 11.8.6-MariaDB debian-linux-gnu (x86_64)", "11.8.6", True),
        ("mariadbd  Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64 (Debian 12)", "10.11.19", True),
        ("11.8.6-MariaDB-0+deb13u1 from Debian-log", "11.8.6", True),
        ("5.5.5-10.11.6-MariaDB", "10.11.6", True),
        ("10.6.14-9-MariaDB-enterprise-log", "10.6.14", True),
        ("xtrabackup version 8.0.35-30 based on MySQL server 8.0.35 Linux (x86_64)", "8.0.35", False),
        ("8.0.36-28", "8.0.36", False),
    ],
)
def test_parse(text: str, number: str, mariadb: bool) -> None:
    version = parse_version(text)
    assert (version.number, version.is_mariadb) == (number, mariadb)
    assert number_of(text) == number


def test_parse_refuses_text_without_version() -> None:
    with pytest.raises(ValueError, match="no version"):
        parse_version("mariadb-backup, no number")
    assert number_of(None) is None
    assert number_of("none") == "none"


def version(text: str):
    return parse_version(f"{text}-MariaDB")


@pytest.mark.parametrize(
    ("tool", "server", "says"),
    [
        ("10.11.18", "11.8.6", "series differ"),
        ("11.8.6", "10.11.18", "series differ"),
        ("10.11.17", "10.11.18", "older"),
    ],
)
def test_tool_that_does_not_fit_the_server(tool: str, server: str, says: str) -> None:
    with pytest.raises(MariabackupError, match=says) as caught:
        check_tool_for_backup(version(tool), version(server))
    assert "mariadb-backup" in caught.value.action


@pytest.mark.parametrize(("tool", "server"), [("10.11.18", "10.11.18"), ("10.11.19", "10.11.18")])
def test_tool_that_fits_the_server(tool: str, server: str) -> None:
    check_tool_for_backup(version(tool), version(server))


def test_server_of_another_vendor() -> None:
    with pytest.raises(MariabackupError, match="not MariaDB"):
        check_tool_for_backup(version("10.11.18"), parse_version("8.0.36-28"))


def test_prepare_wants_the_same_series() -> None:
    check_tool_for_prepare(version("10.11.3"), version("10.11.18"))
    with pytest.raises(MariabackupError, match="can be prepared only by the series"):
        check_tool_for_prepare(version("11.8.6"), version("10.11.18"))
    with pytest.raises(MariabackupError, match="another vendor"):
        check_tool_for_prepare(version("11.8.6"), parse_version("8.0.36-28"))


def test_target_server() -> None:
    assert check_target_server(version("11.8.6"), version("10.11.18")) is True
    assert check_target_server(version("10.11.2"), version("10.11.18")) is False
    with pytest.raises(MariabackupError, match="older series"):
        check_target_server(version("10.5.23"), version("10.11.18"))
