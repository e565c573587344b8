# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a restore has to know before it decides: pure data, gathered by ``facts``, judged by ``plan``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.layout import Place
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.members import PlaceFacts


@dataclass(frozen=True)
class Source:
    """The backup.

    ``problems`` are the proof's findings in words. ``needs_prepare`` says that the log has still to be applied, ``reflink``
    that the datadir's file system can share its blocks. Sizes are bytes; ``special_bytes`` are those that leave the
    datadir, by the directory they go to, ``file_sizes`` those of the files at the top. ``innodb`` is ``backup-my.cnf``.
    ``chain`` are the directories from the full backup on to ``path``: that one alone where it is a full backup. The sizes
    of its increments are ``increment_bytes``, and each is copied in its turn, the largest one ``largest_increment``. ``address`` is
    what the user calls the place: ``path`` is that of the mirror where the backup lies in remote storage. ``server_ids`` are those
    that the backup tells of, its own server's and those in its GTIDs.
    """

    path: str
    backup_id: str
    problems: tuple[str, ...]
    needs_prepare: bool
    tool_problem: str | None
    series: tuple[int, int]
    server_version: str
    last_lsn: int
    size_bytes: int
    files: int
    special_bytes: Mapping[str, int]
    isl_files: tuple[str, ...]
    schemas: tuple[str, ...]
    gtid: str | None
    binlog_file: str | None
    binlog_position: int | None
    device: int
    reflink: bool
    has_manifest: bool
    has_checksums: bool
    innodb: Mapping[str, str]
    encryption_plugin: str | None
    file_sizes: Mapping[str, int]
    chain: tuple[str, ...] = ()
    increment_bytes: int = 0
    largest_increment: int = 0
    stream: bool = False
    stream_problem: tuple[str, str] | None = None
    address: str = ""
    server_ids: tuple[int, ...] = ()

    @property
    def shown(self) -> str:
        """The place in words for the user."""
        return self.address or self.path

    @property
    def full(self) -> str:
        """The directory of the full backup, which is staged first."""
        return self.chain[0] if self.chain else self.path

    @property
    def increments(self) -> tuple[str, ...]:
        """The directories of the increments that are applied onto it, oldest first."""
        return self.chain[1:]


@dataclass(frozen=True)
class Directory:
    """One directory of the set and its file system.

    ``facts`` decide how it changes hands. ``entries`` are the names in it that belong to the set, but for those
    that the emptiness check allows. ``free_*`` are those of its file system; no limit of inodes is None.
    """

    place: Place
    facts: PlaceFacts
    entries: tuple[str, ...]
    device: int
    free_bytes: int
    free_inodes: int | None
    used_bytes: int

    @property
    def role(self) -> str:
        """The place's first role."""
        return self.place.role

    @property
    def path(self) -> str:
        """The place's real path."""
        return self.place.path


@dataclass(frozen=True)
class ServiceFacts:
    """The service that runs the server; ``outsiders`` are processes that use the set but are not the service.

    ``restriction_problem`` tells why the service cannot start its server read-only.
    """

    manager: str
    name: str
    exists: bool
    active: bool
    main_pid: int | None
    wakers: tuple[str, ...]
    outsiders: tuple[str, ...]
    user: str
    group: str
    restriction_problem: str | None


@dataclass(frozen=True)
class ServerState:
    """What the running server says, or its files say when nobody can log in.

    ``topology`` holds findings in words: connected replicas, replica connections, Galera. ``unknown`` tells why
    something could not be found out. ``option_conflicts`` are differences between the server and its option files. ``gtids``
    are all GTID states that it knows of.
    """

    series: tuple[int, int]
    version: str
    logged_in: bool
    topology: tuple[str, ...]
    unknown: tuple[str, ...]
    option_conflicts: tuple[str, ...]
    gtids: tuple[str, ...]


@dataclass(frozen=True)
class CloneFacts:
    """What a clone gets: its server id, and ``file``, the option file for it (None where the server would read none).

    ``configured`` says that the host's option files name that id already, ``problem`` why it cannot be had. ``connections`` are
    files that would make the clone a replica all the same.
    """

    server_id: int
    configured: bool
    problem: str | None
    file: str | None
    connections: tuple[str, ...] = ()


@dataclass(frozen=True)
class Situation:
    """Everything that the plan judges.

    ``binary_logs`` says that the server writes some, ``binary_logs_inside`` that they lie in the datadir. ``start_bytes`` is what
    the server's start takes of the disk: for redo, in the datadir. ``last_downtime`` is that of the last restore, in seconds.
    ``clone`` is None where the data goes back to its own server.
    """

    source: Source
    directories: tuple[Directory, ...]
    service: ServiceFacts
    server: ServerState
    innodb_differences: tuple[str, ...]
    carried: tuple[str, ...]
    not_carried: tuple[str, ...]
    binary_logs: bool
    binary_logs_inside: bool
    start_bytes: tuple[int, int] = (0, 0)
    last_downtime: float | None = None
    clone: CloneFacts | None = None

    @property
    def datadir(self) -> Directory:
        """The datadir."""
        return self.directories[0]

    @property
    def has_data(self) -> bool:
        """Whether anything of an old set is there."""
        return any(directory.entries for directory in self.directories)
