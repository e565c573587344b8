# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Greetings, client option files, logins, expected results and fatal messages."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.server import (
    client_options,
    error_log,
    facts,
    greeting,
    health,
    login,
    open_up,
)


def packet(body: bytes) -> bytes:
    return len(body).to_bytes(3, "little") + b"\0" + body


def test_greetings() -> None:
    seen = packet(b"\x0a5.5.5-10.11.19-MariaDB-0+deb12u1\0\x01\0\0\0abcdefgh\0")
    assert greeting.parse_greeting(seen) == greeting.Greeting("10.11.19-MariaDB-0+deb12u1")
    full = packet(b"\xff\x10\x04Too many connections")
    assert greeting.parse_greeting(full) == greeting.Greeting("", "1040 Too many connections")
    for wrong in (b"", packet(b"HTTP/1.1 400\r\n"), packet(b"\x0aunfinished")):
        with pytest.raises(ValueError):
            greeting.parse_greeting(wrong)


def test_socket_paths() -> None:
    assert greeting.socket_path({"socket": "/run/x.sock", "datadir": "/d/"}) == "/run/x.sock"
    assert greeting.socket_path({"socket": "x.sock", "datadir": "/d/"}) == "/d/x.sock"
    assert greeting.socket_path({}) is None


def test_client_option_files(tmp_path: Path) -> None:
    (tmp_path / "inc.cnf").write_text("[client]\nuser=included\nport=3307\n")
    main = tmp_path / "my.cnf"
    main.write_text(
        f"!include {tmp_path / 'inc.cnf'}\n[mysqld]\nuser=mysql\n[client]\n"
        'user = backup  # who\npassword = "p#a;s\\"s w\\\\d"\nssl-ca=\'/etc/ca file\'\nskip-x\n[client-mariadb]\nsocket=/s\n'
    )
    assert client_options.read_client_options(str(main)) == {
        "user": "backup",
        "port": "3307",
        "password": 'p#a;s"s w\\d',
        "ssl_ca": "/etc/ca file",
        "skip_x": "",
        "socket": "/s",
    }


def test_an_explicit_option_wins_over_the_option_file(tmp_path: Path) -> None:
    config = tmp_path / "my.cnf"
    config.write_text("[client]\nuser=file\npassword=secret\nsocket=/file.sock\n")
    found = login.connect_arguments(login.Login(user="me", config_file=str(config)), "/default.sock")
    assert (found["user"], found["password"], found["unix_socket"]) == ("me", b"secret", "/file.sock")
    found = login.connect_arguments(login.Login(host="db1", ca_cert="/ca", config_file=str(config)), "/default.sock")
    assert (found["host"], found["port"], found["ssl"]) == ("db1", 3306, {"ca": "/ca"})
    found = login.connect_arguments(login.Login(config_file=""), "/default.sock")
    assert (found["user"], found["unix_socket"]) == ("root", "/default.sock")


def test_the_ladder_after_a_restore() -> None:
    params: dict[str, Any] = {"login_user": "old", "login_unix_socket": "/s", "restored_login_user": "new"}
    ladder = login.logins_after_restore(params, "/default")
    assert [(entry.user, entry.label) for entry in ladder] == [
        ("new", "restored_login_*"),
        ("root", "root over the socket"),
        ("old", "login_*"),
    ]
    assert ladder[0].unix_socket == "/s"
    assert len(login.logins_after_restore({}, None)) == 2


def test_a_login_never_shows_its_password() -> None:
    assert "secret" not in repr(login.Login(user="u", password="secret"))


def test_the_option_file_of_a_client_program_is_read_back(tmp_path: Path) -> None:
    text = open_up.client_option_file(login.Login(user="u", password='p"#\\', unix_socket="/s", config_file=""), None)
    path = tmp_path / "x.cnf"
    path.write_text(text)
    values = client_options.read_client_options(str(path))
    assert (values["user"], values["password"], values["socket"]) == ("u", 'p"#\\', "/s")


@pytest.mark.parametrize(
    ("rows", "expect", "same"),
    [
        ([[1]], 1, True),
        ([[1]], "1", True),
        ([[True]], 1, True),
        ([[b"x"]], "x", True),
        ([[1], [2]], 1, False),
        ([[1, 2]], [1, 2], True),
        ([[1], [2]], [1, 2], True),
        ([[1, None]], [1, None], True),
        ([[1, 2], [3, None]], [[1, 2], [3, None]], True),
        ([[1, 2]], [[1, 2], [3, 4]], False),
        ([], [], True),
        ([[1]], [], False),
        ([], None, False),
        ([["x"]], None, True),
        ([[0]], None, False),
    ],
)
def test_expected_results(rows: list[list[Any]], expect: Any, same: bool) -> None:
    assert health.matches(rows, expect) is same


