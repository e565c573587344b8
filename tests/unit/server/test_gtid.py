# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GTID states, and the end of real binary logs."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.server import binlog_end, gtid
from ansible_collections.dba.mariabackup.plugins.module_utils.server.gtid import Gtid

DATA = Path(__file__).parent / "data"
# What the servers said of their binary logs in data/: SELECT @@global.gtid_binlog_state.
STATES = {
    "10.5": "0-9-3,0-7-8,0-8-9,3-2-2,3-8-3",
    "10.11": "0-9-3,0-7-17,0-8-18,3-2-2,3-8-3",
    "11.8": "0-9-3,0-7-8,0-8-9,3-2-2,3-8-3",
}
gtids = st.builds(Gtid, st.integers(0, 3), st.integers(1, 4), st.integers(0, 10**12))
states = st.lists(st.lists(gtids, max_size=8), max_size=5)


@pytest.mark.parametrize("version", list(STATES))
def test_the_state_is_read_from_a_binary_log(version: str) -> None:
    data = (DATA / f"binlog-{version}").read_bytes()
    state, complete, why = binlog_end.scan_binlog(data)
    assert (complete, why) == (True, "")
    assert gtid.merge([state]) == gtid.merge([gtid.parse_list(STATES[version])])


@pytest.mark.parametrize("version", list(STATES))
def test_a_binary_log_may_be_cut_anywhere(version: str) -> None:
    data = (DATA / f"binlog-{version}").read_bytes()
    whole = {(g.domain_id, g.server_id): g.sequence for g in gtid.parse_list(STATES[version])}
    for length in range(4, len(data)):
        for found in binlog_end.scan_binlog(data[:length])[0]:
            assert found.sequence <= whole[found.domain_id, found.server_id]


def test_what_is_no_binary_log_is_said_so() -> None:
    assert binlog_end.scan_binlog(b"\xfdbin....")[1] is False
    encrypted = b"\xfebin" + b"\0" * 4 + bytes([164]) + b"\0" * 4 + (40).to_bytes(4, "little") + b"\0" * 27
    assert binlog_end.scan_binlog(encrypted) == ([], False, "it is encrypted")


def test_the_end_of_a_history(tmp_path: Path) -> None:
    options = {"datadir": f"{tmp_path}/", "log_bin": "bin"}
    assert binlog_end.read_binlog_end(options) == binlog_end.BinlogEnd()
    (tmp_path / "bin.000007").write_bytes((DATA / "binlog-11.8").read_bytes())
    (tmp_path / "bin.index").write_text("./bin.000006\n./bin.000007\n")
    died = binlog_end.read_binlog_end(options)
    assert (died.last_file, died.complete) == ("bin.000007", True)
    assert Gtid(3, 8, 3) in died.state
    (tmp_path / "bin.state").write_text("0-1-99\n")
    stopped = binlog_end.read_binlog_end(options)
    assert stopped.state == [Gtid(0, 1, 99)]
    assert stopped.last_file == "bin.000007"
    (tmp_path / "bin.state").unlink()
    (tmp_path / "bin.000007").write_bytes(b"")
    assert binlog_end.read_binlog_end(options).complete is False


@pytest.mark.parametrize(
    ("options", "base", "index"),
    [
        ({"datadir": "/d/", "log_bin": ""}, None, None),
        ({"datadir": "/d/", "log_bin": "a"}, "/d/a", "/d/a.index"),
        ({"datadir": "/d/", "log_bin": "ON"}, "/d/ON", "/d/ON.index"),
        ({"datadir": "/d/", "log_bin": "/srv/b.c/a.b.c", "log_bin_index": "xx"}, "/srv/b.c/a", "/d/xx"),
    ],
)
def test_where_the_binary_logs_are(options: dict[str, str], base: str | None, index: str | None) -> None:
    assert binlog_end.binlog_basename(options) == base
    assert binlog_end.binlog_index(options) == index


def test_lists_and_files_are_read_alike() -> None:
    assert gtid.parse_list("0-1-2,3-4-5") == gtid.parse_list("0-1-2\n3-4-5\n") == [Gtid(0, 1, 2), Gtid(3, 4, 5)]
    assert gtid.parse_list("") == []
    with pytest.raises(MariabackupError, match="not a GTID"):
        gtid.parse_list("0-1")


@given(states, st.integers(1, 4), st.integers(0, 3), st.integers(1, gtid.BLIND_MARGIN))
def test_a_new_history_is_above_every_old_one(old: list[list[Gtid]], server: int, domain: int, margin: int) -> None:
    text = gtid.new_history_state([gtid.format_state(state) for state in old], server, domain, margin)
    assert text.endswith("\n")
    new = gtid.parse_list(text)
    assert gtid.format_state(new) == text
    last = {entry.domain_id: entry for entry in new}
    assert domain in last
    for entry in last.values():
        assert entry.server_id == server
        assert all(entry.sequence > known.sequence for known in new if known[:2] != entry[:2] and known[0] == entry[0])
    for state in old:
        for known in state:
            assert last[known.domain_id].sequence >= known.sequence + margin
            assert any(entry[:2] == known[:2] and entry.sequence >= known.sequence for entry in new)


def test_numbers_end_somewhere() -> None:
    with pytest.raises(MariabackupError, match="used up"):
        gtid.new_history_state(["0-1-18446744073709551614"], 1)


@pytest.mark.parametrize(
    ("known", "earlier", "expected"),
    [
        ("0-1-1000", "0-1-1000", True),
        ("0-2-2000,0-1-1200", "0-1-1000", True),
        ("0-1-1200,5-1-7", "0-1-1000,5-1-7", True),
        ("", "0-1-1000", False),  # an empty host
        ("0-1-3", "0-1-1000", False),  # installed anew
        ("0-9-5000", "0-1-1000", False),  # another server's history
        ("0-1-1200", "0-1-1000,5-1-7", False),  # one domain of two
        ("0-1-1200", "", False),  # a backup without GTIDs
        ("", "", False),
    ],
)
def test_a_history_tells_its_end_when_it_is_past_an_earlier_point(known: str, earlier: str, expected: bool) -> None:
    assert gtid.covers(gtid.parse_list(known), gtid.parse_list(earlier)) is expected


def test_a_lost_history_has_not_come_to_this_binary_log() -> None:
    assert binlog_end.far_above("bin", "", None) == "bin.100000"
    assert binlog_end.far_above("bin", "bin.000002", "old-bin.000017") == "bin.100017"
    assert binlog_end.far_above("bin", "bin.999999", "bin.000017") == "bin.1099999"
