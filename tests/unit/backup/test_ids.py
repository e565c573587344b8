# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ids of backups: what is one, and that they sort as they were made, whatever the clock does."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.ids import is_id, next_id, time_of
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError

NOW = datetime(2026, 11, 22, 10, 53, 18, 999999, tzinfo=timezone.utc)
CALM = settings(deadline=None)

zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=zones)
suffixes = st.text("0123456789abcdef", min_size=6, max_size=6)


@pytest.mark.parametrize("name", ["20261122T105318Z-3f9a1c", "20280229T000000Z-000000", "20261231T235959Z-ffffff"])
def test_is_an_id(name: str) -> None:
    assert is_id(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "20261122T105318Z",
        "20261122T105318Z-",
        "20261122T105318Z-3f9a1",
        "20261122T105318Z-3f9a1cc",
        "20261122T105318Z-3F9A1C",
        "20261122T105318Z-3f9a1g",
        "20261122t105318z-3f9a1c",
        "20261122T105318-3f9a1c",
        "20261122T105318Z-3f9a1c\n",
        " 20261122T105318Z-3f9a1c",
        "20261122T105318Z-3f9a1c.partial",
        "2026\u0661122T105318Z-3f9a1c",
        "20270229T105318Z-3f9a1c",  # no leap year
        "20261322T105318Z-3f9a1c",
        "20261122T245318Z-3f9a1c",
        "20261231T235960Z-3f9a1c",
        "00001122T105318Z-3f9a1c",
    ],
)
def test_is_no_id(name: str) -> None:
    assert not is_id(name)
    with pytest.raises(ValueError, match="is not the id of a backup"):
        next_id(NOW, name, "3f9a1c")


def test_the_time_of_an_id_is_aware() -> None:
    found = time_of("20261122T105318Z-3f9a1c")
    assert found == datetime(2026, 11, 22, 10, 53, 18, tzinfo=timezone.utc)
    assert found.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("newest", "made"),
    [
        (None, "20261122T105318Z"),
        ("20261122T105317Z-ffffff", "20261122T105318Z"),
        ("20261122T105318Z-000000", "20261122T105319Z"),  # the same second
        ("20261122T105319Z-000000", "20261122T105320Z"),  # two were begun in the second before
        ("20261231T235959Z-ffffff", "20270101T000000Z"),  # the clock was set back, over the end of a year
        ("20280228T235959Z-ffffff", "20280229T000000Z"),
    ],
)
def test_the_next_id_sorts_after_the_newest(newest: str | None, made: str) -> None:
    assert next_id(NOW, newest, "3f9a1c") == f"{made}-3f9a1c"


def test_there_is_a_last_id() -> None:
    with pytest.raises(MariabackupError, match="no id after that of the backup 99991231T235959Z-3f9a1c"):
        next_id(NOW, "99991231T235959Z-3f9a1c", "3f9a1c")


def test_an_id_has_the_time_in_utc() -> None:
    now = datetime(2026, 11, 23, 0, 53, 18, tzinfo=timezone(timedelta(hours=14)))
    assert next_id(now, None, "3f9a1c") == "20261122T105318Z-3f9a1c"
    with pytest.raises(ValueError, match="no time zone"):
        next_id(now.replace(tzinfo=None), None, "3f9a1c")


@pytest.mark.parametrize("suffix", ["", "3f9a1", "3F9A1C", "3f9a1c7", "../../"])
def test_a_suffix_is_six_hex_digits(suffix: str) -> None:
    with pytest.raises(ValueError, match="is not the id of a backup"):
        next_id(NOW, None, suffix)


@CALM
@given(st.lists(st.tuples(moments, suffixes), max_size=20))
def test_ids_sort_as_they_were_made(begun: list[tuple[datetime, str]]) -> None:
    made: list[str] = []
    for now, suffix in begun:
        made.append(next_id(now, made[-1] if made else None, suffix))
        assert is_id(made[-1])
        assert time_of(made[-1]) > now - timedelta(seconds=1)
    assert made == sorted(set(made))
