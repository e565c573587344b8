# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The swap of a set, as a list of steps that can be done, undone and resumed at any point.

Planning reads the disk once and names, for each step, two paths and the file that has to arrive. After that
the disk alone tells whether a step is done: ``apply`` and ``undo`` do nothing where nothing is left to do, and refuse where the
disk shows neither state. So a list that was interrupted anywhere is finished by applying it again from the
start, or taken back by undoing it from the end.

A power cut in the middle:

* One exchange (``one_step``) needs no repair. Before it the old set is at ``live``, after it the new one. The old set
  then lies at ``staged`` until the tidying move to ``previous``; a resumed list does that move, and ``undo`` finds the old
  set at either of the two paths.
* More steps leave a mixed set, on which a server may start and write. They are for a held server only.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Callable

from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.exchange import (
    Identity,
    exchange,
    identify,
    move,
    sync_parents,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.layout import NEVER_OWNED, Place
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError

MODES = ("exchange", "rename", "entries")


@dataclass(frozen=True)
class Member:
    """One directory of the set and the two directories that trade places with it.

    Args:
        place: the live directory and what belongs to the set in it.
        staged: where the new set waits.
        previous: where the old set ends up.
        mode: ``exchange``: one system call. ``rename``: old away, new in. ``entries``: the same, entry by entry, for
            mount points and shared directories.
    """

    place: Place
    staged: str
    previous: str
    mode: str

    @property
    def role(self) -> str:
        """The first role of the directory."""
        return self.place.role

    @property
    def live(self) -> str:
        """The directory that the server uses."""
        return self.place.path

    def as_dict(self) -> dict[str, Any]:
        """Return what a journal keeps."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Member:
        """Read what ``as_dict`` wrote."""
        place = dict(value["place"])
        for key in ("roles", "patterns", "keep", "configured"):
            place[key] = tuple(place[key])
        return cls(Place(**place), value["staged"], value["previous"], value["mode"])


@dataclass(frozen=True)
class Step:
    """One system call of the swap.

    Args:
        kind: ``exchange``, ``move`` or ``mkdir``.
        source: the path that gives (empty for ``mkdir``).
        target: the path that receives.
        arriving: what has to be at ``target`` afterwards.
        leaving: what an exchange puts at ``source`` (None for the others).
        essential: whether the step hands over data. The others make room or tidy up: the server may run before them.
    """

    kind: str
    source: str
    target: str
    arriving: Identity | None = None
    leaving: Identity | None = None
    essential: bool = True

    def as_dict(self) -> dict[str, Any]:
        """Return what a journal keeps."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Step:
        """Read what ``as_dict`` wrote."""
        fields = dict(value)
        for key in ("arriving", "leaving"):
            if fields.get(key) is not None:
                fields[key] = Identity(**fields[key])
        return cls(**fields)

    def __str__(self) -> str:
        if self.kind == "mkdir":
            return f"make {self.target}"
        return f"{self.kind} {self.source} {'with' if self.kind == 'exchange' else 'to'} {self.target}"


@dataclass(frozen=True)
class Disk:
    """How a plan looks at the disk; tests and the check mode may give another one."""

    entries: Callable[[str], Sequence[str]] = lambda path: sorted(os.listdir(path)) if os.path.isdir(path) else []
    identify: Callable[[str], Identity | None] = identify


def plan_steps(members: Sequence[Member], disk: Disk | None = None) -> list[Step]:
    """Plan the hand-over: the staged sets become live, the live ones previous. The datadir's turn comes last.

    Raises:
        MariabackupError: a staged directory is missing, or a previous one is in the way.
    """
    disk = disk or Disk()
    essential: list[Step] = []
    tidying: list[Step] = []
    for member in sorted(members, key=lambda item: "datadir" in item.place.roles):
        _check(member, disk)
        live, staged = disk.identify(member.live), disk.identify(member.staged)
        if member.mode == "entries":
            essential.extend(_plan_entries(member, disk))
        elif live is None:
            essential.append(Step("move", member.staged, member.live, staged))
        elif member.mode == "exchange":
            essential.append(Step("exchange", member.staged, member.live, staged, live))
            if member.previous != member.staged:
                tidying.append(Step("move", member.staged, member.previous, live, essential=False))
        else:
            essential.append(Step("move", member.live, member.previous, live))
            essential.append(Step("move", member.staged, member.live, staged))
    return essential + tidying


def _check(member: Member, disk: Disk) -> None:
    if member.mode not in MODES:
        raise ValueError(member.mode)
    if disk.identify(member.staged) is None:
        raise MariabackupError(
            f"There is no staged directory {member.staged} for {member.live}.",
            "Nothing has been changed. Run the same task again; it stages the backup anew.",
        )
    if member.previous == member.staged:
        return
    if disk.identify(member.previous) is not None and (member.mode != "entries" or disk.entries(member.previous)):
        raise MariabackupError(
            f"{member.previous} exists already, so the present data cannot be kept there.",
            "Nothing has been changed. Look at what it holds, then remove it or move it away.",
        )


def _plan_entries(member: Member, disk: Disk) -> list[Step]:
    old = [name for name in disk.entries(member.live) if member.place.owns(name)]
    new = [name for name in disk.entries(member.staged) if name not in NEVER_OWNED]
    foreign = sorted(name for name in new if not member.place.owns(name))
    if foreign:
        raise MariabackupError(
            f"The staged directory {member.staged} holds entries that do not belong into {member.live}: "
            f"{', '.join(foreign[:10])}.",
            "Nothing has been changed. Report this: it should have been found when the backup was staged.",
        )
    steps = [Step("mkdir", "", member.previous, essential=False)]
    for names, source, target in ((old, member.live, member.previous), (new, member.staged, member.live)):
        for name in names:
            path = os.path.join(source, name)
            steps.append(Step("move", path, os.path.join(target, name), disk.identify(path)))
    return steps


def plan_back(members: Sequence[Member], steps: Sequence[Step], disk: Disk | None = None) -> list[Step]:
    """Plan the way back after a complete hand-over: ``previous`` becomes live again, the live set becomes ``staged``.

    A server that ran on the new set has made, replaced and removed files in it, so where entries were moved
    one by one the first list cannot simply be undone. For an exchanged directory the old set may still be at
    ``staged``, when the tidying move was not done.

    Args:
        members: as they were given to ``plan_steps``.
        steps: what ``plan_steps`` made of them.
        disk: how to look at the disk.

    Raises:
        MariabackupError: the hand-over is not complete (``undo`` is the way back then), or there is no previous set.
    """
    disk = disk or Disk()
    back: list[Member] = []
    emptied: list[Step] = []
    for member in members:
        now = disk.identify(member.live)
        arrived = [step for step in steps if step.essential and step.target == member.live]
        if arrived and (arrived[-1].arriving is None or not arrived[-1].arriving.same(now)):
            raise MariabackupError(
                f"{member.live} is not the directory that the swap put there.",
                "Keep the server stopped and compare the directory with the journal before anything else.",
            )
        reverse = backward(member, disk)
        if reverse is not None:
            back.append(reverse)
        elif now is not None:
            # There was no old directory, so nothing takes the new one's place.
            emptied.append(Step("move", member.live, member.staged, now))
    return plan_steps(back, disk) + emptied


def backward(member: Member, disk: Disk | None = None) -> Member | None:
    """Return the member that hands the old set back, or None where there was no old directory."""
    disk = disk or Disk()
    if disk.identify(member.previous) is not None:
        return Member(member.place, member.previous, member.staged, member.mode)
    if member.mode == "exchange" and disk.identify(member.staged) is not None:
        # Not tidied yet: one exchange puts both where they were, and nothing is left to be tidied.
        return Member(member.place, member.staged, member.staged, member.mode)
    return None


def one_step(steps: Sequence[Step]) -> bool:
    """Tell whether the whole set changes hands in one system call, so that no instant needs a repair."""
    return sum(step.essential for step in steps) <= 1


def is_done(step: Step, identify: Callable[[str], Identity | None] = identify) -> bool | None:
    """Read from the disk whether a step is done: True, False, or None when neither state is there.

    What arrives decides alone: the source may be taken by now, by a new entry of the same name, or be tidied away.
    """
    if step.kind == "mkdir":
        return identify(step.target) is not None
    if step.arriving is None:
        raise ValueError(step)
    if step.arriving.same(identify(step.target)):
        return True
    return False if step.arriving.same(identify(step.source)) else None


def apply(step: Step) -> bool:
    """Do a step unless it is done; returns whether something was done.

    Raises:
        MariabackupError: the disk shows neither the state before nor the state after, or the system call fails.
    """
    state = is_done(step)
    if state is None or (not state and not _fits(step.leaving, step.target)):
        raise _neither(step)
    if state:
        # A kill may have come between the rename and its flush.
        _flush(step)
        return False
    _perform(step.kind, step.source, step.target)
    return True


def undo(step: Step) -> bool:
    """Take a step back unless it was never done; returns whether something was done. Errors as in ``apply``."""
    state = is_done(step)
    if state is None and not step.essential:
        # A tidying move after an exchange that was not done, or is undone already: its directory is elsewhere.
        state = False
    if state is None or (state and not _fits(step.leaving, step.source)):
        raise _neither(step)
    if not state:
        _flush(step)
        return False
    if step.kind == "mkdir":
        try:
            os.rmdir(step.target)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            return False
        sync_parents(step.target)
        return True
    _perform(step.kind, step.target, step.source)
    return True


def _fits(expected: Identity | None, path: str) -> bool:
    """Tell whether an exchange's other directory is where it has to be (the other kinds of steps have none)."""
    return expected is None or expected.same(identify(path))


def _flush(step: Step) -> None:
    sync_parents(*(path for path in (step.source, step.target) if path and os.path.isdir(os.path.dirname(path))))


def _perform(kind: str, source: str, target: str) -> None:
    try:
        if kind == "mkdir":
            os.mkdir(target, 0o700)
            sync_parents(target)
        elif kind == "exchange":
            exchange(source, target)
        else:
            move(source, target)
    except OSError as error:
        raise MariabackupError(
            f"Could not {kind} {source or target}{' and ' + target if source else ''}: {error.strerror}.",
            "What is done so far is in the journal. Mend the cause, then run the same task again.",
        ) from error


def _neither(step: Step) -> MariabackupError:
    return MariabackupError(
        f"The disk shows neither the state before nor the state after this step: {step}.",
        "Something else has moved these paths. Keep the server stopped, compare both paths with the journal, and put back "
        "the one that was moved; then run the same task again.",
        details={"step": step.as_dict()},
    )
