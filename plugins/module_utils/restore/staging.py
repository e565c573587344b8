# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything before the old data is touched: the new set is placed, prepared, proven, owned and synced beside it."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping
from typing import Any, TextIO

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.apply import COPY_SUFFIX, apply_increments
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.inventory import IGNORED_DIRECTORIES, MOVED_MARKER
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.manifest import (
    Manifest,
    manifest_path,
    read_manifest,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.metadata import METADATA_FILES
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.prepare import prepare_directory
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.proof import inspect_backup
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.stored import extract
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.stored import verify as verify_stored
from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.carry_over import copy_over
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.copying import Limiter
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.inspect import free_space, same_mount
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.ownership import (
    Owner,
    find_owner,
    owner_of,
    selinux_label,
    set_owner,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.place import copy_tree
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.sets import (
    clear,
    distribute,
    make_staged,
    remove_tree,
    transfer,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.swap import Member
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.timeline import begin_timeline
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.files import make_private_dirs, sync_file_system
from ansible_collections.dba.mariabackup.plugins.module_utils.restore import moving, wayback
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.host import Host
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.journal import Journal
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.situation import Situation
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.switching import members_of
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.argv import PlaceDirectories, copy_back_argv
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.find import find_tool
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.run import run_tool

LOW_NICE = 10
HIGH_OOM_SCORE = 500


def _not_backup(relative: str) -> bool:
    """Leave out what the proof leaves out: entries of a mount point that are no schemas."""
    return relative in (*IGNORED_DIRECTORIES, MOVED_MARKER)


@contextlib.contextmanager
def low_priority() -> Iterator[None]:
    """Work behind the live server: lower CPU and (through it) I/O priority, and first in line when memory runs out.

    Threads and processes that are started meanwhile inherit both.
    """
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    with open("/proc/self/oom_score_adj", "r+", encoding="ascii") as stream:
        score = stream.read().strip()
        os.setpriority(os.PRIO_PROCESS, 0, max(nice, LOW_NICE))
        _write_score(stream, str(max(int(score), HIGH_OOM_SCORE)))
        try:
            yield
        finally:
            # Only root may take both back, and only root restores a server that is not its own.
            with contextlib.suppress(PermissionError):
                os.setpriority(os.PRIO_PROCESS, 0, nice)
                _write_score(stream, score)


def _write_score(stream: TextIO, value: str) -> None:
    stream.seek(0)
    stream.write(value)
    stream.flush()


def method_of(situation: Situation, params: Mapping[str, Any]) -> str:
    """Return how the files are placed, as the result names it."""
    if situation.source.stream:
        return "stream"
    if params["method"] != "auto":
        return str(params["method"])
    return "reflink" if situation.source.reflink and params["copier"] == "builtin" else "copy"


def is_staged(journal: Journal) -> bool:
    """Whether every staged directory is there."""
    return all(os.path.isdir(member.staged) for member in members_of(journal))


def has_server_data(journal: Journal) -> bool:
    """Whether somebody has put data into the datadir: the directory of a schema, at least that of the system tables.

    What a server leaves that was started on an empty one does not count: a reboot may have done that, and it never came up.
    """
    if not os.path.isdir(journal["datadir"]):
        return False
    with os.scandir(journal["datadir"]) as entries:
        return any(
            entry.is_dir() and not entry.name.startswith((".", "#")) and entry.name not in IGNORED_DIRECTORIES
            for entry in entries
        )


def stage(journal: Journal, situation: Situation, params: Mapping[str, Any], ctx: Context) -> None:
    """Place the backup, whole, in the staged datadir; checksums of the manifest are verified on the way.

    Of an increment it is the full backup at the root of its chain.
    """
    members = members_of(journal)
    if params["method"] == "move":
        moving.remember(journal)
    make_staged(members)
    source, target = situation.source.full, members[0].staged
    stored = _stored(source)
    if stored is not None:
        _extract(source, stored, target, params, ctx)
    elif params["copier"] == "builtin":
        total = situation.source.size_bytes - situation.source.increment_bytes
        _copy_ourselves(source, target, total, params, ctx)
    else:
        _verify_before(source, params, ctx)
        if params["copier"] == "rsync":
            _copy_with_rsync(source, target, params, ctx)
        else:
            _copy_back(source, target, params, ctx)
            if params["method"] == "move" and not same_mount(source, target):
                sync_file_system(target)
                moving.remove_source(journal, ctx)
    if params["method"] == "move":
        # The tool moves whatever lies there.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(target, MOVED_MARKER))
        moving.mark(journal)


def _manifest_of(path: str) -> Manifest | None:
    return read_manifest(manifest_path(path))


def _stored(path: str) -> Manifest | None:
    """Return the manifest of a backup that is stored as a stream; None for another."""
    manifest = _manifest_of(path)
    return manifest if manifest is not None and manifest.stream is not None else None


def _extract(source: str, stored: Manifest, target: str, params: Mapping[str, Any], ctx: Context) -> None:
    """Extract a stream; it is held against its manifest on the way, and so is what comes out."""
    brake = Limiter(params["bandwidth_limit"]) if params["bandwidth_limit"] else None
    extract(source, stored, target, params, ctx, parallel=params["parallel"] or None, brake=brake)
    ctx.log(f"extracted {stored.size_bytes} bytes in {len(stored.files)} files")


def _copy_ourselves(source: str, target: str, total: int, params: Mapping[str, Any], ctx: Context) -> None:
    manifest = _manifest_of(source)
    checksums = None
    if manifest is not None and manifest.checksum == "sha256" and params["verify_checksums"]:
        checksums = {name: entry.sha256 or "" for name, entry in manifest.files.items()}
    done = 0

    def on_bytes(count: int) -> None:
        nonlocal done
        done += count
        ctx.progress(done, total)

    placed = copy_tree(
        source,
        target,
        workers=params["parallel"] or None,
        method=params["method"],
        checksums=checksums,
        # The tool's description of the backup comes along: preparing needs it, and verify takes it out again.
        skip=_not_backup,
        bandwidth_limit=params["bandwidth_limit"],
        on_bytes=on_bytes,
    )
    ctx.log(f"placed {placed.bytes} bytes in {placed.files} files ({placed.method}, {placed.checked} checksums)")


def _verify_before(source: str, params: Mapping[str, Any], ctx: Context, increment: bool = False) -> None:
    """Verify the checksums where the copier is not ours and cannot."""
    manifest = _manifest_of(source)
    if manifest is not None and manifest.stream is not None:
        verify_stored(source, manifest, params, ctx)
    elif params["verify_checksums"]:
        inspect_backup(
            source,
            manifest=manifest,
            verify_checksums=True,
            marked_by_caller=True,
            as_increment=increment,
            on_bytes=lambda count: ctx.progress(count, 0),
        ).require()


def _copy_back(source: str, target: str, params: Mapping[str, Any], ctx: Context) -> None:
    """Let the tool copy (or move) back into the staged directory, as its documentation has it.

    It neither syncs nor looks at what it copies (facts, sections 0 and 4), so the proof and the sync are ours as always.
    It leaves out a part of the backup's description, which preparing and the proof need.
    """
    tool = find_tool(params["mariadb_backup"])
    everywhere = PlaceDirectories(
        datadir=target,
        innodb_data_home_dir=target,
        innodb_data_file_path=inspect_backup(source, marked_by_caller=True).require().data_file_path,
        innodb_undo_directory=target,
        innodb_log_group_home_dir=target,
        aria_log_dir_path=target,
    )
    # Across file systems the tool removes each file as soon as it has copied it, and syncs none: a power cut then would take
    # both. So it copies, and the caller removes.
    move = params["method"] == "move" and same_mount(source, target)
    argv = copy_back_argv(tool.path, source, everywhere, move=move, extra_args=params["extra_args"] or ())
    outcome = run_tool(argv, ctx.log_path)
    if not outcome.completed_ok:
        raise MariabackupError(
            f"mariadb-backup could not {'move' if move else 'copy'} the backup to {target}.",
            "Read the last lines of its log below.",
            cmd=outcome.argv,
            rc=outcome.rc,
            log_tail=outcome.tail,
        )
    for name in METADATA_FILES:
        present = os.path.join(source, name)
        if os.path.isfile(present) and not os.path.exists(os.path.join(target, name)):
            shutil.copy2(present, os.path.join(target, name))


def _copy_with_rsync(source: str, target: str, params: Mapping[str, Any], ctx: Context) -> None:
    program = shutil.which("rsync")
    if program is None:
        raise MariabackupError(
            "rsync is not installed on this host.", "Install the package rsync, or leave copier out."
        )
    limit = params["bandwidth_limit"]
    argv = [program, "--archive", "--sparse", *([f"--bwlimit={max(1, limit // 1024)}"] if limit else [])]
    outcome = run_tool([*argv, f"{source}/", f"{target}/"], ctx.log_path)
    if outcome.rc != 0:
        raise MariabackupError(
            f"rsync could not copy the backup to {target}.",
            "Read the last lines of its log below.",
            cmd=outcome.argv,
            rc=outcome.rc,
            log_tail=outcome.tail,
        )


def prepare(journal: Journal, params: Mapping[str, Any], ctx: Context) -> None:
    """Apply the log to the staged copy, and then the increments; the backups themselves stay as they are.

    A run that is killed between two increments begins anew: what is staged is in a state that nobody can tell.
    """
    staged = members_of(journal)[0].staged
    extra_args = params["extra_args"] or ()
    prepare_directory(staged, ctx, params, extra_args=extra_args)

    def copy(source: str, target: str) -> None:
        stored = _stored(source)
        if stored is not None:
            os.mkdir(target, 0o700)
            _extract(source, stored, target, params, ctx)
            return
        manifest = _manifest_of(source)
        total = manifest.size_bytes if manifest else 0
        _copy_ourselves(source, target, total, {**params, "method": "auto"}, ctx)

    apply_increments(staged, journal["source"].get("increments") or (), copy, ctx, params, extra_args=extra_args)


def prove(journal: Journal, situation: Situation) -> None:
    """Prove that the staged set is the backup's, whole and prepared.

    Raises:
        MariabackupError: it is not.
    """
    top = members_of(journal)[0].staged
    proof = inspect_backup(top, exact=situation.source.needs_prepare and not situation.source.increments)
    proof.require("This is a defect of the backup or of the disk; the data in service has not been touched.")
    if not proof.prepared:
        raise MariabackupError(
            "The staged backup is not prepared.", "Report this: it should have been prepared by now."
        )
    if proof.metadata is None or proof.metadata.last_lsn != situation.source.last_lsn:
        raise MariabackupError("The staged data does not end where the backup ends.", "Report this with the log.")


def settle(journal: Journal, situation: Situation, host: Host, params: Mapping[str, Any], ctx: Context) -> None:
    """Make the staged set ready to serve: its parts in their directories, owner, label, all on the disk."""
    members = members_of(journal)
    top = members[0].staged
    _take_metadata_out(journal, top)
    # It goes into service, and out of it, together with the data.
    ctx.log(f"timeline {begin_timeline(top)} begins")
    distribute(host.layout, members)
    for member in members:
        owner = _owner(member, situation, params)
        changed = set_owner(member.staged, owner)
        ctx.log(f"{member.staged}: owner {owner}, {changed} entries changed")
    copied = copy_over(situation.carried, host.layout.datadir, top) if situation.carried else []
    for member in members:
        selinux_label(member.staged, member.live)
    ctx.log(f"carried over: {', '.join(copied) or 'nothing'}")
    for member in members:
        sync_file_system(member.staged)
    _require_room(members, situation)


def _require_room(members: list[Member], situation: Situation) -> None:
    """Refuse before the server is stopped when the disk has filled up meanwhile: no data, new or old, would start on it."""
    redo = next((member for member in members if "redo" in member.place.roles), members[0])
    needs: dict[int, int] = {}
    for member, size in zip((redo, members[0]), situation.start_bytes):
        device = os.stat(member.staged).st_dev
        needs[device] = needs.get(device, 0) + size
        free = free_space(member.staged).bytes
        if free < needs[device]:
            raise MariabackupError(
                f"The file system of {member.live} has filled up: {free >> 20} MiB are free, and the server needs"
                f" {needs[device] >> 20} MiB to start (redo log, temporary tablespace).",
                "Make room, then run this task again.",
            )


def _owner(member: Member, situation: Situation, params: Mapping[str, Any]) -> Owner:
    """Return the owner of a staged directory: the caller's wish, else the directory it replaces, else the service's user.

    A datadir without data may belong to root because somebody made it by hand; the service's user counts then.
    """
    service = situation.service
    old = owner_of(member.live)
    wanted = find_owner(service.user, service.group, old.mode if old else 0o700)
    if old is None or not situation.has_data:
        return wanted
    return Owner(wanted.uid if params["owner"] else old.uid, wanted.gid if params["group"] else old.gid, old.mode)


def _take_metadata_out(journal: Journal, top: str) -> None:
    """Move the backup's description of itself to the run's directory: in a datadir it would be taken for data."""
    kept = moving.metadata_dir(journal)
    make_private_dirs(kept)
    for name in sorted(METADATA_FILES):
        path = os.path.join(top, name)
        if os.path.isfile(path):
            transfer(path, os.path.join(kept, name))


def verify_source(journal: Journal, params: Mapping[str, Any], ctx: Context) -> None:
    """Verify the whole backup before the old data is deleted for it."""
    source = journal["source"]
    increments = source.get("increments") or []
    for number, link in enumerate([source.get("full") or source["path"], *increments]):
        _verify_before(link, {**params, "verify_checksums": True}, ctx, increment=number > 0)


def delete_old(journal: Journal, ctx: Context) -> None:
    """Delete the old set; the server is held, and is held across reboots, until a new one is in place."""
    for member in members_of(journal):
        names = clear(member.place)
        ctx.log(f"deleted {len(names)} entries of {member.live}")


def discard(journal: Journal, ctx: Context) -> None:
    """Remove what was staged. A backup that was moved is given back, with its description of itself.

    Nothing of the swap is done. From the first file on the staged set is incomplete, and a run that is killed here must not go
    on with it: the journal says so first.
    """
    journal.write(phase="stage")
    if journal["result"]["method"] == "move":
        moving.give_back(journal, ctx)
    for member in members_of(journal):
        remove_tree(member.staged)
        remove_tree(member.staged + COPY_SUFFIX)
        wayback.remove_room(member.live)
