# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``make test``: everything that CI runs. Every stage runs, whatever the others say; the last line counts the tests.

python -m tests.tools.check                 all of it
python -m tests.tools.check unit artifact   some of it
"""

from __future__ import annotations

import shutil
import sys
import time
from dataclasses import dataclass
from xml.etree import ElementTree

from tests.tools.stages import Stage, report, run_beside
from tests.tools.tree import ROOT

REPORTS = ROOT / "build" / "reports"


@dataclass
class Count:
    """How many tests came out which way."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def add(self, stage: Stage) -> None:
        """Count the tests of a stage by the report that pytest wrote, or the stage itself as one test."""
        written = REPORTS / f"{stage.name}.xml"
        if not written.exists():
            self.passed += stage.ok
            self.failed += not stage.ok
            return
        failed = 0
        for suite in ElementTree.parse(written).getroot().iter("testsuite"):
            total, skipped = int(suite.get("tests", 0)), int(suite.get("skipped", 0))
            bad = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
            self.skipped += skipped
            self.passed += max(0, total - skipped - bad)
            failed += bad
        # Stopped, or no test at all: pytest says so by its return code alone.
        self.failed += failed or not stage.ok


def stages() -> tuple[list[list[Stage]], list[Stage]]:
    """Return what runs beside each other first, and then what needs the machine for itself, one after another."""
    python = sys.executable

    def pytest(name: str, *argv: str, allowance: int) -> Stage:
        command = (python, "-m", "pytest", f"tests/{name}", f"--junit-xml={REPORTS}/{name}.xml", *argv)
        return Stage(name, command, ROOT, allowance=allowance, shown=3)

    beside = [
        # Building a base system waits for the network and the disk; the static checks want a processor.
        [Stage("lab", (python, "-m", "tests.lab", "build"), ROOT, allowance=2400, shown=5)],
        [
            Stage("lint", (python, "-m", "tests.tools.lint"), ROOT, allowance=900, shown=20),
            Stage("programs", ("tests/tools/programs",), ROOT, allowance=300),
            Stage("browser", ("tests/tools/programs", "browser"), ROOT, allowance=600),
            pytest("unit", "-q", allowance=300),
            Stage("artifact", (python, "-m", "tests.tools.artifact"), ROOT, allowance=300, shown=10),
        ],
    ]
    alone = [
        # Three workers keep two processors busy: half of a restore is waiting for a server to stop and to start.
        pytest("integration", "-q", "-n", "3", "--dist", "loadgroup", "--durations=15", allowance=3600),
        Stage("molecule", ("molecule", "test", "--all", "--report"), ROOT, allowance=1200),
        Stage("demo", ("demo/run",), ROOT, allowance=900),
    ]
    return beside, alone


def main(wanted: list[str]) -> int:
    """Run the stages that are wanted (all when none is named)."""
    shutil.rmtree(REPORTS, ignore_errors=True)
    REPORTS.mkdir(parents=True)
    begun = time.monotonic()
    beside, alone = stages()
    beside = [[stage for stage in queue if not wanted or stage.name in wanted] for queue in beside]
    alone = [stage for stage in alone if not wanted or stage.name in wanted]
    unknown = set(wanted) - {stage.name for queue in [*beside, alone] for stage in queue}
    if unknown:
        print(f"no such stage: {' '.join(sorted(unknown))}")
        return 2
    run_beside(beside)
    for stage in alone:
        stage.run(live=True)
    done = [stage for queue in [*beside, alone] for stage in queue]
    count = Count()
    for stage in done:
        count.add(stage)
    status = report(f"make test: {(time.monotonic() - begun) / 60:.1f} min", done)
    print(f"{count.passed} passed, {count.failed} failed, {count.skipped} skipped")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
