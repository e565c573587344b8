# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups as one stream, and restores out of it, beside a pipeline of a shell that does the same steps."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.benchmark.rig import DATADIR, GIB, TOP, BenchmarkError, Rig, Timed
from tests.benchmark.series import Sample, Series, alternate
from tests.benchmark.space import SpaceWatch
from tests.benchmark.steps import LOAD, MEMORY, Tell
from tests.integration.harness.modules import Result, end

REPOSITORY = f"{TOP}/repository"
RAW = f"{TOP}/backup/raw.stream"
IDENTITY = "/root/bench-identity"
# Ours gives way to the server and to what else runs, so the pipeline does: else the load of the machine would decide.
_NICE = ("nice", "-n", "10", "bash", "-eu", "-o", "pipefail", "-c")
_STAGED, _OLD = f"{DATADIR}.new", f"{DATADIR}.old"
# The steps of the RESTORE.txt that lies beside a backup, but for the checksums.
_RESTORE = f"""
mark() ( echo "mark $1 $EPOCHREALTIME" )
mark begin
mkdir -m 0700 {_STAGED}
{{read}} | mbstream -x -C {_STAGED}
mark extract
mariadb-backup --prepare --target-dir={_STAGED} --use-memory={MEMORY}
mark prepare
rm -f {_STAGED}/xtrabackup_* {_STAGED}/mariadb_backup_* {_STAGED}/backup-my.cnf
chown -R mysql:mysql {_STAGED}
mark own
sync -f {_STAGED}
mark sync
systemctl stop {{sockets}} mariadb
mv {DATADIR} {_OLD}
mv {_STAGED} {DATADIR}
{{start}}
mark switch
rm -rf {_OLD}
mark delete
"""
# What was changed lies in the tables by the time of the next backup, and no longer in the redo log alone.
_FLUSH = """
mariadb -e 'SET GLOBAL innodb_max_dirty_pages_pct = 0'
until [ "$(mariadb -BN -e "SHOW STATUS LIKE 'Innodb_buffer_pool_pages_dirty'" | cut -f2)" = 0 ]; do sleep 0.1; done
mariadb -e 'SET GLOBAL innodb_max_dirty_pages_pct = DEFAULT'
"""
_MARK = re.compile(r"^mark (\w+) ([0-9.]+)$", re.MULTILINE)
# What an application changes in a day: the last rows; and the worst case, in which each changed row lies on a page of its own.
_CHANGES = {"in one place of each table": "id <= {share}", "scattered": "id % 100 = 7"}


@dataclass(frozen=True)
class Kind:
    """One way to store a stream.

    Attributes:
        name: in the table.
        options: of the module.
        write, read: what the shell puts behind the tool, and what it begins with; ``{key}`` is the public key.
    """

    name: str
    options: Mapping[str, Any]
    write: str
    read: str

    def with_key(self, key: str) -> Kind:
        """Return it with the public key in its place."""
        options = {**self.options, "encryption_recipients": [key]} if "{key}" in self.write else self.options
        return Kind(self.name, options, self.write.format(key=key), self.read)


KINDS = (
    Kind(
        "zstd and age",
        {"compression": "zstd", "compression_level": 1, "compression_threads": 1},
        " | zstd -T1 -1 -q -c | age -r {key}",
        f"age -d -i {IDENTITY} {{file}} | zstd -d -q -c",
    ),
    Kind("neither", {}, "", "cat {file}"),
)


@dataclass
class KindFigures:
    """What was measured of one kind.

    Attributes:
        figures: by the step's name and the variant's.
        data_bytes, stored_bytes: of the full backup: its files, and the stream.
        increments: bytes of the stream of an increment after 1 % of the rows was changed, by how.
        peaks: by how many bytes a restore makes the use of the disk grow at most, each run; by variant.
        phases: medians of the restore's phases.
    """

    figures: dict[str, dict[str, Series]] = field(default_factory=dict)
    data_bytes: int = 0
    stored_bytes: int = 0
    increments: dict[str, int] = field(default_factory=dict)
    peaks: dict[str, list[int]] = field(default_factory=dict)
    phases: dict[str, float] = field(default_factory=dict)


