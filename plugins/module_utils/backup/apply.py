# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Applies increments, in their order, onto a copy of their full backup, each from a copy of its own.

The tool consumes the directory of an increment (it moves files out of it and deletes the deltas), and the base is good for
nothing when it fails half-way. So both are copies, which are thrown away then; and because the tool looks at the order
only when it has begun, and takes an increment twice where no checkpoint came in between, everything is compared before.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Callable

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.memory import memory_argument
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.metadata import (
    GENERATIONS,
    REDO_FILE,
    BackupMetadata,
    read_metadata,
    read_metadata_files,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.prepare import failed_prepare, tool_for
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.redo import (
    check_prepared_redo,
    check_raw_redo,
    read_redo_header,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.files import delete_tree
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.argv import prepare_argv
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.run import run_tool

#: what a copy of an increment is called while it is applied: the directory that it is applied to, and this
COPY_SUFFIX = ".increment"
# What the result has to say of itself is what its last increment says; the tool copies these files, but removes none.
_OF_THE_LAST = ("info", "binlog_info", "slave_info")
_NOT_KEPT = "The copy is thrown away, and the backups are as they were. Use another backup."


def apply_increments(
    path: str,
    increments: Sequence[str],
    copy: Callable[[str, str], None],
    ctx: Context,
    params: Mapping[str, Any],
    *,
    extra_args: Sequence[str] = (),
) -> None:
    """Apply increments onto the prepared full backup in ``path``, and prove the result of each.

    Args:
        path: the copy of the full backup.
        increments: the directories of the increments, oldest first; they stay as they are.
        copy: copies one of them and proves the copy.
        params: as in ``prepare_directory``; ``export`` holds for the last one.

    Raises:
        MariabackupError: ``path`` is good for nothing then.
        OSError: the disk failed.
    """
    room = path.rstrip("/") + COPY_SUFFIX
    for number, source in enumerate(increments, 1):
        delete_tree(room, ignore_errors=True)
        try:
            ctx.log(f"increment {number} of {len(increments)}: {source}")
            copy(source, room)
            ctx.point(f"increment-{number}-copied")
            last = number == len(increments)
            apply_increment(path, room, ctx, {**params, "export": last and params.get("export")}, extra_args=extra_args)
        finally:
            delete_tree(room, ignore_errors=True)
        ctx.point(f"increment-{number}-applied")


def apply_increment(
    path: str, increment: str, ctx: Context, params: Mapping[str, Any], *, extra_args: Sequence[str] = ()
) -> None:
    """Apply one increment onto the prepared backup in ``path``; the tool consumes the directory ``increment``.

    Raises:
        MariabackupError: it does not fit, or was not applied completely.
    """
    base, meta = read_metadata(path), read_metadata(increment)
    if not base.prepared or not meta.incremental or base.to_lsn != meta.from_lsn or base.last_lsn > meta.last_lsn:
        raise MariabackupError(
            f"The increment {increment} ({meta.backup_type}, LSN {meta.from_lsn} to {meta.last_lsn}) does not fit the "
            f"backup in {path} ({base.backup_type}, good up to LSN {base.to_lsn}, ends at {base.last_lsn}).",
            _NOT_KEPT,
        )
    problems = check_raw_redo(increment, meta)
    if problems:
        raise MariabackupError(f"The increment {increment} cannot be applied: {problems[0]}", _NOT_KEPT)
    description = read_metadata_files(increment)
    header = read_redo_header(increment)
    redo_bytes = os.stat(os.path.join(increment, REDO_FILE)).st_size
    argv = prepare_argv(
        tool_for(params, meta).path,
        path,
        use_memory=memory_argument(params.get("use_memory"), redo_bytes),
        incremental_dir=increment,
        export=bool(params.get("export")),
        open_files_limit=params.get("open_files_limit"),
        extra_args=extra_args,
    )
    outcome = run_tool(argv, ctx.log_path, cwd=path, low_priority=True)
    if not outcome.completed_ok:
        raise failed_prepare(outcome, meta, header is not None and header.encrypted)
    _describe(path, meta, description)
    after = read_metadata(path)
    problems = check_prepared_redo(path, replace(after, to_lsn=meta.to_lsn, last_lsn=meta.last_lsn))
    reached = outcome.report.end_of_log_lsn
    text = None
    if problems:
        text = str(problems[0])
    elif reached is not None and reached < meta.last_lsn:
        text = f"it reached LSN {reached}, but the increment ends at LSN {meta.last_lsn}: its redo log was cut."
    elif not after.prepared or (after.to_lsn, after.last_lsn, after.uuid) != (meta.to_lsn, meta.last_lsn, meta.uuid):
        text = f"it says {after.backup_type}, LSN {after.to_lsn} to {after.last_lsn}."
    if text is not None:
        raise MariabackupError(
            f"The tool reports success, but the increment was not applied completely to {path}: {text}",
            _NOT_KEPT,
            cmd=outcome.argv,
            rc=outcome.rc,
            log_tail=outcome.tail,
        )


def _describe(path: str, meta: BackupMetadata, description: Mapping[str, str]) -> None:
    """Make the result's description of itself that of the increment.

    The tool leaves ``last_lsn`` as it was when no checkpoint came between the two backups, and leaves a position behind
    that the increment does not have any more (binary logs switched off).
    """
    for generation in GENERATIONS:
        for kind in _OF_THE_LAST:
            name = f"{generation}_{kind}"
            target = os.path.join(path, name)
            if name in description:
                _write(target, description[name])
            elif os.path.lexists(target):
                os.unlink(target)
        target = os.path.join(path, f"{generation}_checkpoints")
        if os.path.isfile(target):
            with open(target, encoding="utf-8", errors="surrogateescape") as stream:
                text = stream.read()
            for key, value in (("to_lsn", meta.to_lsn), ("last_lsn", meta.last_lsn)):
                text = re.sub(rf"(?m)^{key} = \d+$", f"{key} = {value}", text)
            _write(target, text)


def _write(path: str, text: str) -> None:
    with open(path, "wb") as stream:
        stream.write(text.encode("utf-8", "surrogateescape"))
