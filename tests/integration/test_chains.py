# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Chains of increments on real servers: taken while tables change, restored, refused when they do not fit, killed."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.harness.backups import BACKUP_KEYS, server_goes_on
from tests.integration.harness.faults import (
    TOOL,
    clear_breakpoints,
    frozen,
    kill_program,
    kill_runner,
    set_breakpoint,
    wait_program,
    wait_stopped,
)
from tests.integration.harness.layouts import LAYOUTS
from tests.integration.harness.server import Server, assert_same, show
from tests.support.by_hand import pasted

REPOSITORY = "/srv/repository"
_T = "(id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(200), KEY (v))"

# What is there before the full backup.
BEFORE = f"""
CREATE DATABASE ch_a; CREATE DATABASE ch_gone; CREATE DATABASE ch_later;
CREATE TABLE ch_a.kept {_T} ENGINE=InnoDB; CREATE TABLE ch_a.renamed {_T} ENGINE=InnoDB;
CREATE TABLE ch_a.emptied {_T} ENGINE=InnoDB; CREATE TABLE ch_a.altered {_T} ENGINE=InnoDB;
CREATE TABLE ch_a.dropped {_T} ENGINE=InnoDB; CREATE TABLE ch_a.aria {_T} ENGINE=Aria;
CREATE TABLE ch_a.myisam {_T} ENGINE=MyISAM; CREATE TABLE ch_a.packed {_T} ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=4;
CREATE TABLE ch_gone.a {_T} ENGINE=InnoDB; CREATE TABLE ch_gone.m {_T} ENGINE=MyISAM;
CREATE TABLE ch_later.a {_T} ENGINE=InnoDB; CREATE TABLE ch_later.m {_T} ENGINE=Aria;
"""
_FILL = "USE ch_a;" + "".join(
    f"INSERT INTO {table} (v) SELECT CONCAT('{{0}}', REPEAT(seq, 20)) FROM seq_1_to_300;"
    for table in ("ch_a.kept", "ch_a.aria", "ch_a.myisam", "ch_a.packed")
)
# What happens between two backups, and while the second of them is taken.
STEPS = [
    (
        "RENAME TABLE ch_a.renamed TO ch_a.renamed_1; TRUNCATE TABLE ch_a.emptied; DROP DATABASE ch_gone;"
        "ALTER TABLE ch_a.altered ADD COLUMN n INT NOT NULL DEFAULT 7, DROP KEY v; DROP TABLE ch_a.dropped;"
        f"CREATE DATABASE ch_b; CREATE TABLE ch_b.new {_T} ENGINE=InnoDB; CREATE TABLE ch_b.m {_T} ENGINE=MyISAM;",
        "USE ch_b; INSERT INTO new (v) SELECT seq FROM seq_1_to_200; RENAME TABLE ch_a.renamed_1 TO ch_b.renamed_2;"
        f"CREATE DATABASE ch_c; CREATE TABLE ch_c.new {_T} ENGINE=InnoDB; INSERT INTO ch_c.new (v) VALUES ('c');",
    ),
    (
        f"CREATE DATABASE ch_gone; CREATE TABLE ch_gone.a {_T} ENGINE=Aria; CREATE TABLE ch_a.dropped {_T};",
        "ALTER TABLE ch_a.altered FORCE; ALTER TABLE ch_a.kept ADD COLUMN w INT FIRST; TRUNCATE TABLE ch_b.new;"
        "ALTER TABLE ch_b.m ENGINE=InnoDB; DROP TABLE ch_b.renamed_2;",
    ),
    ("", ""),
    (
        "DROP DATABASE ch_c; RENAME TABLE ch_b.new TO ch_a.renamed; ALTER TABLE ch_a.packed ROW_FORMAT=DYNAMIC KEY_BLOCK_SIZE=0;",
        "DROP DATABASE ch_later; INSERT INTO ch_a.renamed (v) VALUES ('again'); OPTIMIZE TABLE ch_a.kept;"
        f"CREATE TABLE ch_b.new {_T} ENGINE=InnoDB; INSERT INTO ch_b.new (v) VALUES ('anew');",
    ),
    (
        f"CREATE DATABASE ch_later; CREATE TABLE ch_later.a {_T}; INSERT INTO ch_later.a (v) VALUES ('other');"
        "RENAME TABLE ch_a.renamed TO ch_a.swap, ch_b.new TO ch_a.renamed, ch_a.swap TO ch_b.new;",
        "TRUNCATE TABLE ch_a.renamed; DROP DATABASE ch_gone; ALTER TABLE ch_a.emptied ADD COLUMN z INT, FORCE;"
        "CREATE DATABASE ch_empty; CREATE VIEW ch_a.view AS SELECT * FROM ch_a.kept;",
    ),
]


