# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab host that is measured: its disk, its server with data, and ways to run things there by the clock."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmark.memory import Sampler
from tests.integration.harness.modules import Result, end, read_result
from tests.integration.harness.playbooks import Play, Playbooks
from tests.lab import Host, HostSpec, Lab
from tests.lab.inventory import inventory
from tests.lab.mounts import devices_of

TOP = "/srv/bench"
DATADIR = f"{TOP}/mysql"
REFLINK = "/srv/reflink"
TOOLS = "/opt/mariabackup-bench"
SOCKET = "/run/mysqld/mysqld.sock"
GIB = 1024**3

_OPTIONS = f"""[mysqld]
datadir = {DATADIR}
innodb_buffer_pool_size = 256M
"""
# While the data is made, nothing has to survive a crash. A table that is filled in one go is sorted in tmpdir.
_LOADING = f"""[mysqld]
innodb_buffer_pool_size = 1G
innodb_doublewrite = OFF
innodb_flush_log_at_trx_commit = 0
innodb_flush_method = fsync
tmpdir = {TOP}/load
"""
_LOADING_FILE = "/etc/mysql/mariadb.conf.d/91-loading.cnf"
# A row of the tables takes about as many bytes on the disk.
_ROW = 497
_TABLE = """
CREATE TABLE {name} (id INT UNSIGNED NOT NULL PRIMARY KEY, customer INT UNSIGNED NOT NULL, created DATETIME NOT NULL,
  note VARCHAR(100) NOT NULL, data VARBINARY(360) NOT NULL, KEY (customer)) ENGINE=InnoDB;
INSERT INTO {name} SELECT seq, seq * 7919 % 1000003, '2026-01-01' + INTERVAL seq SECOND,
  CONCAT('order ', seq, ' was delivered to customer ', MD5(seq)), RANDOM_BYTES(360) FROM seq_1_to_{rows};
COMMIT;
"""
_MEDIUM, _SMALL = 6, 60


class BenchmarkError(Exception):
    """Something that was to be measured failed."""


@dataclass(frozen=True)
class Timed:
    """What a command on the host took: seconds, peak resident memory in bytes, and what it said."""

    seconds: float
    peak: int
    output: str


