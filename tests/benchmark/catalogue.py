# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A repository of very many backups: how long it takes to list them, and how much memory."""

from __future__ import annotations

from tests.benchmark.rig import GIB, TOOLS, TOP, BenchmarkError, Rig
from tests.benchmark.series import Sample, Series, alternate
from tests.benchmark.steps import Tell

REPOSITORY = f"{TOP}/many"
BACKUPS = 10_000
# A full one each week, and an increment each six hours.
CHAIN = 28
_DATA = GIB // 20


class CatalogueRun:
    """The measurements of ``backup_info``.

    Args:
        rig: the host; its data is made anew, and a backup of it is multiplied.
        runs: how often each step is measured.
        tell: gets a line for each run.
    """

    def __init__(self, rig: Rig, runs: int, tell: Tell) -> None:
        self.rig = rig
        self.runs = runs
        self.tell = tell
        self.figures: dict[str, Series] = {}
        #: bytes, the largest of all runs
        self.memory = 0

    def measure(self) -> CatalogueRun:
        """Measure everything."""
        rig = self.rig
        rig.make_data(_DATA)
        _done, taken = rig.module("backup", repository=REPOSITORY, format="stream", login_user="root")
        directory = rig.host.run(f"echo {REPOSITORY}/*").stdout.strip()
        argv = ["python3", "-B", f"{TOOLS}/onhost/manifests.py", directory, taken["id"], str(BACKUPS), str(CHAIN)]
        rig.host.run(argv, timeout=900)
        rig.settle()

        def listed() -> Sample:
            done, result = rig.module("backup_info", repository=REPOSITORY)
            sound = [backup for backup in result["backups"] if backup["problem"] is None]
            if len(sound) != BACKUPS or not result["valid"]:
                raise BenchmarkError(f"backup_info lists {len(sound)} sound backups of {BACKUPS}")
            self.memory = max(self.memory, done.peak)
            return {"seconds": done.seconds}

        self.figures = alternate(self.runs, {"ours": listed}, lambda text: self.tell(f"backup_info {text}"))
        return self
