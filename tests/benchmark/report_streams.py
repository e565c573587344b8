# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of streams and of the catalogue: what was measured beside what was promised (pure)."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from tests.benchmark.catalogue import BACKUPS, CHAIN, CatalogueRun
from tests.benchmark.report import (
    COLUMNS,
    EVERY_RUN,
    Row,
    compared,
    every_figure,
    markdown_table,
    seconds,
    size,
    synced,
)
from tests.benchmark.series import Series
from tests.benchmark.steps import MEMORY
from tests.benchmark.streams import KINDS, KindFigures, StreamRun

# What was promised; ratios from 2 GB on, where what a task costs whatever the size no longer counts.
_RATIO_FROM = 2 * 1024**3
_PIPELINE, _SPACE, _INCREMENT, _MEMORY = 1.10, 1.05, 0.25, 150e6
_LIST_SECONDS, _LIST_MEMORY = 3.0, 100e6
_IN_PLACE = "in one place of each table"


def stream_rows(run: StreamRun) -> list[Row]:
    """Return the lines about streams."""
    rows = [row for name, found in run.kinds.items() for row in _kind_rows(run, name, found)]
    return [
        *rows,
        Row(
            "memory of our processes, peak",
            size(run.size),
            f"{run.memory / 1e6:.0f} MB",
            target=f"< {_MEMORY / 1e6:.0f} MB",
            met=run.memory < _MEMORY,
        ),
    ]


def _kind_rows(run: StreamRun, name: str, found: KindFigures) -> list[Row]:
    data, limit = size(run.size), _PIPELINE if run.size >= _RATIO_FROM else None
    backup, restore = found.figures["backup"], found.figures["restore"]
    ours, raw = restore["ours"], restore["raw"]
    return [
        compared(f"backup, {name}, both synced", data, backup["ours"]["work"], synced(backup["raw"]), limit),
        compared(f"backup, {name}, ours synced", data, backup["ours"]["work"], backup["raw"]["seconds"], limit),
        compared(f"restore, {name}, both synced", data, ours["work"], raw["seconds"], limit),
        compared(f"restore, {name}, ours synced", data, ours["work"], unsynced(raw), limit),
        compared(f"restore, {name}, until the data is ready", data, ours["ready"], raw["ready"], None),
        compared(f"restore, {name}, the extraction", data, ours["stage"], raw["extract"], None),
        compared(f"backup, {name}, processor time", data, backup["ours"]["cpu"], backup["raw"]["cpu"], None),
        compared(f"restore, {name}, processor time", data, ours["cpu"], raw["cpu"], None),
        space_row(f"restore, {name}, growth of disk use beside the data", run, found),
        *(increment_row(name, how, data, found) for how in found.increments),
    ]


def unsynced(series: Series) -> float:
    """Return the median of the shell's restores without their sync."""
    return statistics.median(sample["seconds"] - sample["sync"] for sample in series.samples)


def space_row(what: str, run: StreamRun, found: KindFigures) -> Row:
    """Return the line about the disk: the worst run of each."""
    ours, raw = (max(found.peaks[variant]) / run.datadir_bytes for variant in ("ours", "raw"))
    return Row(
        what, size(run.size), f"{ours:.3f} x", f"{raw:.3f} x", f"{ours / raw:.2f}", f"<= {_SPACE:g} x", ours <= _SPACE
    )


def increment_row(name: str, how: str, data: str, found: KindFigures) -> Row:
    """Return the line about an increment; only that of changes which lie together was promised to be small."""
    share = found.increments[how] / found.stored_bytes
    judged = how == _IN_PLACE
    return Row(
        f"increment, {name}, 1 % changed {how}, beside the full backup",
        data,
        f"{share:.3f} x",
        target=f"<= {_INCREMENT:g} x" if judged else "",
        met=share <= _INCREMENT if judged else None,
    )


def catalogue_rows(run: CatalogueRun) -> list[Row]:
    """Return the lines about a repository of many backups."""
    listed = run.figures["ours"]["seconds"]
    data = f"{BACKUPS:,} backups"
    return [
        Row("backup_info", data, seconds(listed), target=f"< {_LIST_SECONDS:g} s", met=listed < _LIST_SECONDS),
        Row(
            "backup_info, memory",
            data,
            f"{run.memory / 1e6:.0f} MB",
            target=f"< {_LIST_MEMORY / 1e6:.0f} MB",
            met=run.memory < _LIST_MEMORY,
        ),
    ]


