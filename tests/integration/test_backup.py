# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module backup on real servers: what it makes, and how it logs in."""

from __future__ import annotations

import json

import pytest

from tests.integration.harness.backups import (
    BACKUP_KEYS,
    CREDENTIALS,
    METADATA,
    SECRET,
    backup_account,
    watch_for_secret,
)
from tests.integration.harness.server import STATE_DIR, Server, show

TARGET = "/srv/backup/monday"


def test_missing_target_is_created_with_its_parents_and_mode_0700(server: Server) -> None:
    """Full backup into a missing target directory, which is created: parents included, mode 0700."""
    result = server.succeed("backup", target_dir=TARGET)
    assert server.out(f"stat -c '%a %U' /srv/backup {TARGET}").splitlines() == ["700 root", "700 root"]
    assert result["changed"] is True
    assert result["path"] == TARGET
    # Nothing that belongs to it can be read by anybody else.
    readable = server.run(["runuser", "-u", "nobody", "--", "find", "/srv/backup", STATE_DIR, "-readable"], check=False)
    assert readable.stdout == ""


def test_empty_target_is_used_and_keeps_its_owner(server: Server) -> None:
    """Full backup into an empty target directory: accepted, and its owner and mode are its owner's choice."""
    server.run(f"install -d -o mysql -g mysql -m 0750 {TARGET}")
    server.succeed("backup", target_dir=TARGET)
    assert server.out(f"stat -c '%a %U:%G' {TARGET}") == "750 mysql:mysql"


def test_files_written_are_the_documented_ones_and_the_proof_checks_them(server: Server) -> None:
    """Files written: data, xtrabackup_* or mariadb_backup_*, backup-my.cnf; both name generations are read."""
    server.succeed("backup", target_dir=TARGET)
    names = server.out(["ls", TARGET]).splitlines()
    assert set(METADATA[server.suite]) <= set(names)
    assert {"ibdata1", "ib_logfile0", "mysql", "dba_engines"} <= set(names)
    info = server.succeed("backup_info", target_dir=TARGET)
    assert info["changed"] is False
    for name in METADATA[server.suite]:
        server.run(f"rm -rf /srv/damaged && cp -a {TARGET} /srv/damaged && rm /srv/damaged/{name}")
        server.fail("prepare", target_dir="/srv/damaged", dest="/srv/prepared")
        assert not server.exists("/srv/prepared"), f"without {name}"


def test_result_has_every_key_of_the_contract(server: Server) -> None:
    """Results: the keys of backup are a contract; their values agree with the server and with the disk."""
    result = server.succeed("backup", target_dir=TARGET, label="before the upgrade")
    assert set(result) >= BACKUP_KEYS, BACKUP_KEYS - set(result)
    assert result["type"] == "full"
    assert result["base_id"] is None
    assert result["prepared"] is False
    assert result["encrypted"] is False
    assert result["server_version"].split("-")[0] == server.sql("SELECT SUBSTRING_INDEX(VERSION(), '-', 1)")
    assert 0 < result["to_lsn"] <= result["last_lsn"]
    assert result["from_lsn"] == 0
    assert result["files"] == int(server.out(f"find {TARGET} -type f | wc -l"))
    assert result["size_bytes"] == int(
        server.out(f"find {TARGET} -type f -printf '%s\\n' | awk '{{n+=$1}} END {{print n}}'")
    )
    assert server.exists(result["log_path"])
    assert "completed OK!" in server.host.get(result["log_path"])


@pytest.mark.layout("binlog")
def test_result_names_the_binary_log_position(server: Server) -> None:
    """Results: gtid, binlog_file and binlog_position are those of the server at the end of the backup."""
    server.sql("CREATE TABLE dba_engines.one (id INT) ENGINE=InnoDB; INSERT INTO dba_engines.one VALUES (1)")
    result = server.succeed("backup", target_dir=TARGET)
    assert result["gtid"] == server.sql("SELECT @@gtid_binlog_pos")
    status = server.sql("SHOW MASTER STATUS").split("\t")
    assert [result["binlog_file"], str(result["binlog_position"])] == status[:2]


