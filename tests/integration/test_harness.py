# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The harness itself: a test starts with the data it believes to start with."""

from __future__ import annotations

import pytest

from tests.integration.harness.layouts import LAYOUTS
from tests.integration.harness.server import Server


@pytest.mark.suites("trixie")
@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_every_layout_starts_with_the_data_set(server: Server, layout: str) -> None:
    """A server of every layout starts on its stored data, and its directories lie where the layout says."""
    server.reset(LAYOUTS[layout])
    server.assert_seeded()
    directories = server.sql("SELECT CONCAT_WS(',', @@datadir, @@innodb_undo_directory, @@aria_log_dir_path)")
    assert ("mysql-undo" in directories) == (layout == "separate")


def test_a_reset_undoes_what_a_test_did(server: Server) -> None:
    """Changed data, units, option files and directories are gone after a reset."""
    server.sql("DROP DATABASE dba_engines")
    server.configure(nonsense_option="1")
    server.run("mkdir -p /var/lib/mysql.previous-1 /var/lib/mariabackup /etc/systemd/system/mariadb.service.d")
    server.run("echo '[Service]\nExecStart=/bin/false' > /etc/systemd/system/mariadb.service.d/x.conf")
    server.reset()
    server.assert_seeded()
    assert server.out("ls -d /var/lib/mysql* /var/lib/mariabackup* 2>/dev/null || true") == "/var/lib/mysql"
