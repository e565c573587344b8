# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which backups are kept: every rule by the calendar, and for any chains nothing goes that is needed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.dba.mariabackup.plugins.module_utils.repository.retention import (
    Decision,
    Rules,
    Stored,
    decide,
    deletion_order,
)

NOW = datetime(2028, 3, 1, 12, tzinfo=timezone.utc)
EVERYTHING = Rules(last=1000)
NEWEST = "the newest restorable backup"
GOES = ("no rule keeps it",)
CALM = settings(deadline=None, max_examples=200)


def at(text: str) -> datetime:
    """A time, UTC unless it says otherwise."""
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=timezone.utc)


def fulls(*times: str) -> list[Stored]:
    """Full backups in the order in which they were made, with the ids a, b, c and so on."""
    return [Stored(chr(ord("a") + number), at(time)) for number, time in enumerate(times)]


def chains(**bases: str | None) -> list[Stored]:
    """Backups by id, each with its base, an hour between them."""
    return [Stored(name, NOW + timedelta(hours=n - len(bases)), base) for n, (name, base) in enumerate(bases.items())]


def reasons(decisions: Iterable[Decision]) -> dict[str, tuple[str, ...]]:
    return {decision.id: decision.reasons for decision in decisions}


def kept(decisions: Iterable[Decision]) -> set[str]:
    return {decision.id for decision in decisions if decision.keep}


def by_rule(backups: Iterable[Stored], rules: Rules, now: datetime = NOW) -> dict[str, list[str]]:
    """What is kept with the reasons that are rules."""
    found = {d.id: [reason for reason in d.reasons if reason != NEWEST] for d in decide(backups, rules, now) if d.keep}
    return {name: why for name, why in found.items() if why}


# The rules of the calendar.


def test_the_last() -> None:
    backups = fulls("2028-02-01", "2028-02-02", "2028-02-03")
    assert by_rule(backups, Rules(last=2)) == {"b": ["one of the last 2"], "c": ["one of the last 2"]}
    assert by_rule(backups, Rules(last=1)) == {"c": ["the last one"]}
    assert set(by_rule(backups, Rules(last=9))) == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("times", "count", "expected"),
    [
        # The newest of each day, by the id.
        (["2026-11-21T03:00", "2026-11-21T23:59:59", "2026-11-22T00:00"], 7, {"b": "2026-11-21", "c": "2026-11-22"}),
        # Days without a backup do not count.
        (["2026-01-05", "2026-06-01", "2026-11-22"], 2, {"b": "2026-06-01", "c": "2026-11-22"}),
        # The leap day is a day of its own.
        (
            ["2028-02-28T22:00", "2028-02-29T22:00", "2028-03-01T10:00"],
            3,
            {"a": "2028-02-28", "b": "2028-02-29", "c": "2028-03-01"},
        ),
        (["2027-12-31T23:59", "2028-01-01T00:00"], 2, {"a": "2027-12-31", "b": "2028-01-01"}),
        # A day is one of UTC.
        (["2026-11-23T00:30+02:00", "2026-11-22T23:00-02:00"], 2, {"a": "2026-11-22", "b": "2026-11-23"}),
        # The clock was set back: the last days are those of the last ids, and a day comes once.
        (["2026-11-22", "2026-11-30", "2026-11-22", "2026-11-21"], 2, {"c": "2026-11-22", "d": "2026-11-21"}),
        # A day of the future is a day.
        (["2028-02-29", "2099-01-01"], 2, {"a": "2028-02-29", "b": "2099-01-01"}),
    ],
)
def test_daily(times: list[str], count: int, expected: dict[str, str]) -> None:
    assert by_rule(fulls(*times), Rules(daily=count)) == {name: [f"daily {day}"] for name, day in expected.items()}


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (["2026-11-22T23:59", "2026-11-23"], {"a": "2026-W47", "b": "2026-W48"}),  # Sunday, Monday
        # 2026 has a week 53: it ends on Sunday, January 3, 2027.
        (["2026-12-27", "2026-12-28", "2027-01-03", "2027-01-04"], {"a": "2026-W52", "c": "2026-W53", "d": "2027-W01"}),
        (["2026-12-31", "2027-01-01"], {"b": "2026-W53"}),
        # The last days of 2024 are of the first week of 2025.
        (["2024-12-29", "2024-12-30", "2025-01-01"], {"a": "2024-W52", "c": "2025-W01"}),
        # The first days of 2023 are of the last week of 2022.
        (["2022-12-31", "2023-01-01", "2023-01-02"], {"b": "2022-W52", "c": "2023-W01"}),
    ],
)
def test_weekly(times: list[str], expected: dict[str, str]) -> None:
    assert by_rule(fulls(*times), Rules(weekly=9)) == {name: [f"weekly {week}"] for name, week in expected.items()}


