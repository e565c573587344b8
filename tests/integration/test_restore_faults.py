# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts onto which a restore cannot be done: a clear error, the server and its data as they were, nothing in the way."""

from __future__ import annotations

import hashlib
import shlex

import pytest

from tests.integration.harness.faults import clear_breakpoints, proceed, set_breakpoint, wait_stopped
from tests.integration.harness.layouts import DATADIR
from tests.integration.harness.modules import end
from tests.integration.harness.restores import TARGET, good_restore, refused, refused_early, untouched
from tests.integration.harness.server import STATE_DIR, Server, assert_same, show, wait_for

LOST_FOUND = f"{DATADIR}/lost+found"


def _backup(server: Server) -> None:
    """Take the backup, and change the data after it: whoever restores by mistake is found out."""
    server.succeed("backup", target_dir=TARGET, prepare=True)
    server.dataset("change")


def test_server_outside_of_its_service(server: Server) -> None:
    """A server that runs outside of its service is named, by its process, and left alone."""
    _backup(server)
    server.stop_server()
    server.run("systemd-run --quiet --unit=test-outsider /usr/sbin/mariadbd --user=mysql")
    wait_for(lambda: server.run("mariadb-admin ping", check=False).returncode == 0, "the outsider is up")
    before = server.snapshot()
    pid = server.out("systemctl show -p MainPID --value test-outsider")
    refused_early(server, "outside of the service", "mariadbd", f"pid {pid}")
    assert_same(before, server.snapshot())
    server.run("systemctl stop test-outsider")
    good_restore(server)


@pytest.mark.suites("bookworm", "trixie")
def test_client_that_hammers_the_socket(server: Server) -> None:
    """A client that connects all the time, which would wake a stopped server through its socket."""
    _backup(server)
    hammer = "while :; do mariadb --connect-timeout=1 -e 'SELECT 1' && echo up || echo down; done 2>/dev/null"
    server.run(f"systemd-run --quiet --unit=test-hammer --property=StandardOutput=file:/var/tmp/test-hammer "
               f"/bin/bash -c {_quoted(hammer)}")  # fmt: skip
    tcp = "while :; do (exec 3<>/dev/tcp/127.0.0.1/3306) && echo up || echo down; done 2>/dev/null"
    server.run(f"systemd-run --quiet --unit=test-hammer-tcp /bin/bash -c {_quoted(tcp)}")
    wait_for(lambda: "up" in server.out("cat /var/tmp/test-hammer"), "the hammer works")
    good_restore(server)
    server.run("systemctl stop test-hammer test-hammer-tcp")
    assert set(server.out("sort -u /var/tmp/test-hammer").split()) == {"1", "up", "down"}


def _quoted(text: str) -> str:
    return shlex.quote(text)


@pytest.mark.suites("bullseye", "trixie")
def test_server_that_hangs_in_its_stop(server: Server) -> None:
    """A server that does not stop in time is not killed; the restore refuses, and it serves again when it can."""
    _backup(server)
    before, pid = server.snapshot(), server.server_pid()
    set_breakpoint(server, "stop-before")
    running = server.start_module("restore", target_dir=TARGET, existing_data="delete", stop_timeout=2)
    wait_stopped(server, running)
    # systemctl stop sends SIGTERM, and then SIGCONT.
    freezer = server.start(["sh", "-c", f"while :; do kill -STOP {pid}; sleep 0.005; done"])
    clear_breakpoints(server)
    proceed(server)
    result = running.result()
    assert result.get("failed"), show(result)
    assert "not killed" in result["msg"], show(result)
    assert result["failed_phase"] == "stop"
    assert result["rolled_back"] is False
    assert server.out(f"ps -o comm= -p {pid}") in ("mariadbd", "mysqld"), "the server was killed"
    end(freezer)
    server.run(f"kill -CONT {pid}")
    wait_for(lambda: server.server_runs() and server.server_pid() not in (0, pid), "the server runs again", timeout=60)
    assert_same(before, server.snapshot(check=True))
    assert server.sql("SELECT @@global.read_only") == "0"
    good_restore(server)


@pytest.mark.suites("bookworm")
def test_server_whose_unit_stops_slowly(server: Server) -> None:
    """A stop that takes longer than stop_timeout is waited for by nobody; with enough time the restore goes through."""
    _backup(server)
    server.run("mkdir -p /etc/systemd/system/mariadb.service.d")
    server.host.put("[Service]\nExecStop=/bin/sleep 8\n", "/etc/systemd/system/mariadb.service.d/slow.conf")
    server.run("systemctl daemon-reload")
    before = server.snapshot()
    result = refused(server, "not killed", phase="stop", stop_timeout=2)
    assert result["rolled_back"] is False
    assert_same(before, server.snapshot())
    wait_for(lambda: server.out("systemctl show -p ActiveState --value mariadb") == "inactive", "it stops", timeout=30)
    wait_for(server.server_runs, "it is started again", timeout=30)
    assert_same(before, server.snapshot(check=True))
    good_restore(server, stop_timeout=30)