class StreamRun:
    """The measurements of streams at one size.

    Args:
        rig: the host; its data is made anew.
        size: bytes of data.
        runs: how often each step is measured.
        parallel: threads of the tool's backup, for both.
        tell: gets a line for each run.
    """

    def __init__(self, rig: Rig, size: int, runs: int, parallel: int, tell: Tell) -> None:
        self.rig = rig
        self.size = size
        self.runs = runs
        self.parallel = parallel
        self.tell = tell
        self.kinds: dict[str, KindFigures] = {}
        #: bytes
        self.memory = 0
        self.datadir_bytes = 0

    def measure(self) -> StreamRun:
        """Measure everything."""
        rig = self.rig
        rig.memory.reset()
        begun = time.monotonic()
        self.datadir_bytes = rig.make_data(self.size)
        self.tell(f"{self.datadir_bytes / GIB:.2f} GiB of data made in {time.monotonic() - begun:.0f} s")
        rig.host.run(f"rm -f {IDENTITY}; age-keygen -o {IDENTITY} 2>/dev/null; chmod 0600 {IDENTITY}")
        key = rig.host.run(["age-keygen", "-y", IDENTITY]).stdout.strip()
        for template in KINDS:
            kind = template.with_key(key)
            found = self.kinds[kind.name] = KindFigures()
            self._backup(kind, found)
            self._increments(kind, found)
            rig.trim()
            self._restore(kind, found)
            rig.remove(REPOSITORY, RAW)
            rig.trim()
        self.memory = rig.memory.total
        return self

    def _take(self, kind: Kind, **options: Any) -> tuple[Sample, Result]:
        done, result = self.rig.module(
            "backup",
            repository=REPOSITORY,
            format="stream",
            login_user="root",
            parallel=self.parallel,
            **kind.options,
            **options,
        )
        return {"seconds": done.seconds, "work": self.rig.job_seconds(result["log_path"])}, result

    def _told(self, step: str) -> Callable[[str], None]:
        return lambda text: self.tell(f"stream {step} {text}")

    # Backup

    def _backup(self, kind: Kind, found: KindFigures) -> None:
        rig = self.rig

        def fresh() -> None:
            rig.remove(REPOSITORY, RAW)
            rig.settle()

        def raw() -> Sample:
            fresh()
            command = (
                f"mariadb-backup --backup --user=root --parallel={self.parallel} --stream=mbstream"
                f" --target-dir=/var/tmp/bench-stream{kind.write} > {RAW}"
            )
            before = rig.cpu()
            done = self._shell(command)
            cpu = rig.cpu() - before
            if not done.output.rstrip().endswith("completed OK!"):
                raise BenchmarkError(f"{command}:\n{done.output[-3000:]}")
            return {"seconds": done.seconds, "sync": rig.timed(["sync", "-f", RAW]).seconds, "cpu": cpu}

        def ours() -> Sample:
            fresh()
            before = rig.cpu()
            sample, result = self._take(kind)
            found.data_bytes, found.stored_bytes = result["size_bytes"], result["stored_bytes"]
            return {**sample, "cpu": rig.cpu() - before}

        found.figures["backup"] = alternate(self.runs, {"raw": raw, "ours": ours}, self._told(f"backup, {kind.name}:"))

    def _shell(self, script: str) -> Timed:
        return self.rig.timed([*_NICE, script])

    # Increments

    def _increments(self, kind: Kind, found: KindFigures) -> None:
        """Take an increment after each kind of change; the full one is the last of those that were measured."""
        host = self.rig.host
        tables = host.run(["mariadb", "-BN", "-e", "SHOW TABLES FROM bench"]).stdout.split()
        for how, rows in _CHANGES.items():
            for table in tables:
                last = host.run(["mariadb", "-BN", "-e", f"SELECT MAX(id) FROM bench.{table}"]).stdout.strip()
                where = rows.format(share=max(1, int(last) // 100))
                host.run(["mariadb", "-e", f"UPDATE bench.{table} SET note = MD5(RAND()) WHERE {where}"], timeout=900)
            host.run(_FLUSH, timeout=300)
            self.rig.settle()
            sample, result = self._take(kind, type="incremental")
            found.increments[how] = result["stored_bytes"]
            self.tell(
                f"increment, {kind.name}, 1 % {how}: {result['stored_bytes'] / found.stored_bytes:.3f} of the full one,"
                f" {sample['work']:.2f} s"
            )

    # Restore

    def _take_loaded(self, kind: Kind) -> None:
        """Take the backup that is restored, while somebody writes, so that there is a log to apply."""
        self.rig.remove(REPOSITORY, RAW)
        load = self.rig.host.start(["bash", "-c", LOAD])
        try:
            _sample, result = self._take(kind)
        finally:
            end(load)
        files = self.rig.host.run(f"ls {REPOSITORY}/*/{result['id']}/backup.mbstream*").stdout
        # The shell restores the very same stream.
        self.rig.host.run(["ln", files.strip(), RAW])

    def _restore(self, kind: Kind, found: KindFigures) -> None:
        rig = self.rig
        self._take_loaded(kind)
        script = _RESTORE.format(read=kind.read.format(file=RAW), sockets=rig.sockets, start=rig.start_command)
        phases: list[dict[str, float]] = []

        @contextmanager
        def watched(variant: str) -> Iterator[None]:
            rig.settle(RAW)
            with SpaceWatch(rig.host, TOP) as space:
                yield
            found.peaks.setdefault(variant, []).append(space.grown)

        def raw() -> Sample:
            with watched("raw"):
                before = rig.cpu()
                done = self._shell(script)
                cpu = rig.cpu() - before
            return {"seconds": done.seconds, **steps_of(done.output), "cpu": cpu}

        def ours() -> Sample:
            with watched("ours"):
                before = rig.cpu()
                done, result = rig.module(
                    "restore",
                    repository=REPOSITORY,
                    login_user="root",
                    existing_data="delete",
                    identity_file=IDENTITY,
                    use_memory=MEMORY,
                )
                cpu = rig.cpu() - before
            phases.append({phase["name"]: phase["seconds"] for phase in result["phases"]})
            return {
                "seconds": done.seconds,
                "work": rig.job_seconds(result["log_path"]),
                "ready": sum(phases[-1][name] for name in ("plan", "stage", "prepare", "verify")),
                "stage": phases[-1]["stage"],
                "cpu": cpu,
            }

        found.figures["restore"] = alternate(
            self.runs, {"raw": raw, "ours": ours}, self._told(f"restore, {kind.name}:")
        )
        found.phases = {name: Series(phases)[name] for name in phases[0]}


def steps_of(output: str) -> dict[str, float]:
    """Return the seconds of each step of the shell's restore, from its marks, and of all until the data is ready."""
    marks = [(name, float(when)) for name, when in _MARK.findall(output)]
    steps = {name: when - before for (_name, before), (name, when) in zip(marks, marks[1:])}
    if "delete" not in steps:
        raise BenchmarkError(f"the restore by the shell did not come to its end:\n{output[-3000:]}")
    return {**steps, "ready": sum(steps[name] for name in ("extract", "prepare", "own", "sync"))}
