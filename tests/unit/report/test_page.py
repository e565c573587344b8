# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page: what it shows, how, and that nothing of a host can be more than text in it."""

from __future__ import annotations

import re
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jinja2
import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.dba.mariabackup.plugins.filter.report import FilterModule
from ansible_collections.dba.mariabackup.plugins.plugin_utils.report import charts, words
from ansible_collections.dba.mariabackup.plugins.plugin_utils.report.page import report

from .conftest import NOW, Said

TEMPLATES = Path(__file__).resolve().parents[3] / "roles" / "report" / "templates"
EVIL = "<script>alert(1)</script>\"'><img src=http://x/>{{ 7 * 7 }}"


class Page(HTMLParser):
    """Collects the elements, their attributes and the text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in ("meta", "br", "rect"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag != "rect":
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def render(*gathered: dict[str, Any]) -> Page:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), trim_blocks=True, undefined=jinja2.StrictUndefined
    )
    template = environment.get_template("report.html.j2")
    html = template.render(__mariabackup_report=report(gathered, NOW), mariabackup_report_title=EVIL)
    page = Page(html)
    assert page.open == []
    return page


def evil(value: Any) -> Any:
    """Replace every text that a host chooses freely."""
    if isinstance(value, dict):
        return {
            name: evil(each) if name not in ("created", "outcome", "max_age", "name") else each
            for name, each in value.items()
        }
    if isinstance(value, list):
        return [evil(each) for each in value]
    return EVIL if isinstance(value, str) and value not in ("full", "incremental") else value


def everything(said: Said) -> list[dict[str, Any]]:
    backups = [said.backup(hours, label="nightly") for hours in (90, 60, 30, 4)]
    kept = "20261121T000000Z-00aa00"
    runs = [said.run(), said.run(ok=False, error="No.", failed_phase="backup")]
    restores = [
        said.restore("rolled_back", reason="No.", kept=["/x"]),
        said.restore(datadir="/srv/data", backup_id=kept, source=f"/r/{kept}/data"),
    ]
    return [
        said.host("db1", *restores, backups=said.backups(*backups, scheduled_runs=runs)),
        said.host("db2", backups={"unreachable": True, "msg": "No route"}),
        said.host("db3", backups=said.backups()),
    ]


def test_nothing_of_a_host_is_more_than_text(said: Said) -> None:
    calm, loud = render(*everything(said)), render(*(evil(each) for each in everything(said)))
    assert "script" not in loud.tags
    assert "img" not in loud.tags
    assert EVIL in loud.text
    assert set(loud.tags) == set(calm.tags)
    assert {name for _tag, name, _value in loud.attributes} == {name for _tag, name, _value in calm.attributes}


def test_a_page_asks_nobody_for_anything(said: Said) -> None:
    page = render(*everything(said))
    assert not {"script", "link", "img", "iframe", "object", "form"} & set(page.tags)
    targets = [
        value for _tag, name, value in page.attributes if name in ("href", "src", "action", "srcset", "xlink:href")
    ]
    assert targets
    assert all(value.startswith("#") for value in targets)
    assert "url(" not in (TEMPLATES / "report.css").read_text()
    assert "@import" not in (TEMPLATES / "report.css").read_text()


def _luminance(color: str) -> float:
    """Return the relative luminance of ``#rrggbb`` (WCAG 2)."""
    parts = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_text_stands_out_in_light_dark_and_print() -> None:
    """By WCAG's level AA: 4.5 to 1, for small text as well."""
    css = (TEMPLATES / "report.css").read_text()
    schemes = [
        dict(re.findall(r"--([\w-]+): (#\w{6});", block)) for block in re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    ]
    assert len(schemes) == 3
    for scheme in schemes:
        pairs = [(name, f"{name}-ground") for name in ("critical", "warning", "good", "note")]
        pairs += [(name, "ground") for name in ("text", "quiet", "link", "critical", "warning", "good")]
        for text, ground in pairs:
            one, other = sorted((_luminance(scheme[text]), _luminance(scheme[ground])))
            assert (other + 0.05) / (one + 0.05) >= 4.5, (text, ground, scheme)


