# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a server keeps its data: the directories of its set, and which entries in them belong to it.

Pure: variables in, decisions out. The one look at the world is ``realpath`` and the table of mount points, which
callers may replace.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Callable

from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.innodb import SystemFile, parse_data_file_path
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.inspect import mount_points
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError

# A directory of ours inside a mount point, for sets that cannot lie beside it.
INSIDE = ".mariabackup"
NEVER_OWNED = frozenset({"lost+found", INSIDE})

UNDO = r"undo\d{3}"
REDO = r"ib_logfile\d+|ib_[0-9a-f]{16}\.log"
ARIA = r"aria_log_control|aria_log\.\d{8}"

_SWITCH = frozenset({"", "0", "1", "on", "off", "true", "false", "yes", "no"})
_OFF = frozenset({"", "0", "off", "false", "no"})


@dataclass(frozen=True)
class Place:
    """One directory on which a part of the set lives.

    Args:
        path: the real path, without symbolic links.
        roles: ``datadir``, ``data_home``, ``undo``, ``redo``, ``aria``, ``binlog``, ``relaylog``; more than one where
            options share a directory.
        patterns: regular expressions of the names that belong to the set. The datadir has none: all belongs to it.
        keep: names that never belong to it although a pattern says so (mount points of other places, allowed names).
        configured: the paths as the options spell them.
    """

    path: str
    roles: tuple[str, ...]
    patterns: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    configured: tuple[str, ...] = ()

    @property
    def role(self) -> str:
        """The first role, for messages."""
        return self.roles[0]

    def owns(self, name: str) -> bool:
        """Tell whether the entry ``name`` of this directory belongs to the set."""
        if name in NEVER_OWNED or name in self.keep:
            return False
        if not self.patterns:
            return True
        return any(re.fullmatch(pattern, name) for pattern in self.patterns)


@dataclass(frozen=True)
class BinaryLogs:
    """Where a server keeps its binary logs: the path of the base name (without number) and of the index file."""

    base: str
    index: str

    @property
    def state(self) -> str:
        """The file that holds ``gtid_binlog_state`` between a stop and a start."""
        return self.base + ".state"

    @property
    def index_files(self) -> tuple[str, ...]:
        """The index file last, after the two files from which a starting server would make it anew."""
        stem = os.path.splitext(self.index)[0]
        return (f"{stem}.~rec~", f"{stem}.index_crash_safe", self.index)


@dataclass(frozen=True)
class Layout:
    """The directories of one server.

    Args:
        datadir: the real path of the datadir; ``configured`` is the server's own spelling.
        places: what is exchanged on its own; the datadir comes first.
        inner: directories of the set inside the datadir (``innodb_undo_directory = undo``): they belong to the
            datadir's set, but InnoDB's files have to be put into them after the preparation.
        links: symbolic links in the datadir, relative to it, through which the server reaches another place; the
            new datadir needs them as well.
        system_files: the files of the system tablespace, in order.
        binary_logs: None when the server writes none.
    """

    datadir: str
    configured: str
    places: tuple[Place, ...]
    inner: tuple[Place, ...] = ()
    links: tuple[str, ...] = ()
    system_files: tuple[SystemFile, ...] = ()
    binary_logs: BinaryLogs | None = None
    routes: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @property
    def separate(self) -> tuple[Place, ...]:
        """The places other than the datadir."""
        return self.places[1:]

    @property
    def lock_files(self) -> tuple[str, ...]:
        """Files on which a running server holds record locks: the system tablespace and ``aria_log_control``."""
        system = [os.path.join(self.directory_of(item.name), item.name) for item in self.system_files]
        return (*system, os.path.join(self.directory_of("aria_log_control"), "aria_log_control"))

    def directory_of(self, name: str) -> str:
        """Return the real directory into which a file at the top of a backup goes (the datadir for all but InnoDB's
        own files and Aria's log)."""
        for pattern, path in self.routes:
            if re.fullmatch(pattern, name):
                return path
        return self.datadir

    @classmethod
    def from_options(
        cls,
        options: Mapping[str, str],
        realpath: Callable[[str], str] = os.path.realpath,
        mounts: Collection[str] | None = None,
        keep: Collection[str] = (),
    ) -> Layout:
        """Read the layout from a server's effective variables.

        Args:
            options: variable names with underscores, values as SHOW VARIABLES or ``--print-defaults`` gives them.
            realpath: resolves symbolic links.
            mounts: real paths of mount points; default: the kernel's table.
            keep: names at the top of the datadir that do not belong to the set (allowed by the caller).

        Raises:
            MariabackupError: no datadir, a raw device, or an option that cannot be placed.
        """
        return _Reader(options, realpath, mount_points() if mounts is None else mounts, keep).read()


