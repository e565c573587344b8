# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What systemd prints, and the unit files that we write."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.dba.mariabackup.plugins.module_utils.server import unit_text
from ansible_collections.dba.mariabackup.plugins.module_utils.server.base import RESTRICTIONS, Repair, Survey

DATA = Path(__file__).parent / "data"
VERSIONS = ["10.5", "10.11", "11.8"]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_distribution_s_unit(version: str) -> None:
    shown = unit_text.parse_show((DATA / f"systemctl-show-{version}.txt").read_text())
    assert shown["Id"] == "mariadb.service"
    assert shown["User"] == "mysql"
    assert unit_text.parse_span(shown["TimeoutStopUSec"]) == 900
    assert unit_text.uses_options_variable(shown["ExecStart"])
    words = unit_text.server_words(shown["ExecStart"])
    assert words is not None
    assert words[0] == "/usr/sbin/mariadbd"
    assert unit_text.own_args(unit_text.expand(words[1:], {})) == []


@pytest.mark.parametrize("version", VERSIONS)
def test_an_instance_with_options_in_its_environment(version: str) -> None:
    shown = unit_text.parse_show((DATA / f"systemctl-show-instance-{version}.txt").read_text())
    environment = unit_text.parse_environment(shown["Environment"])
    words = unit_text.server_words(shown["ExecStart"])
    assert words is not None
    assert unit_text.expand(words[1:], environment) == [
        "--defaults-group-suffix=.x",
        "--max-connections=77",
        "--init-connect=set @a=1",
    ]
    assert len(shown["EnvironmentFiles"].splitlines()) == 2
    assert unit_text.is_plain_command(shown["ExecStart"])


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("15min", 900.0), ("1min 30s", 90.0), ("infinity", float("inf")), ("1h 500ms", 3600.5), ("2d", 172800.0)],
)
def test_time_spans(text: str, seconds: float) -> None:
    assert unit_text.parse_span(text) == seconds


def test_an_options_environment_keeps_what_was_there() -> None:
    text = unit_text.options_environment("--max-connections=77 --init-connect='set @a=1'")
    value = unit_text.parse_environment_file(text)["MYSQLD_OPTS"]
    assert unit_text.parse_words(value) == ["--max-connections=77", "--init-connect=set @a=1", *RESTRICTIONS]
    again = unit_text.options_environment(" ".join(["--a=1", *RESTRICTIONS]))
    assert again.count("--read-only=1") == 1


def test_environment_files() -> None:
    text = '# comment\n; other\nA=1 2\nB=\'x y\'\nC="a\\\nb"\nbroken\n D = "q"\n'
    assert unit_text.parse_environment_file(text) == {"A": "1 2", "B": "x y", "C": "ab", "D": "q"}


def test_the_last_command_of_unit_files_counts() -> None:
    text = "[Service]\nExecStart=/usr/sbin/mariadbd \\\n  --a=1\n[Service]\nExecStart=\nExecStart=/usr/sbin/mariadbd --b=2\n"
    assert unit_text.exec_start_line(text) == "/usr/sbin/mariadbd --b=2"
    assert unit_text.exec_start_line("ExecStart=/x \\\n --y") == "/x   --y"


def test_a_shell_around_the_server_is_not_plain() -> None:
    command = (
        "{ path=/bin/sh ; argv[]=/bin/sh -c exec /usr/sbin/mariadbd --defaults-file=/etc/x.cnf ; ignore_errors=no ; }"
    )
    assert not unit_text.is_plain_command(command)
    assert not unit_text.uses_options_variable(command)
    assert unit_text.server_words(command) == ["/usr/sbin/mariadbd", "--defaults-file=/etc/x.cnf"]


def test_the_restrictions_are_added_where_the_unit_takes_none() -> None:
    text = unit_text.restricted_text(None, "/usr/sbin/mariadbd --b=2")
    assert "ExecStart=\nExecStart=/usr/sbin/mariadbd --b=2 --read-only=1 --skip-slave-start" in text
    assert "Restart=no" in text
    assert "EnvironmentFile=/run/x" in unit_text.restricted_text("/run/x", None)


def test_words_for_units_survive() -> None:
    assert unit_text.quote('a "b" %h $X \\', command=True) == '"a \\"b\\" %%h $$X \\\\"'
    assert unit_text.quote("/a b") == '"/a b"'


def test_a_hold_names_its_reason_and_its_repair() -> None:
    text = unit_text.hold_text("/var/lib/x%y/hold/k", "restore 1\nis unfinished", "r.service")
    assert "# restore 1 is unfinished" in text
    assert "AssertPathExists=!/var/lib/x%%y/hold/k" in text
    assert "Wants=r.service\nAfter=r.service" in text
    assert "Wants" not in unit_text.hold_text("/h", "x", None)


def test_the_stop_keeps_the_unit_s_own_limit() -> None:
    assert unit_text.own_stop_timeout(unit_text.stop_text(900.0)) == 900.0
    assert unit_text.own_stop_timeout(unit_text.stop_text(float("inf"))) == float("inf")
    assert unit_text.own_stop_timeout("") is None


def test_the_repair_comes_before_service_and_sockets() -> None:
    text = unit_text.repair_text(
        "mariadb.service",
        ["mariadb.socket"],
        "/var/lib/m/hold/k",
        Repair(["/usr/bin/python3", "x y"], ["/var/lib/mysql"]),
    )
    assert "Before=mariadb.service mariadb.socket shutdown.target" in text
    assert 'ExecStart="/usr/bin/python3" "x y"' in text
    assert 'RequiresMountsFor="/var/lib/mysql" "/var/lib/m/hold"' in text
    assert "DefaultDependencies=no" in text


def test_a_survey_survives_the_journal() -> None:
    survey = Survey("systemd", "mariadb.service", True, True, ["mariadb.socket"], 900.0)
    assert Survey.from_json(survey.as_json()) == survey