def _take(server: Server, kind: str = "incremental", **options: Any) -> dict[str, Any]:
    return server.succeed("backup", repository=REPOSITORY, type=kind, **options)


def _top(server: Server) -> str:
    return f"{REPOSITORY}/{server.out('hostname')}"


def _take_while(server: Server, sql: str, **options: Any) -> dict[str, Any]:
    """Take an increment, and run statements while the tool is in the middle of it."""
    running = server.start_module("backup", repository=REPOSITORY, type="incremental", **options)
    pid = wait_program(server, TOOL)
    os.kill(pid, signal.SIGSTOP)
    begun = server.path(_top(server))
    # In small steps, so that it cannot be through before we look.
    while not list(begun.glob("*.partial/data/ibdata1.delta")):
        assert not running.done(), show(running.result())
        os.kill(pid, signal.SIGCONT)
        time.sleep(0.003)
        os.kill(pid, signal.SIGSTOP)
    with frozen(server, pid):
        if sql:
            server.sql(sql)
    result = running.result()
    assert not result.get("failed"), show(result)
    return result


def _chain(server: Server, length: int = 2) -> list[dict[str, Any]]:
    """Take a full backup and increments with a few changes between them."""
    server.sql(BEFORE + _FILL.format(0))
    # A stop is a checkpoint: tables that are newer than the last one are copied whole.
    server.restart_server()
    taken = [_take(server, "full")]
    for number in range(1, length + 1):
        server.sql(_FILL.format(number) + f"CREATE DATABASE ch_{number}; CREATE TABLE ch_{number}.t {_T}")
        taken.append(_take(server))
    return taken


@pytest.mark.layout("binlog")
def test_a_chain_with_ddl_between_and_during(server: Server) -> None:
    """Five increments, tables of every kind of change between and during them: the middle and the end restore exactly."""
    server.sql(BEFORE + _FILL.format(0))
    taken = [_take(server, "full")]
    states = [server.snapshot()]
    for number, (between, during) in enumerate(STEPS, 1):
        if number == 1:
            server.dataset("change")
        if number in (2, 5):
            # A stop is a checkpoint: the next increment begins there, and the others where their base began.
            server.restart_server()
        server.sql((_FILL.format(number) if between else "") + between)
        taken.append(_take_while(server, during))
        states.append(server.snapshot())
    for base, increment in zip(taken, taken[1:]):
        assert set(increment) >= BACKUP_KEYS
        assert (increment["type"], increment["base_id"]) == ("incremental", base["id"])
        assert increment["from_lsn"] == base["to_lsn"]
        assert increment["last_lsn"] >= base["last_lsn"]
        assert increment["prepared"] is False
    assert len({increment["from_lsn"] for increment in taken[1:]}) in range(2, 5), "no checkpoint, or always one"
    listed = server.succeed("backup_info", repository=REPOSITORY, verify=True)
    assert (listed["valid"], listed["verified"]) == (True, "sha256"), show(listed)
    assert listed["backup"]["type"] == "incremental"
    ids = [backup["id"] for backup in taken]
    assert [backup["chain"] for backup in listed["backups"]] == [ids[: number + 1] for number in range(6)]
    before = server.checksums(REPOSITORY)
    for number in (3, 5):
        result = server.succeed("restore", repository=REPOSITORY, backup_id=ids[number], existing_data="delete")
        assert_same(states[number], server.snapshot(check=True))
        for key in ("gtid", "binlog_file", "binlog_position"):
            assert result[key] == taken[number][key]
        assert result["gtid"]
    assert server.checksums(REPOSITORY) == before, "a restore changed the repository"


