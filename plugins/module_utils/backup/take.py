# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes a full backup of the server on this host into a directory, and proves it before it counts as one."""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.hashing import (
    CopyFollower,
    RunningHasher,
    hash_tree,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.inventory import IGNORED_DIRECTORIES
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.manifest import FileEntry, Manifest, safe_layout
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.prepare import prepare_directory
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.proof import Proof, inspect_backup
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.take_plan import (
    Destination,
    Plan,
    ServerKnowledge,
    checksum_of,
    plan_take,
    require_chosen,
    result_of,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.locks import exclusive, probe
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.argv import backup_argv
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.login import private_option_file
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.run import ends_on_signal, failure, run_tool
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.version import check_tool_for_backup

# The tool raises its limit to the hard limit or this; many tables need more.
_USUAL_OPEN_FILES = 8192


def check(
    params: Mapping[str, Any],
    ctx: Context,
    server: ServerKnowledge | None = None,
    destination: Destination | None = None,
) -> dict[str, Any]:
    """Plan for check mode: the same refusals as ``run``, nothing written.

    Raises:
        MariabackupError: what would stop the run.
    """
    with ctx.phase("plan"):
        planned = plan_take(params, server, destination)
        if planned.existing is not None:
            return {"changed": False, **planned.existing, "plan": []}
        if params.get("state_dir"):
            probe(params["state_dir"], planned.datadir, "backup")
    return {
        "changed": True,
        "path": planned.place.target,
        "type": "full",
        "base_id": None,
        "server_version": str(planned.server) if planned.server else None,
        "tool_version": str(planned.tool.version),
        "compression": "none",
        "encrypted": False,
        "prepared": bool(params.get("prepare")),
        "selection": planned.selection.as_dict() if planned.selection else None,
        "plan": planned.steps(params),
    }


def run(
    params: Mapping[str, Any],
    ctx: Context,
    server: ServerKnowledge | None = None,
    destination: Destination | None = None,
) -> dict[str, Any]:
    """Take the backup.

    Args:
        params: ``target_dir``; ``parallel``, ``throttle``, ``checksum`` (``sha256``, ``none``), ``prepare``,
            ``use_memory``, ``label``, ``skip_if_newer_than`` (seconds), ``galera_info``, ``slave_info``,
            ``safe_slave_backup``; ``databases``, ``tables`` and their ``_exclude``; the login and the tool options; ``state_dir``.
        server: what a login told; without it the version comes from the server's program on this host.
        destination: a place in a repository instead of ``target_dir``.

    Returns:
        The result keys of the module ``backup``.

    Raises:
        MariabackupError: nothing was left behind, the server goes on.
    """
    with ends_on_signal(), ExitStack() as stack:
        with ctx.phase("plan"):
            planned = plan_take(params, server, destination)
            if planned.existing is not None:
                return {"changed": False, **planned.existing, "log_path": ctx.log_path}
            if params.get("state_dir"):
                stack.enter_context(exclusive(params["state_dir"], planned.datadir, "backup"))
            if planned.place.leftover():
                ctx.log(f"removing what a run that died left in {planned.place.directory}")
            planned.place.open()
        try:
            return _take(planned, params, ctx, destination)
        except OSError as error:
            raise MariabackupError(
                f"{error.filename or planned.place.directory}: {error.strerror or error}.",
                "Check the disk; nothing of the backup was kept.",
            ) from error
        finally:
            planned.place.discard()


def _take(planned: Plan, params: Mapping[str, Any], ctx: Context, destination: Destination | None) -> dict[str, Any]:
    started = time.monotonic()
    place, directory = planned.place, planned.place.directory
    checksum = checksum_of(params)
    # With prepare the files change once more, so hashing them early would be wasted.
    early = checksum == "sha256" and not params.get("prepare")
    hasher = RunningHasher(directory, threads=max(1, (os.cpu_count() or 1) // 2)) if early else None
    try:
        with ctx.phase("backup"):
            _run_backup(planned, params, ctx, hasher)
            _drop_foreign(directory)
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
                partial_ok=planned.chosen is not None,
            )
            meta = proof.require("Nothing was kept; take the backup again.")
            if planned.chosen is not None:
                require_chosen(planned.chosen, proof)
            if meta.server is not None:
                check_tool_for_backup(planned.tool.version, meta.server)
            entries = _entries(proof, hasher, checksum, ctx)
    finally:
        if hasher is not None:
            hasher.abort()
    with ctx.phase("commit"):
        manifest = _manifest(planned, params, proof, entries, checksum, time.monotonic() - started)
        if destination is not None:
            manifest = replace(manifest, instance=destination.instance)
        place.commit(manifest, destination.beside(manifest) if destination else None)
    proof.path = place.target
    result = result_of(manifest, proof)
    return {"changed": True, **result, "log_path": ctx.log_path}


def _run_backup(planned: Plan, params: Mapping[str, Any], ctx: Context, hasher: RunningHasher | None) -> None:
    limit = params.get("open_files_limit")
    if limit is None and planned.estimate is not None and planned.estimate.inodes > _USUAL_OPEN_FILES:
        limit = planned.estimate.inodes + 1024
    place = planned.place
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
            place.directory,
            options=planned.options,
            login_arguments=[*login.arguments(), *([f"--user={planned.user}"] if planned.user else [])],
            defaults_file=defaults_file,
            group_suffix=params.get("defaults_group_suffix"),
            open_files_limit=limit,
            extra_args=params.get("extra_args") or (),
        )
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

        outcome = run_tool(argv, ctx.log_path, on_tick=tick, pass_fds=[fd] if fd >= 0 else [])
    if not outcome.completed_ok:
        raise failure(outcome, "backup")


def _drop_foreign(directory: str) -> None:
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
                shutil.rmtree(path)


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


def _manifest(
    planned: Plan,
    params: Mapping[str, Any],
    proof: Proof,
    entries: dict[str, FileEntry],
    checksum: str,
    seconds: float,
) -> Manifest:
    meta = proof.require()
    now = datetime.now(timezone.utc)
    return Manifest(
        id=planned.id,
        type="full",
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
        prepared=proof.prepared,
        checksum=checksum,
        selection=planned.selection.as_dict() if planned.selection else None,
        schemas=proof.schemas,
        layout=safe_layout(meta.options),
        files=entries,
    )
