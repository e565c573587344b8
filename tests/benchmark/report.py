# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table: what was measured beside what was promised, for people and for docs/benchmarks.md (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.benchmark.series import Series
from tests.benchmark.steps import MEMORY, SizeRun

EVERY_RUN = ("step", "data", "figure", "runs")
COLUMNS = ("what", "data", "ours", "plain tool", "ours / plain", "target", "verdict")
_BACKUP = {"none": 1.05, "sha256": 1.25}
# What a task costs whatever the size does not count against data that is copied in a second.
_RATIO_FROM = 2 * 1024**3
_DOWNTIME, _DOWNTIME_SPREAD, _OVERHEAD, _MEMORY = 2.5, 0.20, 3.0, 100e6
# Cloning takes a millisecond for each file; what grows with the data would take many times as long for the larger size.
_CONSTANT = 2.0


@dataclass(frozen=True)
class Row:
    """One line of the table; ``met`` is None where nothing was promised."""

    what: str
    data: str
    ours: str
    plain: str = ""
    ratio: str = ""
    target: str = ""
    met: bool | None = None

    def cells(self) -> tuple[str, ...]:
        """Return the texts of the line."""
        verdict = "" if self.met is None else "ok" if self.met else "MISSED"
        return (self.what, self.data, self.ours, self.plain, self.ratio, self.target, verdict)


def seconds(value: float) -> str:
    """Return seconds as text, with the digits that mean something."""
    return f"{value:.3f} s" if value < 0.1 else f"{value:.2f} s"


def size(value: float) -> str:
    """Return bytes as the text that the table names a size by."""
    return f"{value / 1024**3:g} GB"


def compared(what: str, data: str, ours: float, plain: float, limit: float | None) -> Row:
    """Return the line of a step that the plain tool does as well."""
    ratio = ours / plain
    target = "" if limit is None else f"<= {limit:g} x"
    return Row(
        what, data, seconds(ours), seconds(plain), f"{ratio:.2f}", target, None if limit is None else ratio <= limit
    )


def size_rows(run: SizeRun) -> list[Row]:
    """Return the lines of one size."""
    return [*(step_rows(run) if run.whole else []), *restore_rows(run)]


def step_rows(run: SizeRun) -> list[Row]:
    """Return the lines of the single steps."""
    data = size(run.size)
    backup, prepare, staging = run.figures["backup"], run.figures["prepare"], run.figures["staging"]
    reflink = run.figures["reflink"]["none"]
    judged = run.size >= _RATIO_FROM
    return [
        *(
            compared(
                f"backup, checksum: {name}",
                data,
                backup[name]["work"],
                backup["raw"]["seconds"],
                limit if judged else None,
            )
            for name, limit in _BACKUP.items()
        ),
        *(
            compared(
                f"backup, checksum: {name}, beside the tool and a sync",
                data,
                backup[name]["work"],
                synced(backup["raw"]),
                limit if judged else None,
            )
            for name, limit in _BACKUP.items()
        ),
        Row("backup, from the task's start to its job's", data, seconds(begin(backup["none"], backup["sha256"]))),
        compared(
            "prepare, in place", data, prepare["none"]["work"], prepare["raw"]["seconds"], 1.05 if judged else None
        ),
        Row("prepare, the tool's files synced as well", data, "", seconds(synced(prepare["raw"]))),
        Row("prepare, from the task's start to its job's", data, seconds(begin(prepare["none"]))),
        compared(
            "staging, no checksums, beside copy-back", data, staging["none"]["seconds"], staging["raw"]["seconds"], 1.0
        ),
        compared("staging, checksums verified", data, staging["sha256"]["seconds"], staging["raw"]["seconds"], None),
        Row("staging, the sync at its end", data, seconds(staging["none"]["sync"]), seconds(staging["raw"]["sync"])),
        Row("staging by reflink (XFS), no checksums", data, seconds(reflink["seconds"])),
    ]


