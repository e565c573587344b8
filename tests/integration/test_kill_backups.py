# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kill -9 and SIGTERM of backups into a repository, uploads and prunes at every point, and kill -9 of each of their programs.

After each: every backup that is listed is whole, none that was committed is lost, the server goes on; the same task again succeeds and
leaves nothing of the dead run.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from tests.integration.harness.cells import Lend
from tests.integration.harness.faults import TOOL, frozen, kill_runner, wait_command, wait_program
from tests.integration.harness.layouts import LAYOUTS
from tests.integration.harness.modules import Running
from tests.integration.harness.server import show, wait_for
from tests.integration.harness.shelves import DIRECTORY, REMOTE, STREAM, Shelf
from tests.integration.harness.storage import Storage

KINDS = (DIRECTORY, STREAM, REMOTE)
# The points of a backup in their order. What is committed cannot be seen before, and stays afterwards.
BEFORE = ("place-locked", "place-opened", "backup-taken", "backup-proven", "place-described", "place-manifest")
COMMITTED = ("place-published", "place-renamed", "place-committed")
POINTS = {
    DIRECTORY: (*BEFORE, *COMMITTED[1:]),
    STREAM: (*BEFORE, *COMMITTED[1:]),
    REMOTE: (*BEFORE, "place-uploaded", *COMMITTED),
}
# After these, of a stream, the next cell is the same task again: it comes further each time, and the last of them to the end.
GO_ON = ("place-locked", "place-opened", "backup-proven", "place-described")
# What runs: the words of its command.
PROGRAMS = {
    "mariadb-backup": (),
    "walker": ("walk",),
    "zstd": ("zstd",),
    "age": ("age",),
    "rclone": ("rclone", "rcat"),
}
# The points of a prune, and whether the first backup that goes may be listed and must be.
REMOVAL = {
    DIRECTORY: {"prune-remove": True, "prune-renamed": False, "prune-removed": False},
    STREAM: {"prune-renamed": False},
    REMOTE: {"prune-remove": True, "prune-renamed": True, "prune-unlisted": False, "prune-purged": False,
             "prune-removed": False},
}  # fmt: skip
# What rclone does in a removal, and the point before it.
REMOVERS = {"deletefile": "prune-renamed", "purge": "prune-unlisted"}

Lent = Callable[[str, str], AbstractContextManager[Shelf]]


@pytest.fixture
def shelf(lend: Lend, depot: Callable[[], Storage], shelves: dict[Any, Shelf]) -> Lent:
    """``with shelf(suite, kind) as found``: a repository with committed backups in it, on a bench that serves."""

    @contextlib.contextmanager
    def lent(suite: str, kind: str) -> Iterator[Shelf]:
        with lend(suite, LAYOUTS["plain"]) as bench:
            found = shelves.pop((suite, kind), None)
            if found is None or found.bench is not bench:
                found = Shelf(bench, kind, depot() if kind == REMOTE else None)
            found.pid = bench.server.server_pid()
            yield found
            # After a cell that failed, the next one begins with a new repository.
            shelves[(suite, kind)] = found

    return lent


@pytest.fixture(scope="session")
def shelves() -> dict[Any, Shelf]:
    """The repositories of this worker that are in order."""
    return {}


def _cells(suite: str, kinds: tuple[str, ...], wanted: Callable[[str], Iterable[str]], name: str = "") -> list[Any]:
    """Return parameters (suite, kind, what), those of a repository one after another on one host."""
    return [
        pytest.param(suite, kind, what, id=f"{suite}-{kind}-{name}{what}",
                     marks=pytest.mark.xdist_group(f"kill-shelf-{suite}-{kind}"))
        for kind in kinds
        for what in wanted(kind)
    ]  # fmt: skip


def _killed(shelf: Shelf, running: Running) -> None:
    kill_runner(shelf.server)
    result = running.result()
    assert result.get("failed"), show(result)
    assert "killed" in result["msg"], show(result)


def _cancelled(shelf: Shelf, running: Running) -> None:
    kill_runner(shelf.server, signal.SIGTERM)
    shelf.go_on()
    result = running.result()
    assert result.get("failed"), show(result)
    assert "SIGTERM" in result["msg"], show(result)
    wait_for(lambda: not shelf.server.job_pids(), "the job is gone")