def test_links_lead_somewhere_and_tables_are_named(said: Said) -> None:
    page = render(*everything(said))
    ids = [value for _tag, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert {value[1:] for _tag, name, value in page.attributes if name == "href"} <= set(ids)
    assert page.tags.count("table") == page.tags.count("caption") == 4
    assert page.tags.count("h1") == 1


def test_rows_are_those_of_the_hosts_the_worst_first(said: Said) -> None:
    page = report(everything(said), NOW)["page"]
    assert [(row["host"], row["state"]) for row in page["backups"]] == [
        ("db3", "critical"), ("db2", "unreachable"), ("db1", "warning")
    ]  # fmt: skip
    row = page["backups"][2]
    assert (row["age_seconds"], row["limit"], row["old"], row["chain"]) == (4 * 3600, "26 h", False, "full")
    assert (row["size"]["bytes"], row["stored"]["bytes"], row["drift"], row["proof"]) == (1000, 500, "+0 %", "sizes")
    kept = page["keeping"][1]
    assert (kept["host"], kept["kept"], kept["full"], kept["stored"]["bytes"]) == ("db1", 4, 4, 2000)
    assert (kept["oldest_age"], kept["runs"][0]["rules"]) == ("3 d 18 h", "7 daily")
    rolled_back, restored = page["restores"]
    assert (rolled_back["outcome"], rolled_back["good"]) == ("rolled back", False)
    assert (rolled_back["backup"], restored["backup"]) == ("/srv/b", "20261121T000000Z-00aa00")
    assert (restored["downtime"], [part["away"] for part in restored["segments"]]) == ("0.50 s", [False, True, True])
    totals = report(everything(said), NOW)["totals"]
    assert totals == {"safe": False, "hosts": 3, "critical": 2, "warning": 2, "note": 1, "stored_bytes": 2000}


def test_hosts_that_were_not_asked_are_on_the_page(said: Said) -> None:
    told = FilterModule().filters()["report"]([said.host("db1")], NOW.isoformat(), hosts=["db1", "db2"])
    assert told["totals"]["hosts"] == 2
    assert told["summary"][0] == "Not known: of 2 hosts, 1 could not be asked."
    assert "not asked" in told["page"]["findings"][0]["detail"]
    with pytest.raises(AnsibleFilterError, match="now is 'later'"):
        FilterModule().filters()["report"]([], "later")
    with pytest.raises(AnsibleFilterError, match="max_age"):
        FilterModule().filters()["report"]([said.host(max_age="x")], NOW.isoformat())


def test_an_increment_tells_what_it_is_built_on(said: Said) -> None:
    full = said.backup(30, 5000)
    increment = said.backup(4, 70, type="incremental", chain=[full["id"], "x"])
    row = report([said.host(backups=said.backups(full, increment))], NOW)["page"]["backups"][0]
    assert (row["chain"], row["links"], row["on"]["bytes"]) == ("full + 1 increment", 2, 5000)
    assert [each["full"] for each in row["bars"]] == [True, False]


def test_charts(said: Said) -> None:
    bars = charts.sizes([said.backup(hours, size) for hours, size in ((3, 4), (2, 2000), (1, 1000))])
    assert [each["x"] for each in bars] == [charts.SHOWN - 3, charts.SHOWN - 2, charts.SHOWN - 1]
    assert [each["height"] for each in bars] == [1.5, charts.HEIGHT, charts.HEIGHT / 2]
    assert all(each["y"] + each["height"] == charts.HEIGHT for each in bars)
    assert len(charts.sizes([said.backup(hour) for hour in range(99)])) == charts.SHOWN
    assert charts.sizes([{"stored_bytes": None}, {"stored_bytes": 0, "type": "full"}])[0]["height"] == 1.5
    parts = charts.phases([{"name": "stage", "seconds": 3}, {"name": "stop", "seconds": 1}])
    assert [(part["x"], part["width"], part["away"]) for part in parts] == [(0.0, 75.0, False), (75.0, 25.0, True)]
    assert charts.phases([{"name": "plan", "seconds": 0}])[0]["width"] == 0
    assert [charts.filled(13, 26), charts.filled(99, 26), charts.filled(-1, 26), charts.filled(1, 0)] == [
        50,
        100,
        0,
        100,
    ]


def test_words() -> None:
    spans = [(0, "0 s"), (59, "59 s"), (3599, "59 min"), (3600, "1 h"), (26 * 3600, "26 h"), (90061, "25 h 1 min")]
    spans += [(48 * 3600, "2 d"), (277200, "3 d 5 h"), (-60, "-1 min")]
    assert [words.span(timedelta(seconds=number)) for number, _text in spans] == [text for _number, text in spans]
    sizes = [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "0.98 KiB"),
        (17593842, "16.8 MiB"),
        (3 << 40, "3.00 TiB"),
        (3 << 50, "3072 TiB"),
    ]
    assert [(words.size(number) or {})["text"] for number, _text in sizes] == [text for _number, text in sizes]
    assert [words.size(None), words.size(True), words.seconds(None), words.seconds(True)] == [None, None, "-", "-"]
    assert [words.seconds(0.5), words.seconds(12.3), words.seconds(125)] == ["0.50 s", "12 s", "2 min"]
    assert words.parse_time("2026-11-25 03:00:00") == NOW
    assert [words.parse_time("soon"), words.parse_time(None)] == [None, None]
    assert words.escaped({"a": ["<", ("&", 1, None)]}) == {"a": ["&lt;", ["&amp;", 1, None]]}
