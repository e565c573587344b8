# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A repository of a bench that is interrupted many times in a row, and what must be in it after each.

Every backup that was committed is known by its id. What the catalogue lists is compared with that. Each is read to its last byte,
with its chain, when it is seen for the first time, and its files must not have been touched whenever it is seen again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tests.integration.harness.bench import NEW, Bench
from tests.integration.harness.faults import clear_breakpoints, proceed, set_breakpoint, wait_stopped
from tests.integration.harness.modules import Result, Running
from tests.integration.harness.server import STATE_DIR, show
from tests.integration.harness.storage import CONFIG, Storage

IDENTITY = "/root/test-identity"
DIRECTORY, STREAM, REMOTE = "directory", "stream", "remote"
_PLACES = {DIRECTORY: "/srv/shelf-directory", STREAM: "/srv/shelf-stream", REMOTE: "store:backups"}


class Shelf:
    """The backups of one bench in one repository.

    Args:
        bench: its server serves the backup's data and is not touched by anything here.
        kind: the format and the place.
        storage: the remote's, else None.
    """

    def __init__(self, bench: Bench, kind: str, storage: Storage | None = None) -> None:
        self.bench = bench
        self.kind = kind
        self.server = bench.server
        self.instance = self.server.out("hostname")
        #: the options that name the repository, for every module
        self.where: dict[str, Any] = {"repository": _PLACES[kind]}
        self._options: dict[str, Any] = {}
        if kind != DIRECTORY:
            self.server.run(f"test -e {IDENTITY} || age-keygen -o {IDENTITY} 2>/dev/null; chmod 0600 {IDENTITY}")
            recipient = self.server.out(["age-keygen", "-y", IDENTITY])
            self._options = {"format": "stream", "compression": "zstd", "encryption_recipients": [recipient]}
        if storage is not None:
            storage.configure(self.server)
            self.where["rclone_config"] = CONFIG
            self._rclone("purge", self._top)
        else:
            self.server.run(["rm", "-rf", self._top])
        if bench.served() != NEW:
            bench.restore()
        if self.server.host.spec.disk:
            # What it begins with must survive a power cut.
            self.server.run("sync")
        #: the server's process, which nothing here may end; 0 where the power goes
        self.pid = 0
        #: the ids that were committed, oldest first, each with its chain
        self.chains: dict[str, list[str]] = {}
        self._stored: dict[str, dict[str, str]] = {}
        self.take()

    @property
    def ids(self) -> list[str]:
        """The ids of what was committed and not removed, oldest first."""
        return list(self.chains)

    @property
    def reading(self) -> dict[str, Any]:
        """The options of a task that reads a backup."""
        return {**self.where, **({} if self.kind == DIRECTORY else {"identity_file": IDENTITY})}

    def task(self) -> dict[str, Any]:
        """Return the options of the next backup: full ones and increments take turns."""
        alone = bool(self.chains) and len(self.chains[self.ids[-1]]) == 1
        return {**self.where, **self._options, "type": "auto" if alone else "full"}

    # What is stored

    @property
    def _top(self) -> str:
        return f"{self.where['repository']}/{self.instance}"

    def _rclone(self, *arguments: str) -> str:
        return self.server.run(["rclone", f"--config={CONFIG}", *arguments], check=False).stdout

    def units(self) -> dict[str, dict[str, str]]:
        """Return all that lies in the repository: for each name of a directory, or file, what is in it, and how it is now."""
        if self.kind == REMOTE:
            lines = self._rclone("lsf", "-R", "--files-only", "--format=ps", "--separator=\t", self._top).splitlines()
        else:
            lines = self.server.out(
                ["find", self._top, "-mindepth", "1", "-printf", r"%P\t%y %m %s %T@\n"]
            ).splitlines()
        found: dict[str, dict[str, str]] = {}
        for line in lines:
            path, _tab, rest = line.partition("\t")
            name, _slash, inside = path.partition("/")
            found.setdefault(name, {})[inside] = rest
        return found

    def _mirrored(self) -> set[str]:
        """Return the names in the mirror of a remote."""
        find = f"find {STATE_DIR}/remotes -mindepth 3 -maxdepth 3 -printf '%f\\n' 2>/dev/null || true"
        return set(self.server.out(find).split()) if self.kind == REMOTE else set()

    def assert_tidy(self) -> None:
        """Assert that the repository holds the committed backups and nothing else.

        But for uploads that died: without a manifest they are none, and only their age tells that they are nobody's.
        """
        units = self.units()
        dead = {name for name, files in units.items() if self.kind == REMOTE and "manifest.json" not in files}
        assert set(units) - dead == set(self.chains)
        assert not dead & set(self.chains)
        assert self._mirrored() <= set(self.chains)

    # Interrupting

    def stop_at(self, module: str, point: str, **options: Any) -> Running:
        """Start a task and return when it stands at ``point``."""
        set_breakpoint(self.server, point)
        running = self.server.start_module(module, **options)
        wait_stopped(self.server, running)
        clear_breakpoints(self.server)
        return running

    def go_on(self) -> None:
        """Let a task that stands at a point go on."""
        proceed(self.server)

    # Looking and going on

    def look(self, new: Iterable[int] = (0,), gone: Iterable[str] = (), newest: bool = True) -> None:
        """Assert that every backup that is listed is whole, and that none is missing.

        Args:
            new: how many more there may be than were known.
            gone: the ids that may have gone.
            newest: which one is read to its last byte, with its chain: the newest, unless it was read before, or the one that is
                newest in the oldest chain.
        """
        assert self.pid in (0, self.server.server_pid()), "the server was touched"
        wanted = None if newest else self._end_of_oldest(gone)
        known = newest and self.ids[-1] in self._stored
        found = self.server.succeed("backup_info", verify=not known, backup_id=wanted, **self.reading)
        if known and found["backups"][-1]["id"] != self.ids[-1]:
            found = self.server.succeed("backup_info", verify=True, **self.reading)
        listed = {entry["id"]: entry for entry in found["backups"]}
        problems = {name: entry["problem"] for name, entry in listed.items() if entry["problem"]}
        assert not problems, problems
        assert found["valid"], show(found)
        assert known or found["verified"], show(found)
        missing = set(self.chains) - set(listed) - set(gone)
        assert not missing, f"lost: {missing}"
        more = [name for name in listed if name not in self.chains]
        assert len(more) in new, more
        assert found["backup"] is None or found["backup"]["id"] == (wanted or list(listed)[-1]), show(found)
        self.chains = {name: list(entry["chain"]) for name, entry in listed.items()}
        assert all(self.chains.values()), self.chains
        units = self.units()
        dead = {name.partition(".")[0] for name in {*units, *self._mirrored()} if "." in name}
        assert len(dead) < 2, f"left by more runs than the last: {dead}"
        for name, files in self._stored.items():
            assert name not in self.chains or units[name] == files, f"{name} was touched"
        self._stored = {name: units[name] for name in self.chains}
        self.bench.served()

    def oldest(self) -> list[str]:
        """Return the oldest chain: a full backup and all that is built on it."""
        return [name for name, chain in self.chains.items() if chain[0] == self.ids[0]]

    def _end_of_oldest(self, gone: Iterable[str]) -> str:
        """Return the newest of the oldest chain that is not among ``gone``."""
        left = [name for name in self.chains if name not in set(gone)]
        root = self.chains[left[0]][0]
        return [name for name in left if self.chains[name][0] == root][-1]

    def take(self, **options: Any) -> Result:
        """Take a backup as ``options`` say, else the next one; assert that it is one more, and that nothing else is left."""
        taken = self.server.succeed("backup", **(options or self.task()))
        assert taken["changed"], show(taken)
        assert all(taken["id"] > name for name in self.chains)
        base = taken["base_id"]
        self.chains[taken["id"]] = [*(self.chains[base] if base else []), taken["id"]]
        self.assert_tidy()
        return taken

    def rules(self, least: int = 2) -> dict[str, Any]:
        """Return the options of a prune that removes the oldest chain, of at least that many backups; make what it needs."""
        while len(self.oldest()) < least or len(self.oldest()) == len(self.chains):
            going = self.oldest()
            if len(going) < min(least, len(self.chains)):
                self.finish({"keep_last": len(self.chains) - len(going), **self.where}, going)
            else:
                self.take(**{**self.task(), **({"type": "full"} if least == 1 else {})})
        return {"keep_last": len(self.chains) - len(self.oldest()), **self.where}

    def finish(self, rules: dict[str, Any], going: list[str]) -> None:
        """Prune, and assert that it removes what is left of ``going``, and nothing of those stays anywhere."""
        left = [name for name in going if name in self.chains]
        removed = self.server.succeed("prune", **rules)["removed"]
        assert sorted(removed) == left
        assert not set(going) & set(self.units())
        for name in left:
            del self.chains[name]
        self.assert_tidy()

    def assert_restores(self) -> None:
        """Restore the newest one over changed data, and assert that it is what was backed up."""
        self.bench.change()
        self.bench.restore(target_dir=None, **self.reading)
        self.bench.assert_unchanged_backup()


__all__ = ["DIRECTORY", "REMOTE", "STREAM", "Shelf"]
