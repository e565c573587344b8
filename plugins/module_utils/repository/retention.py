# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which backups of a repository are kept, and why: a pure decision from the list of them, the rules and the time."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

# How a rule of the calendar names the period that a backup is of (%G-W%V is the ISO week).
_PERIODS = {"daily": "%Y-%m-%d", "weekly": "%G-W%V", "monthly": "%Y-%m", "yearly": "%Y"}
_UNITS = {"day": timedelta(days=1), "hour": timedelta(hours=1), "minute": timedelta(minutes=1)}


@dataclass(frozen=True)
class Stored:
    """A backup of the repository.

    Args:
        id: backups are ordered by it, never by their time: clocks go back.
        time: when its data is from, aware.
        base_id: the backup that it is an increment of.
        problem: why it cannot be restored although its base is there, as a part of a sentence.
        series: empty for whole backups. Each choice of tables is a series of its own: the rules are applied to each alone.
    """

    id: str
    time: datetime
    base_id: str | None = None
    problem: str | None = None
    series: str = ""

    def __post_init__(self) -> None:
        if self.time.utcoffset() is None:
            raise ValueError(f"the time of {self.id} has no time zone")


@dataclass(frozen=True)
class Rules:
    """What is to be kept; 0 or None: this rule is not used.

    Args:
        last: so many of the newest backups.
        within: every backup that is not older than this.
        daily, weekly, monthly, yearly: the newest backup of each of so many days, ISO weeks, months and years (UTC),
            the last ones that have a backup.
    """

    last: int = 0
    within: timedelta | None = None
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0

    def __post_init__(self) -> None:
        for name in ("last", *_PERIODS):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}")
        if self.within is not None and self.within < timedelta(0):
            raise ValueError(f"within is {self.within}")

    @property
    def empty(self) -> bool:
        """Whether no rule is used."""
        return not (self.last or self.within or self.daily or self.weekly or self.monthly or self.yearly)


@dataclass(frozen=True)
class Decision:
    """What becomes of a backup, with every reason to keep it, or the one why it goes."""

    id: str
    keep: bool
    reasons: tuple[str, ...]


def decide(backups: Iterable[Stored], rules: Rules, now: datetime, in_use: Collection[str] = ()) -> list[Decision]:
    """Decide for every backup whether it is kept, oldest first.

    Kept are: what a rule keeps, the newest restorable backup, what is in use, and every base of these. A backup whose
    chain is broken counts for no rule, and is left for a person to remove, with what it is built on. Partial backups take no place
    of a whole one, and are never the newest restorable one.

    Args:
        backups: all of the repository, in any order.
        rules: what is to be kept.
        now: the time, aware. A backup from the future is within every time.
        in_use: ids of backups that something reads or builds on; ids of others are passed over.

    Raises:
        ValueError: no rule is used, or two backups have one id.
    """
    if rules.empty:
        raise ValueError("no rule is set: nothing but the newest backup would be kept")
    listed = sorted(backups, key=lambda backup: backup.id)
    stored = {backup.id: backup for backup in listed}
    if len(stored) < len(listed):
        raise ValueError("two backups have the same id")
    broken = _find_broken(stored)
    reasons: dict[str, list[str]] = {name: [] for name in stored}
    for name, problem in broken.items():
        reasons[name].append(f"{problem}: not restorable, remove it by hand")
    newest_first = [backup for backup in reversed(listed) if backup.id not in broken]
    for series in sorted({backup.series for backup in newest_first}):
        for name, reason in _apply(rules, [backup for backup in newest_first if backup.series == series], now):
            reasons[name].append(reason if not series else f"{reason} of its selection")
    whole = [backup for backup in newest_first if not backup.series]
    if whole:
        reasons[whole[0].id].append("the newest restorable backup")
    for name in set(in_use) & set(stored):
        reasons[name].append("in use")
    kept: set[str] = set()
    for backup in reversed(listed):
        link: str | None = backup.id if reasons[backup.id] else None
        while link is not None and link in stored and link not in kept:
            kept.add(link)
            link = stored[link].base_id
    for backup in listed:
        if backup.id in kept and backup.base_id in stored and backup.base_id not in broken:
            reasons[backup.base_id].append(f"base of {backup.id}")
    return [Decision(name, bool(found), tuple(found) or ("no rule keeps it",)) for name, found in reasons.items()]


def deletion_order(decisions: Iterable[Decision], backups: Iterable[Stored]) -> list[str]:
    """Return the ids that go, chain by chain from the oldest on, each backup after all that are built on it.

    However far a deletion gets, no backup that is left has lost its base by it.

    Raises:
        ValueError: a backup that is to stay is built on one that goes, so the decisions are not of these backups.
    """
    gone = {decision.id for decision in decisions if not decision.keep}
    increments: dict[str, list[str]] = {name: [] for name in gone}
    roots: list[str] = []
    for backup in sorted(backups, key=lambda backup: backup.id):
        if backup.base_id in increments:
            if backup.id not in gone:
                raise ValueError(f"{backup.id} is to stay, and its base {backup.base_id} to go")
            increments[backup.base_id].append(backup.id)
        elif backup.id in gone:
            roots.append(backup.id)
    order: list[str] = []
    for root in roots:
        chain = [root]
        for name in chain:  # grows meanwhile
            chain.extend(increments[name])
        order.extend(reversed(chain))
    return order


def _find_broken(stored: Mapping[str, Stored]) -> dict[str, str]:
    """Return the backups that cannot be restored, each with what is wrong with its chain."""
    broken = {name: backup.problem for name, backup in stored.items() if backup.problem}
    sound: set[str] = set()
    for name in stored:
        walked: set[str] = set()
        link: str | None = name
        while link is not None and link in stored and not (link in walked or link in sound or link in broken):
            walked.add(link)
            link = stored[link].base_id
        if link is None or link in sound:
            sound |= walked
        elif link in walked:
            broken.update(dict.fromkeys(walked, "its bases form a loop"))
        else:
            broken.update(dict.fromkeys(walked, broken.get(link, f"its base {link} is missing")))
    return broken


def _apply(rules: Rules, newest_first: Sequence[Stored], now: datetime) -> Iterator[tuple[str, str]]:
    """Yield each backup that a rule keeps, with the reason; a backup may come several times."""
    for backup in newest_first[: rules.last]:
        yield backup.id, "the last one" if rules.last == 1 else f"one of the last {rules.last}"
    for backup in newest_first:
        if rules.within and now - backup.time <= rules.within:
            yield backup.id, f"within {_span(rules.within)}"
    for rule, form in _PERIODS.items():
        found: dict[str, str] = {}
        for backup in newest_first:
            if len(found) < getattr(rules, rule):
                found.setdefault(backup.time.astimezone(timezone.utc).strftime(form), backup.id)
        for period, name in found.items():
            yield name, f"{rule} {period}"


def _span(time: timedelta) -> str:
    """Return a time in the largest unit of which it is a whole number."""
    for unit, length in _UNITS.items():
        if not time % length:
            count = time // length
            return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
    return str(time)