def load_sql(size: int) -> list[str]:
    """Return statements that make about ``size`` bytes of data, for two clients at once.

    Half of it is one table, the rest six of medium size; sixty small ones come on top.
    """
    rows = size // _ROW
    head = "SET unique_checks=0, foreign_key_checks=0, autocommit=0; USE bench;"
    big = head + _TABLE.format(name="big", rows=max(1, rows // 2))
    others = head
    for number in range(_MEDIUM):
        others += _TABLE.format(name=f"medium_{number}", rows=max(1, rows // 2 // _MEDIUM))
    for number in range(_SMALL):
        others += _TABLE.format(name=f"small_{number}", rows=100)
    return [big, others]


class Rig:
    """One lab host with a server on a disk of its own.

    Args:
        lab: the lab; the host ``bench`` in it is made anew.
        suite: the Debian suite.
        published: the directory with ``collections`` and ``payload``.
        scratch: a directory on this machine.
    """

    def __init__(self, lab: Lab, suite: str, published: Path, scratch: Path) -> None:
        self.lab = lab
        self.suite = suite
        self.host: Host = lab.up({"bench": HostSpec(suite)})["bench"]
        self.memory = Sampler(self.host)
        self._number = 0
        self._host_copy(published / "payload", f"{TOOLS}/payload")
        self._host_copy(Path(__file__).parent / "onhost", f"{TOOLS}/onhost")
        self.playbooks = Playbooks(published / "collections", scratch / "ansible", inventory(lab))
        self.host.put(_OPTIONS, "/etc/mysql/mariadb.conf.d/90-bench.cnf")
        self.stop_server()

    def _host_copy(self, source: Path, target: str) -> None:
        packed = subprocess.run(["tar", "-C", str(source), "-cf", "-", "."], check=True, capture_output=True).stdout
        self.host.run(f"mkdir -p {target} && tar -xf - -C {target}", input=packed)

    # The disk and the data

    def make_disk(self, fstype: str, size: int, place: str) -> None:
        """Mount a new file system of ``size`` bytes, whose device does not cache what the file system caches already."""
        options = ("-E", "lazy_itable_init=0,lazy_journal_init=0") if fstype == "ext4" else ()
        disk = self.host.loop_fs(fstype, str(size), place, mkfs=options)
        for device in devices_of(Path(disk.image)):
            subprocess.run(["losetup", "--direct-io=on", device], check=True)

    def make_data(self, size: int) -> int:
        """Give the server a new disk and about ``size`` bytes of data; return what the datadir really takes."""
        self.stop_server()
        for place in (TOP, REFLINK):
            if any(disk.mountpoint == place for disk in self.host.disks):
                self.host.remove_fs(place)
        self.make_disk("ext4", 5 * size + 3 * GIB, TOP)
        self.host.run(
            f"cd / && install -d -o mysql -g mysql -m 0755 {DATADIR} && mkdir -m 0700 {TOP}/backup {TOP}/stage"
            f" && mariadb-install-db --user=mysql --datadir={DATADIR} --auth-root-authentication-method=socket"
            " --skip-test-db >/var/tmp/install-db 2>&1 || { cat /var/tmp/install-db; exit 1; }"
        )
        self.host.run(["install", "-d", "-o", "mysql", f"{TOP}/load"])
        self.host.put(_LOADING, _LOADING_FILE)
        self.start_server()
        self.host.run(["mariadb", "-e", "CREATE DATABASE bench"])
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda text: self.host.run(["mariadb"], input=text, timeout=1800), load_sql(size)))
        self.stop_server()
        self.host.run(["rm", "-r", _LOADING_FILE, f"{TOP}/load"])
        self.start_server()
        return int(self.host.run(f"du -s -B1 {DATADIR}").stdout.split()[0])

    @property
    def start_command(self) -> str:
        """What starts the sockets, and then the server: in one call a waiting client makes the two meet."""
        return f"systemctl start {self.sockets}\nsystemctl start mariadb" if self.sockets else "systemctl start mariadb"

    def start_server(self) -> None:
        """Start the sockets and the server."""
        self.host.run(f"set -e\n{self.start_command}")

    def stop_server(self) -> None:
        """Stop the sockets and the server."""
        self.host.run(f"systemctl stop {self.sockets} mariadb", timeout=300)

    @property
    def sockets(self) -> str:
        """The units that would wake the server."""
        return {"bookworm": "mariadb.socket", "trixie": "mariadb.socket mariadb-extra.socket"}.get(self.suite, "")

    def settle(self, *sources: str) -> None:
        """Bring what is dirty to the disk, and all of ``sources`` into the cache: every run starts from here."""
        self.host.run(f"sync -f {TOP}", timeout=900)
        for source in sources:
            self.host.run(f"find {source} -type f -print0 | xargs -0r cat >/dev/null", timeout=900)

    def remove(self, *names: str) -> None:
        """Delete directories of backups or staged sets, with the manifests beside them."""
        self.host.run(["sh", "-ec", 'for one; do rm -rf "$one" "$one".manifest.json; done', "sh", *names], timeout=300)

    def trim(self) -> None:
        """Give back to the machine what was deleted on the host's disk."""
        self.host.run(f"sync -f {TOP} && fstrim {TOP}", check=False, timeout=300)

    # Things by the clock

    def timed(self, argv: Sequence[str], check: bool = True) -> Timed:
        """Run a command on the host; it has to succeed."""
        self._number += 1
        output = f"/var/tmp/bench-{self._number}.log"
        done = self.host.run(["python3", "-B", f"{TOOLS}/onhost/stopwatch.py", output, *argv], timeout=1800)
        said = json.loads(done.stdout)
        text = self.host.get(output)
        self.host.run(["rm", output])
        if check and said["rc"] != 0:
            raise BenchmarkError(f"{' '.join(argv)} ended with {said['rc']}:\n{text[-3000:]}")
        return Timed(said["seconds"], said["peak_kib"] * 1024, text)

    def tool(self, *arguments: str) -> Timed:
        """Run the plain tool; it has to say that all is well."""
        done = self.timed(["mariadb-backup", *arguments])
        if not done.output.rstrip().endswith("completed OK!"):
            raise BenchmarkError(f"mariadb-backup {' '.join(arguments)}:\n{done.output[-3000:]}")
        return done

    def module(self, name: str, **arguments: Any) -> tuple[Timed, Result]:
        """Run a module as Ansible would on the host, with memory watched, and return its clock and its result."""
        place = f"/var/tmp/bench-{name}.json"
        self.host.put(json.dumps({"ANSIBLE_MODULE_ARGS": arguments}), place, mode=0o600)
        with self.memory:
            # Without compiled files, as Ansible's own archive has none.
            done = self.timed(["python3", "-B", f"{TOOLS}/payload/driver.py", name, place], check=False)
        result = read_result(done.output, "", name)
        if result.get("failed"):
            raise BenchmarkError(f"{name}: {json.dumps(result, indent=1)[:3000]}")
        self.memory.note_module(done.peak)
        return done, result

    def cpu(self) -> float:
        """Return the processor seconds that everything on the host has taken so far; unlike the clock it knows no neighbours."""
        for line in (self.host.group.path / "cpu.stat").read_text(encoding="ascii").splitlines():
            name, _space, value = line.partition(" ")
            if name == "usage_usec":
                return int(value) / 1e6
        raise BenchmarkError("the kernel does not count the processor time of the host")

    def job_seconds(self, log_path: str) -> float:
        """Return how long a job worked: from its start, when it takes its lock, until it writes its result."""
        script = 'cd "${1%/*}" && stat -c %.Y alive result.json'
        begun, ended = self.host.run(["sh", "-c", script, "sh", log_path]).stdout.split()
        return float(ended) - float(begun)

    def place(self, source: str, target: str, method: str, checksums: bool) -> dict[str, Any]:
        """Place a backup with the collection's own copier; returns ``stage`` and ``sync`` in seconds and ``method``."""
        done = self.timed(
            ["python3", f"{TOOLS}/onhost/place.py", f"{TOOLS}/payload/restore", source, target, method,
             "yes" if checksums else "no"]
        )  # fmt: skip
        return dict(json.loads(done.output.splitlines()[-1]))

    def play(self, playbook: str, **variables: Any) -> Play:
        """Run a playbook of the collection against the host."""
        with self.memory:
            play = self.playbooks.run(playbook, mariabackup_hosts="bench", mariabackup_login_user="root", **variables)
        if play.returncode:
            raise BenchmarkError(play.output)
        return play

    @contextlib.contextmanager
    def client(self) -> Iterator[list[float]]:
        """Let a client ask all the while; afterwards the list holds how long it was without a server it could write to."""
        output = "/var/tmp/bench-probe"
        process = self.host.start(["python3", f"{TOOLS}/onhost/probe.py", SOCKET, output])
        seconds: list[float] = []
        try:
            while "open" not in self.host.run(f"cat {output} 2>/dev/null", check=False).stdout:
                if process.poll() is not None:
                    raise BenchmarkError(
                        f"the client ended: {process.stderr.read().decode() if process.stderr else ''}"
                    )
            yield seconds
            # The service has been reported ready; the client needs a moment to see it.
            self.host.run(["mariadb", "-e", "SELECT SLEEP(0.3)"])
        finally:
            end(process)
        lines = self.host.get(output).splitlines()
        self.host.run(["rm", output])
        seconds.append(without_service(lines))


def without_service(lines: Sequence[str]) -> float:
    """Return the seconds between the last and the next answer of a server that was open, from the probe's lines."""
    lost, total = None, 0.0
    for line in lines[1:]:
        last, now, state = line.split()
        if state != "open" and lost is None:
            lost = float(last)
        elif state == "open" and lost is not None:
            total += float(now) - lost
            lost = None
    if lost is not None:
        raise BenchmarkError("the client never saw the server open again")
    return total