def test_monthly() -> None:
    backups = fulls("2027-02-28", "2027-12-31T23:59", "2028-02-28", "2028-02-29T23:59", "2028-03-01")
    found = {"b": ["monthly 2027-12"], "d": ["monthly 2028-02"], "e": ["monthly 2028-03"]}
    assert by_rule(backups, Rules(monthly=3)) == found
    assert by_rule(backups, Rules(monthly=4)) == {"a": ["monthly 2027-02"], **found}


def test_yearly() -> None:
    # Week 53 of 2026 reaches into 2027, the year does not.
    backups = fulls("2025-06-01", "2026-12-31T23:59:59", "2027-01-01", "2027-01-02")
    assert by_rule(backups, Rules(yearly=2)) == {"b": ["yearly 2026"], "d": ["yearly 2027"]}


@pytest.mark.parametrize(
    ("within", "text"),
    [
        (timedelta(days=14), "within 14 days"),
        (timedelta(weeks=1), "within 7 days"),
        (timedelta(days=1), "within 1 day"),
        (timedelta(hours=36), "within 36 hours"),
        (timedelta(minutes=1), "within 1 minute"),
        (timedelta(seconds=90), "within 0:01:30"),
        (timedelta.max, f"within {timedelta.max}"),
    ],
)
def test_within_is_said_in_words(within: timedelta, text: str) -> None:
    assert by_rule([Stored("a", NOW)], Rules(within=within)) == {"a": [text]}


def test_within_ends_at_the_second_and_has_the_future_in_it() -> None:
    backups = fulls("2028-02-28T11:59:59", "2028-02-28T12:00", "2099-01-01", "2028-02-29")
    # Over the leap day.
    assert set(by_rule(backups, Rules(within=timedelta(days=2)))) == {"b", "c", "d"}


def test_every_rule_counts_for_itself_and_every_reason_is_given() -> None:
    backups = fulls("2026-12-31", "2027-12-30", "2027-12-31", "2028-01-01")
    rules = Rules(last=1, within=timedelta(days=61), daily=2, weekly=1, monthly=2, yearly=3)
    assert reasons(decide(backups, rules, NOW)) == {
        "a": ("yearly 2026",),
        "b": GOES,
        "c": ("daily 2027-12-31", "monthly 2027-12", "yearly 2027"),
        "d": (
            *("the last one", "within 61 days", "daily 2028-01-01", "weekly 2027-W52", "monthly 2028-01"),
            *("yearly 2028", NEWEST),
        ),
    }


def test_the_order_is_that_of_the_ids() -> None:
    backups = [Stored("c", at("2026-01-01")), Stored("a", at("2026-03-01")), Stored("b", at("2026-02-01"))]
    decisions = decide(backups, Rules(last=1), NOW)
    assert [(decision.id, decision.keep) for decision in decisions] == [("a", False), ("b", False), ("c", True)]


# What is refused.