@pytest.mark.parametrize(
    ("suite", "kind", "point"),
    [
        *_cells("trixie", KINDS, lambda kind: POINTS[kind]),
        *_cells("bookworm", (DIRECTORY,), lambda _kind: ("backup-taken", "place-renamed")),
        *_cells("bullseye", (STREAM,), lambda _kind: ("backup-taken", "place-renamed")),
    ],
)
def test_backup_killed(shelf: Lent, suite: str, kind: str, point: str) -> None:
    """kill -9 of our process at a point of the backup."""
    with shelf(suite, kind) as found:
        task = found.task()
        _killed(found, found.stop_at("backup", point, **task))
        found.look(new=(int(point in COMMITTED),))
        if point == "place-renamed":
            young = found.server.succeed("backup", **task, skip_if_newer_than=3600)
            assert (young["changed"], young["id"]) == (False, found.ids[-1]), show(young)
        if kind == DIRECTORY or point not in GO_ON:
            found.take(**task)


@pytest.mark.parametrize(("suite", "kind", "point"), _cells("trixie", KINDS, lambda _kind: ("half-way",)))
def test_backup_killed_while_programs_run(shelf: Lent, suite: str, kind: str, point: str) -> None:
    """kill -9 of our process while mariadb-backup copies: every program dies with it."""
    with shelf(suite, kind) as found:
        task = found.task()
        running = found.server.start_module("backup", **task)
        with frozen(found.server, wait_program(found.server, TOOL)):
            _killed(found, running)
        names = "mariadb-backup|mariabackup|zstd|age|rclone"
        wait_for(lambda: found.server.out(f"pgrep -x '{names}' || true") == "", f"{point}: all is gone", timeout=5)
        found.look()
        found.take(**task)


@pytest.mark.parametrize(
    ("suite", "kind", "program"),
    [
        *_cells("trixie", (DIRECTORY,), lambda _kind: ("mariadb-backup",), "program-"),
        *_cells("trixie", (STREAM,), lambda _kind: [name for name in PROGRAMS if name != "rclone"], "program-"),
        *_cells("trixie", (REMOTE,), lambda _kind: ("mariadb-backup", "rclone"), "program-"),
        *_cells("bookworm", (DIRECTORY,), lambda _kind: ("mariadb-backup",), "program-"),
        *_cells("bullseye", (STREAM,), lambda _kind: ("mariadb-backup", "zstd"), "program-"),
    ],
)
def test_program_killed(shelf: Lent, suite: str, kind: str, program: str) -> None:
    """kill -9 of a program while mariadb-backup copies: the run fails, says so, and leaves nothing at once."""
    with shelf(suite, kind) as found:
        task = found.task()
        running = found.server.start_module("backup", **task)
        pid = wait_program(found.server, TOOL)
        with frozen(found.server, pid):
            os.kill(
                pid if program == "mariadb-backup" else wait_command(found.server, *PROGRAMS[program]), signal.SIGKILL
            )
        result = running.result()
        assert result.get("failed"), show(result)
        assert "SIGKILL" in result["msg"], show(result)
        found.assert_tidy()
        found.look()
        if program == "mariadb-backup":
            # The others leave the same state behind, nothing, and the next cell begins with this task.
            found.take(**task)


@pytest.mark.parametrize(
    ("suite", "kind", "point"),
    _cells("trixie", (REMOTE,), lambda _kind: ("place-manifest", "place-uploaded"), "rclone-"),
)
def test_upload_killed(shelf: Lent, suite: str, kind: str, point: str) -> None:
    """kill -9 of rclone while it uploads what describes the backup, or its manifest: it is none, and nothing of it stays."""
    with shelf(suite, kind) as found:
        task = found.task()
        running = found.stop_at("backup", point, **task)
        found.go_on()
        os.kill(wait_command(found.server, "rclone", "copy"), signal.SIGKILL)
        result = running.result()
        assert result.get("failed"), show(result)
        assert "rclone" in result["msg"], show(result)
        found.assert_tidy()
        found.look()
        if point == "place-uploaded":
            found.take(**task)


