# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The swap: after any interruption it can be finished or taken back, and either way one complete set is live."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.layout import INSIDE, Place
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.members import set_paths
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.sets import tidy
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.swap import (
    Member,
    Step,
    apply,
    is_done,
    one_step,
    plan_back,
    plan_steps,
    undo,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError

from .conftest import tree

OWNED = ["ibdata1", "ib_logfile0", "shop", "Ünïcode x", "bin.000001"]
FOREIGN = ["error.log", "lost+found"]
SLOW = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@contextmanager
def scratch() -> Iterator[Path]:
    # In memory: the property tests flush thousands of times.
    path = Path(tempfile.mkdtemp(dir="/dev/shm"))
    try:
        yield path
    finally:
        shutil.rmtree(path)


class Case:
    """Some directories with old data, and new data staged for them."""

    def __init__(self, top: Path, kinds: Sequence[tuple[str, bool, set[str], set[str], set[str]]]) -> None:
        self.top = top
        self.members: list[Member] = []
        self.old: dict[Path, dict[str, str]] = {}
        self.new: dict[Path, dict[str, str]] = {}
        self.foreign: dict[Path, dict[str, str]] = {}
        for number, (mode, exists, old, new, foreign) in enumerate(kinds):
            live = top / f"dir{number}"
            patterns = ("ibdata1|ib_logfile0|shop|Ünïcode x|bin\\.\\d+|extra.*",) if mode == "entries" else ()
            place = Place(str(live), ("datadir" if number == 0 else "redo",), patterns)
            staged, previous = set_paths(str(live), "r1", mode == "entries")
            self.members.append(Member(place, staged, previous, mode))
            exists = exists or mode == "entries"
            foreign = foreign if mode == "entries" else set()
            self.old[live] = self.fill(live, old if exists else set(), "old", exists)
            self.foreign[live] = self.fill(live, foreign, "foreign", exists)
            self.new[live] = self.fill(Path(staged), new, "new", True)

    @staticmethod
    def fill(path: Path, names: set[str], text: str, exists: bool) -> dict[str, str]:
        if exists:
            path.mkdir(parents=True, exist_ok=True)
        for name in names:
            if name == "shop":
                (path / name).mkdir()
                (path / name / "t.ibd").write_text(text)
            else:
                (path / name).write_text(text)
        return dict.fromkeys(names, text)

    def content(self, path: Path) -> dict[str, str] | None:
        if not path.exists():
            return None
        return {
            item.name: (item / "t.ibd").read_text() if item.is_dir() else item.read_text()
            for item in path.iterdir()
            if item.name != INSIDE
        }

    def assert_live(self, sets: dict[Path, dict[str, str]], *, missing: Sequence[Path] = ()) -> None:
        for live, wanted in sets.items():
            assert self.content(live) == (None if live in missing else {**wanted, **self.foreign[live]}), live


names = st.sets(st.sampled_from(OWNED))
kinds = st.lists(
    st.tuples(
        st.sampled_from(["exchange", "rename", "entries"]),
        st.booleans(),
        names,
        names,
        st.sets(st.sampled_from(FOREIGN)),
    ),
    min_size=1,
    max_size=3,
)


def journaled(steps: Sequence[Step]) -> list[Step]:
    """Steps as a later process reads them."""
    return [Step.from_dict(item) for item in json.loads(json.dumps([step.as_dict() for step in steps]))]


def missing(case: Case) -> list[Path]:
    return [Path(member.live) for member in case.members if not Path(member.live).exists()]


@SLOW
@given(kinds, st.data())
def test_any_prefix_taken_back_is_the_old_tree(kinds: list, data: st.DataObject) -> None:
    with scratch() as top:
        case = Case(top, kinds)
        before = tree(top)
        steps = plan_steps(case.members)
        for step in steps[: data.draw(st.integers(0, len(steps)))]:
            apply(step)
        # The way back may be interrupted as well, and begins anew then.
        back = list(reversed(journaled(steps)))
        for step in back[: data.draw(st.integers(0, len(back)))]:
            undo(step)
        for step in back:
            undo(step)
        assert tree(top) == before


@SLOW
@given(kinds, st.data())
def test_any_prefix_finished_is_the_new_set(kinds: list, data: st.DataObject) -> None:
    with scratch() as top:
        case = Case(top, kinds)
        absent = missing(case)
        steps = plan_steps(case.members)
        for step in steps[: data.draw(st.integers(0, len(steps)))]:
            assert is_done(step) is False or step.kind == "mkdir"
            apply(step)
        for step in journaled(steps):
            apply(step)
            assert is_done(step) is True
        case.assert_live(case.new)
        for member in case.members:
            if Path(member.live) not in absent:
                assert case.content(Path(member.previous)) == case.old[Path(member.live)]
        tidy(case.members)
        assert not any(Path(member.staged).exists() for member in case.members)


@SLOW
@given(kinds, st.data())
def test_back_after_a_server_ran_on_the_new_set(kinds: list, data: st.DataObject) -> None:
    with scratch() as top:
        case = Case(top, kinds)
        absent = missing(case)
        steps = plan_steps(case.members)
        untidied = [step for step in steps if step.essential or step.kind == "mkdir"]
        for step in data.draw(st.sampled_from([steps, untidied])):
            apply(step)
        # What a server does: makes files, replaces some, removes some, writes into others.
        for member in case.members:
            live = Path(member.live)
            (live / "extra-made").write_text("server")
            for name in data.draw(st.sets(st.sampled_from(OWNED))):
                path = live / name
                if path.is_dir():
                    (path / "t.ibd").write_text("server")
                elif path.exists():
                    path.unlink()
                    path.write_text("server")
                elif name != "shop":
                    path.write_text("server")
        members = [Member.from_dict(json.loads(json.dumps(member.as_dict()))) for member in case.members]
        back = plan_back(members, journaled(steps))
        for step in back[: data.draw(st.integers(0, len(back)))]:
            apply(step)
        for step in journaled(back):
            apply(step)
        case.assert_live(case.old, missing=absent)
        for member in case.members:
            content = case.content(Path(member.staged))
            assert content is not None
            assert content["extra-made"] == "server"
        tidy(members)
        assert not any(Path(member.previous).exists() for member in members)


@SLOW
@given(kinds)
def test_one_step_means_one_set_at_every_instant(kinds: list) -> None:
    with scratch() as top:
        case = Case(top, kinds)
        steps = plan_steps(case.members)
        if not one_step(steps):
            return
        before = {live: case.content(live) for live in case.old}
        seen = [before]
        for step in steps:
            apply(step)
            seen.append({live: case.content(live) for live in case.old})
        assert all(state in (seen[0], seen[-1]) for state in seen)


def simple(top: Path, mode: str = "exchange") -> tuple[Case, list[Step]]:
    case = Case(top, [(mode, True, {"ibdata1"}, {"ibdata1"}, set())])
    return case, plan_steps(case.members)


def test_one_directory_changes_hands_in_one_step(any_fs: Path) -> None:
    case, steps = simple(any_fs)
    assert [(step.kind, step.essential) for step in steps] == [("exchange", True), ("move", False)]
    assert one_step(steps)
    for step in steps:
        assert apply(step) is True
        assert apply(step) is False
    case.assert_live(case.new)


def test_no_live_directory_is_one_step_too(tmp_path: Path) -> None:
    case = Case(tmp_path, [("exchange", False, set(), {"ibdata1"}, set())])
    steps = plan_steps(case.members)
    assert [step.kind for step in steps] == ["move"]
    assert one_step(steps)


def test_other_modes_and_more_directories_are_several_steps(tmp_path: Path) -> None:
    assert not one_step(simple(tmp_path / "a", "rename")[1])
    case = Case(tmp_path / "b", [("exchange", True, set(), set(), set())] * 2)
    assert not one_step(plan_steps(case.members))


def test_the_datadir_comes_last(tmp_path: Path) -> None:
    case = Case(tmp_path, [("exchange", True, set(), set(), set())] * 3)
    essential = [step.target for step in plan_steps(case.members) if step.essential]
    assert essential[-1] == case.members[0].live


def test_the_old_set_is_found_before_the_tidying_move(tmp_path: Path) -> None:
    case, steps = simple(tmp_path)
    apply(steps[0])
    for step in reversed(steps):
        undo(step)
    case.assert_live(case.old)


def test_a_directory_that_is_neither_is_refused(tmp_path: Path) -> None:
    case, steps = simple(tmp_path)
    live, staged = Path(case.members[0].live), Path(case.members[0].staged)
    shutil.rmtree(live)
    live.mkdir()
    with pytest.raises(MariabackupError, match="neither the state before nor the state after"):
        apply(steps[0])
    assert undo(steps[0]) is False
    shutil.rmtree(staged)
    with pytest.raises(MariabackupError, match="neither the state before nor the state after"):
        undo(steps[0])


def test_an_exchange_whose_old_directory_is_gone_is_not_taken_back(tmp_path: Path) -> None:
    case, steps = simple(tmp_path)
    for step in steps:
        apply(step)
    # Undone out of order: the old set is still at previous.
    with pytest.raises(MariabackupError, match="neither the state before nor the state after"):
        undo(steps[0])
    case.assert_live(case.new)


def test_something_in_the_way_is_refused(tmp_path: Path) -> None:
    case, _steps = simple(tmp_path)
    Path(case.members[0].previous).mkdir()
    with pytest.raises(MariabackupError, match="exists already"):
        plan_steps(case.members)


def test_a_staged_set_that_is_gone_is_refused(tmp_path: Path) -> None:
    case, _steps = simple(tmp_path)
    shutil.rmtree(case.members[0].staged)
    with pytest.raises(MariabackupError, match="no staged directory"):
        plan_steps(case.members)


def test_staged_entries_that_do_not_belong_are_refused(tmp_path: Path) -> None:
    case = Case(tmp_path, [("entries", True, set(), {"ibdata1"}, set())])
    (Path(case.members[0].staged) / "README").write_text("")
    with pytest.raises(MariabackupError, match="README"):
        plan_steps(case.members)


def test_back_is_refused_for_another_directory(tmp_path: Path) -> None:
    case, steps = simple(tmp_path)
    for step in steps:
        apply(step)
    shutil.rmtree(case.members[0].live)
    Path(case.members[0].live).mkdir()
    with pytest.raises(MariabackupError, match="not the directory that the swap put there"):
        plan_back(case.members, steps)


def test_foreign_entries_stay(any_fs: Path) -> None:
    case = Case(any_fs, [("entries", True, {"ibdata1", "shop"}, {"ibdata1", "shop"}, {"error.log"})])
    steps = plan_steps(case.members)
    for step in steps:
        apply(step)
    case.assert_live(case.new)
    assert (any_fs / "dir0" / "error.log").read_text() == "foreign"


def test_a_failing_rename_says_what_it_was(tmp_path: Path) -> None:
    case, steps = simple(tmp_path)
    lost = Step("move", steps[1].source, str(tmp_path / "none" / "x"), steps[0].arriving)
    with pytest.raises(MariabackupError, match="Could not move"):
        apply(lost)
    case.assert_live(case.old)
