# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a resumed restore does, for every way in which one can have been interrupted."""

from __future__ import annotations

import itertools

import pytest

from ansible_collections.dba.mariabackup.plugins.module_utils.restore import journal, resume
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.switching import ALL, NONE, PARTIAL

BEFORE_STOP = ("plan", "verify-source", "delete", "stage", "prepare", "verify")


def standing(**changes: object) -> resume.Standing:
    values: dict[str, object] = {
        "state": journal.RUNNING,
        "phase": "stage",
        "direction": journal.FORWARD,
        "rebooted": False,
        "opened": False,
        "swapped": NONE,
        "had_data": True,
        "deleted": False,
    }
    values.update(changes)
    return resume.Standing(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize("phase", BEFORE_STOP)
@pytest.mark.parametrize("rebooted", [False, True])
def test_nothing_was_touched_before_the_stop(phase: str, rebooted: bool) -> None:
    assert resume.decide(standing(phase=phase, rebooted=rebooted)) == resume.DISCARD


@pytest.mark.parametrize("opened", [False, True])
def test_the_stop_is_done_again_whoever_runs_the_old_server(opened: bool) -> None:
    assert resume.decide(standing(phase="stop", opened=opened, rebooted=True)) == resume.SWITCH


@pytest.mark.parametrize("swapped", [NONE, PARTIAL])
def test_a_swap_that_is_not_complete_goes_on(swapped: str) -> None:
    assert resume.decide(standing(phase="swap", swapped=swapped)) == resume.SWITCH


@pytest.mark.parametrize("phase", ["swap", "start", "health"])
def test_a_complete_swap_is_started_when_nobody_else_did(phase: str) -> None:
    assert resume.decide(standing(phase=phase, swapped=ALL)) == resume.START


@pytest.mark.parametrize("phase", ["swap", "start", "health"])
@pytest.mark.parametrize(("rebooted", "opened"), [(True, False), (False, True), (True, True)])
def test_a_server_opened_on_new_data_is_left_to_a_person(phase: str, rebooted: bool, opened: bool) -> None:
    found = standing(phase=phase, swapped=ALL, rebooted=rebooted, opened=opened)
    assert resume.decide(found) == resume.UNDECIDED


@pytest.mark.parametrize("change", [{"had_data": False}, {"deleted": True}])
def test_without_old_data_there_is_nothing_to_decide(change: dict[str, bool]) -> None:
    assert resume.decide(standing(phase="start", swapped=ALL, rebooted=True, opened=True, **change)) == resume.START


def test_a_healthy_server_is_committed_even_after_a_reboot() -> None:
    assert resume.decide(standing(phase="commit", swapped=ALL, rebooted=True, opened=True)) == resume.COMMIT


def test_the_way_back_is_always_finished_and_a_decision_is_never_taken_over() -> None:
    phases = (*BEFORE_STOP, "stop", "swap", "start", "health", "commit")
    for phase, swapped, rebooted in itertools.product(phases, (NONE, PARTIAL, ALL), (False, True)):
        back = standing(phase=phase, swapped=swapped, rebooted=rebooted, direction=journal.BACK, back_begun=True)
        assert resume.decide(back) == resume.BACK
        undecided = standing(phase=phase, swapped=swapped, rebooted=rebooted, state=journal.UNDECIDED)
        assert resume.decide(undecided) == resume.UNDECIDED


def test_a_staged_set_that_does_not_fit_any_more_is_made_anew() -> None:
    assert resume.decide(standing(phase="swap", stale=True)) == resume.DISCARD
    assert resume.decide(standing(phase="stop", stale=True)) == resume.DISCARD


def test_a_swap_that_has_begun_is_never_staged_anew() -> None:
    assert resume.decide(standing(phase="swap", swapped=PARTIAL, stale=True)) == resume.SWITCH


@pytest.mark.parametrize(("rebooted", "opened"), [(True, False), (False, True)])
def test_new_data_that_was_opened_before_the_way_back_began_is_left_to_a_person(rebooted: bool, opened: bool) -> None:
    found = standing(direction=journal.BACK, phase="health", swapped=ALL, rebooted=rebooted, opened=opened)
    assert resume.decide(found) == resume.UNDECIDED


def test_a_way_back_that_has_begun_is_finished_after_a_reboot() -> None:
    found = standing(direction=journal.BACK, phase="health", swapped=ALL, rebooted=True, back_begun=True)
    assert resume.decide(found) == resume.BACK