class _Reader:
    def __init__(
        self,
        options: Mapping[str, str],
        realpath: Callable[[str], str],
        mounts: Collection[str],
        keep: Collection[str],
    ) -> None:
        self.options = {name.replace("-", "_"): str(value or "").strip() for name, value in options.items()}
        self.realpath = realpath
        self.mounts = set(mounts)
        self.keep = list(keep)
        configured = self.options.get("datadir", "")
        if not configured.startswith("/"):
            raise MariabackupError(
                f"The server's datadir is {configured!r}, which is not an absolute path.",
                "Give the datadir as an absolute path, in the option file or as the option datadir.",
            )
        self.configured = configured if configured == "/" else configured.rstrip("/")
        self.datadir = realpath(self.configured)
        if self.datadir == "/":
            raise MariabackupError("The datadir is the root directory.", "Give the server a directory of its own.")
        self.found: dict[str, tuple[list[str], list[str], list[str]]] = {}
        self.links: list[str] = []
        self.routes: list[tuple[str, str]] = []

    def absolute(self, path: str) -> str:
        """Resolve a path as the server does: its working directory is the datadir."""
        return os.path.normpath(os.path.join(self.configured, path))

    def directory(self, option: str) -> str:
        return self.absolute(self.options.get(option, "") or ".")

    def add(self, role: str, directory: str, patterns: Collection[str], routed: bool = True) -> None:
        real = self.realpath(directory)
        if routed:
            self.routes.extend((pattern, real) for pattern in patterns)
        if real == self.datadir:
            return
        roles, known, spelled = self.found.setdefault(real, ([], [], []))
        for value, values in ((role, roles), (directory, spelled)):
            if value not in values:
                values.append(value)
        known.extend(pattern for pattern in patterns if pattern not in known)

    def read(self) -> Layout:
        system_files = self.read_innodb()
        binary_logs = self.read_binary_logs()
        self.read_relay_logs()
        separate: list[Place] = []
        inner: list[Place] = []
        for path, (roles, patterns, spelled) in sorted(self.found.items()):
            place = Place(path, tuple(roles), tuple(patterns), (), tuple(spelled))
            if self.is_inner(path):
                inner.append(place)
            else:
                separate.append(place)
                self.note_link(place)
        top = Place(self.datadir, ("datadir",), (), tuple(dict.fromkeys(self.keep)), (self.configured,))
        return Layout(
            datadir=self.datadir,
            configured=self.configured,
            places=(top, *separate),
            inner=tuple(inner),
            links=tuple(dict.fromkeys(self.links)),
            system_files=system_files,
            binary_logs=binary_logs,
            routes=tuple(self.routes),
        )

    def is_inner(self, path: str) -> bool:
        """Tell whether ``path`` lies in the datadir with no mount point between; note the top entry where one is."""
        if not path.startswith(self.datadir + "/"):
            return False
        step = path
        while step != self.datadir:
            if step in self.mounts:
                self.keep.append(os.path.relpath(path, self.datadir).split("/")[0])
                return False
            step = os.path.dirname(step)
        return True

    def note_link(self, place: Place) -> None:
        """Note the link inside the datadir that leads to ``place``, if the options name it through one."""
        for directory in place.configured:
            for top in (self.configured, self.datadir):
                if not directory.startswith(top + "/"):
                    continue
                parts = directory[len(top) + 1 :].split("/")
                for count in range(1, len(parts) + 1):
                    relative = "/".join(parts[:count])
                    if self.realpath(f"{top}/{relative}") != f"{self.datadir}/{relative}":
                        self.links.append(relative)
                        break

    def read_innodb(self) -> tuple[SystemFile, ...]:
        home = self.options.get("innodb_data_home_dir", "")
        files = parse_data_file_path(self.options.get("innodb_data_file_path", "") or "ibdata1:12M:autoextend")
        temporary = parse_data_file_path(
            self.options.get("innodb_temp_data_file_path", "") or "ibtmp1:12M:autoextend", temporary=True
        )
        names: list[str] = []
        for item in files:
            path = self.absolute(f"{home.rstrip('/')}/{item.path}" if home else item.path)
            if item.name in names:
                raise MariabackupError(
                    f"innodb_data_file_path names two files called {item.name}.",
                    "A backup holds all of them in one directory, so their names must differ.",
                )
            names.append(item.name)
            self.add("data_home", os.path.dirname(path), [re.escape(item.name)])
        # The server keeps its temporary tablespace and the list of cached pages there as well; both are made anew.
        home_dir = self.realpath(self.absolute(home or "."))
        if home_dir in self.found:
            pool = self.options.get("innodb_buffer_pool_filename", "") or "ib_buffer_pool"
            extra = [re.escape(item.name) for item in temporary if "/" not in item.path]
            if "/" not in pool:
                extra.append(re.escape(pool) + r"(\.incomplete)?")
            self.add("data_home", home_dir, extra)
        self.add("undo", self.directory("innodb_undo_directory"), [UNDO])
        self.add("redo", self.directory("innodb_log_group_home_dir"), [REDO])
        self.add("aria", self.directory("aria_log_dir_path"), [ARIA])
        return files

    def default_log_base(self, suffix: str) -> str:
        """The base name that the server takes for logs without a configured name."""
        stem = self.options.get("log_basename", "")
        if not stem:
            stem = os.path.splitext(os.path.basename(self.options.get("pid_file", "")))[0]
        return (stem or self.options.get("hostname", "").split(".")[0] or os.uname().nodename.split(".")[0]) + suffix

    def read_binary_logs(self) -> BinaryLogs | None:
        log_bin = self.options.get("log_bin", "")
        base = self.options.get("log_bin_basename", "")
        if not base and log_bin.lower() not in _SWITCH:
            # The option may carry an extension, which the server drops.
            base = os.path.join(os.path.dirname(log_bin), os.path.splitext(os.path.basename(log_bin))[0])
        if not base and log_bin.lower() in _OFF:
            return None
        base = self.absolute(base or self.default_log_base("-bin"))
        index = self.absolute(self.options.get("log_bin_index", "") or base + ".index")
        if not os.path.splitext(os.path.basename(index))[1]:
            index += ".index"
        name = re.escape(os.path.basename(base))
        self.add("binlog", os.path.dirname(base), [rf"{name}\.(\d{{6,}}(\.idx)?|state)"], routed=False)
        self.add("binlog", os.path.dirname(index), _index_patterns(index), routed=False)
        # Callers open these paths: symbolic links are resolved, as in the places.
        return BinaryLogs(
            *(os.path.join(self.realpath(os.path.dirname(p)), os.path.basename(p)) for p in (base, index))
        )

    def read_relay_logs(self) -> None:
        base = self.options.get("relay_log_basename", "")
        value = self.options.get("relay_log", "")
        if not base and value:
            # The option may carry an extension, which the server drops.
            base = os.path.join(os.path.dirname(value), os.path.splitext(os.path.basename(value))[0])
        if base:
            base = self.absolute(base)
            name = re.escape(os.path.basename(base))
            # A named connection adds "-name" to the base.
            self.add(
                "relaylog", os.path.dirname(base), [rf"{name}(-.+)?\.(\d{{6,}}|index.*|state|~rec~)"], routed=False
            )
        for option in ("relay_log_index", "relay_log_info_file"):
            value = self.options.get(option, "")
            if value:
                path = self.absolute(value)
                stem, extension = os.path.splitext(os.path.basename(path))
                pattern = rf"{re.escape(stem)}(-.+)?({re.escape(extension)}|\.index)(_crash_safe)?"
                self.add("relaylog", os.path.dirname(path), [pattern], routed=False)


def _index_patterns(index: str) -> list[str]:
    """The index file, and the two files that the server writes while it changes the index."""
    name = os.path.basename(index)
    stem = os.path.splitext(name)[0]
    return [re.escape(name), re.escape(stem) + r"\.(index_crash_safe|~rec~)"]
