# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The harness itself: a test starts with the data it believes to start with."""

from __future__ import annotations

import pytest

from tests.integration.harness.faults import power_cut
from tests.integration.harness.layouts import LAYOUTS
from tests.integration.harness.server import Server
from tests.lab import LabError


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
    kept = _made_runner(server)
    server.sql("DROP DATABASE dba_engines")
    server.configure(nonsense_option="1")
    server.run("mkdir -p /var/lib/mysql.previous-1 /var/lib/mariabackup /etc/systemd/system/mariadb.service.d")
    server.run("echo '[Service]\nExecStart=/bin/false' > /etc/systemd/system/mariadb.service.d/x.conf")
    server.reset()
    server.assert_seeded()
    assert server.out("ls -d /var/lib/mysql* /var/lib/mariabackup* 2>/dev/null || true") == "/var/lib/mysql"
    assert _made_runner(server) == kept, "the runner was made anew"


def _made_runner(server: Server) -> str:
    """Run a job, and return its runner's inode and name."""
    server.fail("prepare", target_dir="/srv/nothing")
    return server.out("ls -i /var/lib/mariabackup/runner")


@pytest.mark.suites("bullseye")
def test_a_command_says_all_it_says(server: Server) -> None:
    """What a command of a host reads, prints and returns is the same as on this machine; one that takes too long is killed."""
    much = "0123456789\n" * 20_000
    done = server.run("cat; echo aside >&2; exit 3", check=False, input=much)
    assert (done.stdout, done.stderr, done.returncode) == (much, "aside\n", 3)
    assert server.run("kill -TERM $$", check=False).returncode == -15
    assert server.run(["no-such-program"], check=False).returncode == 127
    with pytest.raises(LabError, match="ended with 1"):
        server.run("false")
    with pytest.raises(LabError, match="more than 1 s"):
        server.run("sleep 600 & sleep 600", timeout=1)
    assert server.run(["pgrep", "-fx", "sleep 600"], check=False).stdout == ""
    power_cut(server)
    assert server.out("cat", input="again") == "again"
