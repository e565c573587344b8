# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a backup run is about to do, and everything that speaks against it; nothing here writes."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Callable, Union

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.chain import FULL, INCREMENTAL, Choice, Now
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.ids import next_id
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.manifest import (
    Manifest,
    manifest_path,
    read_manifest,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.proof import Proof, inspect_backup
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.remote_record import address_of
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.selection import Filter, Selection, quote_table
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.space import (
    Estimate,
    check_space,
    estimate_datadir,
    human,
    stream_bytes,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.workplace import Workplace
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.argv import BackupOptions
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.find import Tool, find_server_program, find_tool
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.login import (
    Login,
    operating_system_user,
    private_option_file,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.options import (
    CLIENT_GROUPS,
    TOOL_GROUPS,
    check_extra_args,
    check_option_groups,
    names_user,
    read_groups,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.version import (
    ServerVersion,
    check_tool_for_backup,
    parse_version,
)

_SERVER_GROUPS = ("mysqld", "server", "mariadb", "mariadbd")
_CLOCK_SKEW_SECONDS = 60
_DEFAULT_DATADIR = "/var/lib/mysql"


@dataclass(frozen=True)
class ServerKnowledge:
    """What the caller found out about the running server by a login, as far as it could.

    Attributes:
        version: ``SELECT VERSION()``.
        datadir: ``@@datadir``.
        variables: global variables by lower-case name.
        lsn: where its redo log was.
        file_names: how the names of a selection are written in the names of files.
    """

    version: str | None = None
    datadir: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    lsn: int | None = None
    file_names: Mapping[str, str] = field(default_factory=dict)


# Tells the timeline of a datadir; of the room datadir, given by the caller: rooms beside each other do not import.
TimelineOf = Callable[[str], Union[str, None]]


@dataclass
class Plan:
    """A run that nothing speaks against; ``existing`` is the result of the backup that makes it unnecessary.

    ``choice`` is the base of an increment, and why the backup is one or not. ``estimate`` is what it will take at least, as
    far as that is known; ``stream_bytes`` what a stream of it may come to.
    """

    tool: Tool
    server: ServerVersion | None
    datadir: str
    place: Workplace
    id: str
    estimate: Estimate | None
    stream_bytes: int
    user: str | None
    options: BackupOptions
    login: Login
    existing: dict[str, Any] | None = None
    choice: Choice = field(default_factory=Choice)
    timeline: str | None = None
    selection: Selection | None = None
    chosen: Filter | None = None
    server_id: int | None = None

    @property
    def type(self) -> str:
        """The type of the backup: ``full`` or ``incremental``."""
        return INCREMENTAL if self.choice.base else FULL

    def steps(self, params: Mapping[str, Any]) -> list[dict[str, str]]:
        """Describe the run for check mode."""
        size = human(self.estimate.bytes) if self.estimate else "an unknown amount"
        kind = "a full backup" if self.type == FULL else "an incremental backup"
        size = f"about {size}" if self.type == FULL else f"the changed pages, and {size} of other tables"
        why = f"; {self.choice.reason}" if self.choice.reason else ""
        found = [
            {
                "phase": "backup",
                "action": f"take {'a partial backup' if self.selection else kind} of {self.datadir} with {self.tool.path}",
                "detail": f"{size}, {self.options.parallel} threads, into {self.place.directory}{why}",
            }
        ]
        if params.get("prepare"):
            found.append({"phase": "prepare", "action": "apply the redo log", "detail": self.place.directory})
        checksums = "with SHA-256 of every file" if checksum_of(params) == "sha256" else "without checksums"
        if params.get("format") == "stream":
            checksums = "with its SHA-256" if checksum_of(params) == "sha256" else "without a checksum"
        found.append({"phase": "verify", "action": "prove the backup from its bytes", "detail": checksums})
        found.append(
            {
                "phase": "commit",
                "action": f"put it in place as {self.place.target}",
                "detail": "synced, with its manifest",
            }
        )
        return found


@dataclass(frozen=True)
class Destination:
    """Where a backup goes that is not a bare directory: its place in a repository.

    Attributes:
        place: where it comes into being.
        id: its id there.
        instance: whose backup it is there.
        beside: makes the texts of what lies beside its files, by name.
        choose: chooses the base of an increment; None for a full backup.
    """

    place: Workplace
    id: str
    instance: str
    beside: Callable[[Manifest], Mapping[str, str]]
    choose: Callable[[Now], Choice] | None = None


def plan_take(
    params: Mapping[str, Any],
    server: ServerKnowledge | None,
    destination: Destination | None = None,
    timeline_of: TimelineOf | None = None,
) -> Plan:
    """Look at everything before a run, and refuse what cannot end well.

    Raises:
        MariabackupError: a value, the tool, the option files, the target or the space speaks against it.
    """
    server = server or ServerKnowledge()
    if (params.get("type") or FULL) != FULL and destination is None:
        raise MariabackupError(
            f"type is {params['type']}, and the base of an increment is looked for in a repository.",
            "Name the repository with repository instead of target_dir.",
        )
    place = destination.place if destination else Workplace(os.path.abspath(params["target_dir"]))
    selection = Selection.from_params(params)
    chosen = selection.encode(server.file_names) if selection else None
    existing = None if destination else existing_backup(place.target, params.get("skip_if_newer_than"), selection)
    tool = find_tool(params.get("mariadb_backup"))
    check_extra_args(params.get("extra_args") or ())
    options = BackupOptions(
        parallel=_positive(params, "parallel", 1),
        throttle=_positive(params, "throttle", 0),
        galera_info=bool(params.get("galera_info")),
        slave_info=bool(params.get("slave_info")),
        safe_slave_backup=bool(params.get("safe_slave_backup")),
        safe_slave_backup_timeout=params.get("safe_slave_backup_timeout"),
        selection=tuple(chosen.arguments()) if chosen else (),
    )
    login = Login.from_params(params)
    user, configured = _look_at_option_files(params, login)
    if existing is None:
        place.check()
    version = _server_version(server)
    if version is not None:
        check_tool_for_backup(tool.version, version)
    if server.variables.get("innodb_log_archive", "").upper() in ("ON", "1"):
        raise MariabackupError(
            "The server archives its redo log (innodb_log_archive=ON), which mariadb-backup cannot copy.",
            "Set innodb_log_archive=OFF for as long as backups are taken with mariadb-backup.",
        )
    datadir = os.path.realpath(server.datadir or configured or _DEFAULT_DATADIR)
    _check_apart(place.target, datadir)
    if chosen is not None and existing is None:
        _require_on_server(chosen, datadir)
    timeline = timeline_of(datadir) if timeline_of else None
    choice = Choice()
    if destination is not None and destination.choose is not None and selection is None:
        series = (version or tool.version).series_number
        choice = destination.choose(Now(timeline, series, server.lsn, datetime.now(timezone.utc)))
    takes = chosen.takes if chosen else None
    estimate = estimate_datadir(datadir, choice.base is None, takes) if os.path.isdir(datadir) else None
    # How far a stream can be compressed is not known before: a full disk ends it, and nothing of it is kept.
    compressed = (params.get("compression") or "none") != "none"
    if estimate is not None and existing is None and not place.leftover() and not compressed:
        check_space(place.file_system, estimate, "the backup")
    identity = destination.id if destination else next_id(datetime.now(timezone.utc), None, secrets.token_hex(3))
    return Plan(
        tool,
        version,
        datadir,
        place,
        identity,
        estimate,
        stream_bytes([datadir, *_elsewhere(server)]) if params.get("format") == "stream" else 0,
        user,
        options,
        login,
        existing,
        choice,
        timeline,
        selection,
        chosen,
        _server_id(server),
    )


def _server_id(server: ServerKnowledge) -> int | None:
    text = server.variables.get("server_id", "")
    return int(text) if text.isdigit() else None


def _elsewhere(server: ServerKnowledge) -> list[str]:
    """Return the directories outside of the datadir in which the server keeps tablespaces."""
    paths = [server.variables.get(name, "") for name in ("innodb_data_home_dir", "innodb_undo_directory")]
    return [path for path in paths if os.path.isabs(path)]


def _require_on_server(chosen: Filter, datadir: str) -> None:
    """Refuse a name that the server does not have: the tool would say nothing, and leave it out."""
    missing = [
        f"the schema {name}"
        for path, name in chosen.databases.items()
        if not os.path.isdir(os.path.join(datadir, path))
    ] + [
        f"the table {quote_table(table)}"
        for path, table in chosen.tables.items()
        if not os.path.isfile(os.path.join(datadir, *path) + ".frm")
    ]
    if missing:
        raise MariabackupError(
            f"The server in {datadir} does not have {', '.join(missing)}.",
            "Correct databases or tables; names are exact, and upper and lower case differ.",
        )


def require_chosen(chosen: Filter, proof: Proof) -> None:
    """Refuse a backup that lacks a table which was asked for.

    Raises:
        MariabackupError: with the tables.
    """
    missing = [
        quote_table(table) for path, table in chosen.tables.items() if "/".join(path) + ".frm" not in proof.files
    ]
    if missing:
        raise MariabackupError(
            f"The tool has left out {', '.join(missing)}, although it reports success.",
            "Nothing was kept. If the tables were not dropped or renamed meanwhile, report this with the log.",
        )


def _positive(params: Mapping[str, Any], name: str, least: int) -> int:
    value = params.get(name)
    if value is None:
        return least
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise MariabackupError(f"{name} is {value}.", f"Set it to a whole number of at least {least}.")
    return value


def checksum_of(params: Mapping[str, Any]) -> str:
    """Return ``sha256`` (the default) or ``none``."""
    value = params.get("checksum") or "sha256"
    if value not in ("sha256", "none"):
        raise MariabackupError(f"checksum is {value}.", "Set it to sha256 or none.")
    return str(value)


def _look_at_option_files(params: Mapping[str, Any], login: Login) -> tuple[str | None, str | None]:
    """Refuse option files that change the backup; return the user to name and the datadir that they configure.

    Where no option file names an account, the operating system's user logs in: 10.5 would try the empty one.
    """
    suffix = params.get("defaults_group_suffix")
    with private_option_file(login, params.get("defaults_file")) as (name, fd):
        client = read_groups(name, CLIENT_GROUPS, suffix=suffix, pass_fds=[fd])
        tool = read_groups(name, TOOL_GROUPS, suffix=suffix, pass_fds=[fd])
        configured = read_groups(name, _SERVER_GROUPS, suffix=suffix, pass_fds=[fd])
    check_option_groups(client, tool)
    datadirs = [argument.partition("=")[2] for argument in configured if argument.startswith("--datadir=")]
    user = None if login.user or names_user(client) or names_user(tool) else operating_system_user()
    return user, datadirs[-1] if datadirs else None


def _server_version(server: ServerKnowledge) -> ServerVersion | None:
    if server.version:
        try:
            return parse_version(server.version)
        except ValueError:
            return None
    program = find_server_program()
    return program.version if program else None


def _check_apart(target: str, datadir: str) -> None:
    """Refuse a target inside of the datadir, where the server takes it for a schema, and one around it."""
    if os.path.commonpath([target, datadir]) in (target, datadir):
        raise MariabackupError(
            f"The target directory {target} and the datadir {datadir} lie inside of each other.",
            "Choose a target directory outside of the datadir.",
        )


def existing_backup(target: str, newer_than: Any, selection: Selection | None = None) -> dict[str, Any] | None:
    """Return the result of a good backup in ``target`` that is young enough, if the caller wants to skip for one.

    Args:
        newer_than: seconds; None: nothing counts.
        selection: what is to be backed up; a backup of something else does not count.
    """
    if not newer_than or not os.path.isdir(target):
        return None
    try:
        manifest = read_manifest(manifest_path(target))
    except MariabackupError:
        # A damaged backup is a reason to take the next one.
        return None
    if manifest is None or manifest.selection != (selection.as_dict() if selection else None):
        return None
    try:
        created = datetime.fromisoformat(manifest.created.replace("Z", "+00:00"))
    except ValueError:
        return None
    age = (datetime.now(timezone.utc) - created).total_seconds()
    # One from the future, taken when the clock was wrong, would count until then.
    if not -_CLOCK_SKEW_SECONDS < age < float(newer_than):
        return None
    proof = inspect_backup(
        target, manifest=manifest, as_increment=manifest.type == INCREMENTAL, partial_ok=selection is not None
    )
    return result_of(manifest, proof) if proof.ok else None


def result_of(manifest: Manifest, proof: Proof) -> dict[str, Any]:
    """Return the result keys that describe a backup."""
    return {
        "id": manifest.id,
        "path": address_of(proof.path),
        "type": manifest.type,
        "base_id": manifest.base_id,
        "from_lsn": manifest.from_lsn,
        "to_lsn": manifest.to_lsn,
        "last_lsn": manifest.last_lsn,
        "gtid": manifest.gtid,
        "binlog_file": manifest.binlog_file,
        "binlog_position": manifest.binlog_position,
        "server_version": manifest.server_version,
        "tool_version": manifest.tool_version,
        "size_bytes": proof.size_bytes,
        "stored_bytes": proof.stored_bytes,
        "files": len(proof.files),
        "duration_seconds": manifest.duration_seconds,
        "compression": manifest.compression,
        "encrypted": manifest.encrypted,
        "prepared": manifest.prepared,
        "label": manifest.label,
        "selection": manifest.selection,
    }