@pytest.mark.suites("trixie")
@pytest.mark.layout("mount")
def test_no_space_and_no_inodes_for_staging(server: Server) -> None:
    """A disk that cannot hold the staged set: found in the plan, or while it fills up; the staged part is removed."""
    _backup(server)
    free = int(server.out(f"df --output=avail -B1M {DATADIR} | tail -1"))
    with untouched(server):
        server.run(f"fallocate -l {free - 40}M {LOST_FOUND}/filler")
        refused_early(server, "MiB are free", "delete_first")
        server.run(f"rm {LOST_FOUND}/filler")
    with untouched(server):
        inodes = int(server.out(f"df --output=iavail {DATADIR} | tail -1"))
        server.run(f"cd {LOST_FOUND} && seq 1 {inodes - 20} | xargs touch")
        refused_early(server, "inodes")
        server.run(f"cd {LOST_FOUND} && find . -type f -delete")
    with untouched(server):
        set_breakpoint(server, "stage-before")
        running = server.start_module("restore", target_dir=TARGET, existing_data="delete")
        wait_stopped(server, running)
        server.run(f"fallocate -l {free - 10}M {LOST_FOUND}/filler")
        clear_breakpoints(server)
        proceed(server)
        result = running.result()
        assert result.get("failed"), show(result)
        assert result["failed_phase"] == "stage", show(result)
        assert "No space left" in result["msg"], show(result)
        server.run(f"rm {LOST_FOUND}/filler")
    good_restore(server)


@pytest.mark.suites("trixie")
def test_a_full_disk_of_records_does_not_stop_the_way_back(server: Server) -> None:
    """The file system of state_dir fills up before the new data fails its check: the old data is swapped back all the same."""
    _backup(server)
    before = server.snapshot()
    server.mount("ext4", "32M", STATE_DIR, owner=None)
    # On a file system of its own, which this machine does not see.
    server.run(
        f"chmod 0700 {STATE_DIR}; install -d -m 0700 {STATE_DIR}/breakpoints; touch {STATE_DIR}/breakpoints/health-before"
    )
    running = server.start_module(
        "restore", target_dir=TARGET, existing_data="keep", verify_queries=[{"query": "SELECT 1", "expect": "2"}]
    )
    wait_stopped(server, running)
    clear_breakpoints(server)
    filled = server.run(f"dd if=/dev/zero of={STATE_DIR}/ballast bs=4k; sync", check=False)
    assert "No space left" in filled.stderr
    proceed(server)
    result = running.result()
    assert result["rolled_back"] is True, show(result)
    assert "expected 2" in result["msg"] or "SELECT 1" in result["msg"], show(result)
    assert_same(before, server.snapshot())
    server.run(["rm", f"{STATE_DIR}/ballast"])
    good_restore(server)


@pytest.mark.suites("trixie")
@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("innodb_page_size", "8k"),
        ("innodb_data_file_path", "ibdata1:12M;ibdata2:12M:autoextend"),
        ("innodb_data_file_path", "ibdata1:50M;ibdata2:12M:autoextend"),
        ("innodb_data_file_path", "system1:12M:autoextend"),
    ],
)
def test_innodb_layout_that_differs(server: Server, option: str, value: str) -> None:
    """Option files with which the server could not open the backup's InnoDB files: named before anything is staged."""
    server.succeed("backup", target_dir=TARGET, prepare=True)
    server.stop_server()
    server.run(f"find {DATADIR} -mindepth 1 -delete")
    server.configure(**{option: value})
    refused_early(server, option, existing_data="fail")
    assert server.out(f"ls -A {DATADIR}") == ""
    server.configure()
    good_restore(server, existing_data="fail")


_KEYS = "/etc/mysql/keys"


def _keys(server: Server, seed: str) -> None:
    """Write a key file of the plugin file_key_management with keys 1 and 2."""
    digests = [hashlib.sha256(f"{seed}{number}".encode()).hexdigest() for number in (1, 2)]
    server.host.put("".join(f"{n};{digest}\n" for n, digest in enumerate(digests, 1)), _KEYS, 0o640, "root:mysql")


