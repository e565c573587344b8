# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a backup that is stored as a stream: verifies it to its end, or extracts it.

Both read every stored byte once and hold it against the manifest: length and checksum of what is stored, and the files that come
out, by name and size. ``mbstream`` proves each chunk by its CRC-32; its return code says nothing of chunks that are missing
(facts, section 7).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import Any, Callable

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.inventory import (
    IGNORED_DIRECTORIES,
    take_inventory,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.manifest import Manifest, StoredStream
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.proof import compare_files, summary
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.remote_record import read_record
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.stream_inventory import stream_path
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.take import drop_foreign
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.take_stream import walker
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.writeback import TreeWriteback
from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.files import read_json
from ansible_collections.dba.mariabackup.plugins.module_utils.stream import compression, encryption
from ansible_collections.dba.mariabackup.plugins.module_utils.stream.pipe import InputPipe
from ansible_collections.dba.mariabackup.plugins.module_utils.stream.programs import OTHER_BACKUP, Filter, described
from ansible_collections.dba.mariabackup.plugins.module_utils.stream.pump import Brake
from ansible_collections.dba.mariabackup.plugins.module_utils.stream.rclone import from_params
from ansible_collections.dba.mariabackup.plugins.module_utils.stream.walk import Contents, StreamError, walk
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.argv import extract_argv
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.find import find_tool, which
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.run import run_tool


def check_readable(manifest: Manifest, params: Mapping[str, Any]) -> None:
    """Refuse a stream that this host cannot read, before anything is begun.

    Raises:
        MariabackupError: the key is not given, or a program is missing.
    """
    _filters(manifest, params)
    _find_mbstream(params)


def verify(path: str, manifest: Manifest, params: Mapping[str, Any], ctx: Context) -> str:
    """Read a stream to its end without storing anything.

    Args:
        path: the directory of its metadata files.

    Returns:
        ``stream``: every file came out of it. ``sha256``: without the key of an encrypted one, its stored bytes are those that
        were stored.

    Raises:
        MariabackupError: what is damaged, or nothing can be said of an encrypted stream without a checksum.
    """
    readable = not manifest.encrypted or bool(params.get("identity_file"))
    if not readable and manifest.checksum == "none":
        _filters(manifest, params)
    contents = Contents()
    with _opened(path, manifest, params) as (source, stream):
        pipe = InputPipe(
            source,
            _filters(manifest, params) if readable else [],
            os.path.join(ctx.job_dir, "stream.log"),
            expected_bytes=stream.size,
            expected_sha256=stream.sha256,
            on_bytes=_progress(ctx, stream.size),
        )
        with pipe, open(os.devnull, "wb") as nowhere:
            damage: StreamError | None = None
            try:
                if readable:
                    contents = walk(pipe.fd, nowhere.fileno())
                else:
                    _swallow(pipe.fd)
            except StreamError as error:
                damage = error
            # What is wrong with the stored bytes, or with a program, is the reason for what is wrong with the stream.
            pipe.finish(reader_failed=damage is not None)
    if damage is not None:
        raise MariabackupError(f"The stream {stream.file} is damaged: {damage}.", OTHER_BACKUP)
    if not readable:
        return "sha256"
    _compare(contents.files, manifest)
    return "stream"


def verify_bytes(path: str, manifest: Manifest, params: Mapping[str, Any], ctx: Context) -> None:
    """Read the stored bytes of a stream to their end, and hold length and checksum against the manifest.

    Args:
        path: the directory of its metadata files.

    Raises:
        MariabackupError: they are not those that were stored.
    """
    with _opened(path, manifest, params) as (source, stream):
        pipe = InputPipe(
            source,
            [],
            os.path.join(ctx.job_dir, "stream.log"),
            expected_bytes=stream.size,
            expected_sha256=stream.sha256,
            on_bytes=_progress(ctx, stream.size),
        )
        with pipe:
            _swallow(pipe.fd)
            pipe.finish(reader_failed=False)


def extract(
    path: str,
    manifest: Manifest,
    target: str,
    params: Mapping[str, Any],
    ctx: Context,
    *,
    parallel: int | None = None,
    brake: Brake | None = None,
) -> None:
    """Extract a stream into an empty directory, and prove that all of it has arrived.

    Args:
        path: the directory of its metadata files.
        target: exists and is empty.
        parallel: how many files are written at once; None for the number of processors.
        brake: slows the reading down.

    Raises:
        MariabackupError: the stream is damaged, the key does not fit, the disk is full; the caller removes ``target``.
    """
    mbstream = _find_mbstream(params)
    with _opened(path, manifest, params) as (source, stream):
        report = _report(ctx)
        filters = [*_filters(manifest, params), walker(params, report)]
        ctx.log(f"the stream flows through {described(filters)}")
        pipe = InputPipe(
            source,
            filters,
            os.path.join(ctx.job_dir, "stream.log"),
            expected_bytes=stream.size,
            expected_sha256=stream.sha256,
            on_bytes=_progress(ctx, stream.size),
            limiter=brake,
        )
        with pipe:
            argv = extract_argv(mbstream, target, parallel or os.cpu_count() or 1)
            outcome = run_tool(argv, ctx.log_path, stdin=pipe.fd, on_tick=TreeWriteback(target).look)
            pipe.finish(reader_failed=outcome.rc != 0)
    if outcome.rc != 0:
        raise MariabackupError(
            f"mbstream could not extract {stream.file} into {target}.",
            "Read its words below: a full disk and a damaged chunk are named there.",
            cmd=outcome.argv,
            rc=outcome.rc,
            log_tail=outcome.tail,
        )
    _check_report(report, manifest)
    drop_foreign(target)
    problems = [problem.text for problem in compare_files(manifest, take_inventory(target).files)]
    if problems:
        raise MariabackupError(
            f"{stream.file} was not extracted whole into {target}: {summary(problems)}",
            OTHER_BACKUP,
            details={"problems": problems[:200]},
        )


@contextlib.contextmanager
def _opened(path: str, manifest: Manifest, params: Mapping[str, Any]) -> Iterator[tuple[int | Filter, StoredStream]]:
    """Give what reads the stored bytes: the open file, or the program that brings them from remote storage."""
    stream = manifest.stream
    if stream is None:
        raise MariabackupError(f"{path} is no backup in the stream format.", "Report this as a defect.")
    record = read_record(os.path.dirname(path))
    if record is not None:
        yield from_params(params).reader(f"{record.url}/{stream.file}"), stream
        return
    place = stream_path(path, stream)
    try:
        fd = os.open(place, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError as error:
        raise MariabackupError(f"{place} cannot be opened: {error.strerror}.", OTHER_BACKUP) from error
    try:
        yield fd, stream
    finally:
        os.close(fd)


def _report(ctx: Context) -> str:
    path = os.path.join(ctx.job_dir, "stream.json")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    return path


def _check_report(report: str, manifest: Manifest) -> None:
    """Compare what flowed by with what the manifest says that the stream holds."""
    found = read_json(report)
    if found is None:
        raise MariabackupError("The stream was not looked at to its end.", OTHER_BACKUP)
    os.unlink(report)
    _compare(found["files"], manifest)


def _compare(found: Mapping[str, int], manifest: Manifest) -> None:
    files = {path: size for path, size in found.items() if path.split("/")[0] not in IGNORED_DIRECTORIES}
    problems = [problem.text for problem in compare_files(manifest, files)]
    if problems:
        raise MariabackupError(
            f"The stream does not hold what its manifest says: {summary(problems)}",
            OTHER_BACKUP,
            details={"problems": problems[:200]},
        )


def _progress(ctx: Context, total: int) -> Callable[[int], None]:
    done = 0

    def on_bytes(count: int) -> None:
        nonlocal done
        done += count
        ctx.progress(done, total)

    return on_bytes


def _swallow(fd: int) -> None:
    while os.read(fd, 1 << 20):
        pass


def _filters(manifest: Manifest, params: Mapping[str, Any]) -> list[Filter]:
    """Return the programs that undo encryption and compression, in this order."""
    found: list[Filter] = []
    if manifest.encrypted:
        if not params.get("identity_file"):
            raise MariabackupError(
                f"The backup {manifest.id} is encrypted, and no identity_file is given.",
                "Set identity_file to the file with the secret key of one of its recipients.",
            )
        found.append(encryption.decrypt_filter(params["identity_file"]))
    program = compression.decompress_filter(manifest.compression)
    return [*found, program] if program is not None else found


def _find_mbstream(params: Mapping[str, Any]) -> str:
    """Return the mbstream that came with the tool: the stream's format grows from version to version."""
    tool = find_tool(params.get("mariadb_backup"))
    beside = os.path.join(os.path.dirname(tool.path), "mbstream")
    path = beside if os.access(beside, os.X_OK) else which(["mbstream"])
    if path is None:
        raise MariabackupError(
            "mbstream is not installed on this host.", "Install the package that holds it, mariadb-backup on Debian."
        )
    return path
