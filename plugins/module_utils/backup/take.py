# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes a backup of the server on this host into a directory, and proves it before it counts as one."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from datetime import datetime, timezone
from typing import Any, Callable, Optional

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.chain import AUTO, misfit
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.hashing import (
    CopyFollower,
    RunningHasher,
    hash_tree,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.inventory import (
    IGNORED_DIRECTORIES,
    take_inventory,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.left_out import require_all
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.manifest import FileEntry, Manifest, safe_layout
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.metadata import BackupMetadata
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.prepare import prepare_directory
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.proof import Proof, inspect_backup
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.take_plan import (
    Destination,
    Plan,
    ServerKnowledge,
    TimelineOf,
    checksum_of,
    plan_take,
    require_chosen,
    result_of,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.files import delete_tree
from ansible_collections.dba.mariabackup.plugins.module_utils.locks import exclusive, probe
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.argv import backup_argv
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.login import private_option_file
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.run import ends_on_signal, failure, run_tool
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.version import check_tool_for_backup

Work = Callable[[Plan, Mapping[str, Any], Context, Optional[Destination], Optional[TimelineOf]], dict[str, Any]]
# The tool raises its limit to the hard limit or this; many tables need more.
_USUAL_OPEN_FILES = 8192


def check(
    params: Mapping[str, Any],
    ctx: Context,
    server: ServerKnowledge | None = None,
    destination: Destination | None = None,
    timeline_of: TimelineOf | None = None,
) -> dict[str, Any]:
    """Plan for check mode: the same refusals as ``run``, nothing written.

    Raises:
        MariabackupError: what would stop the run.
    """
    with ctx.phase("plan"):
        planned = plan_take(params, server, destination, timeline_of)
        if planned.existing is not None:
            return {"changed": False, **planned.existing, "plan": []}
        if params.get("state_dir"):
            probe(params["state_dir"], planned.datadir, "backup")
    return {
        "changed": True,
        "path": planned.place.address,
        **kind_of(planned, params),
        "server_version": str(planned.server) if planned.server else None,
        "tool_version": str(planned.tool.version),
        "compression": params.get("compression") or "none",
        "encrypted": bool(params.get("encryption_recipients")),
        "prepared": bool(params.get("prepare")),
        "selection": planned.selection.as_dict() if planned.selection else None,
        "plan": planned.steps(params),
    }


def kind_of(planned: Plan, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the result keys about the type of the backup."""
    base = planned.choice.base
    reason = {"type_reason": planned.choice.reason} if params.get("type") == AUTO else {}
    return {"type": planned.type, "base_id": base.id if base else None, **reason}


def run(
    params: Mapping[str, Any],
    ctx: Context,
    server: ServerKnowledge | None = None,
    destination: Destination | None = None,
    timeline_of: TimelineOf | None = None,
    work: Work | None = None,
) -> dict[str, Any]:
    """Take the backup.

    Args:
        params: ``target_dir``; ``parallel``, ``throttle``, ``checksum`` (``sha256``, ``none``), ``prepare``,
            ``use_memory``, ``label``, ``skip_if_newer_than`` (seconds), ``galera_info``, ``slave_info``,
            ``safe_slave_backup``; ``databases``, ``tables`` and their ``_exclude``; the login and the tool options; ``state_dir``.
        server: what a login told; without it the version comes from the server's program on this host.
        destination: a place in a repository instead of ``target_dir``.
        timeline_of: tells which history a datadir is in, for the manifest.
        work: takes the backup in a place that is open; None for the directory format.

    Returns:
        The result keys of the module ``backup``.

    Raises:
        MariabackupError: nothing was left behind, the server goes on.
    """
    with ends_on_signal(), ExitStack() as stack:
        with ctx.phase("plan"):
            planned = plan_take(params, server, destination, timeline_of)
            if planned.existing is not None:
                return {"changed": False, **planned.existing, "log_path": ctx.log_path}
            ctx.log(
                f"a backup of the type {planned.type}{': ' if planned.choice.reason else ''}{planned.choice.reason}"
            )
            if params.get("state_dir"):
                stack.enter_context(exclusive(params["state_dir"], planned.datadir, "backup"))
            if planned.place.leftover():
                ctx.log(f"removing what a run that died left in {planned.place.directory}")
            planned.place.open(ctx.point)
        try:
            return (work or _take)(planned, params, ctx, destination, timeline_of)
        except OSError as error:
            raise MariabackupError(
                f"{error.filename or planned.place.directory}: {error.strerror or error}.",
                "Check the disk, and the backup with backup_info and verify: it has its place, and may not be durable."
                if planned.place.committed
                else "Check the disk; nothing of the backup was kept.",
            ) from error
        finally:
            planned.place.discard()


def _take(
    planned: Plan,
    params: Mapping[str, Any],
    ctx: Context,
    destination: Destination | None,
    timeline_of: TimelineOf | None,
) -> dict[str, Any]:
    started = time.monotonic()
    place, directory = planned.place, planned.place.directory
    checksum = checksum_of(params)
    # With prepare the files change once more, so hashing them early would be wasted.
    early = checksum == "sha256" and not params.get("prepare")
    hasher = RunningHasher(directory, threads=max(1, (os.cpu_count() or 1) // 2)) if early else None
    try:
        with ctx.phase("backup"):
            _run_backup(planned, params, ctx, hasher)
            ctx.point("backup-taken")
            drop_foreign(directory)
            if os.path.isdir(planned.datadir):
                # Before preparing, which gives files their last names.
                require_all(planned.datadir, take_inventory(directory).files, directory)
        if params.get("prepare"):
            with ctx.phase("prepare"):
                inspect_backup(directory, marked_by_caller=True, partial_ok=planned.chosen is not None).require(
                    "Nothing was kept; take the backup again."
                )
                prepare_directory(directory, ctx, params)
        with ctx.phase("verify"):
            proof = inspect_backup(
                directory,
                exact=bool(params.get("prepare")),
                marked_by_caller=True,
                as_increment=planned.choice.base is not None,
                partial_ok=planned.chosen is not None,
            )
            meta = proof.require("Nothing was kept; take the backup again.")
            if planned.chosen is not None:
                require_chosen(planned.chosen, proof)
            if meta.server is not None:
                check_tool_for_backup(planned.tool.version, meta.server)
            if proof.restore_refusal:
                ctx.warn(proof.restore_refusal)
            entries = _entries(proof, hasher, checksum, ctx)
    finally:
        if hasher is not None:
            hasher.abort()
    with ctx.phase("commit"):
        manifest = describe(
            planned,
            params,
            meta,
            prepared=proof.prepared,
            schemas=proof.schemas,
            files=entries,
            seconds=time.monotonic() - started,
            instance=destination.instance if destination else None,
        )
        check_history(planned, manifest, timeline_of)
        ctx.point("backup-proven")
        place.commit(manifest, destination.beside(manifest) if destination else None)
    proof.path = place.target
    result = result_of(manifest, proof)
    return {"changed": True, **result, **kind_of(planned, params), "log_path": ctx.log_path}


def check_history(planned: Plan, manifest: Manifest, timeline_of: TimelineOf | None) -> None:
    """Refuse an increment that does not continue its base, and a backup of a datadir that was replaced meanwhile.

    Raises:
        MariabackupError: what does not fit; nothing is kept.
    """
    if timeline_of is not None and timeline_of(planned.datadir) != planned.timeline:
        raise MariabackupError(
            f"The data in {planned.datadir} was replaced while the backup was taken.",
            "Nothing was kept; take the backup again.",
        )
    problem = misfit(planned.choice.base, manifest) if planned.choice.base is not None else None
    if problem:
        raise MariabackupError(
            f"The increment does not continue its base: {problem}.",
            "Nothing was kept; take a full backup (type: full).",
        )


def _base_directory(planned: Plan, ctx: Context) -> str | None:
    """Make a directory that tells the tool where the increment begins; None for a full backup.

    All that it reads of the base is its checkpoints file, so the base may lie anywhere, in any format.
    """
    base = planned.choice.base
    if base is None:
        return None
    directory = os.path.join(ctx.job_dir, "base")
    os.makedirs(directory, mode=0o700, exist_ok=True)
    name = "mariadb_backup_checkpoints" if planned.tool.version.series_number >= (11, 1) else "xtrabackup_checkpoints"
    with open(os.path.join(directory, name), "w", encoding="ascii") as stream:
        stream.write(
            f"backup_type = {'incremental' if base.base_id else 'full-backuped'}\nfrom_lsn = {base.from_lsn}\n"
            f"to_lsn = {base.to_lsn}\nlast_lsn = {base.last_lsn}\nrecover_binlog_info = 0\n"
        )
    return directory


@contextmanager
def command(
    planned: Plan, params: Mapping[str, Any], ctx: Context, *, stream: bool = False
) -> Iterator[tuple[list[str], list[int]]]:
    """Give the command line of the tool, and the descriptors that it inherits, for as long as the block lasts."""
    limit = params.get("open_files_limit")
    if limit is None and planned.estimate is not None and planned.estimate.inodes > _USUAL_OPEN_FILES:
        limit = planned.estimate.inodes + 1024
    login = planned.login
    # A file in memory is needed only for what must not be an argument or an option file of its own.
    private = login.password is not None or login.option_file is not None
    source: AbstractContextManager[tuple[str | None, int]] = (
        private_option_file(login, params.get("defaults_file"))
        if private
        else nullcontext((params.get("defaults_file"), -1))
    )
    with source as (defaults_file, fd):
        argv = backup_argv(
            planned.tool.path,
            planned.place.directory,
            options=planned.options,
            login_arguments=[*login.arguments(), *([f"--user={planned.user}"] if planned.user else [])],
            defaults_file=defaults_file,
            group_suffix=params.get("defaults_group_suffix"),
            incremental_basedir=_base_directory(planned, ctx),
            open_files_limit=limit,
            extra_args=params.get("extra_args") or (),
            stream=stream,
        )
        yield argv, [fd] if fd >= 0 else []


def _run_backup(planned: Plan, params: Mapping[str, Any], ctx: Context, hasher: RunningHasher | None) -> None:
    place = planned.place
    with command(planned, params, ctx) as (argv, pass_fds):
        offset = os.path.getsize(ctx.log_path) if os.path.exists(ctx.log_path) else 0
        follower = CopyFollower(place.directory, ctx.log_path, offset)
        total = planned.estimate.bytes if planned.estimate else 0
        done = 0

        def tick() -> None:
            nonlocal done
            names = follower.poll()
            for name in names:
                try:
                    done += os.stat(os.path.join(place.directory, name)).st_size
                except OSError:
                    continue
            if hasher is not None:
                hasher.add(names)
                hasher.follow(follower.growing())
            ctx.progress(min(done, total) if total else done, total)

        outcome = run_tool(argv, ctx.log_path, on_tick=tick, pass_fds=pass_fds)
    if not outcome.completed_ok:
        raise failure(outcome, "backup")


def drop_foreign(directory: str) -> None:
    """Drop what the tool makes of directories of a datadir that are no schemas: an empty ``db.opt`` in each.

    A datadir that is a mount point has ``lost+found``, and ``.mariabackup`` while sets are staged there.
    """
    for name in IGNORED_DIRECTORIES:
        path = os.path.join(directory, name)
        # On a mount point the target has a lost+found of its own.
        if os.path.isdir(path) and not os.path.islink(path):
            if os.path.ismount(directory) and name == "lost+found":
                for entry in os.listdir(path):
                    os.unlink(os.path.join(path, entry))
            else:
                delete_tree(path)


def _entries(proof: Proof, hasher: RunningHasher | None, checksum: str, ctx: Context) -> dict[str, FileEntry]:
    if checksum == "none":
        return {name: FileEntry(size) for name, size in proof.files.items()}
    threads = min(4, os.cpu_count() or 1)
    total = proof.size_bytes

    def tell(done: int) -> None:
        ctx.progress(done, total)

    if hasher is None:
        return hash_tree(proof.path, proof.files, threads, tell)
    return hasher.finish(proof.files, threads, tell)


def describe(
    planned: Plan,
    params: Mapping[str, Any],
    meta: BackupMetadata,
    *,
    prepared: bool,
    schemas: list[str],
    files: dict[str, FileEntry],
    seconds: float,
    instance: str | None,
) -> Manifest:
    """Make the manifest of a backup that was taken and proven.

    Args:
        seconds: how long that took.
        instance: whose backup it is in a repository.
    """
    now = datetime.now(timezone.utc)
    return Manifest(
        id=planned.id,
        type=planned.type,
        base_id=planned.choice.base.id if planned.choice.base else None,
        timeline=planned.timeline,
        created=f"{now:%Y-%m-%dT%H:%M:%SZ}",
        host=socket.gethostname(),
        datadir=planned.datadir,
        server_version=meta.server_version,
        tool_version=str(planned.tool.version),
        from_lsn=meta.from_lsn,
        to_lsn=meta.to_lsn,
        last_lsn=meta.last_lsn,
        uuid=meta.uuid,
        label=params.get("label"),
        gtid=meta.gtid,
        binlog_file=meta.binlog_file,
        binlog_position=meta.binlog_position,
        duration_seconds=round(seconds, 3),
        prepared=prepared,
        checksum=checksum_of(params),
        selection=planned.selection.as_dict() if planned.selection else None,
        server_id=planned.server_id,
        schemas=schemas,
        layout=safe_layout(meta.options),
        instance=instance,
        files=files,
    )
