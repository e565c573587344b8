# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The argument lists of the tool."""

from __future__ import annotations

import pytest

from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.argv import (
    BackupOptions,
    PlaceDirectories,
    backup_argv,
    copy_back_argv,
    prepare_argv,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.run import mask

TOOL = "/usr/bin/mariadb-backup"


def test_backup() -> None:
    assert backup_argv(
        TOOL,
        "/b",
        options=BackupOptions(
            parallel=4,
            throttle=10,
            galera_info=True,
            slave_info=True,
            safe_slave_backup=True,
            safe_slave_backup_timeout=60,
        ),
        login_arguments=["--socket=/s", "--user=u"],
        defaults_file="/proc/self/fd/5",
        group_suffix=".x",
        incremental_basedir="/base",
        open_files_limit=9000,
        extra_args=["--history=n"],
    ) == [
        TOOL,
        "--defaults-file=/proc/self/fd/5",
        "--defaults-group-suffix=.x",
        "--backup",
        "--target-dir=/b",
        "--incremental-basedir=/base",
        "--socket=/s",
        "--user=u",
        "--parallel=4",
        "--throttle=10",
        "--galera-info",
        "--slave-info",
        "--safe-slave-backup",
        "--safe-slave-backup-timeout=60",
        "--open-files-limit=9000",
        "--history=n",
    ]
    assert backup_argv(TOOL, "/b") == [TOOL, "--backup", "--target-dir=/b", "--parallel=1"]


def test_prepare_never_reads_option_files() -> None:
    assert prepare_argv(TOOL, "/b") == [TOOL, "--prepare", "--target-dir=/b"]
    assert prepare_argv(TOOL, "/b", use_memory=1024, incremental_dir="/i", export=True, open_files_limit=5) == [
        TOOL,
        "--prepare",
        "--target-dir=/b",
        "--use-memory=1024",
        "--incremental-dir=/i",
        "--export",
        "--open-files-limit=5",
    ]


def test_copy_back() -> None:
    places = PlaceDirectories("/d", innodb_undo_directory="/u", innodb_data_file_path="ibdata1:12M:autoextend")
    assert copy_back_argv(TOOL, "/b", places, move=True) == [
        TOOL,
        "--no-defaults",
        "--move-back",
        "--target-dir=/b",
        "--datadir=/d",
        "--innodb-data-file-path=ibdata1:12M:autoextend",
        "--innodb-undo-directory=/u",
    ]
    assert copy_back_argv(TOOL, "/b", PlaceDirectories("/d"))[2] == "--copy-back"


@pytest.mark.parametrize("build", [backup_argv, prepare_argv])
def test_extra_args_are_checked(build) -> None:
    with pytest.raises(MariabackupError):
        build(TOOL, "/b", extra_args=["--stream=mbstream"])


def test_mask() -> None:
    assert mask([TOOL, "--password=x", "--user=u", "--password"]) == [
        TOOL,
        "--password=********",
        "--user=u",
        "--password",
    ]
