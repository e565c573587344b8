# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables whose files do not lie in the datadir, and a table that the tool cannot lock."""

from __future__ import annotations

import json

import pytest

from tests.integration.harness.restores import TARGET, refused_early, untouched
from tests.integration.harness.server import Server, assert_same, show

OUTSIDE = "/srv/outside"
# As the message of the restore says; ALTER TABLE would leave the files where they are.
INTO_THE_DATADIR = """
USE dba_outside;
CREATE TABLE moved LIKE far_away;
INSERT INTO moved SELECT * FROM far_away;
DROP TABLE far_away;
RENAME TABLE moved TO far_away;
ALTER TABLE one_partition_away REMOVE PARTITIONING;
"""


@pytest.mark.suites("trixie")
def test_innodb_tables_outside_of_the_datadir(server: Server) -> None:
    """DATA DIRECTORY of InnoDB: the backup warns, the restore names the tables and touches nothing; moved, they are restored."""
    server.dataset("load", "data_directory", f"--directory={OUTSIDE}")
    taken = server.succeed("backup", target_dir=TARGET)
    stream = {"repository": "/srv/repository", "instance": "db"}
    streamed = server.succeed("backup", format="stream", **stream)
    for result in (taken, streamed):
        warning = str(result["warnings"])
        assert "dba_outside/far_away" in warning, show(result)
        assert "dba_outside/one_partition_away#P#away" in warning, show(result)
        assert "near" not in warning, show(result)
    outside = server.listing(OUTSIDE)
    with untouched(server):
        refused_early(server, "DATA DIRECTORY", "dba_outside/far_away", "one_partition_away#P#away")
        refused_early(server, "DATA DIRECTORY", "dba_outside/far_away", target_dir=None, **stream)
    assert server.listing(OUTSIDE) == outside
    server.sql(INTO_THE_DATADIR)
    whole = server.snapshot(check=True)
    moved = server.succeed("backup", target_dir="/srv/backup/tuesday")
    assert not moved.get("warnings"), show(moved)
    server.sql("DROP DATABASE dba_outside")
    server.succeed("restore", target_dir="/srv/backup/tuesday", existing_data="delete")
    assert_same(whole, server.snapshot(check=True))


def test_myisam_and_aria_tables_outside_of_the_datadir(server: Server) -> None:
    """DATA DIRECTORY of MyISAM and Aria: links. The restored tables lie in the datadir; the old set's files stay, for the way back.

    Later tools than 10.5's pass over linked files of Aria: named, and nothing is kept.
    """
    server.dataset("load", "data_directory_myisam", f"--directory={OUTSIDE}")
    if server.suite != "bullseye":
        server.fail("backup", "linked_aria.MAD", "linked_aria.MAI", "DATA DIRECTORY", target_dir=TARGET)
        assert server.out("ls -A /srv/backup 2>/dev/null || true") == ""
        server.sql("USE dba_linked; CREATE TABLE moved LIKE linked_aria; INSERT INTO moved SELECT * FROM linked_aria;"
                   "DROP TABLE linked_aria; RENAME TABLE moved TO linked_aria")  # fmt: skip
    before = server.snapshot(check=True)
    server.succeed("backup", target_dir=TARGET)
    server.sql("DELETE FROM dba_linked.linked WHERE id > 500; UPDATE dba_linked.linked_aria SET v = 'changed'")
    changed = server.snapshot(check=True)
    outside = server.checksums(OUTSIDE)
    server.succeed("restore", target_dir=TARGET, existing_data="keep")
    place = f" DATA DIRECTORY='{OUTSIDE}/' INDEX DIRECTORY='{OUTSIDE}/'"
    assert place in json.dumps(before)
    assert_same(json.loads(json.dumps(before).replace(place, "")), server.snapshot(check=True))
    assert server.out("find /var/lib/mysql/dba_linked -type f -name 'linked*.M??' | wc -l") == "4"
    server.sql("INSERT INTO dba_linked.linked VALUES (7000, 'new'); DELETE FROM dba_linked.linked_aria")
    assert server.checksums(OUTSIDE) == outside
    server.succeed("previous_datadir", state="restored")
    assert_same(changed, server.snapshot(check=True))


def test_a_table_that_the_tool_cannot_lock(server: Server) -> None:
    """A backquote in the name of a table that is not InnoDB: 10.5 backs it up; later tools fail, and the way out is named."""
    server.dataset("load", "backquote")
    if server.suite == "bullseye":
        server.succeed("backup", target_dir=TARGET)
        before = server.snapshot(check=True)
        server.sql("DROP DATABASE dba_backquote")
        server.succeed("restore", target_dir=TARGET, existing_data="delete")
        assert_same(before, server.snapshot(check=True))
        return
    result = server.fail("backup", "backquote", "`ar`ia`", "ENGINE=InnoDB", target_dir=TARGET)
    assert result["failed_phase"] == "backup", show(result)
    assert server.out("ls -A /srv/backup 2>/dev/null || true") == ""
    server.sql("ALTER TABLE dba_backquote.`ar``ia` ENGINE=InnoDB")
    server.succeed("backup", target_dir=TARGET)
