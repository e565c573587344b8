# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Chains: which backups a restore of an increment needs, whether they fit, and what a new increment is based on (pure).

The tool accepts increments in a wrong order, twice, or on a base of another server, and destroys tables, so everything is
decided here before it runs. A chain is linked by ids and by the timeline (one word for one history of one datadir); LSNs
are compared as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Callable

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.ids import is_id, time_of
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.manifest import Manifest
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.version import parse_version

FULL, INCREMENTAL, AUTO = "full", "incremental", "auto"
_CLOCK_SKEW = timedelta(minutes=5)


class BrokenChain(ValueError):
    """A backup that cannot be restored, because it does not fit what it is built on; the text is a part of a sentence."""


@dataclass(frozen=True)
class Now:
    """The server as it is now.

    Attributes:
        timeline: its datadir's; None where that cannot be told, and then nothing is a base.
        series: of the server, such as (10, 11); None when it is unknown.
        lsn: where its redo log is; None when nobody could ask.
        time: the time, aware.
    """

    timeline: str | None
    series: tuple[int, int] | None
    lsn: int | None
    time: datetime


@dataclass(frozen=True)
class Choice:
    """What a new backup is based on.

    Attributes:
        base: None for a full backup.
        chain: the backups that a restore of the base needs, from the full one on to the base.
        reason: why, as a part of a sentence.
    """

    base: Manifest | None = None
    chain: tuple[Manifest, ...] = ()
    reason: str = ""


def series_of(manifest: Manifest) -> tuple[int, int] | None:
    """Return the series of the server that a backup is of; None where it is unknown."""
    return _series(manifest.server_version or "")


@lru_cache(maxsize=64)
def _series(text: str) -> tuple[int, int] | None:
    try:
        return parse_version(text).series_number
    except ValueError:
        return None


def misfit(base: Manifest, increment: Manifest) -> str | None:
    """Return why an increment cannot be applied onto a base, as a part of a sentence; None when it can."""
    name = increment.id
    if base.instance != increment.instance:
        return f"{name} is a backup of {increment.instance}, and its base {base.id} is one of {base.instance}"
    if increment.timeline is None or base.timeline != increment.timeline:
        return (
            f"{name} and its base {base.id} are of different timelines: the server was restored or replaced in between,"
            " or it is another server"
        )
    if series_of(base) != series_of(increment):
        return f"{name} is of MariaDB {increment.server_version}, and its base {base.id} of {base.server_version}"
    if base.prepared:
        return f"the base {base.id} of {name} is prepared, so nothing can be built on it"
    if name <= base.id:
        return f"{name} is older than its base {base.id}"
    if increment.from_lsn != base.to_lsn:
        return f"{name} begins at LSN {increment.from_lsn}, and its base {base.id} is good up to LSN {base.to_lsn}"
    if increment.to_lsn < base.to_lsn or increment.last_lsn < base.last_lsn:
        return f"{name} ends at LSN {increment.last_lsn}, before its base {base.id}, which ends at {base.last_lsn}"
    return None


def chain_to(name: str, manifests: Mapping[str, Manifest]) -> tuple[Manifest, ...]:
    """Return the backups that a restore of ``name`` needs, from the full one on to itself.

    Args:
        name: its id.
        manifests: all readable ones of the repository's instance, by id.

    Raises:
        BrokenChain: one is missing or does not fit.
    """
    found: list[Manifest] = []
    link: str | None = name
    seen = set[str]()
    while link is not None:
        if link in seen:
            raise BrokenChain(f"the bases of {name} form a loop")
        seen.add(link)
        manifest = manifests.get(link)
        if manifest is None:
            built = f"the base {link} of {found[-1].id}" if found else link
            raise BrokenChain(f"{built} is missing or cannot be read")
        found.append(manifest)
        link = manifest.base_id
    found.reverse()
    for base, manifest in zip([None, *found], found):
        problem = _own_problem(base, manifest)
        if problem:
            raise BrokenChain(problem)
    uuids = [manifest.uuid for manifest in found if manifest.uuid]
    if len(set(uuids)) < len(uuids):
        raise BrokenChain(f"the chain of {name} has one backup twice")
    return tuple(found)


def _own_problem(base: Manifest | None, manifest: Manifest) -> str | None:
    """Return what is wrong with one link of a chain."""
    if manifest.type == FULL:
        return f"{manifest.id} is a full backup that names a base, {base.id}" if base is not None else None
    return f"{manifest.id} is an increment that names no base" if base is None else misfit(base, manifest)


