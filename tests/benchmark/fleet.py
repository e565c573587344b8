# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet with little data: the playbook restore_fleet beside the documented procedure as ordinary tasks, on the same hosts."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from tests.benchmark.rig import BenchmarkError
from tests.benchmark.series import Sample, Series, alternate
from tests.benchmark.steps import Tell
from tests.integration.harness.playbooks import Play, Playbooks
from tests.lab import Host, HostSpec, Lab
from tests.lab.inventory import inventory

BACKUP = "/srv/backup/monday"
FORKS = 20
RUNS = 3
_DOCUMENTED = Path(__file__).parent / "documented.yml"
_EVERY = 0.2
_LOAD = """
CREATE DATABASE shop; CREATE TABLE shop.owner (host VARCHAR(64), v INT);
INSERT INTO shop.owner VALUES (@@hostname, 0);
"""


class Watch:
    """Notes the most memory that a process takes together with all that it has started; what they share counts once."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        #: bytes
        self.peak = 0

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *unused: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stop.wait(_EVERY):
            self.peak = max(self.peak, sum(_proportional(pid) for pid in _family(self._pid)))


def _family(pid: int) -> list[int]:
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += [one for child in task.read_text(encoding="ascii").split() for one in _family(int(child))]
    return found


def _proportional(pid: int) -> int:
    """Return the proportional set size of a process in bytes; 0 when it has ended."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


class FleetRun:
    """The measurements of a fleet.

    Args:
        lab: the lab; hosts are made in it, and taken down at the end.
        suite: the Debian suite of all of them.
        published: the directory with ``collections``.
        scratch: a directory on this machine.
        sizes: numbers of hosts; the first is compared with the documented procedure, the others are restored once.
        tell: gets a line for each run.
    """

    def __init__(self, lab: Lab, suite: str, published: Path, scratch: Path, sizes: list[int], tell: Tell) -> None:
        self.lab = lab
        self.suite = suite
        self.sizes = sizes
        self.tell = tell
        self._collections = published / "collections"
        self._scratch = scratch
        self._round = 0
        self.compared: dict[str, Series] = {}
        #: by number of hosts: seconds
        self.scale: dict[int, float] = {}
        #: by number of hosts: bytes of the controller
        self.memory: dict[int, int] = {}
        #: the most module executions of one host in the plan, and in the restore
        self.executions = (0, 0)

    def measure(self) -> FleetRun:
        """Measure everything."""
        hosts: dict[str, Host] = {}
        for count in sorted(self.sizes):
            hosts.update(self._more(hosts, count))
            books = self._books(hosts)
            if not self.compared:
                self._compare(books, hosts)
            else:
                self.scale[count] = self._ours(books, hosts)["seconds"]
                self.tell(f"{count} hosts, ours: {self.scale[count]:.2f}")
        self.lab.down(list(hosts))
        return self

    def _compare(self, books: Playbooks, hosts: dict[str, Host]) -> None:
        variants = {"documented": lambda: self._documented(books, hosts), "ours": lambda: self._ours(books, hosts)}
        self.compared = alternate(RUNS, variants, lambda text: self.tell(f"{len(hosts)} hosts, {text}"))

    def _more(self, hosts: dict[str, Host], count: int) -> dict[str, Host]:
        """Boot hosts until there are ``count``; each has data and a backup of its own."""
        names = [f"fleet{number:02}" for number in range(len(hosts) + 1, count + 1)]
        self.tell(f"{len(names)} hosts boot")
        new: dict[str, Host] = {}
        for begin in range(0, len(names), 5):
            new.update(self.lab.up({name: HostSpec(self.suite) for name in names[begin : begin + 5]}))
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(_furnish, new.values()))
        return new

    def _books(self, hosts: dict[str, Host]) -> Playbooks:
        text = inventory(self.lab)
        books = Playbooks(self._collections, self._scratch / f"fleet-{len(hosts)}", text)
        books.environment["ANSIBLE_FORKS"] = str(FORKS)
        return books

    def _documented(self, books: Playbooks, hosts: dict[str, Host]) -> Sample:
        return self._timed(books, hosts, str(_DOCUMENTED), "--limit", "fleet*")

    def _ours(self, books: Playbooks, hosts: dict[str, Host]) -> Sample:
        # One batch: the documented procedure has none either.
        return self._timed(
            books, hosts, "dba.mariabackup.restore_fleet", mariabackup_hosts="fleet*", mariabackup_target_dir=BACKUP,
            mariabackup_existing_data="delete", mariabackup_login_user="root", mariabackup_fleet_canary=1,
            mariabackup_fleet_batch="100%", mariabackup_progress=False,
        )  # fmt: skip

    def _timed(
        self, books: Playbooks, hosts: dict[str, Host], playbook: str, *arguments: str, **variables: object
    ) -> Sample:
        """Run a playbook by the clock; every host has to serve its own data of the backup afterwards, and had other data before."""
        self._round += 1
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda host: host.sql(f"UPDATE shop.owner SET v = {self._round}"), hosts.values()))
        begun = time.monotonic()
        process = books.start(playbook, *arguments, **variables)
        with Watch(process.pid) as watch:
            play = books.finish(process, timeout=1800)
        seconds = time.monotonic() - begun
        if play.returncode:
            raise BenchmarkError(play.output[-4000:])
        with ThreadPoolExecutor(4) as pool:
            served = dict(
                zip(hosts, pool.map(lambda host: host.sql("SELECT host, v FROM shop.owner").strip(), hosts.values()))
            )
        wrong = {name: row for name, row in served.items() if row != f"{name}\t0"}
        if wrong:
            raise BenchmarkError(f"{playbook} has left wrong data: {wrong}")
        if playbook.startswith("dba."):
            self.memory[len(hosts)] = watch.peak
            self._count(play, hosts)
        return {"seconds": seconds, "memory": float(watch.peak)}

    def _count(self, play: Play, hosts: dict[str, Host]) -> None:
        """Count the module executions of each host; the plan's are those in check mode, the first of the module restore."""
        for name in hosts:
            modules = [
                event["action"] for event in play.events
                if event["host"] == name and event["status"] == "ok" and event["action"].startswith("dba.mariabackup.")
            ]  # fmt: skip
            plan, rest = self.executions
            self.executions = (max(plan, 1), max(rest, len(modules) - 1))


def _furnish(host: Host) -> None:
    host.sql(_LOAD)
    host.run(
        f"mkdir -p {BACKUP} && mariadb-backup --backup --user=root --target-dir={BACKUP} 2>/var/tmp/backup.log"
        f" && mariadb-backup --prepare --target-dir={BACKUP} 2>/var/tmp/prepare.log",
        timeout=300,
    )