FATAL = [
    "2026-11-22 11:19:52 0 [ERROR] Plugin 'InnoDB' registration as a STORAGE ENGINE failed.",
    "2026-11-22 11:19:52 0 [ERROR] Unknown/unsupported storage engine: InnoDB",
    "2026-11-22 11:19:52 0 [ERROR] Aborting",
    "2024-01-01  1:02:03 5 [ERROR] InnoDB: Database page corruption on disk or a failed read of file './a/b.ibd'",
    "2024-01-01  1:02:03 0 [ERROR] InnoDB: Page [page id: space=0, page number=5] log sequence number 99 is in the future!",
    "261122 11:19:52 [ERROR] mysqld got signal 11 ;",
]
HARMLESS = [
    "2026-11-22 11:17:41 0 [Warning] Could not increase number of max_open_files to more than 20000 (request: 32184)",
    "2026-11-22 11:05:26 0 [Note] /usr/sbin/mariadbd: ready for connections.",
    "2026-11-22 11:05:26 5 [ERROR] Invalid (old?) table or database name 'lost+found'",
    "2026-11-22 11:05:26 5 [ERROR] mariadbd: Table './a/b' is marked as crashed and should be repaired",
    "2026-11-22 11:05:26 0 [Note] InnoDB: Loading buffer pool(s) from /var/lib/mysql/ib_buffer_pool",
    "2026-11-22 11:05:26 5 [Warning] Access denied for user 'corrupted'@'localhost' (using password: YES)",
    "2026-11-22 11:05:26 5 [ERROR] Slave I/O: error connecting to master 'r@10.99.2.11:3306'",
]


def test_fatal_messages() -> None:
    assert error_log.fatal_lines([*HARMLESS, *FATAL]) == FATAL


class Journal:
    """A service that logs to its manager."""

    def log_lines(self, limit: int = 200) -> list[str]:
        return ["from the journal"]


def test_the_error_log_since_a_mark(tmp_path: Path) -> None:
    options = {"datadir": f"{tmp_path}/", "log_error": "db"}
    path = tmp_path / "db.err"
    assert error_log.log_path(options) == str(path)
    path.write_text("old\n")
    start = error_log.mark(options)
    assert error_log.lines_since(start, Journal()) == ["from the journal"]
    with open(path, "a") as stream:
        stream.write("new\n")
    assert error_log.lines_since(start, Journal()) == ["new"]
    os.rename(path, tmp_path / "db.err.1")
    path.write_text("after rotation\n")
    assert error_log.lines_since(start, Journal()) == ["after rotation"]
    assert error_log.lines_since(error_log.mark({}), Journal()) == ["from the journal"]


def test_configured_values() -> None:
    assert open_up.configured_values({"read_only": "TRUE", "event_scheduler": "ON"}) == {
        "read_only": "ON",
        "event_scheduler": "ON",
    }
    assert open_up.configured_values({"read_only": "FALSE", "event_scheduler": "DISABLED"}) == {
        "read_only": "OFF",
        "event_scheduler": "OFF",
    }
    assert open_up.configured_values({"read_only": "NO_LOCK"})["read_only"] == "NO_LOCK"


def test_versions() -> None:
    assert facts.version_tuple("10.11.19-MariaDB-0+deb12u1") == (10, 11, 19)
    assert facts.version_tuple("") == (0, 0, 0)
    assert open_up.upgrade_needed((10, 11, 19), (11, 8, 6))
    assert not open_up.upgrade_needed((11, 8, 2), (11, 8, 6))


class _Server:
    """Answers the two queries of the check, with names of files for the schemas that it has."""

    def __init__(self, **schemas: str) -> None:
        self.schemas = schemas

    def query(self, _connection: Any, sql: str) -> list[dict[str, Any]]:
        if "SCHEMATA" in sql:
            return [{"name": name} for name in self.schemas]
        return [{"grant": "GRANT ALL PRIVILEGES ON *.* TO root@localhost"}]


@pytest.mark.parametrize(
    ("manifest", "missing"),
    [
        (["shop", "Größe"], ""),
        # Directories whose names only a server can read.
        (["shop", "Gr@1o@1ve"], ""),
        (["shop", "@0pt@0p"], "@0pt@0p"),
        (["SHOP", "it@home"], ""),
        # An empty directory that an administrator has made: the tool puts it into the backup.
        (["shop", "my-old.d"], ""),
        (["shop", "gone"], "gone"),
    ],
)
def test_schemas_of_the_manifest(monkeypatch: pytest.MonkeyPatch, manifest: list[str], missing: str) -> None:
    server = _Server(**{"shop": "shop", "Größe": "Gr@1o@1ve", "it@home": "it@0040home"}, **{"#mysql50#my-old.d": ""})
    monkeypatch.setattr(health, "query", server.query)
    monkeypatch.setattr(health, "file_names", lambda _connection, names: {name: server.schemas[name] for name in names})
    found = health.Health("ok", connection=object())
    if missing:
        with pytest.raises(MariabackupError, match=f"lacks the schemas {missing};"):
            health._check_schemas(found, manifest, [])
    else:
        health._check_schemas(found, manifest, [])
        assert found.checks == [{"check": "schemas", "detail": "all 2 are there"}]
