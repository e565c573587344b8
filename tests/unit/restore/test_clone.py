# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pure part of a clone: its server id, the option file for it, and the files that it must not have."""

from __future__ import annotations

import pytest

from ansible_collections.dba.mariabackup.plugins.module_utils.restore.cloning import connection_files
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.server_identity import (
    HIGHEST,
    choose,
    included_directory,
    option_text,
)


@pytest.mark.parametrize(
    ("asked", "configured", "used", "number", "written"),
    [
        (None, 12, {1}, 12, False),
        (7, 12, {1}, 7, True),
        (12, 12, {1}, 12, False),
        # Nobody knows the source's, so the host's own number may be the same.
        (None, 12, set[int](), None, True),
        (None, 1, {5}, None, True),
        (None, 5, {5}, None, True),
    ],
)
def test_a_number_of_its_own(
    asked: int | None, configured: int, used: set[int], number: int | None, written: bool
) -> None:
    choice = choose(asked, configured, used, "machine /var/lib/mysql")
    assert choice.problem is None
    assert choice.configured is not written
    assert choice.number not in used
    if number is not None:
        assert choice.number == number
    else:
        assert 1 << 31 <= choice.number <= HIGHEST


def test_the_derived_number_is_the_hosts_and_never_one_that_is_used() -> None:
    first = choose(None, 1, {1}, "machine /var/lib/mysql").number
    assert choose(None, 1, {1}, "machine /var/lib/mysql").number == first
    assert choose(None, first, {1}, "machine /var/lib/mysql").configured
    assert choose(None, 1, {1}, "machine /var/lib/mysql-x").number != first
    assert choose(None, 1, {1, first}, "machine /var/lib/mysql").number != first


@pytest.mark.parametrize(("asked", "words"), [(5, "has the server_id 5"), (0, "between 1"), (1 << 32, "between 1")])
def test_a_number_that_cannot_be_had(asked: int, words: str) -> None:
    assert words in str(choose(asked, 9, {5}, "").problem)


def test_the_option_file_goes_where_the_server_reads_last() -> None:
    texts = [
        "[client]\n!includedir /etc/mysql/conf.d/\n!includedir /etc/mysql/mariadb.conf.d/\n",
        "[mysqld]\nport = 1\n",
    ]
    assert included_directory(texts) == "/etc/mysql/mariadb.conf.d/"
    assert included_directory(texts[1:]) is None
    assert option_text(7, ".x").splitlines()[1:] == ["[mariadbd.x]", "server_id = 7"]


def test_files_that_would_make_the_clone_a_replica() -> None:
    names = ["ibdata1", "master.info", "master-north.info", "relay-log-north.info", "multi-master.info", "mysql"]
    assert connection_files(names) == ["master-north.info", "master.info", "multi-master.info", "relay-log-north.info"]
