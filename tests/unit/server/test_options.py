# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the options of a server, from what real servers printed."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.dba.mariabackup.plugins.module_utils.server import options

DATA = Path(__file__).parent / "data"


@pytest.mark.parametrize("version", ["10.5", "10.11", "11.8"])
def test_table_of_every_version(version: str) -> None:
    values = options.parse_table((DATA / f"help-{version}.txt").read_text())
    assert len(values) > 600
    assert values["datadir"] == "/proc/0/datadir/"
    assert values["log_bin"] == "/srv/bu/bin"
    assert values["server_id"] == "7"
    assert values["read_only"] == "FALSE"
    assert values["event_scheduler"] == "OFF"
    assert values["innodb_undo_directory"] == ""
    assert values["log_error"] == ""
    assert "To" not in values


def test_arguments_of_option_files() -> None:
    args = options.parse_print_defaults((DATA / "print-defaults-10.5.txt").read_text())
    assert args[0] == "--socket=/run/mysqld/mysqld.sock"
    assert args[-1] == "--server_id=7"
    explicit = options.explicit_options([*args, "-h", "/data", "-umaria", "--skip-log-bin", "--loose-x_y=1"])
    assert explicit["datadir"] == "/data"
    assert explicit["user"] == "maria"
    assert explicit["external_locking"] == "FALSE"
    assert explicit["log_bin"] == "FALSE"
    assert explicit["x_y"] == "1"


def test_values_with_spaces_stay_whole() -> None:
    text = "x would have been started with the following arguments:\n--init_connect=SET a = 1 --datadir=/my data \n"
    assert options.parse_print_defaults(text) == ["--init_connect=SET a = 1", "--datadir=/my data"]
    assert options.parse_print_defaults("") == []


def test_option_file_arguments_come_first() -> None:
    first, rest = options.split_args(["--a=1", "--defaults-group-suffix=.x", "--defaults-file=/f", "-h", "/d"])
    assert first == ["--defaults-group-suffix=.x", "--defaults-file=/f"]
    assert rest == ["--a=1", "-h", "/d"]
    assert options.option_file_args("/f", ".x") == ["--defaults-file=/f", "--defaults-group-suffix=.x"]
    assert options.option_file_args() == []


@pytest.mark.parametrize(("text", "on"), [("ON", True), ("TRUE", True), ("1", True), ("OFF", False), (None, False)])
def test_switches(text: str | None, on: bool) -> None:
    assert options.is_on(text) is on


def test_includes_are_followed_in_order(tmp_path: Path) -> None:
    directory = tmp_path / "d"
    directory.mkdir()
    (directory / "b.cnf").write_text("[mysqld]\n")
    (directory / "a.cnf").write_text(f"!include {directory / 'b.cnf'}\n")
    (directory / "c.txt").write_text("")
    main = tmp_path / "my.cnf"
    main.write_text(f"[mysqld]\n!includedir {directory}\n")
    found: list[str] = []
    options._collect(str(main), found)
    assert found == [str(main), str(directory / "a.cnf"), str(directory / "b.cnf")]
