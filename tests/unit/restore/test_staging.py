# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies in a datadir that had no data when a restore began."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.dba.mariabackup.plugins.module_utils.restore.journal import create
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.staging import has_server_data


@pytest.mark.parametrize(
    ("entries", "found"),
    [
        ((), False),
        (("lost+found/", ".mariabackup/", "#binlog_cache_files/", "ibdata1", "aria_log_control"), False),
        (("mysql/",), True),
        (("shop/",), True),
    ],
    ids=["empty", "a server that never came up", "a server", "a schema that somebody copied"],
)
def test_data_that_appeared_meanwhile(tmp_path: Path, entries: tuple[str, ...], found: bool) -> None:
    datadir = tmp_path / "mysql"
    run = create(str(tmp_path / "state"), str(datadir), "r1", phase="stop")
    assert not has_server_data(run), "the datadir is not there"
    datadir.mkdir()
    for name in entries:
        if name.endswith("/"):
            (datadir / name).mkdir()
        else:
            (datadir / name).touch()
    assert has_server_data(run) is found
