# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The roles and playbooks on real servers, and the account that they keep."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.harness.backups import SECRET, watch_for_secret
from tests.integration.harness.playbooks import Play, Playbooks
from tests.integration.harness.pool import Pool
from tests.integration.harness.server import Server, assert_same
from tests.lab import HostSpec

FILE = "/etc/mariabackup.cnf"
BACKUPS = "/srv/backups"
BASE = {"RELOAD", "PROCESS", "BINLOG MONITOR"}

Books = Callable[[], Playbooks]


def password_in(server: Server) -> str:
    """Return the password in the option file of the backup account."""
    found = re.search(r'^password="(.*)"$', server.host.get(FILE), re.MULTILINE)
    assert found
    return found[1]


def privileges_of(server: Server, name: str = "mariabackup") -> set[str]:
    """Return the account's privileges; anything but global privileges fails."""
    lines = server.sql(f"SHOW GRANTS FOR {name}@localhost").splitlines()
    assert len(lines) == 1, lines
    found = re.match(r"GRANT (.*) ON \*\.\* TO \S+ IDENTIFIED BY PASSWORD '\*\w+'$", lines[0])
    assert found, lines
    return set(found[1].split(", "))


def log_in(server: Server, password: str) -> bool:
    """Tell whether the backup account logs in with this password."""
    server.host.put(f'[client]\nuser=mariabackup\npassword="{password}"\n', "/root/login.cnf", mode=0o600)
    done = server.run("mariadb --defaults-extra-file=/root/login.cnf -e 'SELECT 1'", check=False)
    return done.returncode == 0


def changed(play: Play, host: str) -> int:
    """Return the number of changes that the recap shows for a host."""
    found = re.search(rf"^{re.escape(host)} .*\bchanged=(\d+)", play.output, re.MULTILINE)
    assert found, play.output
    return int(found[1])


def test_install_back_up_restore(server: Server, playbooks: Books) -> None:
    """The three playbooks, as a new user runs them."""
    books = playbooks()
    common: dict[str, Any] = {"mariabackup_hosts": server.name, "mariabackup_backup_dir": BACKUPS}
    books.succeed("dba.mariabackup.install", **common)
    assert changed(books.succeed("dba.mariabackup.install", **common), server.name) == 0
    assert server.out(f"stat -c '%a %U:%G' {FILE} {BACKUPS} /var/lib/mariabackup").splitlines() == [
        "600 root:root",
        "700 root:root",
        "700 root:root",
    ]
    play = books.succeed("dba.mariabackup.backup", **common)
    backup = play.result("backup")["path"]
    assert re.fullmatch(rf"{BACKUPS}/\d{{8}}T\d{{6}}Z", backup)
    assert re.search(rf"{server.name} +{backup} +full .* proven", play.output)

    server.sql("DROP DATABASE dba_engines; DROP USER mariabackup@localhost")
    restore = {**common, "mariabackup_target_dir": backup}
    play = books.succeed("dba.mariabackup.restore", **restore, mariabackup_existing_data="keep")
    assert re.search(rf"{server.name} +{backup} .* restored, health ok", play.output)
    assert play.result("backup_account")["changed"] is False
    assert_same(server.seeded, server.snapshot(check=True), ignore_accounts=["mariabackup"])
    server.succeed("backup", target_dir="/srv/afterwards", config_file=FILE)


@pytest.mark.suites("trixie")
def test_a_repository_through_the_playbooks(server: Server, playbooks: Books) -> None:
    """A repository instead of a directory: taken, restored as the newest and by time; both at once are refused."""
    books = playbooks()
    common: dict[str, Any] = {"mariabackup_hosts": server.name, "mariabackup_repository": "/srv/repository"}
    books.succeed("dba.mariabackup.install", mariabackup_hosts=server.name)
    play = books.succeed("dba.mariabackup.backup", **common)
    path = play.result("backup")["path"]
    assert path.startswith(f"/srv/repository/{server.name}/")
    assert re.search(rf"{server.name} +{path} +full .* proven", play.output)
    increments = {"mariabackup_type": "auto", "mariabackup_full_every": "6d", "mariabackup_base": path.split("/")[-2]}
    play = books.succeed("dba.mariabackup.backup", **common, **increments)
    path = play.result("backup")["path"]
    assert re.search(rf"{server.name} +{path} +incremental .* proven", play.output)
    server.dataset("change")
    restore = {**common, "mariabackup_existing_data": "delete", "mariabackup_before": "2036-01-01"}
    planned = books.succeed("dba.mariabackup.restore", "--check", **restore)
    assert path in planned.output
    books.succeed("dba.mariabackup.restore", **restore)
    assert_same(server.seeded, server.snapshot(check=True), ignore_accounts=["mariabackup"])
    both = books.run("dba.mariabackup.restore", **common, mariabackup_target_dir=path)
    assert "mutually exclusive" in both.output
    # Empty switches the inventory's repository off.
    empty = {**common, "mariabackup_repository": ""}
    play = books.succeed("dba.mariabackup.backup", **empty, mariabackup_target_dir="/srv/backup/one")
    assert play.result("backup")["path"] == "/srv/backup/one"


