# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Thresholds for the newest backup, and the server's configuration beside a backup."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.manifest import Head, Manifest
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.repository import configuration
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.catalogue import Entry
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.freshness import judge
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.measures import parse_span

NOW = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)
GIB = 1 << 30


def entry(hour: int, size: int, kind: str = "full") -> Entry:
    """Return a backup of the day before NOW, finished at ``hour``."""
    name = f"20261121T{hour:02d}0000Z-00000{hour % 10}"
    manifest = Manifest(name, kind, f"2026-11-21T{hour:02d}:30:00Z", "db1", None, None, None, 0, 1, 2)
    return Entry(name, f"/r/db1/{name}", Head(manifest, size, 1))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("36h", timedelta(hours=36)), (" 2 d ", timedelta(days=2)), ("8w", timedelta(weeks=8)), ("0h", timedelta(0))],
)
def test_spans(text: str, expected: timedelta) -> None:
    assert parse_span("max_age", text) == expected


@pytest.mark.parametrize("text", ["", "1", "d", "1.5d", "-1d", "1m", "1d2h"])
def test_spans_that_are_none(text: str) -> None:
    with pytest.raises(MariabackupError, match=f"max_age is {text!r}"):
        parse_span("max_age", text)


@pytest.mark.parametrize(
    ("entries", "hours", "drift", "expected"),
    [
        ([], 24, 10, ["There is no backup."]),
        ([entry(12, GIB)], 24, 10, []),
        ([entry(12, GIB)], 23, None, ["23.5 hours old; 23 are allowed"]),
        ([entry(1, GIB), entry(12, GIB)], None, None, []),
        ([entry(1, GIB), entry(12, 2 * GIB)], None, 50, ["+100 %"]),
        ([entry(1, GIB), entry(12, GIB // 4)], None, 50, ["-75 %"]),
        # One odd backup before it does not move the median, and increments do not count.
        ([entry(1, GIB), entry(2, 9 * GIB), entry(3, GIB), entry(12, GIB)], None, 10, []),
        ([entry(1, GIB), entry(12, GIB // 100, "incremental")], None, 10, []),
        ([entry(1, GIB, "incremental"), entry(12, GIB // 100, "incremental")], None, 10, []),
        ([entry(1, GIB), entry(2, 3 * GIB), entry(12, GIB // 100, "incremental")], None, 10, ["+200 %"]),
        ([entry(1, 0), entry(12, GIB)], None, 10, []),
        ([entry(1, GIB), entry(3, 3 * GIB)], 1, 10, ["hours old", "+200 %"]),
    ],
)
def test_judgement(entries: list[Entry], hours: int | None, drift: int | None, expected: list[str]) -> None:
    found = judge(entries, NOW, None if hours is None else timedelta(hours=hours), drift)
    assert len(found) == len(expected)
    for text, part in zip(found, expected):
        assert part in text


def test_a_backup_from_the_future_is_wrong() -> None:
    """It would hide that no backup is taken any more."""
    assert "from the future" in judge([entry(1, GIB)], NOW - timedelta(days=3), timedelta(days=1), None)[0]


def test_a_backup_that_cannot_be_read_is_none() -> None:
    damaged = Entry("20261122T110000Z-000000", "/r/x", None, "damaged")
    assert "hours old" in judge([entry(1, GIB), damaged], NOW, timedelta(hours=2), None)[0]


def test_a_partial_backup_is_no_backup_of_the_server() -> None:
    """It is neither fresh nor small: it is passed over."""
    part = entry(12, GIB // 100)
    assert part.head is not None
    part = replace(part, head=replace(part.head, manifest=replace(part.head.manifest, selection={"tables": ["a.b"]})))
    assert not part.whole
    assert judge([part], NOW, timedelta(days=2), None) == ["There is no whole backup that can be used."]
    assert judge([entry(1, GIB), entry(3, GIB), part], NOW, timedelta(days=2), 10) == []
    assert "hours old" in judge([entry(1, GIB), part], NOW, timedelta(hours=2), None)[0]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("password = geheim", "password = (removed)"),
        ("  loose-ssl-passphrase=geheim", "  loose-ssl-passphrase=(removed)"),
        ("file_key_management_filekey = FILE:/etc/key", "file_key_management_filekey = (removed)"),
        ("wsrep-sst-auth=me:geheim", "wsrep-sst-auth=(removed)"),
        ("# old password: geheim", "# (removed)"),
        ("pass = geheim", "pass = (removed)"),
        ("pas=geheim", "pas=(removed)"),
        ("loose-Passw=geheim", "loose-Passw=(removed)"),
        ("report-pa = geheim", "report-pa = (removed)"),
        ("wsrep-sst-a = geheim", "wsrep-sst-a = (removed)"),
        ("file-key-management-filek = geheim", "file-key-management-filek = (removed)"),
        ("s3-access-key = geheim", "s3-access-key = (removed)"),
        ("file_key_management = ON", "file_key_management = ON"),
        ("file_key_management_filename = /etc/keys", "file_key_management_filename = /etc/keys"),
        ("report_port = 3306", "report_port = 3306"),
        ("pager = less", "pager = less"),
        ("#pas = geheim", "# (removed)"),
        ("datadir = /var/lib/mysql", "datadir = /var/lib/mysql"),
        ("[mysqld]", "[mysqld]"),
        ("skip-name-resolve", "skip-name-resolve"),
        ("# a comment", "# a comment"),
    ],
)
def test_secrets_leave_option_files(line: str, expected: str) -> None:
    assert configuration.without_secrets(f"{line}\n") == f"{expected}\n"


def test_option_files_come_with_what_they_include(tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "my.cnf").write_text(f"[mysqld]\n!includedir {tmp_path}/conf.d/\n!include {tmp_path}/gone.cnf\n")
    (tmp_path / "conf.d" / "a.cnf").write_text(f"[client]\npassword=geheim\n!include {tmp_path}/my.cnf\n")
    (tmp_path / "conf.d" / "readme.txt").write_text("no option file")
    found = configuration.option_files(None, (str(tmp_path / "my.cnf"), str(tmp_path / "none.cnf")))
    assert list(found) == [str(tmp_path / "my.cnf"), f"{tmp_path}/conf.d/a.cnf"]
    assert "geheim" not in "".join(found.values())
    own = tmp_path / "instance.cnf"
    own.write_text(f"[mysqld]\ndatadir=/x\n!include {tmp_path}/conf.d/a.cnf\n")
    found = configuration.option_files(str(own), (str(tmp_path / "my.cnf"),))
    assert list(found) == [str(own), f"{tmp_path}/conf.d/a.cnf", str(tmp_path / "my.cnf")]


def test_the_file_beside_a_backup() -> None:
    text = configuration.describe({"version": "10.11", "report_password": "geheim", "old_passwords": ""}, {"/a": "b\n"})
    assert json.loads(text) == {
        "option_files": {"/a": "b\n"},
        "variables": {"version": "10.11", "report_password": "(removed)", "old_passwords": ""},
    }