@pytest.mark.parametrize("rules", [Rules(), Rules(within=timedelta(0))])
def test_no_rule_is_refused(rules: Rules) -> None:
    assert rules.empty
    with pytest.raises(ValueError, match="no rule is set"):
        decide([], rules, NOW)


@pytest.mark.parametrize("name", ["last", "daily", "weekly", "monthly", "yearly"])
def test_a_negative_rule_is_refused_and_any_other_is_a_rule(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is -1"):
        Rules(**{name: -1})
    assert not Rules(**{name: 1}).empty


def test_a_negative_time_is_refused() -> None:
    with pytest.raises(ValueError, match="within is -1 day"):
        Rules(within=timedelta(days=-1))
    assert not Rules(within=timedelta(seconds=1)).empty


def test_times_are_aware_and_ids_differ() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        Stored("a", datetime(2026, 1, 1))
    with pytest.raises(ValueError, match="the same id"):
        decide([Stored("a", NOW), Stored("a", NOW)], EVERYTHING, NOW)


def test_no_backups_are_no_decisions() -> None:
    assert decide([], EVERYTHING, NOW) == []
    assert deletion_order([], []) == []


# Chains.


def test_a_kept_increment_keeps_its_chain_and_no_more() -> None:
    backups = chains(a=None, b="a", c="b", d="b", e=None, f="e")
    assert reasons(decide(backups, Rules(last=3), NOW)) == {
        "a": ("base of b",),
        "b": ("base of d",),
        "c": GOES,
        "d": ("one of the last 3",),
        "e": ("one of the last 3", "base of f"),
        "f": ("one of the last 3", NEWEST),
    }


def test_what_is_in_use_keeps_its_chain() -> None:
    backups = chains(a=None, b="a", c="b", d=None)
    assert reasons(decide(backups, Rules(last=1), NOW, in_use=["b", "b", "elsewhere"])) == {
        "a": ("base of b",),
        "b": ("in use",),
        "c": GOES,
        "d": ("the last one", NEWEST),
    }


def test_the_newest_is_kept_when_the_rules_keep_another() -> None:
    backups = fulls("2028-03-01", "2027-01-01")
    assert reasons(decide(backups, Rules(within=timedelta(days=1)), NOW)) == {"a": ("within 1 day",), "b": (NEWEST,)}


def test_a_broken_chain_counts_for_no_rule_and_is_not_deleted() -> None:
    backups = chains(a=None, b=None, c="gone", d="c", e="f", f="e", g="e", h="h")
    missing = "its base gone is missing: not restorable, remove it by hand"
    loop = "its bases form a loop: not restorable, remove it by hand"
    decisions = decide(backups, Rules(last=1, daily=1), NOW, in_use=["d"])
    assert reasons(decisions) == {
        "a": GOES,
        "b": ("the last one", "daily 2028-03-01", NEWEST),
        "c": (missing,),
        "d": (missing, "in use"),
        **dict.fromkeys("efgh", (loop,)),
    }
    assert deletion_order(decisions, backups) == ["a"]


def test_nothing_goes_where_nothing_is_restorable() -> None:
    decisions = decide(chains(a="gone", b="a"), Rules(last=1), NOW)
    assert [decision.keep for decision in decisions] == [True, True]


def test_a_long_chain_is_no_trouble() -> None:
    names = [f"{number:05}" for number in range(20000)]
    backups = [Stored(name, NOW, base) for name, base in zip(names, [None, *names])]
    assert all(decision.keep for decision in decide(backups, Rules(last=1), NOW))
    decisions = decide([*backups, Stored("z", NOW)], Rules(last=1), NOW)
    assert deletion_order(decisions, backups) == names[::-1]


def test_chains_go_one_after_the_other_from_the_oldest_on() -> None:
    backups = chains(a=None, b="a", c=None, d="a", e="b", f="c", g=None)
    decisions = decide(backups, Rules(last=1), NOW)
    assert deletion_order(decisions, backups[::-1]) == ["e", "d", "b", "a", "f", "c"]


def test_of_a_chain_that_stays_only_the_ends_go() -> None:
    backups = chains(a=None, b="a", c="b", d="b", e="d", f="a")
    assert deletion_order(decide(backups, Rules(last=1), NOW, in_use=["b"]), backups) == ["c", "e", "d"]


def test_an_increment_that_was_made_meanwhile_is_not_robbed_of_its_base() -> None:
    backups = chains(a=None, b=None)
    decisions = decide(backups, Rules(last=1), NOW)
    with pytest.raises(ValueError, match="c is to stay, and its base a to go"):
        deletion_order(decisions, [*backups, Stored("c", NOW, "a")])


def test_what_is_gone_already_is_passed_over() -> None:
    backups = chains(a=None, b=None, c=None)
    decisions = decide(backups, Rules(last=1), NOW)
    assert deletion_order(decisions, backups[1:]) == ["b"]


# Any chains.


def restorable(backups: Sequence[Stored]) -> dict[str, list[Stored]]:
    """The restorable backups by id, each with its chain, itself first."""
    stored = {backup.id: backup for backup in backups}
    found: dict[str, list[Stored]] = {}
    for backup in backups:
        chain = [backup]
        while chain[-1].base_id in stored and len(chain) <= len(stored):
            chain.append(stored[chain[-1].base_id])
        if chain[-1].base_id is None:
            found[backup.id] = chain
    return found


@st.composite
def forests(draw: st.DrawFn) -> list[Stored]:
    """Backups on chains, some broken, in any order, made by a clock that now and then goes back."""
    names = [f"{number:02}" for number in range(draw(st.integers(0, 14)))]
    time = NOW - timedelta(hours=draw(st.integers(0, 24 * 500)))
    strange = draw(st.booleans())
    backups: list[Stored] = []
    for number, name in enumerate(names):
        time += timedelta(hours=draw(st.one_of(st.integers(0, 40), st.integers(0, 2000), st.integers(-100, 0))))
        bases: st.SearchStrategy[str | None] = st.sampled_from([None, *names[max(0, number - 4) : number]])
        if strange:
            # From any backup, itself as well: bases that are newer, loops; and some that are missing.
            bases = st.one_of(bases, st.sampled_from([*names, "gone"]))
        backups.append(Stored(name, time, draw(bases)))
    return draw(st.permutations(backups))


counts = st.integers(0, 5)
rules = st.builds(
    Rules,
    last=counts,
    within=st.none() | st.integers(0, 2000).map(lambda hours: timedelta(hours=hours)),
    daily=counts,
    weekly=counts,
    monthly=counts,
    yearly=counts,
).filter(lambda found: not found.empty)
used = st.sets(st.sampled_from([f"{number:02}" for number in range(16)]), max_size=3)


@CALM
@given(forests(), rules, used)
def test_all_that_is_needed_stays(backups: list[Stored], rules: Rules, used: set[str]) -> None:
    decisions = decide(backups, rules, NOW, used)
    assert [decision.id for decision in decisions] == sorted(backup.id for backup in backups)
    assert all(decision.reasons for decision in decisions)
    stay, sound = kept(decisions), restorable(backups)
    for name in stay & set(sound):
        assert stay >= {backup.id for backup in sound[name]}
    assert stay >= {backup.id for backup in backups} - set(sound)
    assert stay >= used & {backup.id for backup in backups}
    assert not sound or max(sound) in stay
    for decision in decisions:
        assert decision.keep != (decision.reasons == GOES)
        assert ("not restorable" in decision.reasons[0]) == (decision.id not in sound)


@CALM
@given(forests(), rules, used)
def test_nothing_stays_for_no_reason(backups: list[Stored], rules: Rules, used: set[str]) -> None:
    stay, sound = {d.id: d.reasons for d in decide(backups, rules, NOW, used) if d.keep}, restorable(backups)
    own = {name for name in sound if any(not why.startswith("base of ") for why in stay.get(name, ()))}
    assert set(stay) & set(sound) == {backup.id for name in own for backup in sound[name]}
    for name in set(stay) & set(sound):
        bases = [
            f"base of {other}" for other in sorted(stay) if other in sound and sound[other][1:2] == sound[name][:1]
        ]
        assert [why for why in stay[name] if why.startswith("base of ")] == bases


@CALM
@given(forests(), rules, rules, used, used)
def test_keeping_more_deletes_nothing_more(
    backups: list[Stored], some: Rules, others: Rules, used: set[str], also: set[str]
) -> None:
    more = Rules(
        within=max((rules.within for rules in (some, others) if rules.within is not None), default=None),
        **{
            name: max(getattr(some, name), getattr(others, name))
            for name in dataclasses.asdict(some)
            if name != "within"
        },
    )
    assert kept(decide(backups, some, NOW, used)) <= kept(decide(backups, more, NOW, used | also))


@CALM
@given(forests(), rules, used)
def test_deciding_again_deletes_nothing_more(backups: list[Stored], rules: Rules, used: set[str]) -> None:
    decisions = decide(backups, rules, NOW, used)
    left = [backup for backup in backups if backup.id in kept(decisions)]
    assert decide(left, rules, NOW, used) == [decision for decision in decisions if decision.keep]


@CALM
@given(forests(), rules, used)
def test_a_deletion_may_end_anywhere(backups: list[Stored], rules: Rules, used: set[str]) -> None:
    decisions = decide(backups, rules, NOW, used)
    order = deletion_order(decisions, backups)
    assert sorted(order) == [decision.id for decision in decisions if not decision.keep]
    for length in range(len(order) + 1):
        left = [backup for backup in backups if backup.id not in order[:length]]
        assert set(restorable(left)) == set(restorable(backups)) - set(order[:length])
        # A deletion that was cut short is ended by the next one.
        again = decide(left, rules, NOW, used)
        assert kept(again) == kept(decisions)
        assert deletion_order(again, left) == order[length:]


@CALM
@given(forests(), st.integers(1, 9))
def test_as_many_days_are_kept_as_there_are(backups: list[Stored], count: int) -> None:
    found = [why for d in decide(backups, Rules(daily=count), NOW) for why in d.reasons if why.startswith("daily ")]
    days = {chain[0].time.date() for chain in restorable(backups).values()}
    assert len(found) == len(set(found)) == min(count, len(days))


@CALM
@given(forests(), used, rules, used)
def test_what_does_not_fit_its_base_stays_with_its_bases(
    backups: list[Stored], odd: set[str], rules: Rules, used: set[str]
) -> None:
    """It counts for no rule, and no order of deletion takes its base away or trips over it."""
    marked = [dataclasses.replace(backup, problem="odd" if backup.id in odd else None) for backup in backups]
    decisions = decide(marked, rules, NOW, used)
    stay, stored = kept(decisions), {backup.id for backup in marked}
    assert stay >= odd & stored
    for backup in marked:
        if backup.id in stay and backup.base_id in stored:
            assert backup.base_id in stay
    assert sorted(deletion_order(decisions, marked)) == sorted(stored - stay)
    for decision in decisions:
        if decision.id in odd:
            assert decision.reasons[0] == "odd: not restorable, remove it by hand"


def test_partial_backups_take_no_place_of_a_whole_one() -> None:
    """Each selection is a series: it has its own last one, and the newest restorable backup is a whole one."""
    times = [NOW + timedelta(hours=number - 5) for number in range(5)]
    series = ("", "orders", "", "orders", "log")
    backups = [Stored(name, time, None, series=kind) for name, time, kind in zip("abcde", times, series)]
    found = reasons(decide(backups, Rules(last=1), NOW))
    assert found == {
        "a": GOES,
        "b": GOES,
        "c": ("the last one", NEWEST),
        "d": ("the last one of its selection",),
        "e": ("the last one of its selection",),
    }
