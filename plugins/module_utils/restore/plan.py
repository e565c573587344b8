# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide how a restore is done, or why it is not: pure code, the same for check mode and for the real run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.layout import INSIDE
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.members import choose_member
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.swap import Member
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.restore import clone_plan
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.situation import Situation
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.options import check_extra_args

MIB = 1 << 20
# What a staged set needs beyond the bytes of the backup: directories, rounding, what is written meanwhile.
SPARE_BYTES = 64 * MIB
SPARE_INODES = 64
INNODB_ROLES = frozenset({"data_home", "undo", "redo", "aria"})  # roles whose files come out of the staged datadir


@dataclass(frozen=True)
class Refusal:
    """Why the restore is not done, and what the reader does about it."""

    cause: str
    action: str


@dataclass(frozen=True)
class Plan:
    """What a restore will do.

    The first member is the datadir's: the whole backup is staged and prepared there before the files of separate
    directories are moved to members of their own.
    """

    refusals: tuple[Refusal, ...]
    warnings: tuple[str, ...]
    steps: tuple[dict[str, str], ...]
    members: tuple[Member, ...]


def make_plan(situation: Situation, options: Mapping[str, Any], run: str) -> Plan:
    """Judge the situation.

    Args:
        situation: the facts.
        options: the module's options.
        run: the run's id, which the names of the staged and previous directories end in.
    """
    members: list[Member] = []
    refusals: list[Refusal] = []
    for directory in situation.directories:
        try:
            members.append(choose_member(directory.place, run, directory.facts))
        except MariabackupError as error:
            refusals.append(Refusal(error.cause, error.action))
    refusals.extend(_refusals(situation, options))
    return Plan(
        refusals=tuple(refusals),
        warnings=tuple(_warnings(situation, options)),
        # A refused directory has no member, and a refused plan no steps.
        steps=() if refusals else tuple(_steps(situation, options, members)),
        members=tuple(members),
    )


def _refusals(situation: Situation, options: Mapping[str, Any]) -> Iterator[Refusal]:
    yield from _about_options(situation, options)
    yield from _about_source(situation, options)
    yield from _about_versions(situation, options)
    yield from _about_service(situation, options)
    yield from _about_existing_data(situation, options)
    yield from _about_file_systems(situation, options)
    if situation.clone is not None:
        yield from (Refusal(*problem) for problem in clone_plan.problems(situation.clone, options))
    yield from about_topology(situation.server.topology, situation.server.unknown, options)


def _about_source(situation: Situation, options: Mapping[str, Any]) -> Iterator[Refusal]:
    source = situation.source
    for problem in source.problems:
        yield Refusal(f"The backup {source.shown} cannot be restored: {problem}", "Restore another backup.")
    if options["manifest"] == "require" and not source.has_manifest:
        yield Refusal(
            f"The backup {source.path} has no manifest ({source.path}.manifest.json).",
            "Set manifest: if_present to accept the weaker proof: bytes on disk, metadata, table files.",
        )
    if source.isl_files:
        yield Refusal(
            "The backup holds tables with a DATA DIRECTORY of their own, outside of the datadir: "
            + _names(source.isl_files)
            + ".",
            "Restore it by hand onto a host where these directories are free, or move the tables into the datadir and take a"
            " new backup. ALTER TABLE leaves them where they are: copy each into a new one (CREATE TABLE ... LIKE, INSERT ..."
            " SELECT) and rename that, or give a partitioned one its partitions anew.",
        )
    if source.needs_prepare and source.tool_problem:
        yield Refusal(
            f"The backup has still to be prepared, and {source.tool_problem}",
            f"Prepare it with mariadb-backup {source.series[0]}.{source.series[1]}, then restore the prepared backup.",
        )
    if source.stream_problem:
        yield Refusal(*source.stream_problem)
    if source.stream and options["copier"] != "builtin":
        yield Refusal(
            f"copier is {options['copier']}, and the backup is a stream, which only mbstream extracts.",
            "Leave copier out.",
        )
    for place in situation.directories:
        if _inside(source.path, place.path) or _inside(place.path, source.path):
            yield Refusal(
                f"The backup {source.path} and the {place.role} directory {place.path} lie in each other.",
                "Move the backup out of the server's directories first.",
            )


def _about_options(situation: Situation, options: Mapping[str, Any]) -> Iterator[Refusal]:
    try:
        check_extra_args(options["extra_args"] or ())
    except MariabackupError as error:
        yield Refusal(error.cause, error.action)
    if options["copier"] == "rsync" and options["method"] == "move":
        yield Refusal("rsync cannot move a backup.", "Use copier: builtin or mariadb-backup to move.")
    if options["copier"] == "mariadb-backup" and options["bandwidth_limit"]:
        yield Refusal(
            "bandwidth_limit is set, and mariadb-backup copies as fast as it can.",
            "Leave out bandwidth_limit, or copier.",
        )
    if options["binary_logs"] == "leave" and situation.binary_logs_inside:
        yield Refusal(
            "binary_logs is leave, but they lie in the datadir, which is exchanged as a whole.",
            "Leave binary_logs out, or move them to a directory of their own (log_bin) first.",
        )


