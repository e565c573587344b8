# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gather what the plan judges: the backup, the directories, the service, the server."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.manifest import (
    Manifest,
    manifest_path,
    read_manifest,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.metadata import read_metadata
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.proof import (
    Proof,
    inspect_backup,
    preparing_marker,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.remote_record import address_of
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.stored import check_readable
from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.carry_over import (
    CarryOver,
    list_top,
    plan_carry_over,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.innodb import compare_innodb, start_bytes
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.inspect import (
    disk_usage,
    entries,
    existing_parent,
    free_space,
    is_mount_point,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.layout import NEVER_OWNED, Layout, Place
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.members import look_at
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.probe import supports_reflink
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.repository import source as sources
from ansible_collections.dba.mariabackup.plugins.module_utils.restore import cloning, server_identity
from ansible_collections.dba.mariabackup.plugins.module_utils.restore import journal as journals
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.host import Host
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.outsiders import staying_users
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.situation import (
    Directory,
    ServerState,
    ServiceFacts,
    Situation,
    Source,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.server.facts import ServerFacts, read_facts
from ansible_collections.dba.mariabackup.plugins.module_utils.server.greeting import socket_path
from ansible_collections.dba.mariabackup.plugins.module_utils.server.login import Login, connect_any, root_over_socket
from ansible_collections.dba.mariabackup.plugins.module_utils.server.options import is_on
from ansible_collections.dba.mariabackup.plugins.module_utils.server.service import account_of, running_datadir
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.find import find_server_program, find_tool
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.version import ServerVersion, check_tool_for_prepare

# Files in a datadir that tell of a configured replica connection when nobody can log in.
_REPLICA_FILES = ("master.info", "multi-master.info")


def gather(params: Mapping[str, Any], ctx: Context, host: Host, *, write: bool) -> Situation:
    """Look at everything once.

    Args:
        params: the module's options.
        ctx: the job.
        host: the server.
        write: allows probes with temporary directories beside the datadir; never in check mode.

    Raises:
        MariabackupError: something cannot be looked at: no such backup, a datadir that is a file.
    """
    ctx.log(f"the service {host.service.name} serves {host.layout.datadir}")
    places = [place for place in host.layout.places if not _left_alone(place, params)]
    source, top_names = _source(params, host, write)
    carry = _carry_over(params, host, top_names)
    directories = tuple(_directory(place, write, carry.carried) for place in places)
    with host.service.at_once():
        server = _server(params, host)
        service = _service(params, host)
    return Situation(
        source=source,
        directories=directories,
        service=service,
        server=server,
        innodb_differences=_differences(source, host, server),
        carried=carry.carried,
        not_carried=carry.others,
        binary_logs=host.layout.binary_logs is not None,
        binary_logs_inside=_binary_logs_inside(host.layout),
        start_bytes=start_bytes(host.options),
        last_downtime=_last_downtime(host, ctx),
        clone=cloning.look_at(params, host, source.server_ids, carry.carried) if params["clone"] else None,
    )


def _last_downtime(host: Host, ctx: Context) -> float | None:
    """Return how long the server was away in the last restore onto this datadir; nothing else tells how it stops and starts."""
    runs = [run for run in journals.all_runs(ctx.state_dir, host.layout.datadir) if run["state"] == journals.COMMITTED]
    return (runs[-1]["result"].get("downtime_seconds") or None) if runs else None


def _binary_logs_inside(layout: Layout) -> bool:
    logs = layout.binary_logs
    return logs is not None and not any("binlog" in place.roles for place in layout.separate)


def _left_alone(place: Place, params: Mapping[str, Any]) -> bool:
    """Whether a directory keeps its files: binary logs that the caller wants to leave."""
    return params["binary_logs"] == "leave" and set(place.roles) == {"binlog"}


def _directory(place: Place, write: bool, carried: tuple[str, ...]) -> Directory:
    """Look at one directory; what is carried over into the new set is no data that it could cost."""
    facts = look_at(place, write)
    parent = existing_parent(place.path)
    space = free_space(parent)
    allowed = {*NEVER_OWNED, *(carried if place.role == "datadir" else ())}
    owned = tuple(name for name in entries(place.path, allowed=allowed) if place.owns(name))
    return Directory(
        place=place,
        facts=facts,
        entries=owned,
        device=os.stat(parent).st_dev,
        free_bytes=space.bytes,
        free_inodes=space.inodes,
        used_bytes=sum(disk_usage(os.path.join(place.path, name)).allocated for name in owned),
    )


def _source(params: Mapping[str, Any], host: Host, write: bool) -> tuple[Source, tuple[str, ...]]:
    path = os.path.realpath(params["target_dir"])
    chain = tuple(sources.links(path))
    manifest = read_manifest(manifest_path(path))
    # A backup that is moved is prepared in place, and a run that was killed there is taken up again.
    resuming = params["method"] == "move" and os.path.lexists(preparing_marker(path))
    bases = [inspect_link(link, number) for number, link in enumerate(chain[:-1])]
    proof = inspect_backup(path, manifest=None if resuming else manifest, resuming=resuming, as_increment=bool(bases))
    proofs = [*bases, proof]
    meta = proof.metadata
    problems = [f"{base.path}: {problem.text}" for base in bases for problem in base.problems]
    problems += [problem.text for problem in proof.problems]
    version = meta.server if meta else None
    if meta is not None and version is None and not problems:
        problems.append("its info file does not tell the server's version")
    special: dict[str, int] = {}
    for name, size in proofs[0].inventory.files.items():
        directory = host.layout.directory_of(name) if "/" not in name else host.layout.datadir
        if directory != host.layout.datadir:
            special[directory] = special.get(directory, 0) + size
    parent = existing_parent(host.layout.datadir)
    if parent == host.layout.datadir and not is_mount_point(parent):
        parent = os.path.dirname(parent)  # the new set is staged beside the datadir, inside of a mount point
    needs_prepare = resuming or not proof.prepared
    streams = [one.manifest for one in proofs if one.manifest is not None and one.manifest.stream is not None]
    source = Source(
        path=path,
        backup_id=_identity(manifest, proof, path),
        problems=tuple(problems),
        needs_prepare=needs_prepare,
        tool_problem=_tool_problem(params, version) if needs_prepare and version else None,
        series=version.series_number if version else (0, 0),
        server_version=meta.server_version or "" if meta else "",
        last_lsn=meta.last_lsn if meta else 0,
        size_bytes=sum(one.size_bytes for one in proofs),
        files=sum(len(one.files) for one in proofs),
        special_bytes=special,
        isl_files=tuple(sorted({name for one in proofs for name in one.isl_files})),
        schemas=tuple(proof.inventory.schemas),
        gtid=meta.gtid or None if meta else None,
        binlog_file=meta.binlog_file if meta else None,
        binlog_position=meta.binlog_position if meta else None,
        device=os.stat(path).st_dev,
        reflink=not streams and bool(supports_reflink(path, parent, write)),
        has_manifest=manifest is not None,
        has_checksums=manifest is not None and manifest.checksum == "sha256",
        innodb=dict(meta.options) if meta else {},
        encryption_plugin=proof.encryption_plugin,
        file_sizes={name: size for name, size in proofs[0].inventory.files.items() if "/" not in name},
        chain=chain,
        increment_bytes=sum(one.size_bytes for one in proofs[1:]),
        largest_increment=max((one.size_bytes for one in proofs[1:]), default=0),
        stream=bool(streams),
        stream_problem=_stream_problem(params, streams),
        address=address_of(path),
        server_ids=server_identity.ids_in(manifest.server_id if manifest else None, meta.gtid if meta else ""),
    )
    return source, tuple(sorted({name.split("/")[0] for one in proofs for name in one.inventory.files}))


def inspect_link(path: str, number: int, verify_checksums: bool = False) -> Proof:
    """Examine one backup of a chain; ``number`` 0 is the full one."""
    manifest = read_manifest(manifest_path(path))
    return inspect_backup(path, manifest=manifest, verify_checksums=verify_checksums, as_increment=number > 0)


def identity_of(path: str) -> str | None:
    """Return what tells the backup in a directory from every other one; None where nothing in it does."""
    manifest = read_manifest(manifest_path(path))
    return read_metadata(path).uuid if manifest is None else manifest.id


def _identity(manifest: Manifest | None, proof: Proof, path: str) -> str:
    if manifest is not None:
        return manifest.id
    return (proof.metadata.uuid if proof.metadata else None) or os.path.basename(path)


def _tool_problem(params: Mapping[str, Any], backup: ServerVersion) -> str | None:
    """Return why this host's tool cannot prepare the backup, as the end of a sentence."""
    try:
        check_tool_for_prepare(find_tool(params["mariadb_backup"]).version, backup)
    except MariabackupError as error:
        return error.cause
    return None


def _stream_problem(params: Mapping[str, Any], streams: list[Manifest]) -> tuple[str, str] | None:
    """Return why this host cannot read one of the streams, and what to do."""
    try:
        for manifest in streams:
            check_readable(manifest, params)
    except MariabackupError as error:
        return error.cause, error.action
    return None


def _carry_over(params: Mapping[str, Any], host: Host, in_backup: tuple[str, ...]) -> CarryOver:
    return plan_carry_over(
        list_top(host.layout.datadir) if os.path.isdir(host.layout.datadir) else {},
        host.layout,
        host.options,
        params["carry_over"],
        in_backup,
    )


def _service(params: Mapping[str, Any], host: Host) -> ServiceFacts:
    service, layout = host.service, host.layout
    pid = service.main_pid()
    places = [place.path for place in layout.places]
    # What the unit started beside the server (Debian's check for an upgrade) belongs to the service and ends with it.
    users = staying_users(places, layout.lock_files, lambda: {*service.pids(), service.main_pid() or 0})
    user, group = account_of(service, host.options)
    return ServiceFacts(
        manager=service.manager,
        name=service.name,
        exists=True,
        active=service.active(),
        main_pid=pid,
        wakers=tuple(trigger.name for trigger in service.sockets() if trigger.active),
        outsiders=tuple(dict.fromkeys(str(user) for user in users)),
        user=params["owner"] or user,
        group=params["group"] or group,
        restriction_problem=service.restriction_problem() if params["start"] else None,
    )


def _server(params: Mapping[str, Any], host: Host) -> ServerState:
    program = find_server_program(host.binary)
    if program is None:
        raise MariabackupError(f"{host.binary} cannot be run.", "Install the server, or correct server_command.")
    version = program.version
    running, topology, unknown = ask_topology(params, host)
    return ServerState(
        series=version.series_number,
        version=running.version if running else f"{version}-MariaDB",
        logged_in=running is not None,
        topology=topology,
        unknown=unknown,
        option_conflicts=(*_other_datadir(host), *(_conflicts(running, host.layout) if running else ())),
        gtids=tuple(running.gtid_states()) if running else (),
    )


def ask_topology(params: Mapping[str, Any], host: Host) -> tuple[ServerFacts | None, tuple[str, ...], tuple[str, ...]]:
    """Find out which other servers the one in service belongs together with.

    Returns:
        what the running server says (None where nobody could log in), the findings in words, and why something could
        not be found out.
    """
    running, unknown = _ask(params, host)
    topology: list[str] = []
    if running is not None:
        unknown = tuple(running.notes)
        topology += [f"A replica is connected to this server: {replica}." for replica in running.replicas]
        topology += [f"This server replicates from a primary: {link}." for link in running.replica_connections]
        if running.galera is not None:
            topology.append(f"This server is a member of the Galera cluster {running.galera}.")
    else:
        found = replica_files(host.layout.datadir)
        topology += [f"This server replicates from a primary: its datadir holds {name}." for name in found]
    # A server that was not restarted since joins the cluster with the restore's start, and takes the cluster's data.
    if (running is None or running.galera is None) and is_on(host.options.get("wsrep_on", "")):
        topology.append("This server's option files make it a member of a Galera cluster (wsrep_on).")
    return running, tuple(topology), unknown


def replica_files(datadir: str) -> list[str]:
    """Return the files in a datadir that make its server a replica when it starts."""
    return [name for name in _REPLICA_FILES if _holds_something(os.path.join(datadir, name))]


def _ask(params: Mapping[str, Any], host: Host) -> tuple[ServerFacts | None, tuple[str, ...]]:
    """Ask the running server; without one there is nothing that it could be unknown of."""
    if not host.service.active() or host.service.main_pid() is None:
        return None, ()
    socket = socket_path(host.options)
    try:
        given = Login.from_params(params)
        root = replace(root_over_socket(socket), connect_timeout=given.connect_timeout)
        connection, _label, _notes = connect_any([given, root], socket)
    except MariabackupError as error:
        return None, (f"{error.cause}",)
    try:
        return read_facts(connection), ()
    finally:
        connection.close()


def _other_datadir(host: Host) -> tuple[str, ...]:
    """Compare the working directory of the running server, which needs no login, with the option files' datadir."""
    found = running_datadir(host.service)
    if found is None or not os.path.isdir(host.layout.datadir):
        return ()
    expected = os.stat(host.layout.datadir)
    if found == (expected.st_dev, expected.st_ino):
        return ()
    return (f"the server does not run in {host.layout.datadir}, which its option files name.",)


def _holds_something(path: str) -> bool:
    """Whether there is a file that is not empty; every server leaves an empty ``multi-master.info`` when it stops."""
    try:
        return os.path.getsize(path) > 0
    except OSError:
        return False


def _conflicts(running: ServerFacts, layout: Layout) -> tuple[str, ...]:
    now = Layout.from_options({**running.variables, "datadir": running.datadir})
    found = []
    roles = ("data_home", "undo", "redo", "aria", "binlog", "relaylog")
    for role in roles:
        paths = [
            next((place.path for place in (*each.places, *each.inner) if role in place.roles), each.datadir)
            for each in (now, layout)
        ]
        if paths[0] != paths[1] and now.datadir == layout.datadir:
            found.append(f"its {role} directory is {paths[0]}, its option files say {paths[1]}.")
    return tuple(found)


def _differences(source: Source, host: Host, server: ServerState) -> tuple[str, ...]:
    if not source.innodb:
        return ()
    found = compare_innodb(source.innodb, host.options, sizes=source.file_sizes, server_version=(*server.series, 0))
    plugin = source.encryption_plugin
    if plugin and not any(name.startswith(plugin) and value for name, value in host.options.items()):
        found.append(
            f"the backup is encrypted with the plugin {plugin}, and the server's option files do not set it up"
        )
    keys = host.options.get("file_key_management_filename", "")
    if keys and not os.path.isfile(keys):
        # The running server has read it; the next start, on the old data too, would fail.
        found.append(f"the key file {keys}, which the server's option files name, is not there")
    return tuple(f"{text}." for text in found)


def summary(situation: Situation) -> dict[str, Any]:
    """Return what later phases, and later runs, need of the plan's facts."""
    return {
        "carried": list(situation.carried),
        "user": situation.service.user,
        "group": situation.service.group,
        "gtids": list(situation.server.gtids),
        "backup_gtid": situation.source.gtid,
        "backup_gtids": [situation.source.gtid] if situation.source.gtid else [],
        "schemas": list(situation.source.schemas),
        "needs_prepare": situation.source.needs_prepare,
        "encrypted": situation.source.encryption_plugin is not None,
        "upgrade": situation.source.series < situation.server.series,
        "last_lsn": situation.source.last_lsn,
        "clone": asdict(situation.clone) if situation.clone else None,
    }
