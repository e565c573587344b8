# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report: of real backups, a run that failed and a restore, read back from the page with a browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.harness.browser import Browser, Fields
from tests.integration.harness.playbooks import Playbooks
from tests.integration.harness.seeds import ROOT
from tests.integration.harness.server import Server, show

REPOSITORY = "/srv/repository"
EVIL = "<script>document.title='taken'</script>\"'><img src=http://x.example/>"
OUTPUT = ROOT / "tests" / "output"
PHONE, DESK = 390, 1280


def with_failed_run(server: Server) -> None:
    """Leave a full backup, an increment, and a last run that failed."""
    options = {"type": "auto", "full_every": "6d", "label": EVIL}
    server.succeed("schedule", name="nightly", on_calendar="2099-01-01", repository=REPOSITORY, login_user="root",
                   backup_options=options, retention={"keep_daily": 7, "keep_weekly": 5})  # fmt: skip
    for code in (0, 0, 1):
        if code:
            server.stop_server()
        done = server.run(["systemctl", "start", "mariabackup-nightly.service"], check=False)
        assert bool(done.returncode) == bool(code)
    server.start_server()


def inventory_of(server: Server, books: Playbooks) -> None:
    """Put a host that is gone first, and the server twice: once as one that has no backup."""
    known = yaml.safe_load(books.inventory.read_text(encoding="utf-8"))
    (found,) = [
        group["hosts"][server.name]
        for group in known["all"].get("children", {"all": known["all"]}).values()
        if server.name in group.get("hosts", {})
    ]
    shared = {**known["all"].get("vars", {}), "mariabackup_repository": REPOSITORY}
    hosts = {
        "gone": {"ansible_host": "127.0.0.1", "ansible_port": 1},
        server.name: {**(found or {}), "mariabackup_report_max_age": "8d"},
        "bare": {**(found or {}), "mariabackup_instance": "nobody"},
    }
    books.inventory.write_text(yaml.safe_dump({"all": {"vars": shared, "hosts": hosts}}), encoding="utf-8")


def overflow_of(browser: Browser, page: Path, width: int) -> int:
    """Return by how many pixels the page is wider than its window, by a copy that may run a script."""
    copy = page.with_name("overflow.html")
    script = "<script>document.body.dataset.wide = document.documentElement.scrollWidth - innerWidth</script></body>"
    text = re.sub(r"<meta http-equiv[^>]*>", "", page.read_text(encoding="utf-8"))
    copy.write_text(text.replace("</body>", script), encoding="utf-8")
    found = re.search(r'data-wide="(-?\d+)"', browser.read(copy, width))
    assert found
    return int(found[1])


@pytest.mark.suites("trixie")
def test_what_the_page_says(
    server: Server, playbooks: Callable[[], Playbooks], browser: Browser, tmp_path: Path
) -> None:
    """The numbers on the page are those of the modules; the host that is gone is a line; nobody is asked for anything."""
    with_failed_run(server)
    restored = server.succeed("restore", repository=REPOSITORY, existing_data="keep")
    books, page = playbooks(), tmp_path / "report.html"
    inventory_of(server, books)
    common: dict[str, Any] = {"mariabackup_hosts": "all", "mariabackup_report_path": str(page)}

    before = server.listing("/srv", "/var/lib/mariabackup", "/etc")
    checked = books.succeed("dba.mariabackup.report", "--check", **common)
    assert "No page was written" in checked.output
    assert not page.exists()
    play = books.succeed("dba.mariabackup.report", **common, mariabackup_report_verify=True)
    assert server.listing("/srv", "/var/lib/mariabackup", "/etc") == before
    ran = [event["action"].rpartition(".")[2] for event in play.events if event["host"] == server.name]
    assert [name for name in ran if name.endswith("_info")] == ["backup_info", "restore_info"]
    totals = play.result("ansible.builtin.set_stats")["ansible_stats"]["data"]["mariabackup_report"]
    listed = server.succeed("backup_info", repository=REPOSITORY)
    kept = sum(backup["stored_bytes"] for backup in listed["backups"])
    assert totals == {"path": str(page), "safe": False, "hosts": 3, "critical": 2, "warning": 1, "note": 2,
                      "stored_bytes": kept}, show(totals)  # fmt: skip

    text = browser.read(page, PHONE)
    assert (
        '<h1 class="answer critical">Not safe: of 3 hosts, 1 has no good backup within its limit, 1 could not be asked.'
        in text
    )
    fields, last = Fields(text), listed["backups"][-1]
    assert [row["host"] for row in fields.rows][:3] == ["bare", "gone", server.name]
    assert "script" not in fields.tags
    assert "img" not in fields.tags
    assert fields.of(server.name, "label") == EVIL
    assert fields.of(server.name, "id") == last["id"]
    assert fields.of(server.name, "created datetime") == last["created"]
    assert fields.of(server.name, "size value") == str(last["size_bytes"])
    assert fields.of(server.name, "stored value") == str(last["stored_bytes"])
    assert fields.of(server.name, "chain") == "full + 1 increment"
    assert fields.of(server.name, "proof") == "checksums"
    created = datetime.fromisoformat(last["created"].replace("Z", "+00:00"))
    age = (datetime.now(timezone.utc) - created).total_seconds()
    assert 0 <= age - float(fields.of(server.name, "age data-seconds")) < 60
    assert fields.of(server.name, "kept") == "2"
    assert fields.of(server.name, "oldest datetime") == listed["backups"][0]["created"]
    assert fields.of(server.name, "storage value") == str(kept)
    assert fields.of(server.name, "rules") == "7 daily, 5 weekly"
    assert fields.of(server.name, "outcome") == "restored"
    assert fields.of(server.name, "downtime value") == str(restored["downtime_seconds"])
    assert re.findall(r'<tr[^>]* data-kind="(\w+)"', text) == ["no_backup", "unreachable", "run_failed", "kept", "kept"]
    assert "Failed to connect to MariaDB server" in text
    (told,) = server.succeed("restore_info")["restores"]
    assert told["phases"] == restored["phases"]
    for phase in restored["phases"]:
        assert re.search(rf'<li class="(serving|away)">{phase["name"]} <data>', text)

    assert overflow_of(browser, page, PHONE) <= 0
    OUTPUT.mkdir(exist_ok=True)
    light = browser.picture(page, OUTPUT / "report-desk.png", DESK, 1400)
    dark = browser.picture(page, OUTPUT / "report-desk-dark.png", DESK, 1400, dark=True)
    assert light != dark
    browser.picture(page, OUTPUT / "report-phone.png", PHONE, 2800)
    assert browser.asked == []
    # The watch would have seen it.
    loud = tmp_path / "loud.html"
    loud.write_text('<img src="http://x.example/picture.png">', encoding="utf-8")
    browser.read(loud)
    assert browser.asked == ["GET http://x.example/picture.png HTTP/1.1"]

    # A restore that is rolled back is told as that.
    queries = [{"query": "SELECT 1", "expect": "2"}]
    server.fail("restore", repository=REPOSITORY, existing_data="delete", verify_queries=queries)
    told = server.succeed("restore_info", last=1)["restores"][0]
    assert (told["outcome"], told["failed_phase"], told["current"]) == ("rolled_back", "health", True)
    assert "SELECT 1" in told["reason"]
