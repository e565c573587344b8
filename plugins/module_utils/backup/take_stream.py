# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes a backup as one stream into a repository: compressed, encrypted and hashed on the way, nothing is written twice.

What the tool writes goes through a walker (stream/walk.py), which tells afterwards which files the stream holds and hands out the
small ones that describe the backup; those lie beside the stream, in clear.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.inventory import IGNORED_DIRECTORIES, decode_name
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.left_out import require_all
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.manifest import STREAM, FileEntry, StoredStream
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.metadata import REDO_FILE, read_metadata
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.proof import inspect_backup
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.take import (
    check_history,
    command,
    describe,
    kind_of,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.take_plan import (
    Destination,
    Plan,
    TimelineOf,
    checksum_of,
    result_of,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.files import read_json, write_atomic
from ansible_collections.dba.mariabackup.plugins.module_utils.stream import compression, encryption, walk
from ansible_collections.dba.mariabackup.plugins.module_utils.stream.pipe import OutputPipe
from ansible_collections.dba.mariabackup.plugins.module_utils.stream.plumbing import Passed
from ansible_collections.dba.mariabackup.plugins.module_utils.stream.programs import Filter, described
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.run import failure, run_tool
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.version import check_tool_for_backup

_AGAIN = "Nothing was kept; take the backup again."


def check_options(params: Mapping[str, Any]) -> None:
    """Refuse options of a stream that do not go together, before anything else is looked at.

    Raises:
        MariabackupError: what is wrong with them, or a program that is not installed.
    """
    chosen = params.get("compression") or compression.NONE
    recipients = params.get("encryption_recipients") or []
    if params.get("format") != "stream":
        if chosen != compression.NONE or recipients:
            raise MariabackupError(
                "Only a stream is compressed and encrypted.", "Set format to stream, or leave these options out."
            )
        return
    if params.get("prepare"):
        raise MariabackupError(
            "A stream is stored as it was taken, so it is not prepared.",
            "Leave prepare out; a restore prepares what it has extracted.",
        )
    _filters(params)


def stream_name(params: Mapping[str, Any]) -> str:
    """Return the name of the stream's file."""
    ending = encryption.SUFFIX if params.get("encryption_recipients") else ""
    return f"{STREAM}{compression.suffix(params.get('compression') or compression.NONE)}{ending}"


def _filters(params: Mapping[str, Any]) -> list[Filter]:
    recipients = params.get("encryption_recipients") or []
    found = [
        compression.compress_filter(
            params.get("compression") or compression.NONE,
            params.get("compression_level"),
            params.get("compression_threads") or os.cpu_count() or 1,
        ),
        encryption.encrypt_filter(recipients) if recipients else None,
    ]
    return [program for program in found if program is not None]


def walker(params: Mapping[str, Any], report: str) -> Filter:
    """Return the program that looks at the stream, our own runner; it writes ``report`` when the stream is whole."""
    return Filter("the walker", (*params["_runner"], walk.COMMAND, report))


def take_stream(
    planned: Plan,
    params: Mapping[str, Any],
    ctx: Context,
    destination: Destination | None,
    timeline_of: TimelineOf | None,
) -> dict[str, Any]:
    """Take the backup into the place of ``planned``, which is open; see ``take.run``."""
    started = time.monotonic()
    place, name = planned.place, stream_name(params)
    report = os.path.join(ctx.job_dir, "stream.json")
    with ctx.phase("backup"):
        passed = _pass(planned, params, ctx, name, report)
        ctx.point("backup-taken")
    with ctx.phase("verify"):
        place.stream_is_stored()
        found = read_json(report)
        if found is None:
            raise MariabackupError("The stream was not looked at to its end.", _AGAIN)
        os.unlink(report)
        files = {path: FileEntry(size) for path, size in found["files"].items() if not _foreign(path)}
        for path, text in found["kept"].items():
            write_atomic(os.path.join(place.directory, path), text)
        if os.path.isdir(planned.datadir):
            require_all(planned.datadir, files, None)
        if REDO_FILE not in files:
            raise MariabackupError(f"The stream holds no {REDO_FILE}: the run was aborted.", _AGAIN)
        recipients = params.get("encryption_recipients") or []
        manifest = replace(
            describe(
                planned,
                params,
                read_metadata(place.directory),
                prepared=False,
                schemas=_schemas(files),
                files=files,
                seconds=time.monotonic() - started,
                instance=destination.instance if destination else None,
            ),
            compression=params.get("compression") or compression.NONE,
            encrypted=bool(recipients),
            recipients=encryption.check_recipients(recipients) if recipients else [],
            stream=StoredStream(name, passed.stored_bytes, passed.sha256),
        )
        increment = planned.choice.base is not None
        proof = inspect_backup(place.directory, manifest=manifest, marked_by_caller=True, as_increment=increment)
        meta = proof.require(_AGAIN)
        if meta.server is not None:
            check_tool_for_backup(planned.tool.version, meta.server)
        if proof.restore_refusal:
            ctx.warn(proof.restore_refusal)
    with ctx.phase("commit"):
        check_history(planned, manifest, timeline_of)
        ctx.point("backup-proven")
        place.commit(manifest, destination.beside(manifest) if destination else None)
    proof.path = place.target
    return {"changed": True, **result_of(manifest, proof), **kind_of(planned, params), "log_path": ctx.log_path}


def _pass(planned: Plan, params: Mapping[str, Any], ctx: Context, name: str, report: str) -> Passed:
    """Run the tool and everything behind it; the stream is on the disk when this returns."""
    done = 0
    total = planned.estimate.bytes if planned.estimate else 0

    def on_bytes(count: int) -> None:
        nonlocal done
        done += count
        ctx.progress(done, max(total, done))

    filters = [walker(params, report), *_filters(params)]
    ctx.log(f"the stream flows through {described(filters)}")
    sink = planned.place.open_stream(name, planned.stream_bytes)
    try:
        pipe = OutputPipe(
            filters,
            sink,
            os.path.join(ctx.job_dir, "stream.log"),
            on_bytes,
            checksum_of(params) == "sha256",
        )
        with pipe, command(planned, params, ctx, stream=True) as (argv, pass_fds):
            outcome = run_tool(argv, ctx.log_path, pass_fds=pass_fds, stdout=pipe.fd)
            # Who broke the pipe is told before the tool, which fails because of it.
            passed = pipe.finish(writer_failed=not outcome.completed_ok)
    finally:
        if isinstance(sink, int):
            os.close(sink)
    if not outcome.completed_ok:
        raise failure(outcome, "backup")
    return passed


def _foreign(path: str) -> bool:
    """Whether a file is what the tool makes of a directory that is no schema; extracting leaves it out."""
    return path.split("/")[0] in IGNORED_DIRECTORIES


def _schemas(files: Mapping[str, FileEntry]) -> list[str]:
    tops = {path.split("/")[0] for path in files if "/" in path}
    return sorted(decode_name(top) for top in tops if not top.startswith(("#", ".")))