@pytest.mark.suites("bullseye", "trixie")
@pytest.mark.parametrize("prepared", [False, True], ids=["raw", "prepared"])
def test_encrypted_tables(server: Server, prepared: bool) -> None:
    """Encrypted tables: restored with the key file; without it, or with a wrong one, the old data serves."""
    encryption = {"plugin_load_add": "file_key_management", "file_key_management_filename": _KEYS}
    _keys(server, "right")
    server.configure(**encryption)
    server.restart_server()
    server.dataset("load", "encrypted")
    # Pages that are only in the redo log are written by prepare, with whatever keys it has, and can be read with them.
    server.restart_server()
    whole = server.snapshot(check=True)
    server.succeed("backup", target_dir=TARGET, prepare=prepared)
    server.sql("DROP DATABASE dba_encrypted")
    # Without the plugin.
    server.configure()
    server.restart_server()
    with untouched(server):
        refused_early(server, "encrypt")
    # With other keys.
    server.configure(**encryption)
    _keys(server, "wrong")
    server.restart_server()
    with untouched(server, same_process=False):
        result = server.fail("restore", target_dir=TARGET, existing_data="keep", failed_data="delete")
        assert result["failed_phase"] in ("prepare", "start", "health"), show(result)
        assert result["rolled_back"] is (result["failed_phase"] != "prepare")
    # With the right ones.
    _keys(server, "right")
    server.restart_server()
    server.succeed("restore", target_dir=TARGET, existing_data="delete")
    assert_same(whole, server.snapshot(check=True))


@pytest.mark.suites("trixie")
def test_tls_keys_inside_the_datadir(server: Server) -> None:
    """TLS keys that lie in the datadir, as the option files say, are in the new one: mode, owner, and in use."""
    _backup(server)
    server.run(f"install -d -o mysql -g mysql -m 0700 {DATADIR}/tls")
    server.run(f"openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=test -keyout {DATADIR}/tls/key.pem "
               f"-out {DATADIR}/tls/cert.pem 2>/dev/null; chown mysql:mysql {DATADIR}/tls/*; chmod 0400 "
               f"{DATADIR}/tls/key.pem")  # fmt: skip
    server.configure(ssl_cert=f"{DATADIR}/tls/cert.pem", ssl_key=f"{DATADIR}/tls/key.pem")
    server.restart_server()
    before = server.out(f"cd {DATADIR}/tls && stat --format='%n %a %U %G %s' . *; sha256sum *")
    server.succeed("restore", target_dir=TARGET, existing_data="delete")
    # A server takes every directory in its datadir for a schema.
    assert_same(server.seeded, server.snapshot(check=True), ignore_schemas=["tls"])
    assert server.out(f"cd {DATADIR}/tls && stat --format='%n %a %U %G %s' . *; sha256sum *") == before
    assert server.sql("SHOW GLOBAL VARIABLES LIKE 'have_ssl'").endswith("YES")
    assert server.sql("SELECT @@ssl_cert") == f"{DATADIR}/tls/cert.pem"


@pytest.mark.suites("trixie")
@pytest.mark.layout("mount")
def test_read_only_file_system(server: Server) -> None:
    """A file system that is mounted read-only is named in the plan."""
    _backup(server)
    server.stop_server()
    before = server.listing(DATADIR)
    server.run(f"mount -o remount,ro {DATADIR}")
    refused_early(server, "read-only", DATADIR)
    assert server.listing(DATADIR) == before
    server.run(f"mount -o remount,rw {DATADIR}")
    server.start_server()
    good_restore(server)


@pytest.mark.suites("trixie")
def test_service_that_does_not_exist(server: Server) -> None:
    """No such service: its name, and nothing is guessed."""
    _backup(server)
    with untouched(server):
        refused_early(server, "no service nonsense", "option service", service="nonsense")


@pytest.mark.suites("bookworm", "trixie")
def test_galera_node(server: Server) -> None:
    """A member of a Galera cluster, running or configured: refused until topology is allow."""
    _backup(server)
    server.configure(wsrep_on="ON", wsrep_provider="/usr/lib/galera/libgalera_smm.so", wsrep_cluster_address="gcomm://",
                     wsrep_cluster_name="crew", binlog_format="ROW", innodb_autoinc_lock_mode="2")  # fmt: skip
    server.stop_server()
    refused_early(server, "galera", "topology: allow")
    server.run("galera_new_cluster")
    wait_for(server.server_runs, "the node is up")
    with untouched(server):
        refused_early(server, "galera", "crew", "topology: allow")
        info = server.succeed("server_info")
        assert info["role"] == "galera"
        assert info["galera"] == {"cluster": "crew", "size": 1, "cluster_status": "Primary", "state": "Synced", "ready": True,
                                  "connected": True, "desync": False, "receive_queue": 0}  # fmt: skip
    server.succeed("restore", target_dir=TARGET, existing_data="delete", topology="allow")
