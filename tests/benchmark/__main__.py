# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""make bench: measure, print the table, write docs/benchmarks.md. Ends with 0 however slow, with 1 when something failed."""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from tests.benchmark.catalogue import CatalogueRun
from tests.benchmark.fleet import FleetRun
from tests.benchmark.page import TITLES, page
from tests.benchmark.report import Row, all_rows, part, text_table
from tests.benchmark.report_fleet import fleet_part, fleet_rows
from tests.benchmark.report_streams import catalogue_part, catalogue_rows, stream_part, stream_rows
from tests.benchmark.rig import GIB, BenchmarkError, Rig
from tests.benchmark.steps import SizeRun
from tests.benchmark.streams import StreamRun
from tests.lab import Lab, LabError
from tests.lab.config import Settings

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "benchmarks.md"
PROBE_PAUSE_MS = 10
SERIES = {"bookworm": "10.11", "trixie": "11.8"}


def arguments(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="tests/benchmark/run", description=__doc__)
    parser.add_argument(
        "--only",
        default=",".join(TITLES),
        metavar="PARTS",
        help="which of %(default)s; the others stay on the page as they were",
    )
    parser.add_argument("--sizes", default="0.5,2", help="GB of data, such as 0.5,2,8 (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=5, help="runs of each step (default: %(default)s)")
    parser.add_argument("--parallel", type=int, default=1, help="threads of the tool's backup (default: %(default)s)")
    parser.add_argument(
        "--suite", choices=sorted(SERIES), default="trixie", help="the host's Debian (default: %(default)s)"
    )
    parser.add_argument(
        "--whole-up-to",
        type=float,
        default=4,
        metavar="GB",
        help="measure the restore alone at sizes above this (default: %(default)s)",
    )
    parser.add_argument(
        "--fleet",
        default="20,50",
        metavar="HOSTS",
        help="numbers of hosts; the smallest is compared with the documented procedure (default: %(default)s)",
    )
    parser.add_argument("--quick", action="store_true", help="0.2 GB, one run, no page: to see that it works")
    parser.add_argument("--output", type=Path, help=f"the page (default: {PAGE.relative_to(ROOT)})")
    parser.add_argument("--keep", action="store_true", help="leave the host on")
    options = parser.parse_args(argv)
    if options.quick:
        options.sizes, options.runs, options.fleet = "0.2", 1, "2,3"
    try:
        options.fleet = sorted({int(word) for word in options.fleet.split(",")})
        options.sizes = sorted({float(word) for word in options.sizes.split(",")})
    except ValueError:
        parser.error("--sizes takes numbers of GB, and --fleet numbers of hosts, apart by commas")
    options.only = options.only.split(",")
    if set(options.only) - set(TITLES):
        parser.error(f"--only takes {', '.join(TITLES)}, apart by commas")
    if not options.sizes or min(options.sizes) <= 0 or options.runs < 1:
        parser.error("sizes and runs have to be positive")
    options.output = options.output or (None if options.quick else PAGE)
    return options


def tell(text: str) -> None:
    """Print a line with the time."""
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def fitting(sizes: list[float], place: Path) -> list[float]:
    """Leave out sizes for which the disk has no room, and say so: a run holds up to five copies of the data."""
    place.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(place).free / GIB
    fit = [one for one in sizes if 4.5 * one + 6 <= free]
    for one in sizes:
        if one not in fit:
            tell(f"NOT MEASURED: {one:g} GB needs {4.5 * one + 6:.0f} GB of disk, {free:.0f} GB are free")
    return fit


def facts(rig: Rig, load: float) -> list[tuple[str, str]]:
    """Return what the figures depend on."""

    def host(command: str) -> str:
        return rig.host.run(command).stdout.strip()

    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return [
        ("date", datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")),
        ("commit", commit.stdout.strip() or "unknown"),
        ("processors", f"{os.cpu_count()} x {cpu}"),
        ("memory", f"{memory:.0f} GiB"),
        ("kernel", platform.release()),
        ("load average before", f"{load:.2f}"),
        ("load average in the end", f"{os.getloadavg()[1]:.2f} over five minutes, our own work included"),
        ("host", f"a lab host: {host('. /etc/os-release; echo $PRETTY_NAME')} in a container with its own systemd"),
        (
            "file systems",
            "ext4 for datadir, backups and staging; XFS for the reflinks; on loop devices with direct I/O on the disk",
        ),
        ("TLS", "a key of the host's own; a server of 11.4 and later without one makes an RSA key at each start"),
        ("MariaDB", host("mariadbd --version").partition(" Ver ")[2].split()[0]),
        ("tool", host("mariadb-backup --version 2>&1").partition(" based on ")[2]),
        ("Python on the host", host("python3 --version").split()[-1]),
        ("ansible-core", version("ansible-core")),
        ("data", "InnoDB, one table with half of it, six medium ones, sixty small ones; random payload"),
    ]


def measure(options: argparse.Namespace, settings: Settings, scratch: Path) -> int:
    """Bring the host up, measure every size, report."""
    sizes = fitting(options.sizes, settings.state)
    if not sizes:
        return 1
    load = os.getloadavg()[0]
    published = scratch / "published"
    published.mkdir()
    subprocess.run([sys.executable, "-m", "tests.integration.harness.payload", str(published)], check=True, cwd=ROOT)
    lab = Lab(settings)
    lab.build([options.suite])
    begun = time.monotonic()
    try:
        rig = Rig(lab, options.suite, published, scratch)
        rows, texts = measure_parts(rig, sizes, options, load)
        if "fleet" in options.only:
            # Last, and without the host of the others.
            known = [fact for fact in facts(rig, load) if fact[0] not in ("file systems", "TLS", "data")]
            lab.down(["bench"])
            tell(f"--- a fleet of {', then '.join(map(str, options.fleet))} hosts, MariaDB {SERIES[options.suite]}")
            fleet = FleetRun(lab, options.suite, published, scratch, options.fleet, tell).measure()
            rows += fleet_rows(fleet)
            texts["fleet"] = fleet_part(fleet, known)
    finally:
        if not options.keep:
            lab.down()
    print(f"\n{text_table(rows)}\n")
    missed = [row for row in rows if row.met is False]
    print(f"{sum(row.met is True for row in rows)} targets met, {len(missed)} missed, {time.monotonic() - begun:.0f} s")
    if options.output:
        existing = options.output.read_text(encoding="utf-8") if options.output.exists() else ""
        options.output.write_text(page(existing, texts, options.runs), encoding="utf-8")
        print(f"written to {options.output}")
    return 0


def measure_parts(
    rig: Rig, sizes: list[float], options: argparse.Namespace, load: float
) -> tuple[list[Row], dict[str, str]]:
    """Measure what the command line asks for; return all lines of the table, and the parts of the page by name."""
    rows: list[Row] = []
    texts: dict[str, str] = {}
    if "files" in options.only:
        runs = []
        for one in sizes:
            tell(f"--- {one:g} GB, {options.runs} runs, MariaDB {SERIES[options.suite]}")
            whole = one <= options.whole_up_to
            runs.append(SizeRun(rig, int(one * GIB), options.runs, options.parallel, whole, tell).measure())
        rows += all_rows(runs)
        texts["files"] = part(runs, facts(rig, load), PROBE_PAUSE_MS)
    if "streams" in options.only:
        # One size: what a stream takes grows with the data, and nothing else of it is of interest.
        one = max((size for size in sizes if size <= options.whole_up_to), default=sizes[0])
        tell(f"--- streams, {one:g} GB, {options.runs} runs, MariaDB {SERIES[options.suite]}")
        streams = StreamRun(rig, int(one * GIB), options.runs, options.parallel, tell).measure()
        rows += stream_rows(streams)
        texts["streams"] = stream_part(streams, facts(rig, load))
    if "catalogue" in options.only:
        tell(f"--- a repository of many backups, {options.runs} runs")
        catalogue = CatalogueRun(rig, options.runs, tell).measure()
        rows += catalogue_rows(catalogue)
        texts["catalogue"] = catalogue_part(catalogue, facts(rig, load))
    return rows, texts


def main(argv: list[str] | None = None) -> int:
    """Measure; return the exit code."""
    options = arguments(argv)
    # Asked to end, it takes its host down first.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit("The benchmark was stopped."))
    settings = Settings.from_environment(None if os.environ.get("MARIABACKUP_LAB_ID") else "bench")
    with tempfile.TemporaryDirectory(prefix="mariabackup-bench-") as scratch:
        try:
            return measure(options, settings, Path(scratch))
        except (BenchmarkError, LabError, subprocess.CalledProcessError) as error:
            print(f"The benchmark failed: {error}", file=sys.stderr)
            return 1


if __name__ == "__main__":
    sys.exit(main())
