# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The argument lists of the tool (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.dba.mariabackup.plugins.module_utils.tool.options import check_extra_args


@dataclass(frozen=True)
class BackupOptions:
    """What a backup run is asked for; numbers are checked by ``check``.

    Attributes:
        parallel: threads that copy data files.
        throttle: pairs of reads and writes of 10 MiB per second at most; 0 is no limit.
        safe_slave_backup_timeout: seconds.
        selection: the arguments of a partial backup.
    """

    parallel: int = 1
    throttle: int = 0
    galera_info: bool = False
    slave_info: bool = False
    safe_slave_backup: bool = False
    safe_slave_backup_timeout: int | None = None
    selection: tuple[str, ...] = ()


def _first(defaults_file: str | None, group_suffix: str | None) -> list[str]:
    """The tool insists that these come first."""
    arguments = []
    if defaults_file:
        arguments.append(f"--defaults-file={defaults_file}")
    if group_suffix:
        arguments.append(f"--defaults-group-suffix={group_suffix}")
    return arguments


def backup_argv(
    executable: str,
    target_dir: str,
    *,
    options: BackupOptions = BackupOptions(),
    login_arguments: Sequence[str] = (),
    defaults_file: str | None = None,
    group_suffix: str | None = None,
    incremental_basedir: str | None = None,
    open_files_limit: int | None = None,
    extra_args: Sequence[str] = (),
    stream: bool = False,
) -> list[str]:
    """Return the arguments of ``--backup``.

    Args:
        target_dir: gets the files; of a stream it stays empty.
        incremental_basedir: a directory with the checkpoints file of the base; None for a full backup.
        stream: write the backup to stdout, as a stream of mbstream.
        login_arguments: of ``Login.arguments``; it must name a user unless an option file does, because the tool
            of 10.5 logs in as the empty user otherwise.
        defaults_file: the private option file, or the user's.

    Raises:
        MariabackupError: ``extra_args`` holds what it must not.
    """
    check_extra_args(extra_args)
    argv = [executable, *_first(defaults_file, group_suffix), "--backup", f"--target-dir={target_dir}"]
    if stream:
        argv.append("--stream=mbstream")
    if incremental_basedir is not None:
        argv.append(f"--incremental-basedir={incremental_basedir}")
    argv += list(login_arguments)
    argv.append(f"--parallel={options.parallel}")
    if options.throttle:
        argv.append(f"--throttle={options.throttle}")
    if options.galera_info:
        argv.append("--galera-info")
    if options.slave_info:
        argv.append("--slave-info")
    if options.safe_slave_backup:
        argv.append("--safe-slave-backup")
        if options.safe_slave_backup_timeout is not None:
            argv.append(f"--safe-slave-backup-timeout={options.safe_slave_backup_timeout}")
    argv += options.selection
    if open_files_limit:
        argv.append(f"--open-files-limit={open_files_limit}")
    return argv + list(extra_args)


def prepare_argv(
    executable: str,
    target_dir: str,
    *,
    use_memory: int | None = None,
    incremental_dir: str | None = None,
    export: bool = False,
    open_files_limit: int | None = None,
    extra_args: Sequence[str] = (),
) -> list[str]:
    """Return the arguments of ``--prepare``; ``use_memory`` is in bytes.

    There is no option file here on purpose: ``--defaults-file`` would replace the backup's own
    ``backup-my.cnf`` and with it the page size and the layout that the backup has.

    Raises:
        MariabackupError: ``extra_args`` holds what it must not.
    """
    check_extra_args(extra_args)
    argv = [executable, "--prepare", f"--target-dir={target_dir}"]
    if use_memory is not None:
        argv.append(f"--use-memory={use_memory}")
    if incremental_dir is not None:
        argv.append(f"--incremental-dir={incremental_dir}")
    if export:
        argv.append("--export")
    if open_files_limit:
        argv.append(f"--open-files-limit={open_files_limit}")
    return argv + list(extra_args)


def extract_argv(executable: str, target_dir: str, parallel: int) -> list[str]:
    """Return the arguments of ``mbstream`` that extract a stream from stdin into an empty directory."""
    return [executable, "-x", "-C", target_dir, "-p", str(parallel)]


@dataclass(frozen=True)
class PlaceDirectories:
    """Where the tool's own copy-back puts the parts of a backup; paths, None for inside the datadir."""

    datadir: str
    innodb_data_home_dir: str | None = None
    innodb_data_file_path: str | None = None
    innodb_undo_directory: str | None = None
    innodb_log_group_home_dir: str | None = None
    aria_log_dir_path: str | None = None


def copy_back_argv(
    executable: str, target_dir: str, places: PlaceDirectories, *, move: bool = False, extra_args: Sequence[str] = ()
) -> list[str]:
    """Return the arguments of ``--copy-back`` or ``--move-back`` into given directories.

    No option file is read: the tool would otherwise add the live server's separate directories to the
    staged ones.

    Raises:
        MariabackupError: ``extra_args`` holds what it must not.
    """
    check_extra_args(extra_args)
    argv = [executable, "--no-defaults", "--move-back" if move else "--copy-back", f"--target-dir={target_dir}"]
    argv.append(f"--datadir={places.datadir}")
    for name in (
        "innodb_data_home_dir",
        "innodb_data_file_path",
        "innodb_undo_directory",
        "innodb_log_group_home_dir",
        "aria_log_dir_path",
    ):
        value = getattr(places, name)
        if value is not None:
            argv.append(f"--{name.replace('_', '-')}={value}")
    return argv + list(extra_args)