@pytest.mark.suites("bookworm")
def test_auto(server: Server) -> None:
    """The type auto: an increment where there is a base, else a full backup, and why."""
    auto: dict[str, Any] = {"repository": REPOSITORY, "type": "auto"}
    planned = server.succeed("backup", check=True, **auto)
    first = server.succeed("backup", **auto)
    for result in (planned, first):
        assert (result["type"], result["base_id"], result["type_reason"]) == ("full", None, "there is no backup yet")
    server.restart_server()
    planned = server.succeed("backup", check=True, **auto)
    assert planned["plan"][0]["action"].startswith("take an incremental backup")
    second = server.succeed("backup", full_every="1w", **auto)
    for result in (planned, second):
        assert (result["type"], result["base_id"]) == ("incremental", first["id"])
        assert "the 1st backup of its chain" in result["type_reason"]
    assert second["size_bytes"] < first["size_bytes"] / 3
    assert server.succeed("backup", skip_if_newer_than=3600, **auto)["id"] == second["id"]
    # A named base, and one that is too old.
    assert _take(server, base=first["id"])["base_id"] == first["id"]
    old = server.succeed("backup", full_every="0h", **auto)
    assert old["type"] == "full"
    assert "older than full_every allows" in old["type_reason"]
    # A prepared backup is no base; the one before it is.
    _take(server, "full", prepare=True)
    # A restore begins another timeline, and the way back to the old data is the way back to the old one.
    newest = _take(server)
    assert newest["base_id"] == old["id"]
    server.succeed("restore", repository=REPOSITORY, existing_data="keep")
    server.fail("backup", "another timeline", repository=REPOSITORY, type="incremental")
    anew = server.succeed("backup", **auto)
    assert anew["type"] == "full"
    assert "another timeline" in anew["type_reason"]
    assert _take(server)["base_id"] == anew["id"]
    server.succeed("previous_datadir", state="restored")
    assert server.succeed("backup", check=True, **auto)["base_id"] == newest["id"]
    # Replaced by hand, by a copy of itself even.
    server.stop_server()
    server.run("cd /var/lib && cp -a mysql mysql.copy && rm -r mysql && mv mysql.copy mysql")
    server.start_server()
    assert "another timeline" in server.succeed("backup", check=True, **auto)["type_reason"]
    server.assert_seeded()


@pytest.mark.suites("bookworm")
def test_conflicting_options(server: Server) -> None:
    """Options that do not go together are refused, in check mode too."""
    options: dict[str, Any] = {"repository": REPOSITORY}
    for check, text, more in (
        (True, "is looked for in a repository", {"target_dir": "/srv/x", "type": "auto", "repository": None}),
        (True, "a full backup has none", {"base": "x"}),
        (True, "full_every is 1d", {"type": "incremental", "full_every": "1d"}),
        (True, "full_every is 'soon'", {"type": "auto", "full_every": "soon"}),
        (True, "a prepared backup", {"type": "auto", "prepare": True}),
        (True, "is missing", {"type": "incremental", "base": "x"}),
        (False, "there is no backup yet", {"type": "incremental"}),
    ):
        result = server.fail("backup", text, check=check, **{**options, **more})
        assert "Traceback" not in show(result)
    assert not server.exists(REPOSITORY)