def restore_rows(run: SizeRun) -> list[Row]:
    """Return the lines of the whole restore."""
    data = size(run.size)
    ours, documented = run.figures["restore"]["sha256"], run.figures["restore"]["raw"]
    return [
        Row(
            "restore over existing data, downtime",
            data,
            seconds(ours["downtime"]),
            seconds(documented["downtime"]),
            f"{ours['downtime'] / documented['downtime']:.2f}",
            f"<= {_DOWNTIME:g} s",
            ours["downtime"] <= _DOWNTIME,
        ),
        compared("restore over existing data, all of it", data, ours["seconds"], documented["seconds"], None),
        Row(
            "playbook beside the module's work",
            data,
            seconds(ours["overhead"]),
            target=f"<= {_OVERHEAD:g} s",
            met=ours["overhead"] <= _OVERHEAD,
        ),
        Row(
            "memory of our processes, peak",
            data,
            f"{(run.memory_runner + run.memory_module) / 1e6:.0f} MB",
            target=f"< {_MEMORY / 1e6:.0f} MB",
            met=run.memory_runner + run.memory_module < _MEMORY,
        ),
    ]


def synced(series: Series) -> float:
    """Return the median of a run of the tool with a sync after it, which makes its files as safe as ours."""
    return Series([{"all": sample["seconds"] + sample["sync"]} for sample in series.samples])["all"]


def begin(*series: Series) -> float:
    """Return the median of what a task takes beside its job's work: the interpreter, the transient unit, the waiting."""
    samples = [sample for one in series for sample in one.samples]
    return Series([{"begin": sample["seconds"] - sample["work"]} for sample in samples])["begin"]


def growth_rows(runs: Sequence[SizeRun]) -> list[Row]:
    """Return the lines that compare the smallest size with the largest."""
    if len(runs) < 2:
        return []
    small, large = min(runs, key=lambda run: run.size), max(runs, key=lambda run: run.size)
    data = f"{size(large.size)} beside {size(small.size)}"
    rows = []
    downtimes = [run.figures["restore"]["sha256"]["downtime"] for run in (small, large)]
    change = downtimes[1] / downtimes[0] - 1
    rows.append(
        Row("restore, downtime as data grows", data, f"{change:+.0%}", target=f"within {_DOWNTIME_SPREAD:.0%}",
            met=abs(change) <= _DOWNTIME_SPREAD)
    )  # fmt: skip
    whole = [run for run in runs if run.whole]
    if len(whole) < 2:
        return rows
    small, large = min(whole, key=lambda run: run.size), max(whole, key=lambda run: run.size)
    data = f"{size(large.size)} beside {size(small.size)}"
    clones = [run.figures["reflink"]["none"]["seconds"] for run in (small, large)]
    rows.append(
        Row("staging by reflink as data grows", data, f"{clones[1] / clones[0]:.2f} x", target=f"<= {_CONSTANT:g} x (O(1))",
            met=clones[1] / clones[0] <= _CONSTANT)
    )  # fmt: skip
    return rows


def task_row(runs: Sequence[SizeRun]) -> Row:
    """Return the line that counts the tasks of one restore."""
    counts = {run.tasks.count("dba.mariabackup.restore") for run in runs}
    return Row(
        "tasks that do one restore",
        "",
        ", ".join(str(count) for count in sorted(counts)),
        target="1",
        met=counts == {1},
    )


def all_rows(runs: Sequence[SizeRun]) -> list[Row]:
    """Return the whole table."""
    rows = [row for run in runs for row in size_rows(run)]
    return [*rows, *growth_rows(runs), task_row(runs)]


def text_table(rows: Sequence[Row]) -> str:
    """Return the table for a terminal."""
    lines = [COLUMNS, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(COLUMNS))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines)


