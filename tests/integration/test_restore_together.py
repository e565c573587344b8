# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two operations on one server at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.harness.faults import (
    TOOL,
    clear_breakpoints,
    frozen,
    proceed,
    set_breakpoint,
    wait_program,
    wait_stopped,
)
from tests.integration.harness.restores import TARGET, good_restore, refused, untouched
from tests.integration.harness.server import Server, show


def _priority(text: str) -> tuple[int, int]:
    """Return nice and oom_score_adj of a process, from the text of ``stat`` and ``oom_score_adj`` below its /proc."""
    fields = text.rpartition(")")[2].split()
    return int(fields[16]), int(fields[-1])


def _server_priority(server: Server) -> tuple[int, int]:
    place = f"/proc/{server.server_pid()}"
    return _priority(server.out(["cat", f"{place}/stat", f"{place}/oom_score_adj"]))


@pytest.mark.suites("trixie")
@pytest.mark.parametrize("point", ["stage-after", "swap-before", "health-after"])
def test_two_restores_at_once(server: Server, point: str) -> None:
    """The second restore is refused and names the first, in check mode too; the first goes through.

    It stages behind the live server, with a lower priority, and goes on with its usual one: so does a server that it starts.
    """
    usual = _server_priority(server)
    assert usual[0] == 0
    server.succeed("backup", target_dir=TARGET, prepare=True)
    server.run(f"cp -a {TARGET} /srv/backup/other")
    server.dataset("change")
    set_breakpoint(server, point)
    first = server.start_module("restore", target_dir=TARGET, existing_data="delete")
    runner = wait_stopped(server, first)
    clear_breakpoints(server)
    place = Path(f"/proc/{runner}")
    found = _priority(
        (place / "stat").read_text(encoding="utf-8") + (place / "oom_score_adj").read_text(encoding="ascii")
    )
    assert found == ((10, 500) if point == "stage-after" else usual)
    other = {"target_dir": "/srv/backup/other", "existing_data": "delete"}
    for check in (False, True):
        result = server.fail("restore", "is working on it", "a restore (process", check=check, **other)
        assert result["action"].startswith("Wait"), show(result)
    server.fail("previous_datadir", "a restore (process", state="restored")
    server.fail("backup", target_dir="/srv/backup/third")
    assert not server.exists("/srv/backup/third")
    proceed(server)
    assert not first.result().get("failed"), show(first.result())
    assert _server_priority(server) == usual
    server.assert_seeded()
    server.succeed("restore", **other)
    server.assert_seeded()


@pytest.mark.suites("trixie", "bullseye")
def test_restore_during_a_backup(server: Server) -> None:
    """A restore while a backup reads the datadir is refused and names it; the backup goes through."""
    server.succeed("backup", target_dir=TARGET, prepare=True)
    server.dataset("change")
    with untouched(server):
        backup = server.start_module("backup", target_dir="/srv/backup/running")
        with frozen(server, wait_program(server, TOOL)):
            refused(server, "a backup (process")
        assert not backup.result().get("failed"), show(backup.result())
    good_restore(server)


@pytest.mark.suites("bookworm")
def test_a_backup_that_is_read_is_not_prepared_in_place(server: Server) -> None:
    """While a restore reads a backup nobody changes it; a prepared copy can be made of it, and a second restore can read it."""
    server.succeed("backup", target_dir=TARGET)
    set_breakpoint(server, "stage-before")
    restore = server.start_module("restore", target_dir=TARGET, existing_data="delete")
    wait_stopped(server, restore)
    clear_breakpoints(server)
    result = server.fail("prepare", TARGET, "is in use", target_dir=TARGET, in_place=True)
    assert result["failed_phase"] == "plan", show(result)
    server.succeed("prepare", target_dir=TARGET, dest="/srv/backup/copy")
    proceed(server)
    assert not restore.result().get("failed"), show(restore.result())
    server.assert_seeded()
    server.succeed("prepare", target_dir=TARGET, in_place=True)