@pytest.mark.suites("bookworm")
def test_check_mode_of_the_playbooks(server: Server, playbooks: Books) -> None:
    """Check mode shows what would be done, refuses what would be refused, and writes nothing."""
    books = playbooks()
    common: dict[str, Any] = {"mariabackup_hosts": server.name, "mariabackup_backup_dir": BACKUPS}
    places = ("/etc", "/srv", "/var/lib/mariabackup", "/var/lib/mysql/mysql")
    server.run("mkdir /var/lib/mariabackup")

    before = server.listing(*places)
    assert changed(books.succeed("dba.mariabackup.install", "--check", "--diff", **common), server.name) > 0
    assert server.listing(*places) == before
    assert server.sql("SELECT COUNT(*) FROM mysql.user WHERE user = 'mariabackup'") == "0"
    books.succeed("dba.mariabackup.install", **common)
    assert changed(books.succeed("dba.mariabackup.install", "--check", **common), server.name) == 0

    before = server.listing(*places)
    assert "would be taken" in books.succeed("dba.mariabackup.backup", "--check", **common).output
    assert server.listing(*places) == before
    server.succeed("backup", target_dir="/srv/backup", config_file=FILE)

    before = server.listing(*places)
    restore = {**common, "mariabackup_target_dir": "/srv/backup"}
    refused = books.run("dba.mariabackup.restore", "--check", **restore)
    assert refused.returncode != 0
    assert "not empty" in refused.result("restore")["msg"]
    assert re.search(rf"{server.name} +/srv/backup .* FAILED in plan", refused.output)
    play = books.succeed("dba.mariabackup.restore", "--check", **restore, mariabackup_existing_data="keep")
    assert f"{server.name}, the plan:" in play.output
    assert "would be restored" in play.output
    assert server.listing(*places) == before


@pytest.mark.parametrize("log_bin", [False, True], ids=["plain", "log_bin"])
def test_account_is_made_with_exactly_what_a_backup_needs(server: Server, log_bin: bool) -> None:
    """The least privileges that the server's version needs: they suffice, with and without binary logs."""
    if log_bin:
        server.configure(log_bin="on")
        server.restart_server()
    position = server.sql("SHOW MASTER STATUS")
    check = server.succeed("backup_account", check=True, diff_mode=True)
    assert check["changed"] is True
    assert not server.exists(FILE)
    made = server.succeed("backup_account", diff_mode=True)
    assert {key: made[key] for key in ("actions", "diff", "privileges")} == {
        key: check[key] for key in ("actions", "diff", "privileges")
    }
    assert privileges_of(server) == set(made["privileges"]) == BASE
    assert server.succeed("backup_account")["changed"] is False
    assert server.sql("SHOW MASTER STATUS") == position, "the account went into the binary log"
    server.succeed("backup", target_dir="/srv/backup", config_file=FILE)
    done = server.run(f"mariadb-backup --defaults-extra-file={FILE} --backup --target-dir=/srv/by-hand", check=False)
    assert done.returncode == 0, done.stderr
    # Not one less.
    for privilege in sorted(BASE - (set() if log_bin else {"BINLOG MONITOR"})):
        server.sql(f"REVOKE {privilege} ON *.* FROM mariabackup@localhost")
        server.fail("backup", privilege, target_dir="/srv/too-little", config_file=FILE)
        assert server.succeed("backup_account")["actions"] == [f"GRANT {privilege} ON *.* TO 'mariabackup'@'localhost'"]


