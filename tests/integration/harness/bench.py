# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host for many restores in a row: small data, a backup of it, and a quick answer to "whose data is this?".

The backup holds three tables (InnoDB, Aria, MyISAM). The old data of every cell is this data, changed: a number is added to
each row of each table. So one query tells the old set from the new one, and a mixture from both.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
from pathlib import Path
from typing import Any

from tests.integration.harness.layouts import Layout
from tests.integration.harness.memory import available_memory
from tests.integration.harness.modules import Result
from tests.integration.harness.pool import Pool
from tests.integration.harness.seeds import TOOLS
from tests.integration.harness.server import STATE_DIR, Server, assert_same
from tests.lab import HostSpec

OLD, NEW = "old", "new"
ROWS = 200

# The hosts of three workers and what they run take a third of this within one test.
_MEMORY_LOW = 6 << 30

_INSTALL = """
cd /
mariadb-install-db --user=mysql --auth-root-authentication-method=socket --skip-test-db >/var/tmp/install-db 2>&1 \
  || { cat /var/tmp/install-db; exit 1; }
"""
_LOAD = f"""
CREATE DATABASE kept; USE kept;
CREATE TABLE kept.i (id INT PRIMARY KEY, v BIGINT NOT NULL, t VARCHAR(200)) ENGINE=InnoDB;
INSERT INTO kept.i SELECT seq, seq, REPEAT(seq, 20) FROM kept.seq_1_to_{ROWS};
CREATE TABLE kept.a ENGINE=Aria TRANSACTIONAL=1 SELECT id, v, t FROM kept.i;
CREATE TABLE kept.m ENGINE=MyISAM SELECT id, v, t FROM kept.i;
"""
_SUMS = ", ".join(f"(SELECT SUM(v) FROM kept.{table})" for table in "iam")
# Left over from a restore: sets that are not in service, drop-ins, boot-time units, hold files.
_TRACES = f"""
ls -d -- /var/lib/*.restore-* /var/lib/*.previous-* /var/lib/*.failed-* /var/lib/*.deleting /var/lib/*/.mariabackup \
  /srv/data/*.restore-* /srv/data/*.previous-* \
  /run/systemd/system/*.d/*mariabackup* /etc/systemd/system/*.d/*mariabackup* /etc/systemd/system/*mariabackup* \
  /etc/systemd/system/*.wants/*mariabackup* {STATE_DIR}/hold/* /run/dba-mariabackup/* 2>/dev/null || true
"""