def _about_versions(situation: Situation, options: Mapping[str, Any]) -> Iterator[Refusal]:
    source, server = situation.source, situation.server
    if source.series > server.series:
        yield Refusal(
            f"The backup is of MariaDB {source.server_version}, the server is {server.version}: there is no way down.",
            "Install a server of the backup's series or a newer one.",
        )
    if source.series < server.series and options["upgrade"] == "never":
        yield Refusal(
            f"The backup is of MariaDB {source.server_version}, the server is {server.version}, and upgrade is never.",
            "Set upgrade: auto, or restore onto a server of the backup's series.",
        )
    for difference in situation.innodb_differences:
        yield Refusal(
            f"The server could not open the restored data: {difference}",
            "Make the server's option files agree with the backup's backup-my.cnf, then run this task again.",
        )
    for conflict in server.option_conflicts:
        yield Refusal(
            f"The running server and its option files disagree: {conflict}",
            "After a restart the server would use other directories. Restart it or mend the option files first.",
        )


def _about_service(situation: Situation, options: Mapping[str, Any]) -> Iterator[Refusal]:
    service = situation.service
    if not service.exists:
        yield Refusal(
            f"There is no service {service.name} ({service.manager}) on this host.",
            "Name the server's service with the option service, or install the server.",
        )
    if service.outsiders:
        yield Refusal(
            f"Processes outside of the service {service.name} use the server's directories: "
            + _names(service.outsiders)
            + ".",
            "Stop them, or name the service that they belong to.",
        )
    if service.restriction_problem:
        yield Refusal(
            f"{service.name} cannot be started read-only: {service.restriction_problem}",
            "Set start: false, and start and check the server yourself after the restore.",
        )
    if service.manager == "none" and options["start"]:
        yield Refusal(
            "Without a service manager nothing can start the server.",
            "Set start: false, and start the server yourself after the restore.",
        )


def _about_existing_data(situation: Situation, options: Mapping[str, Any]) -> Iterator[Refusal]:
    if options["existing_data"] != "fail":
        return
    for place in situation.directories:
        if place.entries:
            yield Refusal(
                f"The {place.role} directory {place.path} is not empty: {_names(place.entries)}.",
                "Set existing_data to keep (the old data is moved aside) or delete (it is removed after success).",
            )


def _written_bytes(situation: Situation, options: Mapping[str, Any]) -> dict[int, int]:
    """Return how many bytes staging, and the server when it starts, write on each device."""
    source, datadir = situation.source, situation.datadir
    shares_blocks = source.device == datadir.device and (options["method"] == "move" or source.reflink)
    # Increments are written into the staged set, shared blocks or not, each from a copy beside it.
    full_bytes = 0 if shares_blocks else source.size_bytes - source.increment_bytes
    needs = {datadir.device: SPARE_BYTES + full_bytes + source.increment_bytes + source.largest_increment}
    for place in situation.directories:
        if place.device != datadir.device:
            needs[place.device] = needs.get(place.device, SPARE_BYTES) + source.special_bytes.get(place.path, 0)
    redo = next((place for place in situation.directories if "redo" in place.place.roles), datadir)
    for place, size in zip((redo, datadir), situation.start_bytes):
        needs[place.device] += size
    return needs


def _about_file_systems(situation: Situation, options: Mapping[str, Any]) -> Iterator[Refusal]:
    free = {directory.device: directory.free_bytes for directory in situation.directories}
    paths = {directory.device: directory.path for directory in reversed(situation.directories)}
    if options["existing_data"] == "delete_first":
        for directory in situation.directories:
            free[directory.device] += directory.used_bytes
    for device, need in _written_bytes(situation, options).items():
        if free[device] < need:
            yield Refusal(
                f"Staging needs {need // MIB} MiB on the file system of {paths[device]},"
                f" and {free[device] // MIB} MiB are free.",
                "Make room, or, when the disk cannot hold the old and the new data, read about"
                " existing_data: delete_first.",
            )
    datadir = situation.datadir
    inodes = situation.source.files + SPARE_INODES
    if datadir.free_inodes is not None and datadir.free_inodes < inodes:
        yield Refusal(
            f"Staging needs {inodes} inodes on the file system of {datadir.path}, and {datadir.free_inodes} are free.",
            "Remove small files there, or give the server a file system with more inodes.",
        )


def about_topology(findings: Sequence[str], unknown: Sequence[str], options: Mapping[str, Any]) -> Iterator[Refusal]:
    """Refuse a server that is not alone, or of which that is not known, until the caller allows it.

    Args:
        findings: see ``ServerState.topology``.
        unknown: see ``ServerState.unknown``.
        options: the module's, for ``topology``.
    """
    if options["topology"] == "allow":
        return
    for finding in findings:
        yield Refusal(
            finding, "Decide what becomes of the other servers (docs/operations.md), then set topology: allow."
        )
    for gap in unknown:
        yield Refusal(
            f"It could not be found out whether this server has replicas, is one, or is in a cluster: {gap}",
            "Give login options that work, or set topology: allow.",
        )