def test_account_for_the_options_of_a_replica(server: Server) -> None:
    """slave_info, safe_slave_backup and galera_info each get what they need, and lose it again."""
    for option, more in (
        ("slave_info", {"SLAVE MONITOR"}),
        ("galera_info", {"SLAVE MONITOR"}),
        ("safe_slave_backup", {"SLAVE MONITOR", "REPLICATION SLAVE ADMIN"}),
    ):
        server.succeed("backup_account", **{option: True})
        assert privileges_of(server) == BASE | more
        server.succeed("backup", target_dir=f"/srv/{option}", config_file=FILE, **{option: True})
    server.succeed("backup_account")
    assert privileges_of(server) == BASE


def test_account_is_put_right(server: Server) -> None:
    """Whatever became of the account or of its file, one run makes them agree again."""
    server.succeed("backup_account")
    password = password_in(server)
    for harm in (
        "DROP USER mariabackup@localhost",
        "ALTER USER mariabackup@localhost IDENTIFIED BY 'other'",
        "ALTER USER mariabackup@localhost ACCOUNT LOCK",
        "ALTER USER mariabackup@localhost REQUIRE SSL",
        "ALTER USER mariabackup@localhost PASSWORD EXPIRE",
        "ALTER USER mariabackup@localhost IDENTIFIED VIA unix_socket",
        "GRANT ALL ON *.* TO mariabackup@localhost WITH GRANT OPTION",
        "GRANT SELECT ON dba_engines.* TO mariabackup@localhost",
        "CREATE ROLE dba_more; GRANT dba_more TO mariabackup@localhost; SET DEFAULT ROLE dba_more FOR mariabackup@localhost",
        "GRANT PROXY ON root@localhost TO mariabackup@localhost",
        "REVOKE ALL PRIVILEGES, GRANT OPTION FROM mariabackup@localhost",
    ):
        server.sql(harm)
        assert server.succeed("backup_account")["changed"] is True, harm
        assert privileges_of(server) == BASE, harm
        assert password_in(server) == password
        assert log_in(server, password), harm
        assert server.succeed("backup_account")["changed"] is False, harm
    server.run(f"chmod 0644 {FILE}")
    assert server.succeed("backup_account")["actions"] == [f"write {FILE}"]
    assert server.out(f"stat -c %a {FILE}") == "600"
    # A lost file takes a new password, and a given password goes into the file.
    server.run(f"rm {FILE}")
    server.succeed("backup_account")
    assert password_in(server) != password
    server.succeed("backup_account", password="Gegeben-1")
    assert password_in(server) == "Gegeben-1"
    server.succeed("backup", target_dir="/srv/backup", config_file=FILE)
    server.run(f"rm {FILE}")
    nothing = server.succeed("backup_account", create=False)
    assert (nothing["changed"], nothing["present"]) == (False, False)
    assert not server.exists(FILE)


@pytest.mark.suites("trixie")
def test_account_gets_clear_errors(server: Server) -> None:
    """Bad input: what is wrong, and nothing has been changed."""
    server.fail("backup_account", "'ALL; DROP' is not the name", extra_privileges=["ALL; DROP"])
    server.fail("backup_account", "/root/none.cnf cannot be read", config_file="/root/none.cnf")
    server.fail("backup_account", "FROBNICATE", extra_privileges=["FROBNICATE"])
    server.run(f"rm -f {FILE}; mkdir {FILE}")
    server.fail("backup_account", f"{FILE} cannot be read")
    server.run(f"rmdir {FILE}")
    server.stop_server()
    server.fail("backup_account", "No server answers")
    assert not server.exists(FILE)


@pytest.mark.suites("bookworm")
def test_account_of_one_of_several_instances(take: Callable[..., Server]) -> None:
    """An instance has an account and an option file of its own."""
    from tests.integration.harness.layouts import INSTANCE

    server = take("bookworm", layout=INSTANCE)
    where = {"defaults_group_suffix": ".x", "credentials_file": "/etc/mariabackup-x.cnf"}
    assert server.succeed("backup_account", **where)["changed"] is True
    assert server.succeed("backup_account", **where)["changed"] is False
    socket = server.layout.socket
    assert server.sql("SELECT COUNT(*) FROM mysql.user WHERE user = 'mariabackup'", f"--socket={socket}") == "1"
    server.succeed("backup", target_dir="/srv/x", config_file="/etc/mariabackup-x.cnf", defaults_group_suffix=".x")