def markdown_table(lines: Sequence[Sequence[str]]) -> str:
    """Return a table of Markdown; the first line is its head."""
    head, *body = lines
    rule = ["---"] * len(head)
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in [head, rule, *body]
    )


_PART = """{facts}

### Results

{table}

### What the lines mean

- **backup**, **prepare**: the time in which the module's job works, beside the plain command with the same `--parallel`
  ({parallel}) and the same `--use-memory` ({memory}). The module plans, proves the result, writes the manifest and syncs all of it to the
  disk, which the plain command does not; the lines "beside the tool and a sync" compare it with steps that leave files as safe as ours,
  and the line "synced as well" shows what the plain preparation takes with a `sync` after it. What
  passes between the start of the task on the host and that of its job has a line of its own: the interpreter, Ansible's module code,
  the transient unit.
  The targets hold from 2 GB on.
- **staging**: the copy into the staging directory, beside `--copy-back` into an empty one. The tool never syncs. The restore
  does it before the old server is stopped, so it is no part of the downtime.
- **staging by reflink**: the same on XFS, where the files share the blocks of the backup.
- **downtime**: from the last answer that a client got from the old server to the first one of a server that it can write to; the client
  asks every {pause} ms. For the plain tool it is the documented procedure: prepare (the server still runs), stop, delete the old
  files, `--copy-back`, `chown`, start.
- **restore, all of it**: from an unprepared backup to a server in service. Ours verifies every checksum, prepares a copy of the
  backup, and syncs; the documented procedure changes the backup that it prepares.
- **playbook beside the module's work**: the wall clock of `ansible-playbook dba.mariabackup.restore` less the module's
  `duration_seconds`: Ansible's own start, the connection, the module's way to the host, the other tasks of the role.
- **memory**: the largest resident sets of the module's process and of the runner, added up, over all steps. The tool
  and the server do not count.

{restore_alone}

Before each run everything dirty is written to the disk, and a backup that is to be read is read into the cache. The tool reads
the datadir past the cache.

### The phases of a restore

Medians in seconds.

{phases}

### Every run

In seconds, in the order in which they were made.

{every}
"""


def part(runs: Sequence[SizeRun], facts: Sequence[tuple[str, str]], pause_ms: float) -> str:
    """Return the part of docs/benchmarks.md about backups as files."""
    names = list(dict.fromkeys(name for run in runs for name in run.phases))
    phases = [
        ("data", *names),
        *((size(run.size), *(f"{run.phases.get(name, 0):.2f}" for name in names)) for run in runs),
    ]
    every: list[tuple[str, ...]] = [EVERY_RUN]
    for run in runs:
        every += every_run(run)
    alone = [size(run.size) for run in runs if not run.whole]
    return _PART.format(
        restore_alone=f"Of {', '.join(alone)} the restore alone was measured."
        if alone
        else "Every step was measured at every size.",
        runs=runs[0].runs,
        parallel=runs[0].parallel,
        memory=MEMORY,
        pause=f"{pause_ms:g}",
        facts=markdown_table([("", ""), *facts]),
        table=markdown_table([COLUMNS, *(row.cells() for row in all_rows(runs))]),
        phases=markdown_table(phases),
        every=markdown_table(every),
    )


_VARIANTS: Mapping[str, str] = {"raw": "plain tool", "none": "ours, no checksums", "sha256": "ours, checksums"}


def every_run(run: SizeRun) -> list[tuple[str, ...]]:
    """Return the single figures of a size as lines of a table."""
    return [
        line
        for step, variants in run.figures.items()
        for variant, series in variants.items()
        for line in every_figure(f"{step}, {_VARIANTS[variant]}", size(run.size), series)
    ]


def every_figure(what: str, data: str, series: Series) -> list[tuple[str, ...]]:
    """Return the single figures of one variant as lines of a table."""
    return [
        (what, data, figure, ", ".join(f"{value:.2f}" for value in series.values(figure)))
        for figure in series.samples[0]
    ]