@pytest.mark.suites("trixie")
def test_chains_that_do_not_fit_are_refused(server: Server) -> None:
    """A missing middle, a foreign base, a gap, a wrong order, damage: refused in the plan, before the tool runs."""
    full, first, second, third = (backup["id"] for backup in _chain(server, 3))
    top, pid = _top(server), server.server_pid()
    options = {"repository": REPOSITORY, "existing_data": "delete"}
    server.run(f"cp -a {top} /srv/whole")

    def refused(*texts: str, everywhere: bool = False) -> None:
        result = server.fail("restore", *texts, check=not everywhere, **options)
        assert result["failed_phase"] == "plan", show(result)
        if everywhere:
            server.fail("prepare", *texts, repository=REPOSITORY, dest="/srv/ready")
            info = server.succeed("backup_info", repository=REPOSITORY, backup_id=third)
            assert not info["valid"], show(info)
        assert server.server_pid() == pid
        assert not server.exists("/srv/ready")
        server.run(f"rm -r {top} && cp -al /srv/whole {top}")

    server.run(f"rm -r {top}/{first}")
    listed = server.succeed("backup_info", repository=REPOSITORY)
    assert [backup["chain"] for backup in listed["backups"]] == [[full], [], []]
    assert "is missing" in listed["backups"][1]["problem"]
    kept = server.succeed("prune", repository=REPOSITORY, keep_last=1)
    assert kept["removed"] == []
    # What is left can be a base again.
    assert server.succeed("backup", check=True, repository=REPOSITORY, type="auto")["base_id"] == full
    refused(f"the base {first} of {second} is missing", f"the newest restorable one is {full}", everywhere=True)
    server.run(f"rm -r {top}/{full}/data")
    reason = server.succeed("backup", check=True, repository=REPOSITORY, type="auto")["type_reason"]
    assert f"the files of {full} are gone" in reason
    refused("is not a directory", everywhere=True)
    server.run(f'sed -i \'s/"timeline": .*/"timeline": "other",/\' {top}/{first}/manifest.json')
    refused("different timelines")
    server.run(f'sed -i \'s/"instance": .*/"instance": "other",/\' {top}/{full}/manifest.json')
    refused("one of other")
    server.run(f'sed -i \'s/"from_lsn": .*/"from_lsn": 12345,/\' {top}/{second}/manifest.json')
    refused("begins at LSN 12345")
    server.run(f"cd {top} && mv {first}/data x && mv {second}/data {first}/data && mv x {second}/data")
    refused("belongs to another backup")
    server.run(f"rm {top}/{second}/data/ch_a/kept.ibd.meta")
    refused("ch_a/kept.ibd.meta is missing")
    cut = f"{top}/{second}/data/ch_a/kept.ibd.delta"
    server.run(f"head -c -1 {cut} > {cut}.cut && mv {cut}.cut {cut}")
    refused("kept.ibd.delta was cut")
    server.run(f"printf x | dd of={top}/{second}/data/ch_a/myisam.MYD bs=1 seek=2000 conv=notrunc status=none")
    result = server.fail("restore", "checksum", **options)
    assert result["failed_phase"] == "prepare", show(result)
    assert server.server_pid() == pid
    assert server.out("ls -d /var/lib/mysql*") == "/var/lib/mysql"
    # Bare, an increment is nothing to restore.
    server.run(f"cp -a {top}/{third}/data /srv/bare")
    server.fail("restore", "a full one is needed", target_dir="/srv/bare", existing_data="delete")


@pytest.mark.suites("trixie")
def test_killed_increments(server: Server) -> None:
    """kill -9 of an incremental backup, of the tool or of our process: it does not exist, and the same task again takes it."""
    full, first = (backup["id"] for backup in _chain(server, 1))
    for victim in ("tool", "runner"):
        running = server.start_module("backup", repository=REPOSITORY, type="incremental")
        if victim == "tool":
            kill_program(server)
        else:
            with frozen(server, wait_program(server, TOOL)):
                kill_runner(server)
        assert running.result().get("failed")
        server_goes_on(server)
        listed = server.succeed("backup_info", repository=REPOSITORY)["backups"]
        assert [entry["id"] for entry in listed] == [full, first]
    state = server.snapshot()
    again = _take(server)
    assert again["base_id"] == first
    assert server.out(f"ls {_top(server)}").split() == [full, first, again["id"]]
    server.sql("DROP DATABASE ch_a")
    assert server.succeed("restore", repository=REPOSITORY, existing_data="delete")["backup_id"] == again["id"]
    assert_same(state, server.snapshot(check=True))


def _killed_between_increments(server: Server, module: str, **options: Any) -> None:
    set_breakpoint(server, "increment-1-applied")
    running = server.start_module(module, **options)
    wait_stopped(server, running)
    clear_breakpoints(server)
    kill_runner(server)
    assert running.result().get("failed")