@pytest.mark.suites("bullseye", "trixie")
def test_account_is_right_after_the_data_of_another_host(
    server: Server, take: Callable[..., Server], playbooks: Books
) -> None:
    """The role restore makes the account of the restored data agree with this host's option file again."""
    other = take(server.suite)
    books = playbooks()
    books.succeed("dba.mariabackup.install", mariabackup_hosts=f"{server.name},{other.name}")
    own, foreign = password_in(server), password_in(other)
    assert own != foreign
    other.sql("GRANT SUPER ON *.* TO mariabackup@localhost; CREATE DATABASE dba_of_the_other")
    other.succeed("backup", target_dir="/srv/other", config_file=FILE)
    # The two roots are directories of this machine.
    other.run("tar -C /srv -cf /srv/other.tar other other.manifest.json")
    server.host.put(other.path("/srv/other.tar").read_bytes(), "/srv/other.tar")
    server.run("tar -C /srv -xf /srv/other.tar")
    play = books.succeed(
        "dba.mariabackup.restore",
        mariabackup_hosts=server.name,
        mariabackup_target_dir="/srv/other",
        mariabackup_existing_data="delete",
    )
    assert "CREATE OR REPLACE USER" in play.result("backup_account")["actions"][0]
    assert server.sql("SHOW DATABASES LIKE 'dba_of%'") == "dba_of_the_other"
    assert privileges_of(server) == BASE
    assert password_in(server) == own
    assert log_in(server, own)
    assert not log_in(server, foreign)
    books.succeed("dba.mariabackup.backup", mariabackup_hosts=server.name, mariabackup_backup_dir=BACKUPS)


@pytest.mark.suites("trixie")
def test_restored_accounts_that_refuse_root(server: Server, playbooks: Books) -> None:
    """Where root of the backup has a password, the table says that nobody could log in; restored_login_* helps."""
    books = playbooks()
    books.succeed("dba.mariabackup.install", mariabackup_hosts=server.name)
    server.sql("ALTER USER root@localhost IDENTIFIED BY 'of the backup'")
    server.succeed("backup", target_dir="/srv/backup", config_file=FILE)
    server.sql("ALTER USER root@localhost IDENTIFIED VIA unix_socket", "--password=of the backup")
    restore = {
        "mariabackup_hosts": server.name,
        "mariabackup_topology": "allow",
        "mariabackup_target_dir": "/srv/backup",
        "mariabackup_existing_data": "delete",
    }
    play = books.succeed("dba.mariabackup.restore", **restore)
    assert "restored, health unverified_login" in play.output
    assert play.results("backup_account") == []
    play = books.succeed(
        "dba.mariabackup.restore",
        **restore,
        mariabackup_restored_login_user="root",
        mariabackup_restored_login_password="of the backup",
    )
    assert "restored, health ok" in play.output
    assert play.result("backup_account")["present"] is True
    assert "of the backup" not in play.output


def watch_general_log(server: Server) -> None:
    """Have the server log every statement."""
    server.sql("SET GLOBAL general_log_file = '/var/lib/mysql/general.log', general_log = 1, log_output = 'FILE'")


def places_of(server: Server, secret: str) -> str:
    """Return the files and the journal where a secret can be read, but for the option file."""
    # The log is on, and it has seen the statements.
    logs = server.out("ls -d /var/lib/mysql*/general.log").split()
    assert "mariabackup" in server.out(["cat", *logs])
    places = ["/var/lib/mariabackup", "/var/log", "/srv", "/tmp", "/root", "/var/tmp", *logs]
    found = server.run(["grep", "-rlF", "-e", secret, *places], check=False).stdout
    return found + ("journal" if secret in server.out("journalctl --no-pager -o cat") else "")


@pytest.mark.suites("trixie")
def test_no_password_is_visible_anywhere(server: Server, playbooks: Books) -> None:
    """Secrets are in no argument list, environment, log, result or output, at the highest verbosity neither."""
    books = playbooks()
    watch_general_log(server)
    common: dict[str, Any] = {"mariabackup_hosts": server.name, "mariabackup_backup_dir": BACKUPS}
    given = f"Ab1-{SECRET}"
    more = ("-vvvv", "--diff")
    with watch_for_secret(server, given) as seen:
        plays = [books.succeed("dba.mariabackup.install", *more, **common, mariabackup_account_password=given)]
        plays.append(books.succeed("dba.mariabackup.backup", *more, **common))
        plays.append(
            books.succeed(
                "dba.mariabackup.restore",
                *more,
                **common,
                mariabackup_target_dir=plays[1].result("backup")["path"],
                mariabackup_existing_data="keep",
                mariabackup_account_password=given,
                mariabackup_restored_login_user="mariabackup",
                mariabackup_restored_login_password=given,
            )
        )
    assert seen == []
    for play in plays:
        assert "Ab1-" not in play.output
    assert places_of(server, "Ab1-s3cret") == ""


