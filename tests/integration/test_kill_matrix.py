# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kill -9 of a restore in every phase, before and after its action, wherever the directories lie.

After each: the server starts on a complete set, or refuses and says why; the same task again ends in the restored state;
nothing committed is lost.
"""

from __future__ import annotations

import signal

import pytest

from tests.integration.harness.bench import Bench
from tests.integration.harness.cells import (
    COMMITTED,
    EARLY,
    EMPTY,
    LATE,
    NEW,
    OLD,
    POINTS,
    STOPPING,
    Cell,
    Lend,
    decide,
    kill_at,
    params,
    ready,
    stop_at,
    try_start,
)
from tests.integration.harness.faults import kill_runner, proceed
from tests.integration.harness.layouts import LAYOUTS
from tests.integration.harness.server import show

# Every phase once, in the middle of what it does where there is such a point: what differs between the versions is the
# server and its service, and the whole matrix is for the newest.
ONCE = ("plan-after", "stage-after", "prepare-after", "verify-after", "stop-held", "stop-after", "swap-before", "start-held",
        "start-after", "health-after", "commit-after", "commit-opened")  # fmt: skip
CELLS = [
    *params(["plain", "separate", "mount"], [OLD, EMPTY], POINTS, "trixie"),
    *params(["plain"], [OLD], ONCE, "bookworm"),
    *params(["plain"], [OLD], ONCE, "bullseye"),
    # A swap of several steps, under the persistent hold and the boot-time unit of an older systemd.
    *params(["separate", "mount"], [OLD], ["step-half"], "bookworm"),
    *params(["separate", "mount"], [OLD], ["step-half"], "bullseye"),
]


def _look(bench: Bench, cell: Cell, pid: int) -> None:
    """Assert what the host is like after the kill, before anybody has done anything."""
    server = bench.server
    if cell.point in EARLY:
        assert server.server_pid(bench.layout.service) == pid, "the server in service was touched"
        if cell.data == OLD:
            assert bench.served() == OLD
        else:
            assert bench.out_of_sight() == ""
    elif cell.point in (*STOPPING, "step-0", "step-1"):
        if cell.data == OLD and bench.layout.name + cell.point != "plainstep-1":
            # An administrator starts the server: it refuses, or is repaired and serves the old data.
            found = try_start(bench)
            assert found in (
                (OLD,) if cell.point.startswith("step") and bench.layout.name != "plain" else (OLD, "held")
            )
    elif cell.point == "step-half":
        assert not server.server_runs(bench.layout.service)
        assert server.out("cat /var/lib/mariabackup/hold/*").startswith("dba.mariabackup: restore")
    elif cell.point in (*LATE, "step-1", "step-essential", "step-last"):
        assert bench.on_disk() == NEW
        if server.server_runs(bench.layout.service):
            assert bench.served() == NEW
            assert server.sql("SELECT @@read_only") == "1"
    else:
        assert cell.point in COMMITTED
        assert bench.served() == NEW
        bench.write()


@pytest.mark.parametrize(("suite", "layout", "cell"), CELLS)
def test_kill(lend: Lend, suite: str, layout: str, cell: Cell) -> None:
    """kill -9 of our process at a point of the restore."""
    with lend(suite, LAYOUTS[layout]) as bench:
        server = bench.server
        ready(bench, cell.data)
        pid = server.server_pid(bench.layout.service)
        kill_at(bench, cell.point, **cell.options(bench))
        _look(bench, cell, pid)
        bench.restore(**cell.options(bench))
        if cell.point == "health-after":
            # Once for each layout: all of the data. The other cells ask for the sums.
            bench.assert_unchanged_backup()
        if cell.point in COMMITTED:
            assert bench.written()
            server.sql("DROP DATABASE after")


@pytest.mark.parametrize(
    ("suite", "layout", "cell"), params(["separate"], [OLD], ["stage-after", "stop-held", "health-before"], "trixie")
)
def test_asked_to_stop(lend: Lend, suite: str, layout: str, cell: Cell) -> None:
    """SIGTERM of our process: the old data serves, as before or again, and the task says why."""
    with lend(suite, LAYOUTS[layout]) as bench:
        ready(bench, cell.data)
        running = stop_at(bench, cell.point, failed_data="delete")
        kill_runner(bench.server, signal.SIGTERM)
        proceed(bench.server)
        result = running.result()
        assert result["failed"], show(result)
        assert "SIGTERM" in result["msg"], show(result)
        assert result["failed_phase"] == cell.point.split("-", maxsplit=1)[0]
        assert result["rolled_back"] is (cell.point == "health-before")
        assert bench.served() == OLD
        assert bench.server.sql("SELECT @@read_only") == "0"
        bench.assert_no_traces()


@pytest.mark.parametrize("accept", [True, False], ids=["accepted", "restored"])
@pytest.mark.parametrize(("suite", "layout", "cell"), params(["separate", "mount"], [OLD], ["step-last"], "trixie"))
def test_kill_then_opened_by_hand(lend: Lend, suite: str, layout: str, cell: Cell, accept: bool) -> None:
    """Killed after the last step, and started by an administrator: from then on a person decides."""
    with lend(suite, LAYOUTS[layout]) as bench:
        ready(bench, cell.data)
        kill_at(bench, cell.point)
        assert try_start(bench) == NEW
        decide(bench, accept)


@pytest.mark.parametrize(("suite", "layout", "cell"), params(["separate", "mount"], [EMPTY], ["step-half"], "trixie"))
def test_kill_then_repaired_by_hand(lend: Lend, suite: str, layout: str, cell: Cell) -> None:
    """Killed in the middle of a swap into an empty server, and started: the swap is finished, and what is written stays."""
    with lend(suite, LAYOUTS[layout]) as bench:
        ready(bench, cell.data)
        kill_at(bench, cell.point)
        assert try_start(bench) == NEW
        bench.write()
        bench.restore()
        assert bench.written()
        bench.server.sql("DROP DATABASE after")


@pytest.mark.parametrize(("suite", "layout", "cell"), params(["plain"], [EMPTY], ["stop-after"], "trixie"))
def test_kill_then_set_up_by_hand(lend: Lend, suite: str, layout: str, cell: Cell) -> None:
    """Killed before the swap into an empty datadir, in which somebody then sets up a server: that one is data as well."""
    with lend(suite, LAYOUTS[layout]) as bench:
        server = bench.server
        ready(bench, cell.data)
        kill_at(bench, cell.point, existing_data="fail")
        server.run(
            "rm -rf /run/systemd/system/*mariabackup* /run/systemd/system/*/*mariabackup*; systemctl daemon-reload"
        )
        server.run("mariadb-install-db --user=mysql --auth-root-authentication-method=socket --skip-test-db")
        server.start_server()
        bench.write()
        server.fail("restore", "is not empty", **bench.arguments(existing_data="fail"))
        assert bench.written()
        bench.restore()


@pytest.mark.parametrize(("suite", "layout", "cell"), params(["plain"], [OLD], ["health-after"], "trixie"))
def test_kill_then_finished_with_other_options(lend: Lend, suite: str, layout: str, cell: Cell) -> None:
    """Begun with existing_data: keep, and finished by a task that says nothing of it: the old data is still kept."""
    with lend(suite, LAYOUTS[layout]) as bench:
        ready(bench, cell.data)
        kill_at(bench, cell.point, existing_data="keep")
        result = bench.server.succeed("restore", **bench.arguments(existing_data="fail"))
        assert bench.server.exists(f"{result['previous_datadir']}/ibdata1")
        assert bench.server.succeed("previous_datadir", state="restored", **bench.who)["changed"]
        assert bench.served() == OLD
        bench.server.succeed("previous_datadir", state="absent", **bench.who)


@pytest.mark.parametrize(("suite", "layout", "cell"), params(["plain"], [EMPTY], ["stop-before"], "trixie"))
def test_set_up_while_the_backup_is_staged(lend: Lend, suite: str, layout: str, cell: Cell) -> None:
    """Somebody sets up a server in the empty datadir while the backup is staged: it is refused, and that server goes on."""
    with lend(suite, LAYOUTS[layout]) as bench:
        server = bench.server
        ready(bench, cell.data)
        running = stop_at(bench, cell.point, existing_data="fail")
        server.run("mariadb-install-db --user=mysql --auth-root-authentication-method=socket --skip-test-db")
        server.start_server()
        bench.write()
        proceed(server)
        assert "has set up a server there" in running.result()["msg"]
        assert bench.written()
        assert server.sql("SELECT @@read_only") == "0"
        bench.restore()