@pytest.mark.parametrize(
    ("suite", "kind", "point"),
    [
        *_cells("trixie", (DIRECTORY,), lambda _kind: ("place-manifest", "place-renamed"), "term-"),
        *_cells("trixie", (STREAM,), lambda _kind: ("backup-taken",), "term-"),
        *_cells("trixie", (REMOTE,), lambda _kind: ("place-uploaded", "place-published"), "term-"),
    ],
)
def test_backup_cancelled(shelf: Lent, suite: str, kind: str, point: str) -> None:
    """SIGTERM of the job at a point: it is a backup, or nothing of it is left, and the task says what happened."""
    with shelf(suite, kind) as found:
        task = found.task()
        _cancelled(found, found.stop_at("backup", point, **task))
        found.look(new=(int(point in COMMITTED),))
        found.assert_tidy()
        if point in COMMITTED:
            found.take(**task)


@pytest.mark.parametrize(("suite", "kind", "point"), _cells("trixie", KINDS, lambda _kind: ("half-way",), "term-"))
def test_backup_cancelled_while_programs_run(shelf: Lent, suite: str, kind: str, point: str) -> None:
    """SIGTERM of the job while mariadb-backup copies."""
    del point
    with shelf(suite, kind) as found:
        task = found.task()
        running = found.server.start_module("backup", **task)
        with frozen(found.server, wait_program(found.server, TOOL)):
            kill_runner(found.server, signal.SIGTERM)
        result = running.result()
        assert result.get("failed"), show(result)
        assert "SIGTERM" in result["msg"], show(result)
        found.assert_tidy()
        found.look()


@pytest.mark.parametrize(
    ("suite", "kind", "point"),
    [
        *_cells("trixie", KINDS, lambda kind: REMOVAL[kind]),
        *_cells("bookworm", (DIRECTORY,), lambda _kind: ("prune-renamed",)),
        *_cells("bullseye", (STREAM,), lambda _kind: ("prune-renamed",)),
    ],
)
def test_prune_killed(shelf: Lent, suite: str, kind: str, point: str) -> None:
    """kill -9 of our process at a point of the first removal, which is that of an increment: its base is whole until it goes."""
    with shelf(suite, kind) as found:
        rules, going = found.rules(1 if kind == REMOTE and point != "prune-unlisted" else 2), found.oldest()
        _killed(found, found.stop_at("prune", point, **rules))
        found.look(gone=going[-1:], newest=False)
        assert (going[-1] in found.chains) is REMOVAL[kind][point]
        found.finish(rules, going)


@pytest.mark.parametrize(
    ("suite", "kind", "point"), _cells("trixie", (DIRECTORY,), lambda _kind: ("prune-renamed",), "term-")
)
def test_prune_cancelled(shelf: Lent, suite: str, kind: str, point: str) -> None:
    """SIGTERM of a prune."""
    with shelf(suite, kind) as found:
        rules, going = found.rules(1), found.oldest()
        _cancelled(found, found.stop_at("prune", point, **rules))
        found.look(gone=going[-1:], newest=False)
        found.finish(rules, going)


@pytest.mark.parametrize(("suite", "kind", "word"), _cells("trixie", (REMOTE,), lambda _kind: REMOVERS, "rclone-"))
def test_removal_killed(shelf: Lent, suite: str, kind: str, word: str) -> None:
    """kill -9 of rclone while it removes the manifest, or what is left without it: the prune fails, the next one finishes."""
    with shelf(suite, kind) as found:
        rules, going = found.rules(1), found.oldest()
        running = found.stop_at("prune", REMOVERS[word], **rules)
        found.go_on()
        os.kill(wait_command(found.server, "rclone", word), signal.SIGKILL)
        assert "rclone" in running.result()["msg"], show(running.result())
        found.look(gone=going[-1:], newest=False)
        found.finish(rules, going)


@pytest.mark.parametrize(("suite", "kind", "what"), _cells("trixie", KINDS, lambda _kind: ("restored",)))
def test_the_newest_restores(shelf: Lent, suite: str, kind: str, what: str) -> None:
    """What came out of all that is a backup: restored, it is the same data, table by table."""
    del what
    with shelf(suite, kind) as found:
        found.look()
        found.assert_restores()