@pytest.mark.parametrize("checked", [False, True], ids=["plain", "password-check"])
def test_the_password_that_is_made_is_nowhere_but_in_the_file(server: Server, checked: bool) -> None:
    """Nor does the server's general log get it where a password check wants to see it."""
    if checked:
        server.sql("INSTALL SONAME 'simple_password_check'")
    watch_general_log(server)
    results = [server.succeed("backup_account", diff_mode=True) for _unused in range(2)]
    assert [result["changed"] for result in results] == [True, False]
    password = password_in(server)
    with watch_for_secret(server, password) as seen:
        results.append(server.succeed("backup", target_dir="/srv/backup", config_file=FILE, parallel=2))
    assert seen == []
    assert password not in str(results)
    assert places_of(server, password) == ""


@pytest.mark.suites("bookworm")
def test_playbooks_never_guess_their_hosts(server: Server, playbooks: Books) -> None:
    """mariabackup_hosts has no default, and a pattern without hosts is a failure."""
    books = playbooks()
    for hosts, text in (({}, "Set mariabackup_hosts"), ({"mariabackup_hosts": "nosuch"}, "'nosuch'")):
        play = books.run("dba.mariabackup.restore", **hosts, mariabackup_target_dir="/srv/x")
        assert play.returncode != 0
        assert text in play.output
    play = books.run("dba.mariabackup.restore", mariabackup_hosts=server.name)
    assert play.returncode != 0
    assert "one of the following is required: target_dir, repository" in play.output
    play = books.run("dba.mariabackup.restore", mariabackup_hosts=server.name, mariabackup_target_dir="/x",
                     mariabackup_existing_data="sure")  # fmt: skip
    assert play.returncode != 0
    assert "delete_first" in play.output


def test_install_on_a_host_that_has_only_the_server(pool: Pool, playbooks: Books) -> None:
    """The tool of exactly the server's version is installed from the host's own sources, or nothing is."""
    host = pool.lab.up({"bare": HostSpec("bookworm", flavour="plain")})["bare"]
    try:
        books = playbooks()
        nothing = books.run("dba.mariabackup.install", mariabackup_hosts="bare")
        assert "Install the server first" in nothing.output
        host.run(
            "DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends mariadb-server", timeout=300
        )
        check = books.succeed("dba.mariabackup.install", "--check", mariabackup_hosts="bare")
        assert changed(check, "bare") > 0
        assert host.run("command -v mariadb-backup", check=False).returncode != 0

        # The sources have only a newer tool, which would take the server's client programs along.
        packages = "/srv/apt-pool/Packages"
        kept = host.get(packages)
        stanzas = kept.split("\n\n")
        newer = [
            re.sub(r"^Version: .*$", "Version: 1:10.11.99-0+deb12u1", stanza, flags=re.MULTILINE)
            if stanza.startswith("Package: mariadb-backup\n")
            else stanza
            for stanza in stanzas
        ]
        assert newer != stanzas
        host.put("\n\n".join(newer), packages)
        refused = books.run("dba.mariabackup.install", mariabackup_hosts="bare")
        assert refused.returncode != 0
        assert "has to be of the same version" in refused.output
        assert host.run("command -v mariadb-backup", check=False).returncode != 0

        host.put(kept, packages)
        books.succeed("dba.mariabackup.install", mariabackup_hosts="bare")
        assert changed(books.succeed("dba.mariabackup.install", mariabackup_hosts="bare"), "bare") == 0
        versions = host.run("dpkg-query -W -f '${Version}\\n' mariadb-backup mariadb-server-core | uniq").stdout
        assert len(versions.split()) == 1
        books.succeed("dba.mariabackup.backup", mariabackup_hosts="bare")
    finally:
        pool.lab.down(["bare"])
