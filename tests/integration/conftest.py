# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the tests on real servers.

Each worker of pytest-xdist has a lab of its own. Its hosts boot when a test first needs them, and are given to one
test after another, each time with the data as stored. MARIABACKUP_LAB_KEEP=1 leaves them for the next run.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.harness.bench import Bench, Rack
from tests.integration.harness.browser import Browser
from tests.integration.harness.layouts import LAYOUTS, PLAIN
from tests.integration.harness.memory import available_memory
from tests.integration.harness.playbooks import Playbooks
from tests.integration.harness.pool import Pool
from tests.integration.harness.seeds import ROOT
from tests.integration.harness.server import Server
from tests.integration.harness.storage import Storage
from tests.lab import Lab
from tests.lab.config import Settings

SUITES = ("bullseye", "bookworm", "trixie")


# Hosts in memory do not wait for the disk when their files are thrown away and made anew a hundred times. What a power
# cut loses is decided by the hosts' own disks, wherever their images lie.
_MEMORY = Path("/dev/shm")
_MEMORY_NEEDED = 12 << 30


def _sweep(state: Path) -> None:
    """Remove the hosts of a run that was killed: they fill the memory that this run needs."""
    for left in state.glob(f"{_lab_id()}-*/hosts"):
        Lab(Settings.from_environment(left.parent.name, {"MARIABACKUP_LAB_STATE": str(state)})).down()


def pytest_configure(config: pytest.Config) -> None:
    """Name the marks, and put the hosts into memory where there is plenty."""
    if "MARIABACKUP_LAB_STATE" not in os.environ and _MEMORY.is_dir():
        state = _MEMORY / "dba-mariabackup-lab"
        if os.environ.get("MARIABACKUP_LAB_KEEP") != "1":
            _sweep(state)
        free = os.statvfs(_MEMORY)
        if min(free.f_bavail * free.f_frsize, available_memory()) > _MEMORY_NEEDED:
            os.environ["MARIABACKUP_LAB_STATE"] = str(state)
    config.addinivalue_line("markers", "suites(*names): the Debian suites the fixture server runs the test on")
    config.addinivalue_line("markers", "layout(name, **options): the layout that the server starts with")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests of the fixture ``server`` on every suite, or on those that the mark ``suites`` names."""
    if "server" in metafunc.fixturenames:
        mark = metafunc.definition.get_closest_marker("suites")
        metafunc.parametrize("server", mark.args if mark else SUITES, indirect=True)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the groups of tests together: xdist 3.8 writes them where pytest looks no longer since 9.2."""
    for item in items:
        grouped = vars(item).get("_nodeid")
        if grouped and grouped != item.nodeid:
            item._id = type(item.id).parse(grouped)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """Add to the report of a failed test what its hosts say."""
    report: Any = yield
    pool = item.stash.get(_POOL, None)
    if report.failed and pool is not None:
        for server in pool.used:
            report.sections.append((f"host {server.name} ({server.suite})", pool.describe(server)))
    return report


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Count the cells of the kill matrix: one for a test, or as many as it says."""
    counts = {}
    for outcome in ("passed", "failed"):
        reports = [r for r in terminalreporter.getreports(outcome) if "/test_kill_" in r.nodeid and r.when == "call"]
        counts[outcome] = sum(int(dict(report.user_properties).get("cells", 1)) for report in reports)
    if any(counts.values()):
        failed = f", {counts['failed']} failed" if counts["failed"] else ""
        terminalreporter.write_line(f"kill matrix: {counts['passed']} cells passed{failed}")


_POOL = pytest.StashKey[Pool]()


def _lab_id() -> str:
    return os.environ.get("MARIABACKUP_LAB_ID", "integration")


def _worker() -> str:
    return os.environ.get("PYTEST_XDIST_WORKER", "main")


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory with the published collection (``collections``) and the payloads of its modules (``payload``)."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    top = shared / "published"
    with open(shared / "published.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not top.exists():
            new = shared / "published.new"
            shutil.rmtree(new, ignore_errors=True)
            new.mkdir()
            subprocess.run([sys.executable, "-m", "tests.integration.harness.payload", str(new)], check=True)
            new.rename(top)
    return top


@pytest.fixture(scope="session")
def session_pool(published: Path) -> Iterator[Pool]:
    """The hosts of this worker."""
    lab = Lab(Settings.from_environment(f"{_lab_id()}-{_worker()}"))
    keep = os.environ.get("MARIABACKUP_LAB_KEEP") == "1"
    if not keep:
        lab.down()
    pool = Pool(lab, published / "payload", keep)
    yield pool
    if not keep:
        lab.down()


@pytest.fixture
def pool(session_pool: Pool, rack: Rack, request: pytest.FixtureRequest) -> Iterator[Pool]:
    """The hosts that this test may take; they are given back when it is over."""
    request.node.stash[_POOL] = session_pool
    rack.relieve()
    session_pool.used.clear()
    yield session_pool
    session_pool.give_back()


@pytest.fixture
def server(request: pytest.FixtureRequest, pool: Pool) -> Server:
    """A running server with the data set loaded, once for each suite; see the marks ``suites`` and ``layout``."""
    mark = request.node.get_closest_marker("layout")
    layout = LAYOUTS[mark.args[0]] if mark else PLAIN
    return pool.take(request.param, layout=layout, **(mark.kwargs if mark else {}))


@pytest.fixture
def take(pool: Pool) -> Callable[..., Server]:
    """``take(suite, layout=PLAIN, start=True, data=True, **server_options)``: a server more, reset like ``server``."""
    return pool.take


@pytest.fixture
def fresh(pool: Pool) -> Callable[..., Server]:
    """``fresh(suite, layout=PLAIN, ..., disk="8G", redirect_dir=False)``: a new host, destroyed after the test.

    With ``disk`` a power cut really loses what was not synced.
    """
    return pool.fresh


@pytest.fixture
def playbooks(published: Path, tmp_path: Path, pool: Pool) -> Callable[[], Playbooks]:
    """``playbooks()``: runs playbooks of the published collection against the servers that the test has by then."""

    def get() -> Playbooks:
        for server in pool.used:
            server.as_distributed()
        return Playbooks(published / "collections", tmp_path / "ansible", pool.inventory())

    return get


@pytest.fixture(scope="session")
def browser_program() -> None:
    """The program of the browser, which is installed where it is missing."""
    subprocess.run([str(ROOT / "tests" / "tools" / "programs"), "browser"], check=True)


@pytest.fixture
def browser(browser_program: None) -> Browser:
    """A browser without a screen."""
    return Browser()


@pytest.fixture(scope="session")
def depot(session_pool: Pool) -> Callable[[], Storage]:
    """``depot()``: remote storage that lasts as long as this worker, on a host of its own."""
    found: list[Storage] = []

    def get() -> Storage:
        if not found:
            found.append(Storage(session_pool.stand("depot", "bookworm")))
        return found[0]

    return get


@pytest.fixture(scope="session")
def rack(session_pool: Pool) -> Rack:
    """The hosts on which this worker does many restores in a row."""
    return Rack(session_pool)


@pytest.fixture
def lend(
    rack: Rack, session_pool: Pool, request: pytest.FixtureRequest
) -> Callable[..., AbstractContextManager[Bench]]:
    """``with lend(suite, layout, disk=None) as bench``: a host with small data, its backup, and quick answers."""
    request.node.stash[_POOL] = session_pool
    return rack.bench