@pytest.mark.suites("trixie")
@pytest.mark.layout("binlog")
def test_killed_between_two_increments(server: Server) -> None:
    """kill -9 between two increments of a restore and of a prepare: nothing has changed, the same task again ends it."""
    full, first, second = _chain(server)
    state, pid = server.snapshot(), server.server_pid()
    repository = server.checksums(REPOSITORY)
    server.sql("DROP DATABASE ch_a")
    # The module prepare makes one full backup of the chain.
    options = {"repository": REPOSITORY, "dest": "/srv/ready/monday", "export": True}
    assert "2 increments" in server.succeed("prepare", check=True, **options)["plan"][1]["action"]
    _killed_between_increments(server, "prepare", **options)
    done = server.succeed("prepare", **options)
    expected = {"id": second["id"], "type": "full", "base_id": None, "prepared": True}
    for key in ("to_lsn", "last_lsn", "gtid", "binlog_file", "binlog_position"):
        expected[key] = second[key]
    assert {key: done[key] for key in expected} == expected
    assert server.succeed("prepare", **options)["changed"] is False
    assert sorted(server.out("ls -A /srv/ready").split()) == ["monday", "monday.manifest.json"]
    assert server.exists("/srv/ready/monday/ch_a/kept.cfg")
    # A restore of the chain.
    options = {"repository": REPOSITORY, "existing_data": "delete"}
    _killed_between_increments(server, "restore", **options)
    assert server.server_pid() == pid
    assert server.succeed("restore", **options)["backup_id"] == second["id"]
    assert_same(state, server.snapshot(check=True))
    assert server.out("ls -d /var/lib/mysql*") == "/var/lib/mysql"
    assert server.checksums(REPOSITORY) == repository
    # A restore of the prepared copy.
    server.sql("DROP DATABASE ch_a")
    server.succeed("restore", target_dir="/srv/ready/monday", existing_data="delete", manifest="require")
    assert_same(state, server.snapshot(check=True))
    # What is kept of a chain is kept whole.
    done = server.succeed("prune", repository=REPOSITORY, keep_last=1)
    assert done["removed"] == []
    assert done["decisions"][0]["id"] == full["id"]
    assert done["decisions"][0]["reasons"] == [f"base of {first['id']}"]


@pytest.mark.parametrize(("suite", "layout"), [("bullseye", "separate"), ("trixie", "mount")])
def test_chains_on_other_layouts(take: Callable[..., Server], suite: str, layout: str) -> None:
    """Separate directories with undo tablespaces; a mount point, where the copies lie inside of it; both encrypted, redo too."""
    server = take(suite, layout=LAYOUTS[layout])
    keys = "/etc/mysql/keys.txt"
    server.host.put("".join(f"{number};{'a' * 63}{number}\n" for number in (1, 2)), keys, 0o640, "root:mysql")
    server.configure(plugin_load_add="file_key_management", file_key_management_filename=keys, innodb_encrypt_log="ON")
    server.restart_server()
    server.dataset("load", "encrypted")
    _chain(server, 1)
    server.sql("USE dba_encrypted; DELETE FROM key_one WHERE id < 2000; CREATE TABLE more LIKE key_two;"
               "INSERT INTO more SELECT * FROM key_two; TRUNCATE TABLE key_two; DROP TABLE in_clear")  # fmt: skip
    server.restart_server()
    server.sql("INSERT INTO dba_encrypted.key_two VALUES (1, 'x')")
    _take(server)
    state = server.snapshot()
    server.sql("DROP DATABASE ch_a; DROP DATABASE dba_encrypted")
    server.succeed("restore", repository=REPOSITORY, existing_data="delete")
    assert_same(state, server.snapshot(check=True))
    assert server.out("ls -d /var/lib/mysql*.* /var/lib/mysql/.mariabackup 2>/dev/null || true") == ""
    server.fail("backup", "another timeline", repository=REPOSITORY, type="incremental")


@pytest.mark.suites("bookworm")
def test_a_chain_by_hand_to_the_letter(server: Server) -> None:
    """RESTORE.txt of an increment: its commands, put into one shell as they stand, restore the whole chain."""
    taken = _chain(server)[-1]
    state = server.snapshot()
    server.sql("DROP DATABASE ch_a")
    before = server.checksums(REPOSITORY)
    text = server.host.get(f"{taken['path']}/../RESTORE.txt")
    script = pasted(text)
    done = server.run(["bash", "-c", script], check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert_same(state, server.snapshot(check=True))
    assert server.checksums(REPOSITORY) == before
    # By hand as well it is another timeline now.
    server.fail("backup", "another timeline", repository=REPOSITORY, type="incremental")
