# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmark's arithmetic: a miss has to be printed as one."""

from __future__ import annotations

import pytest

from tests.benchmark.report import Row, compared, growth_rows, markdown_table, text_table
from tests.benchmark.rig import BenchmarkError, without_service
from tests.benchmark.series import Series, alternate


def test_runs_alternate() -> None:
    """A B A B, so that a slow minute hits all alike."""
    order: list[str] = []

    def run(name: str) -> dict[str, float]:
        order.append(name)
        return {"seconds": float(len(order))}

    found = alternate(3, {"a": lambda: run("a"), "b": lambda: run("b")}, lambda text: None)
    assert order == ["a", "b"] * 3
    assert found["a"]["seconds"] == 3.0
    assert found["b"].values("seconds") == [2.0, 4.0, 6.0]


def test_the_median_is_of_one_figure() -> None:
    series = Series([{"x": 1.0, "y": 9.0}, {"x": 5.0, "y": 1.0}, {"x": 2.0, "y": 3.0}])
    assert (series["x"], series["y"]) == (2.0, 3.0)


def test_downtime_is_from_the_last_answer_to_the_first_of_an_open_server() -> None:
    lines = ["1.00 1.01 open", "5.00 5.02 down", "6.00 6.01 read-only", "6.50 6.52 open"]
    assert without_service(lines) == pytest.approx(1.52)
    assert without_service(lines[:1]) == 0.0


def test_two_gaps_are_added_up() -> None:
    """A server that comes up, goes down again and comes up is not served best by its last gap."""
    lines = ["0 1 open", "2.0 2.1 down", "2.9 3.0 open", "4.0 4.1 down", "4.4 4.5 open"]
    assert without_service(lines) == pytest.approx(1.5)


def test_a_server_that_never_opens_is_a_failure() -> None:
    with pytest.raises(BenchmarkError):
        without_service(["0 1 open", "2 3 down"])


@pytest.mark.parametrize(("ours", "verdict"), [(1.05, "ok"), (1.06, "MISSED")])
def test_a_miss_is_a_miss(ours: float, verdict: str) -> None:
    assert compared("backup", "2 GB", ours, 1.0, 1.05).cells()[-1] == verdict
    assert compared("backup", "2 GB", ours, 1.0, None).cells()[-2:] == ("", "")


def test_one_size_tells_nothing_about_growth() -> None:
    assert growth_rows([]) == []


def test_tables() -> None:
    rows = [Row("a|b", "2 GB", "1 s", met=False), Row("c", "2 GB", "1 s")]
    text = text_table(rows)
    assert [line.split()[-1] for line in text.splitlines()] == ["verdict", "MISSED", "s"]
    assert markdown_table([("x", "y"), ("a|b", "c")]).splitlines() == ["| x | y |", "| --- | --- |", "| a\\|b | c |"]
