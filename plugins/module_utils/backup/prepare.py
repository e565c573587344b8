# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a backup consistent: applies its redo log and proves that all of it was applied."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Callable

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.memory import memory_argument
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.metadata import (
    CONFIG_FILE,
    REDO_FILE,
    BackupMetadata,
    read_metadata,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.proof import find_encryption_plugin
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.redo import (
    check_interrupted_redo,
    check_prepared_redo,
    check_raw_redo,
    read_redo_header,
    uses_blocks,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.argv import prepare_argv
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.find import Tool, find_tool
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.run import Outcome, failure, run_tool
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.version import check_tool_for_prepare

_NOT_ABOUT_KEYS = ("The disk", "There was not enough memory", "mariadb-backup was ended by", "A file could not be")
_DAMAGED = "Discard this copy and begin again from the backup."


def tool_for(params: Mapping[str, Any], meta: BackupMetadata) -> Tool:
    """Find a tool that may prepare this backup.

    Raises:
        MariabackupError: none is installed, it is of another series, or the backup's key file is missing.
    """
    tool = find_tool(params.get("mariadb_backup"))
    if meta.server is not None:
        check_tool_for_prepare(tool.version, meta.server)
    check_key_file(meta)
    return tool


def prepare_directory(
    path: str,
    ctx: Context,
    params: Mapping[str, Any],
    *,
    again: bool = False,
    extra_args: Sequence[str] = (),
    low_priority: bool = True,
    on_tick: Callable[[], None] | None = None,
) -> bool:
    """Prepare the full backup in a directory, where it lies, and prove it.

    Success is rc 0, the last line ``completed OK!``, recovery up to ``last_lsn`` by the log where the version
    prints it and by the bytes on disk always, and ``log-applied``; the tool alone claims success with a log that
    was cut. If this fails or is killed, the directory is good for nothing until it has been prepared again from
    whole files: give it copies.

    Args:
        params: ``use_memory``, ``export``, ``mariadb_backup``, ``open_files_limit``, all optional.
        again: run the tool even on what looks prepared (after an interrupted run: the tool writes
            ``log-applied`` before it recovers Aria tables).
        extra_args: further arguments for the tool; not taken from ``params``, where they may be meant for a backup.

    Returns:
        Whether anything was done; False for a backup that is prepared already.

    Raises:
        MariabackupError: the directory cannot be prepared, or was not.
    """
    meta = read_metadata(path)
    export = bool(params.get("export"))
    exported = export and not missing_export(path)
    header = read_redo_header(path)
    # 10.5 has nothing left to do then, and crashes when it does it again on pages of another size than 16 KiB (seen
    # with 4 KiB and 64 KiB). Later tools may still have Aria tables to recover.
    done = meta.prepared and (not again or uses_blocks(meta, header))
    if done and (not export or exported):
        problems = check_prepared_redo(path, meta)
        if problems:
            raise MariabackupError(f"{path} is not prepared completely: {problems[0]}", _DAMAGED)
        return False
    if not meta.prepared:
        problems = check_interrupted_redo(path, meta) if again else check_raw_redo(path, meta)
        if problems:
            raise MariabackupError(f"The backup in {path} cannot be prepared: {problems[0]}", "Use another backup.")
    tool = tool_for(params, meta)
    encrypted = header is not None and header.encrypted
    memory = memory_argument(params.get("use_memory"), _size(os.path.join(path, REDO_FILE)))
    argv = prepare_argv(
        tool.path,
        path,
        use_memory=memory,
        export=export,
        open_files_limit=params.get("open_files_limit"),
        extra_args=extra_args,
    )
    ctx.log(f"preparing {path} with {memory // 1048576} MiB of memory")
    # The tool finds the backup's files relative to itself, and an embedded server leaves its files where it starts.
    outcome = run_tool(argv, ctx.log_path, cwd=path, low_priority=low_priority, on_tick=on_tick)
    if not outcome.completed_ok:
        raise failed_prepare(outcome, meta, encrypted)
    reached = outcome.report.end_of_log_lsn
    if reached is not None and reached < meta.last_lsn and not meta.prepared:
        raise MariabackupError(
            f"Prepare reached LSN {reached}, but the backup ends at LSN {meta.last_lsn}, although the tool reports "
            "success: the redo log was cut.",
            "Use another backup.",
            cmd=outcome.argv,
            rc=outcome.rc,
            log_tail=outcome.tail,
            log_path=outcome.log_path,
        )
    after = read_metadata(path)
    if not after.prepared:
        raise MariabackupError(
            f"The tool reports success, but {path} still says {after.backup_type}.", _DAMAGED, log_tail=outcome.tail
        )
    problems = check_prepared_redo(path, after, exact=not export and not meta.prepared)
    if problems:
        raise MariabackupError(
            f"The tool reports success, but {path} is not prepared completely: {problems[0]}",
            "Use another backup.",
            cmd=outcome.argv,
            rc=outcome.rc,
            log_tail=outcome.tail,
        )
    return True


def check_key_file(meta: BackupMetadata) -> None:
    """Refuse early when the key file that the backup names is not on this host.

    Raises:
        MariabackupError: with the file's name.
    """
    name = meta.options.get("file_key_management_filename", "").strip("\"'")
    if name and not os.access(name, os.R_OK):
        raise MariabackupError(
            f"The backup is encrypted with the keys in {name}, and this file is not here or cannot be read.",
            f"Put the server's key file in place as {name}, readable for this process.",
        )


def failed_prepare(outcome: Outcome, meta: BackupMetadata, encrypted_log: bool) -> MariabackupError:
    """Make the error of a failed run.

    With a wrong key the tool speaks of damaged pages or logs, or crashes (seen on 10.5, 10.11 and 11.8).
    """
    error = failure(outcome, "prepare")
    plugin = find_encryption_plugin(meta.options.get("plugin_load", ""))
    if plugin is None or error.cause.startswith(_NOT_ABOUT_KEYS):
        return error
    what = "redo log" if encrypted_log else "data"
    error.cause = f"The encrypted {what} could not be read: the keys of {plugin} may be wrong. {error.cause}"
    error.action = (
        f"Put the same {plugin} settings and keys in place that the server had ({CONFIG_FILE} in the backup names "
        "them). If they are the right ones, use another backup."
    )
    return error


def missing_export(path: str) -> list[str]:
    """Return InnoDB tables without the ``.cfg`` file that ``--export`` writes; system tables never get one."""
    missing: list[str] = []
    with os.scandir(path) as schemas:
        for schema in schemas:
            if not schema.is_dir(follow_symlinks=False) or schema.name == "mysql":
                continue
            names = set(os.listdir(schema.path))
            for name in sorted(names):
                stem, extension = os.path.splitext(name)
                if extension == ".ibd" and not stem.startswith("FTS_") and f"{stem}.cfg" not in names:
                    missing.append(f"{schema.name}/{stem}")
    return missing


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0
