# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a restore has to know before it decides: pure data, gathered by ``facts``, judged by ``plan``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping


@dataclass(frozen=True)
class Source:
    """The backup.

    ``problems`` are the proof's findings in words; ``needs_prepare`` says that the log has still to be applied.
    Sizes are bytes. ``metadata`` is what the backup says of itself, JSON-able.
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
    has_manifest: bool
    has_checksums: bool
    rocksdb: bool
    innodb: Mapping[str, str]
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PlaceFacts:
    """One directory of the set.

    ``entries`` are the names in it that belong to the set (every name but the allowed ones for the datadir).
    ``free_bytes`` and ``free_inodes`` are those of its file system, or of its parent's when it does not exist.
    ``lower_layer``: an overlay file system would refuse to rename it.
    """

    role: str
    path: str
    exists: bool
    shared: bool
    mount_point: bool
    entries: tuple[str, ...]
    foreign: tuple[str, ...]
    device: int
    free_bytes: int
    free_inodes: int
    used_bytes: int
    read_only: bool
    lower_layer: bool
    exchangeable: bool
    reflink: bool
    symlinks: tuple[str, ...] = ()


@dataclass(frozen=True)
class ServiceFacts:
    """The service that runs the server; ``outsiders`` are processes that use the set but are not the service."""

    manager: str
    name: str
    exists: bool
    active: bool
    main_pid: int | None
    wakers: tuple[str, ...]
    outsiders: tuple[str, ...]
    user: str
    group: str


@dataclass(frozen=True)
class ServerState:
    """What the running server says, or its files say when nobody can log in.

    ``topology`` holds findings in words: connected replicas, replica connections, Galera. ``unknown`` tells why
    something could not be found out. ``option_conflicts`` are differences between the server and its option files.
    """

    series: tuple[int, int]
    version: str
    logged_in: bool
    topology: tuple[str, ...]
    unknown: tuple[str, ...]
    option_conflicts: tuple[str, ...]
    options: Mapping[str, str]


@dataclass(frozen=True)
class Situation:
    """Everything that the plan judges."""

    source: Source
    places: tuple[PlaceFacts, ...]
    service: ServiceFacts
    server: ServerState
    innodb_differences: tuple[str, ...]
    carried: tuple[str, ...]
    not_carried: tuple[str, ...]

    @property
    def datadir(self) -> PlaceFacts:
        """The datadir's own facts."""
        return next(place for place in self.places if place.role == "datadir")

    @property
    def has_data(self) -> bool:
        """Whether anything of an old set is there."""
        return any(place.entries for place in self.places)