def broken_chains(manifests: Mapping[str, Manifest]) -> dict[str, str]:
    """Return every backup that cannot be restored, with why, as a part of a sentence.

    Each link is looked at once: a chain without end may have thousands of them.
    """
    found: dict[str, str] = {}
    sound: set[str] = set()
    for name in manifests:
        walked: dict[str, None] = {}
        link: str | None = name
        while link is not None and link in manifests and not (link in walked or link in found or link in sound):
            walked[link] = None
            link = manifests[link].base_id
        problem = found.get(link) if link is not None else None
        if link in walked:
            problem = f"the bases of {name} form a loop"
        elif link is not None and link not in manifests:
            problem = f"the base {link} of {next(reversed(list(walked)))} is missing or cannot be read"
        for part in reversed(list(walked)):
            manifest = manifests[part]
            base = manifests.get(manifest.base_id or "")
            problem = problem or _own_problem(base, manifest)
            if problem:
                found[part] = problem
            else:
                sound.add(part)
    uuids = [manifest.uuid for manifest in manifests.values() if manifest.uuid]
    if len(set(uuids)) < len(uuids):
        # Somebody has copied a backup: rare enough to take the long way.
        for name in sound:
            try:
                chain_to(name, manifests)
            except BrokenChain as error:
                found[name] = str(error)
    return found


def choose_base(
    manifests: Mapping[str, Manifest],
    now: Now,
    *,
    wanted: str | None = None,
    full_every: timedelta | None = None,
    look: Callable[[tuple[Manifest, ...]], str | None] | None = None,
) -> Choice:
    """Choose the base of a new increment: the wanted backup, else the newest one that can be it.

    Args:
        manifests: as in ``chain_to``.
        now: the server.
        wanted: the id of the one base that may be taken.
        full_every: the full backup at the root of the chain may not be older.
        look: tells what is wrong with the files of a chain, as a part of a sentence, or None.

    Returns:
        A choice without a base, and with the reason, when nothing can be the base. The reason is that of the newest backup.
    """
    names: Iterable[str] = sorted(manifests, reverse=True) if wanted is None else [wanted]
    broken = broken_chains(manifests)
    too_old: set[str] = set()
    problems: list[str] = []
    for name in names:
        manifest = manifests.get(name)
        if manifest is None:
            problem: str | None = f"{name} is missing or cannot be read"
        else:
            problem = broken.get(name) or _unusable(manifest, now)
        if problem is None and name not in too_old:
            chain = chain_to(name, manifests)
            problem = _too_old(chain[0], now, full_every)
            if problem:
                # The others of this chain have the same root.
                too_old |= {link.id for link in chain}
            elif look is not None:
                problem = look(chain)
            if problem is None:
                return Choice(chain[-1], chain, f"{name} is the base, the {_nth(len(chain))} backup of its chain")
        problems += [problem] if problem else []
    return Choice(reason=problems[0] if problems else "there is no backup yet")


def _unusable(base: Manifest, now: Now) -> str | None:
    """Return why a backup cannot be the base now, whatever its chain is."""
    if base.prepared:
        return f"{base.id} is prepared, so nothing can be built on it"
    if now.timeline is None:
        return "the datadir could not be looked at, so its timeline is unknown"
    if now.timeline != base.timeline:
        return f"{base.id} is of another timeline: the server was restored or replaced since, or it is another server's"
    if now.series != series_of(base):
        return f"{base.id} is of MariaDB {base.server_version}, and the server is of another series by now"
    if now.lsn is not None and now.lsn < base.last_lsn:
        return f"{base.id} ends at LSN {base.last_lsn}, and the server is at {now.lsn}: it has another history by now"
    return None


def _too_old(root: Manifest, now: Now, full_every: timedelta | None) -> str | None:
    """Return why a chain that begins with ``root`` may not go on."""
    if full_every is not None:
        age = now.time - time_of(root.id) if is_id(root.id) else full_every + timedelta(1)
        if age > full_every:
            return f"{root.id}, the full backup of the chain, is older than full_every allows"
        if age < -_CLOCK_SKEW:
            return f"{root.id}, the full backup of the chain, is from the future: the clock was or is wrong"
    return None


def _nth(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