def test_manifest_lies_beside_the_backup_and_holds_every_checksum(server: Server) -> None:
    """A bare target_dir gets a sidecar manifest with the SHA-256 of every file, 0600, and nothing inside the backup."""
    result = server.succeed("backup", target_dir=TARGET)
    manifest = json.loads(server.host.get(f"{TARGET}.manifest.json"))
    assert server.out(f"stat -c %a {TARGET}.manifest.json") == "600"
    assert manifest["id"] == result["id"]
    assert {name: entry["sha256"] for name, entry in manifest["files"].items()} == server.checksums(TARGET)
    assert {"dba_engines", "dba_empty"} <= set(manifest["schemas"])
    assert server.out(["find", TARGET, "-name", "*manifest*"]) == ""
    assert sorted(server.out("ls -A /srv/backup").splitlines()) == ["monday", "monday.manifest.json"]


@pytest.mark.suites("trixie")
def test_checksum_none_is_recorded_as_such(server: Server) -> None:
    """checksum: none leaves checksums out, and the manifest says so."""
    server.succeed("backup", target_dir=TARGET, checksum="none")
    manifest = json.loads(server.host.get(f"{TARGET}.manifest.json"))
    assert manifest["checksum"] == "none"
    assert not [name for name, entry in manifest["files"].items() if "sha256" in entry]


@pytest.mark.layout("binlog")
def test_backup_under_load_restores_every_transfer_up_to_its_gtid(server: Server) -> None:
    """A backup taken under a write load: the total holds, every transfer up to its GTID is there, none after it."""
    server.bank("setup")
    server.bank("start")
    result = server.succeed("backup", target_dir=TARGET, parallel=2)
    done = json.loads(server.bank("stop"))
    server.succeed("restore", target_dir=TARGET, existing_data="delete")
    said = server.bank("check", "--gtid", result["gtid"])
    assert "the books balance" in said, (said, done)
    assert result["gtid"].startswith("0-11-")


@pytest.mark.parametrize("copier", ["builtin", "mariadb-backup", "rsync"])
def test_backup_restores_to_the_same_data(server: Server, copier: str) -> None:
    """The whole chain: backup, restore (which prepares its own copy), every table compared."""
    server.succeed("backup", target_dir=TARGET)
    before = server.checksums(TARGET)
    server.dataset("change")
    result = server.succeed("restore", target_dir=TARGET, existing_data="delete", copier=copier)
    assert result["health"] == "ok", show(result)
    server.assert_seeded()
    assert server.checksums(TARGET) == before


@pytest.mark.suites("trixie")
def test_prepare_option_leaves_a_prepared_backup(server: Server) -> None:
    """prepare: true applies the log before the backup counts, and a later prepare has nothing to do."""
    result = server.succeed("backup", target_dir=TARGET, prepare=True)
    assert result["prepared"] is True
    assert "log-applied" in server.host.get(f"{TARGET}/mariadb_backup_checkpoints")
    before = server.checksums(TARGET)
    again = server.succeed("prepare", target_dir=TARGET, in_place=True)
    assert again["changed"] is False
    assert server.checksums(TARGET) == before
    server.dataset("change")
    server.succeed("restore", target_dir=TARGET, existing_data="delete")
    server.assert_seeded()


@pytest.mark.suites("trixie")
def test_skip_if_newer_than_makes_a_rerun_harmless(server: Server) -> None:
    """skip_if_newer_than: a backup that is new enough is reported, unchanged; without it the rerun is refused."""
    first = server.succeed("backup", target_dir=TARGET)
    before = server.listing("/srv/backup")
    again = server.succeed("backup", target_dir=TARGET, skip_if_newer_than=3600)
    assert again["changed"] is False
    assert again["id"] == first["id"]
    assert server.listing("/srv/backup") == before
    server.fail("backup", "not empty", target_dir=TARGET)


# How it logs in


def test_unix_socket_is_the_default_login(server: Server) -> None:
    """User and password: without any option the account of the operating system, over the socket (10.5 included)."""
    server.succeed("backup", target_dir=TARGET)


def test_credentials_from_the_default_option_file(server: Server) -> None:
    """User and password: an option file 0600, by default ~/.my.cnf."""
    backup_account(server)
    server.host.put(CREDENTIALS, "/root/.my.cnf", mode=0o600)
    result = server.succeed("backup", target_dir=TARGET)
    assert "user: backup" in server.host.get(result["log_path"])


