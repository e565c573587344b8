# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is measured at one size of data: each step of ours beside the same step with the plain tool."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from tests.benchmark.rig import DATADIR, GIB, REFLINK, TOOLS, TOP, BenchmarkError, Rig
from tests.benchmark.series import Sample, Series, alternate
from tests.integration.harness.modules import end

BACKUP = f"{TOP}/backup/taken"
LOADED = f"{TOP}/backup/loaded"
WORK = f"{TOP}/backup/work"
STAGE = f"{TOP}/stage/set"
MEMORY = "256M"

_DOCUMENTED = f"""
set -e
systemctl stop {{sockets}} mariadb
find {DATADIR} -mindepth 1 -delete
mariadb-backup --copy-back --target-dir={WORK}
chown -R mysql:mysql {DATADIR}
{{start}}
"""
LOAD = """
i=0
while true; do
  i=$(( (i + 1) % 100 ))
  echo "UPDATE bench.medium_$(( i % 6 )) SET note = MD5(RAND()) WHERE id % 100 = $i LIMIT 2000;"
done | mariadb
"""

Tell = Callable[[str], None]


class SizeRun:
    """The measurements at one size.

    Args:
        rig: the host; its data is made anew.
        size: bytes of data.
        runs: how often each step is measured.
        parallel: threads of the tool's backup, for both.
        whole: measure every step; else the restore alone, which is what has to take the same time whatever the size.
        tell: gets a line for each run.
    """

    def __init__(self, rig: Rig, size: int, runs: int, parallel: int, whole: bool, tell: Tell) -> None:
        self.rig = rig
        self.size = size
        self.runs = runs
        self.parallel = parallel
        self.whole = whole
        self.tell = tell
        #: all figures by the step's name and the variant's
        self.figures: dict[str, dict[str, Series]] = {}
        #: bytes
        self.datadir_bytes = 0
        self.backup_bytes = 0
        self.memory_runner = 0
        self.memory_module = 0
        #: modules of ours that one restore's playbook runs on the host, and the medians of the restore's phases
        self.tasks: list[str] = []
        self.phases: dict[str, float] = {}

    def measure(self) -> SizeRun:
        """Measure everything."""
        self.rig.memory.reset()
        begun = time.monotonic()
        self.datadir_bytes = self.rig.make_data(self.size)
        self.tell(f"{self.datadir_bytes / GIB:.2f} GiB of data made in {time.monotonic() - begun:.0f} s")
        restore = (self._take_loaded, self._restore)
        every = (self._backup, self._take_loaded, self._prepare, self._staging, self._reflink, self._restore)
        for step in every if self.whole else restore:
            step()
            self.rig.trim()
        self.memory_runner, self.memory_module = self.rig.memory.runner, self.rig.memory.module
        return self

    # Backup

    def _backup(self) -> None:
        rig = self.rig

        def fresh() -> None:
            rig.remove(BACKUP)
            # The tool reads tables past the cache (O_DIRECT), so there is nothing to warm.
            rig.settle()

        def raw() -> Sample:
            fresh()
            done = rig.tool("--backup", f"--target-dir={BACKUP}", "--user=root", f"--parallel={self.parallel}")
            return {"seconds": done.seconds, "sync": rig.timed(["sync", "-f", BACKUP]).seconds}

        def ours(checksum: str) -> Sample:
            fresh()
            return self._module(
                "backup", target_dir=BACKUP, login_user="root", checksum=checksum, parallel=self.parallel
            )

        self.figures["backup"] = alternate(
            self.runs,
            {"raw": raw, "none": lambda: ours("none"), "sha256": lambda: ours("sha256")},
            lambda text: self.tell(f"backup {text}"),
        )
        rig.remove(BACKUP)

    def _module(self, name: str, **arguments: object) -> Sample:
        """Run a module: ``seconds`` of the whole task on the host, ``work`` of its job alone."""
        done, result = self.rig.module(name, **arguments)
        return {"seconds": done.seconds, "work": self.rig.job_seconds(result["log_path"])}

    def _take_loaded(self) -> None:
        """Take the backup that the other steps use, while somebody writes, so that there is a log to apply."""
        load = self.rig.host.start(["bash", "-c", LOAD])
        try:
            self._module("backup", target_dir=LOADED, login_user="root", checksum="sha256")
        finally:
            end(load)
        self.backup_bytes = int(self.rig.host.run(f"du -s -B1 {LOADED}").stdout.split()[0])
        redo = int(self.rig.host.run(f"stat -c %s {LOADED}/ib_logfile0").stdout)
        self.tell(f"backup under load: {self.backup_bytes / GIB:.2f} GiB, {redo / 1024**2:.0f} MiB of redo log")

    def _mend(self) -> None:
        self.rig.host.run(["python3", "-B", f"{TOOLS}/onhost/mend.py", LOADED, WORK], timeout=900)

    # Prepare

    def _prepare(self) -> None:
        rig = self.rig

        def fresh() -> None:
            self._mend()
            rig.settle(WORK)

        def raw() -> Sample:
            fresh()
            done = rig.tool("--prepare", f"--target-dir={WORK}", f"--use-memory={MEMORY}")
            return {"seconds": done.seconds, "sync": rig.timed(["sync", "-f", WORK]).seconds}

        def ours() -> Sample:
            fresh()
            return self._module("prepare", target_dir=WORK, in_place=True, use_memory=MEMORY)

        self.figures["prepare"] = alternate(
            self.runs, {"raw": raw, "none": ours}, lambda text: self.tell(f"prepare {text}")
        )

    # Staging

    def _staging(self) -> None:
        rig = self.rig

        def fresh() -> None:
            rig.remove(STAGE)
            rig.settle(LOADED)

        def raw() -> Sample:
            fresh()
            done = rig.tool("--copy-back", f"--target-dir={LOADED}", f"--datadir={STAGE}")
            return {"seconds": done.seconds, "sync": rig.timed(["sync", "-f", STAGE]).seconds}

        def ours(checksums: bool) -> Sample:
            fresh()
            said = rig.place(LOADED, STAGE, "copy", checksums)
            return {"seconds": said["stage"], "sync": said["sync"]}

        self.figures["staging"] = alternate(
            self.runs,
            {"raw": raw, "none": lambda: ours(False), "sha256": lambda: ours(True)},
            lambda text: self.tell(f"staging {text}"),
        )
        rig.remove(STAGE)

    def _reflink(self) -> None:
        rig = self.rig
        rig.make_disk("xfs", self.backup_bytes + GIB, REFLINK)
        try:
            rig.host.run(f"cp -a {LOADED} {LOADED}.manifest.json {REFLINK}/ && sync -f {REFLINK}", timeout=900)
            source, target = f"{REFLINK}/loaded", f"{REFLINK}/set"

            def ours() -> Sample:
                rig.remove(target)
                rig.host.run(["sync", "-f", REFLINK])
                said = rig.place(source, target, "auto", False)
                if said["method"] != "reflink":
                    raise BenchmarkError(f"the files were placed by {said['method']}, not by reflink")
                return {"seconds": said["stage"], "sync": said["sync"]}

            self.figures["reflink"] = alternate(self.runs, {"none": ours}, lambda text: self.tell(f"reflink {text}"))
        finally:
            rig.host.remove_fs(REFLINK)

    # Restore

    def _restore(self) -> None:
        rig = self.rig
        phases: list[dict[str, float]] = []

        def documented() -> Sample:
            self._mend()
            rig.settle(WORK)
            with rig.client() as gap:
                prepared = rig.tool("--prepare", f"--target-dir={WORK}")
                served = rig.timed(["bash", "-c", _DOCUMENTED.format(sockets=rig.sockets, start=rig.start_command)])
            return {"seconds": prepared.seconds + served.seconds, "downtime": gap[0]}

        def ours() -> Sample:
            rig.settle(LOADED)
            with rig.client() as gap:
                begun = time.monotonic()
                play = rig.play(
                    "dba.mariabackup.restore", mariabackup_target_dir=LOADED, mariabackup_existing_data="delete"
                )
                wall = time.monotonic() - begun
            result = play.result("restore")
            phases.append({phase["name"]: phase["seconds"] for phase in result["phases"]})
            self.tasks = [event["action"] for event in play.events if event["action"].startswith("dba.mariabackup.")]
            return {
                "seconds": result["duration_seconds"],
                "downtime": gap[0],
                "reported": result["downtime_seconds"],
                "playbook": wall,
                "overhead": wall - result["duration_seconds"],
            }

        self.figures["restore"] = alternate(
            self.runs, {"raw": documented, "sha256": ours}, lambda text: self.tell(f"restore {text}")
        )
        for name in phases[0]:
            self.phases[name] = Series(phases)[name]


def as_json(run: SizeRun) -> str:
    """Return every single figure of a size, for whoever wants more than medians."""
    samples = {
        step: {variant: series.samples for variant, series in found.items()} for step, found in run.figures.items()
    }
    return json.dumps({"size": run.size, "runs": samples}, indent=1)