class Bench:
    """One host with one layout.

    Args:
        server: its host; nobody else resets it meanwhile.
        layout: where its directories lie.
    """

    _numbers = itertools.count(1)

    def __init__(self, server: Server, layout: Layout) -> None:
        self.server = server
        self.layout = layout
        self.store = f"{TOOLS}/bench/{layout.name}"
        #: a backup as the tool left it, and one that is prepared
        self.raw, self.prepared = f"{self.store}/raw", f"{self.store}/prepared"
        self.base = ROWS * (ROWS + 1) // 2
        self._added = 0
        self._inodes: dict[str, int] = {}
        server.reset(layout, start=False, data=False)
        self.directories = [layout.datadir, *layout.elsewhere]
        if server.exists(f"{self.store}/ready"):
            self._place()
        else:
            self._make()
        server.start_server()

    def _make(self) -> None:
        server = self.server
        server.run(_INSTALL + f"touch {self.layout.datadir}/$(cat {TOOLS}/pristine/flag)")
        server.start_server()
        server.sql(_LOAD)
        server.run(["rm", "-rf", self.store])
        server.run(["mkdir", "-p", self.store])
        server.succeed("backup", target_dir=self.raw)
        server.succeed("prepare", target_dir=self.raw, dest=self.prepared)
        server.path(f"{self.store}/snapshot.json").write_text(json.dumps(server.snapshot(check=True)), encoding="utf-8")
        server.stop_server()
        for directory in self.directories:
            server.run(["cp", "-a", directory, f"{self.store}/live-{os.path.basename(directory)}"])
        server.run(f"rm -rf {STATE_DIR} && touch {self.store}/ready")

    def _place(self) -> None:
        for directory in self.directories:
            self.server.run(["cp", "-a", f"{self.store}/live-{os.path.basename(directory)}/.", directory])

    # Which data

    def change(self) -> None:
        """Make the data in service the old data of a new cell: committed, and for the disk's part written."""
        self._added = next(self._numbers)
        self.server.sql(
            "".join(f"UPDATE kept.{table} SET v = id + {self._added};" for table in "iam")
            + "CREATE DATABASE IF NOT EXISTS only_old; CREATE TABLE IF NOT EXISTS only_old.t (a INT) ENGINE=InnoDB;"
            + "FLUSH TABLES"
        )
        if self.server.host.spec.disk:
            # Aria and MyISAM promise nothing about a power cut until their files are written.
            self.server.run("sync")
        self._mark_old()

    def empty(self) -> None:
        """Take the data away: a host that has none yet."""
        self.server.stop_server()
        for directory in self.directories:
            self.server.run(["find", directory, "-mindepth", "1", "-not", "-name", "lost+found", "-delete"])
        self.old_is_gone()

    def _files(self) -> dict[str, int]:
        """Return the inode of one file of each directory, by name; they tell whose directory it is."""
        options = self.layout.options
        places = {
            "ibdata1": options.get("innodb_data_home_dir"),
            "undo001": options.get("innodb_undo_directory"),
            "ib_logfile0": options.get("innodb_log_group_home_dir"),
            "aria_log_control": options.get("aria_log_dir_path"),
            "kept/i.frm": None,
        }
        paths = [f"{place or self.layout.datadir}/{name}" for name, place in places.items()]
        out = self.server.run(["stat", "--format=%i %n", *paths], check=False).stdout
        return {path: int(inode) for inode, path in (line.split(" ", 1) for line in out.splitlines())}

    def old_is_gone(self) -> None:
        """Forget the old set's files: once they are deleted, new ones may get their inode numbers."""
        self._inodes = {}

    def _mark_old(self) -> None:
        self._inodes = self._files()

    def on_disk(self) -> str:
        """Return which set lies in the live directories; a mixture fails."""
        now = self._files()
        same = {path: self._inodes.get(path) == inode for path, inode in now.items()}
        assert same, "the live directories hold no set at all"
        assert len(set(same.values())) == 1, f"a mixed set lies in the live directories: {same}"
        return OLD if all(same.values()) else NEW

    def served(self) -> str:
        """Return which data the running server serves; lost rows and mixtures fail."""
        values = self.server.sql(f"SELECT {_SUMS}, (SELECT COUNT(*) FROM information_schema.schemata "
                                 "WHERE schema_name = 'only_old')").split("\t")  # fmt: skip
        sums, marker = {int(value) for value in values[:3]}, values[3]
        if sums == {self.base} and marker == "0":
            found = NEW
        elif sums == {self.base + ROWS * self._added} and marker == "1":
            found = OLD
        else:
            raise AssertionError(f"neither the old nor the new data: {values}, {self.base} + {ROWS} * {self._added}")
        assert found == self.on_disk()
        return found

    def out_of_sight(self) -> str:
        """Return the entries of the live directories that an empty server must not have."""
        return self.server.out(
            f"find {' '.join(self.directories)} -mindepth 1 -maxdepth 1 -not -name lost+found -not -name .mariabackup"
        )

    def write(self) -> None:
        """Commit a row, as an application would that finds the server open."""
        self.server.sql(
            "CREATE DATABASE after; CREATE TABLE after.t (a INT) ENGINE=InnoDB; INSERT INTO after.t VALUES (1)"
        )

    def written(self) -> bool:
        """Tell whether that row is there."""
        if self.server.sql("SHOW DATABASES LIKE 'after'") == "":
            return False
        return self.server.sql("SELECT a FROM after.t") == "1"

    # Restores

    @property
    def who(self) -> dict[str, Any]:
        """Return the options that name the server."""
        args: dict[str, Any] = {"start_timeout": 60}
        if self.layout.instance:
            args.update(service=self.layout.service, defaults_group_suffix=f".{self.layout.instance}")
        return args

    def arguments(self, **more: Any) -> dict[str, Any]:
        """Return the options of a restore of this bench."""
        return {"target_dir": self.prepared, "existing_data": "delete", **self.who, **more}

    def restore(self, **more: Any) -> Result:
        """Restore, and assert that it ended well: see ``assert_restored``."""
        result = self.server.succeed("restore", **self.arguments(**more))
        self.assert_restored()
        return result

    def assert_restored(self) -> None:
        """Assert that the backup's data serves, open for writing, and that nothing is left of the way there."""
        assert self.served() == NEW
        assert self.server.sql("SELECT @@read_only") == "0"
        self.assert_no_traces()

    def assert_no_traces(self) -> None:
        """Assert that nothing but the set in service is there."""
        left = self.server.out(_TRACES)
        assert left == "", left

    def assert_no_hold(self) -> None:
        """Assert that nothing of a hold is in force, or would be after a boot. A hold file alone holds nothing."""
        assert "systemd" not in self.server.out(_TRACES)

    def assert_unchanged_backup(self) -> None:
        """Compare all data with what was backed up, table by table."""
        before = json.loads(self.server.path(f"{self.store}/snapshot.json").read_text(encoding="utf-8"))
        assert_same(before, self.server.snapshot(check=True))

    def journal(self) -> dict[str, Any]:
        """Return the journal of the current run."""
        (found,) = self.server.path(f"{STATE_DIR}/restores").glob("*/current")
        path = found.parent / os.readlink(found) / "journal.json"
        return dict(json.loads(path.read_text(encoding="utf-8")))


class Rack:
    """The benches of one worker: a host for each suite and kind of disk, given a new layout when a cell wants another."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._payload: Path = pool._payload
        self._servers: dict[tuple[str, str | None], Server] = {}
        self._benches: dict[tuple[str, str | None], Bench] = {}

    def relieve(self, keep: tuple[str, str | None] | None = None) -> None:
        """Destroy idle hosts, but for one, when the machine runs out of memory: they lie in it, and are made anew in seconds."""
        # A bench that is lent is not among them.
        idle = [key for key in self._benches if key != keep]
        if idle and available_memory() < _MEMORY_LOW:
            self._pool.lab.down([self._servers.pop(key).name for key in idle])
            for key in idle:
                del self._benches[key]

    @contextlib.contextmanager
    def bench(self, suite: str, layout: Layout, disk: str | None = None) -> Any:
        """Lend a bench; after a failed cell the next one starts from the stored data."""
        key = (suite, disk)
        self.relieve(key)
        bench = self._benches.pop(key, None)
        server = self._servers.get(key)
        if server is None or not server.host.running():
            name = f"bench-{suite}-{'disk' if disk else 'dir'}"
            host = self._pool.lab.up({name: HostSpec(suite, disk=disk)})[name]
            server = self._servers[key] = Server(host, self._payload)
            bench = None
        self._pool.used[:] = [server]
        if bench is None or bench.layout is not layout or not server.server_runs(layout.service):
            bench = Bench(server, layout)
        yield bench
        self._benches[key] = bench