_STREAMS = """{facts}

### Results of streams

{table}

### What the lines of streams mean

- **backup**: ours is the module's job, `format: stream` into a repository on the same disk: it plans, runs the tool with
  `--parallel={parallel}` through the programs below, computes the SHA-256 of what is stored, keeps a list of what the stream
  holds, proves the result, writes the manifest and syncs all of it. The pipeline is
{pipelines}
  The line "both synced" counts a `sync` after it; "ours synced" does not.
- **restore**: from the stream that ours has taken under load, to a server in service on it, the old data deleted. The pipeline does
  the steps of the `RESTORE.txt` beside the backup in a shell, but for its checksum: decrypt, decompress and extract beside the datadir,
  `--prepare --use-memory={memory}` (as ours), take the tool's metadata out, `chown`, `sync`, stop the server, rename, start, delete
  the old data. Ours verifies the SHA-256 of the stream and the list of its files besides, and proves the set, the server's start and
  its health. "ours synced" takes the pipeline's sync off its time.
- **until the data is ready**: of the same runs what passes while the old server still runs: ours from the plan to the proven set, the
  pipeline's from its begin to the end of its sync.
- **processor time**: of everything on the host meanwhile, the server included. What else runs on the machine lengthens the other
  times, but not this one.
- **growth of disk use**: by how much the used bytes of the disk (statfs, every 10 ms) are above those before the restore at most, in
  the worst run, as a part of what the datadir takes: {datadir:.2f} GB. Datadir, staged data and stream are on that disk alone.
- **increment**: the stored size of its stream beside that of the full backup's after each table had 1 % of its rows updated: the first
  ones, or every hundredth. A page holds about thirty rows, so scattered updates change about every third page, and an increment
  consists of pages.
- **memory**: as for files, and of the process that looks at the stream, added up.

What ours does besides takes processor time: about 0.7 s for the SHA-256 of each stored GB, 0.4 s for the copy through the process that
computes it, 0.1 s for the look at each GB of the stream, and 1 s for the task whatever the size. With processors to spare it runs
beside the pipeline; where all of them are busy it comes on top. A stream that is neither compressed nor encrypted has the least
other work beside it.

Each program of either side runs at nice 10, as ours always does. Before each run everything dirty is written to the disk, and a
stream that is to be read is read into the cache.

### The phases of a restore out of a stream

Medians in seconds.

{phases}

### Every run of streams

In seconds, in the order in which they were made.

{every}
"""


def stream_part(run: StreamRun, facts: Sequence[tuple[str, str]]) -> str:
    """Return the part of docs/benchmarks.md about streams."""
    names = list(dict.fromkeys(name for found in run.kinds.values() for name in found.phases))
    pipelines = "\n".join(
        f"    {number}. {kind.name}: `mariadb-backup --backup --stream=mbstream{kind.write.format(key='KEY')} > FILE`"
        for number, kind in enumerate(KINDS, 1)
    )
    return _STREAMS.format(
        facts=markdown_table([("", ""), *facts]),
        table=markdown_table([COLUMNS, *(row.cells() for row in stream_rows(run))]),
        parallel=run.parallel,
        memory=MEMORY,
        pipelines=pipelines,
        datadir=run.datadir_bytes / 1024**3,
        phases=markdown_table(
            [
                ("stream", *names),
                *((kind, *(f"{found.phases.get(name, 0):.2f}" for name in names)) for kind, found in run.kinds.items()),
            ]
        ),
        every=markdown_table([EVERY_RUN, *_every_run(run)]),
    )


def _every_run(run: StreamRun) -> list[tuple[str, ...]]:
    return [
        line
        for kind, found in run.kinds.items()
        for step, variants in found.figures.items()
        for variant, series in variants.items()
        for line in every_figure(
            f"{step}, {kind}, {'ours' if variant == 'ours' else 'pipeline'}", size(run.size), series
        )
    ]


_CATALOGUE = """{facts}

### Results of the repository

{table}

`backup_info` lists {backups:,} streams of one instance in a local repository, in chains of {chain}: the whole task on the host, with the
interpreter, and the largest resident set of its process. It reads every manifest and looks at every chain. The manifests are in the
cache of the system.

Every run, in seconds: {every}
"""


def catalogue_part(run: CatalogueRun, facts: Sequence[tuple[str, str]]) -> str:
    """Return the part of docs/benchmarks.md about a repository of many backups."""
    return _CATALOGUE.format(
        facts=markdown_table([("", ""), *facts]),
        table=markdown_table([COLUMNS, *(row.cells() for row in catalogue_rows(run))]),
        backups=BACKUPS,
        chain=CHAIN,
        every=", ".join(f"{value:.2f}" for value in run.figures["ours"].values("seconds")),
    )
