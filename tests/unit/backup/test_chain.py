# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Chains: what a restore needs, why a chain is broken, and what a new increment is based on."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.chain import (
    BrokenChain,
    Choice,
    Now,
    broken_chains,
    chain_to,
    choose_base,
    misfit,
    series_of,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.manifest import Manifest

CALM = settings(deadline=None, max_examples=200)
NOON = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)


def name(number: int) -> str:
    return f"202611{number:02d}T101500Z-{number:06x}"


def backup(number: int, base: int | None = None, **changes: Any) -> Manifest:
    """A backup of the day ``number``: it ends at LSN 10 more than its checkpoint, which is a hundred for each day."""
    values: dict[str, Any] = {
        "id": name(number),
        "type": "full" if base is None else "incremental",
        "created": f"2026-11-{number:02d}T10:15:07Z",
        "host": "db1",
        "instance": "db1",
        "datadir": "/var/lib/mysql",
        "server_version": "10.11.19-MariaDB-0+deb12u1-log",
        "tool_version": "10.11.19",
        "from_lsn": 0 if base is None else base * 100,
        "to_lsn": number * 100,
        "last_lsn": number * 100 + 10,
        "uuid": f"uuid-{number}",
        "base_id": None if base is None else name(base),
        "timeline": "t",
    }
    return Manifest(**{**values, **changes})


def store(*backups: Manifest) -> dict[str, Manifest]:
    return {manifest.id: manifest for manifest in backups}


NOW = Now("t", (10, 11), 2_000, NOON)
WEEK = store(*(backup(number, number - 1 if number > 1 else None) for number in range(1, 8)))


def ids(chain: tuple[Manifest, ...]) -> list[str]:
    return [manifest.id for manifest in chain]


def test_a_chain_goes_from_the_full_backup_on() -> None:
    assert ids(chain_to(name(1), WEEK)) == [name(1)]
    assert ids(chain_to(name(5), WEEK)) == [name(number) for number in range(1, 6)]
    # Two increments may have one base.
    assert ids(chain_to(name(9), {**WEEK, **store(backup(9, 2))})) == [name(1), name(2), name(9)]
    assert broken_chains(WEEK) == {}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (store(backup(3, 2, instance="db2")), f"{name(3)} is a backup of db2, and its base {name(2)} is one of db1"),
        (store(backup(3, 2, timeline="u")), f"{name(3)} and its base {name(2)} are of different timelines"),
        (store(backup(3, 2, timeline=None)), "different timelines"),
        (store(backup(3, 2, server_version="11.4.2-MariaDB")), "is of MariaDB 11.4.2-MariaDB, and its base"),
        (store(backup(2, 1, prepared=True)), f"the base {name(2)} of {name(3)} is prepared"),
        (store(backup(3, 2, from_lsn=201)), "begins at LSN 201, and its base"),
        (store(backup(3, 2, from_lsn=100)), "begins at LSN 100, and its base"),
        (store(backup(3, 2, last_lsn=205)), "ends at LSN 205, before its base"),
        (store(backup(3, 2, uuid="uuid-1")), "has one backup twice"),
        (store(backup(3, base_id=name(2))), "is a full backup that names a base"),
        (store(backup(3, 2, base_id=None)), "is an increment that names no base"),
        (store(backup(3, 5, from_lsn=200)), "form a loop"),
        (store(backup(1, 9, from_lsn=0)), f"the base {name(9)} of {name(1)} is missing"),
        (
            {**store(backup(2, 1, base_id=name(6))), **store(backup(6, 9))},
            f"the base {name(9)} of {name(6)} is missing",
        ),
    ],
)
def test_why_a_chain_is_broken(change: dict[str, Manifest], says: str) -> None:
    with pytest.raises(BrokenChain, match=says.replace("+", r"\+")):
        chain_to(name(5), {**WEEK, **change})


def test_missing_links() -> None:
    without = {key: value for key, value in WEEK.items() if key != name(4)}
    assert sorted(broken_chains(without)) == [name(5), name(6), name(7)]
    assert broken_chains(without)[name(7)] == f"the base {name(4)} of {name(5)} is missing or cannot be read"
    with pytest.raises(BrokenChain, match="is missing"):
        chain_to(name(30), WEEK)


def test_a_chain_without_end_is_no_trouble() -> None:
    """Hourly increments of years: each link is looked at once, also when nothing can be the base any more."""
    count = 20_000
    made = {}
    for number in range(count):
        made[f"{number:08}"] = replace(
            backup(1, None if number == 0 else 1),
            id=f"{number:08}",
            base_id=None if number == 0 else f"{number - 1:08}",
            from_lsn=0 if number == 0 else number - 1,
            to_lsn=number,
            last_lsn=number + 1,
            uuid=str(number),
        )
    assert broken_chains(made) == {}
    assert len(choose_base(made, replace(NOW, lsn=None)).chain) == count
    for options in ({"timeline": "u"}, {"time": NOON + timedelta(days=900)}):
        assert choose_base(made, replace(NOW, lsn=None, **options), full_every=timedelta(days=7)).base is None
    del made["00000001"]
    assert len(broken_chains(made)) == count - 2
    assert choose_base(made, NOW).chain == (made["00000000"],)


def test_an_increment_older_than_its_base() -> None:
    later = backup(9, None, to_lsn=300)
    assert "is older than its base" in (misfit(later, backup(4, 3, base_id=name(9), to_lsn=400)) or "")


def test_unknown_versions() -> None:
    assert series_of(backup(1, server_version=None)) is None
    assert series_of(backup(1)) == (10, 11)