def _warnings(situation: Situation, options: Mapping[str, Any]) -> Iterator[str]:
    if not situation.source.has_manifest:
        yield f"{situation.source.shown} has no manifest: a file that was changed after the backup cannot be noticed."
    if situation.not_carried:
        yield f"Not carried over from the old datadir: {_names(situation.not_carried)}."
    if options["topology"] == "allow":
        yield from situation.server.topology
    datadir = situation.datadir
    if datadir.facts.mount_point and options["existing_data"] == "keep" and situation.has_data:
        yield (
            f"{datadir.path} is a mount point, so the old set is kept inside of it, in {INSIDE}. Until it is"
            f" removed, the server lists a schema #mysql50#{INSIDE} unless ignore_db_dirs={INSIDE} is set."
        )
    if options["existing_data"] == "delete_first" and situation.has_data:
        yield "existing_data is delete_first: once the old data is deleted there is no way back to it."


def _steps(situation: Situation, options: Mapping[str, Any], members: Sequence[Member]) -> Iterator[dict[str, str]]:
    source, service, datadir = situation.source, situation.service, situation.datadir
    staging = members[0].staged
    first = options["existing_data"] == "delete_first" and situation.has_data
    if first:
        yield _step("verify", "verify the whole backup", source.shown)
        yield from _stop_steps(situation)
        for member in members:
            yield _step("delete", "delete the old data", member.live)
    how = options["method"]
    if source.stream:
        how = "extract"
    elif how == "auto":
        how = "reflink" if source.reflink else "copy"
    size = f"{source.size_bytes // MIB} MiB in {source.files} files; {_room(situation, options)}"
    count = len(source.increments)
    increments = f", and {count} increment{'s' if count > 1 else ''}" if count else ""
    prepare = (
        [_step("prepare", f"apply the log{increments}", source.path if how == "move" else staging)]
        if source.needs_prepare
        else []
    )
    stage = _step(
        "stage",
        f"{how} the backup{increments} ({size})",
        f"{source.shown if source.stream else source.full} -> {staging}",
    )
    # A backup that is to be consumed is prepared before it is moved.
    yield from [*prepare, stage] if how == "move" else [stage, *prepare]
    for member in members:
        if set(member.place.roles) & INNODB_ROLES:
            yield _step("verify", "place the files of " + ", ".join(member.place.roles), member.staged)
    for name in situation.carried:
        yield _step("verify", "carry over", f"{datadir.path}/{name}")
    if situation.clone is not None:
        yield from (_step("clone", *step) for step in clone_plan.steps(situation.clone, options, staging))
    yield _step("verify", "prove the set, set its owner, sync", f"{service.user}:{service.group} {staging}")
    if not first:
        yield from _stop_steps(situation)
    if situation.binary_logs and "leave" not in (options["gtid_state"], options["binary_logs"]):
        yield _step("stop", f"stage the GTID state: {options['gtid_state']}", staging)
    for member in members:
        yield _step("swap", member.mode, f"{member.staged} <-> {member.live}")
    if options["start"]:
        yield _step("start", "start read-only, without replication and events", service.name)
        yield _step("health", f"{options['health_check']} health check", service.name)
    if source.series < situation.server.series:
        yield _step("commit", "upgrade the system tables", situation.server.version)
    if options["post_restore_sql"] and situation.clone is None:
        yield _step("commit", f"run {len(options['post_restore_sql'])} statements of post_restore_sql", service.name)
    if options["start"]:
        yield _step("commit", "open for writing", service.name)
    if situation.has_data and not first:
        keep = options["existing_data"] == "keep"
        for member in members:
            yield _step("commit", "keep the old data" if keep else "delete the old data", member.previous)


def _stop_steps(situation: Situation) -> Iterator[dict[str, str]]:
    service = situation.service
    if service.manager == "none":
        return
    wakers = f", with {_names(service.wakers)}" if service.wakers else ""
    last = situation.last_downtime
    away = f"about {last:.1f} s, as the last time" if last else "a second, and what its stop and its start take"
    yield _step("stop", "hold and stop the service, and prove it stopped", f"{service.name}{wakers}; away for {away}")


def _room(situation: Situation, options: Mapping[str, Any]) -> str:
    """Say how much of the datadir's file system the restore needs while it lasts, and what is free there."""
    device = situation.datadir.device
    needs = _written_bytes(situation, options)[device]
    return f"needs {needs // MIB} MiB, {situation.datadir.free_bytes // MIB} MiB are free"


def _step(phase: str, action: str, detail: str) -> dict[str, str]:
    return {"phase": phase, "action": action, "detail": detail}


def _inside(path: str, directory: str) -> bool:
    return path == directory or path.startswith(directory.rstrip("/") + "/")


def _names(names: tuple[str, ...], most: int = 10) -> str:
    """List names for a message, the first ``most`` of them."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