def test_credentials_from_a_named_option_file(server: Server) -> None:
    """User and password: config_file, whose credentials win over other option files."""
    backup_account(server)
    server.host.put(CREDENTIALS, "/etc/backup.cnf", mode=0o600)
    server.host.put("[client]\nuser=nobody\npassword=wrong\n", "/etc/mysql/conf.d/x.cnf")
    result = server.succeed("backup", target_dir=TARGET, config_file="/etc/backup.cnf")
    assert "user: backup" in server.host.get(result["log_path"])


def test_secrets_are_nowhere_to_be_read(server: Server) -> None:
    """User and password: never in an argument list, an environment, a log, a result, or a file others can read."""
    backup_account(server)
    with watch_for_secret(server) as seen:
        result = server.succeed("backup", target_dir=TARGET, login_user="backup", login_password=SECRET)
    assert seen == []
    assert SECRET not in json.dumps({name: value for name, value in result.items() if name != "invocation"})
    assert SECRET not in json.dumps(result.get("invocation"))
    found = server.run(["grep", "-rlF", SECRET, STATE_DIR, "/srv", "/var/log", "/run", "/tmp", "/var/tmp"], check=False)
    assert found.stdout == ""
    assert SECRET not in server.out("journalctl --no-pager -o cat")


def test_check_mode_says_what_a_run_would_do_and_writes_nothing(server: Server) -> None:
    """Check mode plans for real: the plan, the same path, nothing written anywhere on the host."""
    server.run("touch /opt/marker && systemctl stop systemd-journald 2>/dev/null; true")
    before = server.listing("/srv", "/var/lib", "/etc", "/root")
    result = server.succeed("backup", check=True, target_dir=TARGET)
    after = server.listing("/srv", "/var/lib", "/etc", "/root")
    assert result["changed"] is True
    assert result["path"] == TARGET
    assert [step["phase"] for step in result["plan"]]
    assert not server.exists(STATE_DIR)
    ours = [line for line in set(before) ^ set(after) if "/var/lib/mysql" not in line]
    assert ours == []


@pytest.mark.suites("trixie")
def test_check_mode_refuses_what_a_run_refuses(server: Server) -> None:
    """Check mode: the same refusals, and still nothing written."""
    server.run(f"mkdir -p {TARGET} && touch {TARGET}/precious")
    real = server.fail("backup", "precious", target_dir=TARGET)
    planned = server.fail("backup", "precious", check=True, target_dir=TARGET)
    assert planned["cause"] == real["cause"]


@pytest.mark.layout("instance")
def test_second_instance_is_backed_up_by_its_group_suffix(server: Server) -> None:
    """Multi-instance: defaults_group_suffix finds mariadb@x, its datadir and its socket."""
    server.sql("CREATE DATABASE only_in_x")
    server.succeed("backup", target_dir=TARGET, defaults_group_suffix=".x")
    assert server.exists(f"{TARGET}/only_in_x")


@pytest.mark.suites("trixie")
@pytest.mark.layout("separate")
def test_separate_directories_are_in_the_backup(server: Server) -> None:
    """A server with separate InnoDB, Aria and binary log directories: all of the set is in the backup."""
    server.succeed("backup", target_dir=TARGET)
    assert {"undo001", "ibdata1", "ib_logfile0", "aria_log_control"} <= set(server.out(["ls", TARGET]).split())


@pytest.mark.suites("bookworm")
@pytest.mark.layout("mount")
def test_datadir_that_is_a_mount_point_leaves_lost_found_out(server: Server) -> None:
    """A datadir on a mount point: lost+found and our own .mariabackup are not in the backup."""
    server.run("mkdir -p /var/lib/mysql/.mariabackup/previous-1/mysql && chown -R mysql: /var/lib/mysql/.mariabackup")
    server.succeed("backup", target_dir=TARGET)
    names = server.out(["ls", "-A", TARGET]).split()
    assert "lost+found" not in names
    assert not [name for name in names if "mariabackup" in name and "info" not in name and "checkpoints" not in name
                and "binlog" not in name]  # fmt: skip