@pytest.mark.parametrize(
    ("stored", "now", "options", "base", "says"),
    [
        ({}, NOW, {}, None, "there is no backup yet"),
        (WEEK, NOW, {}, 7, "the 7th backup of its chain"),
        (WEEK, NOW, {"wanted": name(2)}, 2, "the 2nd backup of its chain"),
        (WEEK, NOW, {"wanted": name(30)}, None, "is missing"),
        (WEEK, replace(NOW, timeline="u"), {}, None, f"{name(7)} is of another timeline"),
        (WEEK, replace(NOW, timeline=None), {}, None, "its timeline is unknown"),
        (WEEK, replace(NOW, series=(11, 4)), {}, None, "another series by now"),
        (WEEK, replace(NOW, lsn=705), {}, 6, "the 6th backup"),
        (WEEK, replace(NOW, lsn=50), {}, None, "ends at LSN 710, and the server is at 50"),
        (WEEK, replace(NOW, lsn=None), {}, 7, "the base"),
        (WEEK, NOW, {"full_every": timedelta(days=20)}, 7, "the base"),
        (WEEK, NOW, {"full_every": timedelta(days=19)}, None, "older than full_every allows"),
        (WEEK, replace(NOW, time=NOON - timedelta(days=20)), {"full_every": timedelta(days=9)}, None, "the future"),
        ({**WEEK, **store(backup(8, prepared=True))}, NOW, {}, 7, "the base"),
        ({**WEEK, **store(backup(8, 30))}, NOW, {}, 7, "the base"),
        # The old data was put back: its timeline goes on.
        ({**WEEK, **store(backup(8, timeline="u"))}, NOW, {}, 7, "the base"),
        (store(backup(8, prepared=True)), NOW, {}, None, "is prepared"),
        (store(backup(8, timeline=None)), replace(NOW, timeline=None), {}, None, "its timeline is unknown"),
        (store(backup(8, timeline=None)), NOW, {}, None, "another timeline"),
        (WEEK, NOW, {"look": lambda chain: "gone" if len(chain) > 4 else None}, 4, "the 4th backup"),
        (WEEK, NOW, {"look": lambda chain: f"gone {chain[-1].id}"}, None, f"gone {name(7)}"),
    ],
)
def test_the_base_of_the_next_one(
    stored: dict[str, Manifest], now: Now, options: dict[str, Any], base: int | None, says: str
) -> None:
    choice = choose_base(stored, now, **options)
    assert (choice.base.id if choice.base else None) == (name(base) if base else None)
    assert says in choice.reason
    if base:
        assert choice.chain == chain_to(name(base), stored)
    else:
        assert choice == Choice(reason=choice.reason)


@st.composite
def repositories(draw: st.DrawFn) -> dict[str, Manifest]:
    """Backups on chains of two timelines, some of them spoilt, some lost."""
    made: list[Manifest] = []
    for number in range(1, draw(st.integers(1, 12)) + 1):
        base = draw(st.sampled_from([None, *range(1, number)]))
        timeline = draw(st.sampled_from("tttu"))
        if base is not None and draw(st.booleans()):
            timeline = made[base - 1].timeline
        manifest = backup(number, base, timeline=timeline)
        spoil = draw(st.sampled_from([None] * 8 + ["from_lsn", "prepared", "base_id"]))
        if spoil == "from_lsn":
            manifest = replace(manifest, from_lsn=manifest.from_lsn + 1)
        elif spoil == "prepared":
            manifest = replace(manifest, prepared=True)
        elif spoil == "base_id" and base is not None:
            manifest = replace(manifest, base_id=name(draw(st.integers(1, 28))))
        made.append(manifest)
    lost = draw(st.sets(st.integers(1, 12), max_size=3))
    return store(*(manifest for number, manifest in enumerate(made, 1) if number not in lost))


@CALM
@given(repositories())
def test_whatever_lies_there_a_chain_is_whole_or_refused(stored: dict[str, Manifest]) -> None:
    broken = broken_chains(stored)
    for key in stored:
        if key in broken:
            with pytest.raises(BrokenChain):
                chain_to(key, stored)
            continue
        chain = chain_to(key, stored)
        assert chain[-1].id == key
        assert chain[0].type == "full"
        assert chain[0].base_id is None
        assert len(set(ids(chain))) == len(chain)
        for base, increment in zip(chain, chain[1:]):
            assert increment.base_id == base.id
            assert increment.from_lsn == base.to_lsn
            assert increment.timeline == base.timeline
            assert not base.prepared
        # What a sound backup is built on is sound.
        assert not set(ids(chain)) & set(broken)


@CALM
@given(repositories(), st.sampled_from(["t", "u", None]), st.integers(0, 1500))
def test_whatever_lies_there_the_base_fits_the_server(
    stored: dict[str, Manifest], timeline: str | None, lsn: int
) -> None:
    choice = choose_base(stored, replace(NOW, timeline=timeline, lsn=lsn))
    assert choice.reason
    if choice.base is None:
        return
    assert choice.base.timeline == timeline
    assert choice.base.last_lsn <= lsn
    # The increment that is then taken continues it.
    number = 25
    taken = backup(number, from_lsn=choice.base.to_lsn, type="incremental", base_id=choice.base.id, timeline=timeline)
    assert ids(chain_to(taken.id, {**stored, **store(taken)})) == [*ids(choice.chain), taken.id]


@CALM
@given(repositories(), st.sampled_from(sorted(WEEK)))
def test_a_lost_backup_breaks_what_is_built_on_it_and_nothing_else(stored: dict[str, Manifest], lost: str) -> None:
    before = broken_chains(stored)
    left = {key: value for key, value in stored.items() if key != lost}
    after = broken_chains(left)
    for key in left:
        needs_it = key not in before and lost in ids(chain_to(key, stored))
        assert (key in after) == (key in before or needs_it)
