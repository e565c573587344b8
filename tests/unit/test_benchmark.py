# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmark's arithmetic: a miss has to be printed as one."""

from __future__ import annotations

import pytest

from tests.benchmark.page import TITLES, page
from tests.benchmark.report import Row, compared, growth_rows, markdown_table, text_table
from tests.benchmark.report_streams import increment_row, unsynced
from tests.benchmark.rig import BenchmarkError, without_service
from tests.benchmark.series import Series, alternate
from tests.benchmark.streams import KINDS, KindFigures, steps_of


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


def test_a_part_alone_renews_the_page_and_keeps_the_others() -> None:
    first = page("", {"streams": "old streams", "files": "the files"}, 5)
    assert first.index(TITLES["files"]) < first.index("the files") < first.index(TITLES["streams"])
    second = page(first, {"streams": "new streams", "catalogue": "many"}, 5)
    assert "old streams" not in second
    assert [second.count(text) for text in ("the files", "new streams", "many", "# Benchmarks\n")] == [1, 1, 1, 1]
    assert page(second, {}, 5) == second


def test_the_steps_of_the_shell() -> None:
    """From mark to mark, whatever the programs say in between."""
    names = ["begin", "extract", "prepare", "own", "sync", "switch", "delete"]
    marks = "".join(
        f"mark {name} {100 + number * number}.5\nsomebody says: mark x 1\n" for number, name in enumerate(names)
    )
    steps = steps_of(marks)
    assert [steps[name] for name in names[1:]] == [1, 3, 5, 7, 9, 11]
    assert steps["ready"] == 16
    with pytest.raises(BenchmarkError, match="its end"):
        steps_of(marks[: marks.index("mark delete")])


def test_the_sync_of_the_shell_s_own_run_is_taken_off() -> None:
    series = Series([{"seconds": 10.0, "sync": 9.0}, {"seconds": 5.0, "sync": 1.0}, {"seconds": 4.0, "sync": 2.0}])
    assert unsynced(series) == 2.0


def test_only_an_increment_of_changes_that_lie_together_is_judged() -> None:
    found = KindFigures(stored_bytes=100, increments={"in one place of each table": 26, "scattered": 90})
    rows = [increment_row("x", how, "2 GB", found) for how in found.increments]
    assert [row.met for row in rows] == [False, None]


def test_a_stream_without_a_key_has_no_recipients() -> None:
    assert ["encryption_recipients" in kind.with_key("age1key").options for kind in KINDS] == [True, False]
