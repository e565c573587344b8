# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the files of a history lie in a set that is not in service."""

from __future__ import annotations

import pytest

from ansible_collections.dba.mariabackup.plugins.module_utils.restore.history import place_in

ROOTS = {"/d/mysql": "/d/mysql.new", "/d/mysql/mounted": "/d/mysql/mounted/.new", "/binlog": "/binlog.new"}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/d/mysql/bin.state", "/d/mysql.new/bin.state"),
        ("/d/mysql/logs/bin.state", "/d/mysql.new/logs/bin.state"),
        ("/d/mysql/mounted/bin.state", "/d/mysql/mounted/.new/bin.state"),
        ("/binlog/bin.state", "/binlog.new/bin.state"),
        ("/binlog2/bin.state", None),
    ],
)
def test_a_file_lies_where_its_directory_went(path: str, expected: str | None) -> None:
    assert place_in(ROOTS, path) == expected
