# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that change what a run is, wherever they come from."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.login import (
    Login,
    option_text,
    private_option_file,
    quote_value,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.options import (
    check_extra_args,
    check_option_groups,
    forbidden_options,
    names_user,
    read_groups,
)


@pytest.mark.parametrize(
    "argument",
    [
        "--stream=xbstream",
        "--compress",
        "--compress=quicklz",
        "--databases=shop",
        "--databases_exclude=shop",
        "--tables-file=/x",
        "--loose-tables=a",
        "--loose_Databases=a",
        "--incremental-basedir=/x",
        "--incremental_lsn=5",
        "--no-lock",
        "--skip-rocksdb-backup",
        "--rocksdb-backup=0",
        "--binlog-info=OFF",
        "--skip-binlog",
        "--backup",
        "--export",
        "--log-innodb-page-corruption",
        "--skip-compress",
        "--stream=off",
    ],
)
def test_forbidden(argument: str) -> None:
    assert forbidden_options([argument]) == [argument[2:]]


@pytest.mark.parametrize(
    "argument",
    [
        "--socket=/run/x.sock",
        "--user=backup",
        "--password=x",
        "--parallel=4",
        "--history=nightly",
        "--rocksdb-backup=1",
        "--binlog-info=AUTO",
        "--skip-no-lock",
        "--ssl-ca=/x",
        "--target-dir=/ignored",
        "--lock-ddl-per-table",
        "compress",
        "",
    ],
)
def test_allowed(argument: str) -> None:
    assert forbidden_options([argument]) == []


def test_option_groups_name_the_place_and_the_way_out() -> None:
    check_option_groups(["--socket=/x"], ["--parallel=2"])
    with pytest.raises(MariabackupError, match=r"in \[client\].*: compress;.*tables=a.b") as caught:
        check_option_groups(["--compress"], ["--tables=a.b"])
    assert "under [mariadb]" in caught.value.action
    assert caught.value.details["forbidden_options"] == ["compress", "tables=a.b"]


@pytest.mark.parametrize(
    ("argument", "says"),
    [
        ("--password=geheim", "holds a secret"),
        ("--ssl-key-password=geheim", "holds a secret"),
        ("-pgeheim", "holds -p"),
        ("geheim", "not an option"),
        ("--", "holds --"),
        ("--user=root", "the module sets itself"),
        ("--target_dir=/x", "the module sets itself"),
        ("--defaults-file=/x", "the module sets itself"),
        ("--datadir=/x", "the module sets itself"),
        ("--parallel=5", "the module sets itself"),
        ("--stream=mbstream", "changes what the run means"),
        ("--loose-compress", "changes what the run means"),
        ("--skip-no-lock", "changes what the run means"),
    ],
)
def test_extra_args_refused(argument: str, says: str) -> None:
    with pytest.raises(MariabackupError, match=says) as caught:
        check_extra_args(["--history=x", argument])
    assert "geheim" not in str(caught.value)


def test_extra_args_allowed() -> None:
    check_extra_args([])
    check_extra_args(["--history=nightly", "--lock-ddl-per-table", "--innodb-log-checkpoint-now", "--verbose"])


def test_names_user() -> None:
    assert names_user(["--socket=x", "--user=backup"])
    assert not names_user(["--socket=x", "--username=no"])


def test_login_arguments_hold_no_secret() -> None:
    login = Login.from_params(
        {
            "login_user": "backup",
            "login_password": "geheim",
            "login_host": "db1",
            "login_port": 3307,
            "login_unix_socket": "/run/x.sock",
            "config_file": "/root/.my.cnf",
        }
    )
    assert login.arguments() == ["--socket=/run/x.sock", "--user=backup"]
    assert "geheim" not in repr(login)
    tcp = Login(host="db1", port=3307, ca_cert="/ca.pem", check_hostname=False)
    assert tcp.arguments() == ["--host=db1", "--port=3307", "--ssl-ca=/ca.pem", "--skip-ssl-verify-server-cert"]


def test_option_text_keeps_the_order_and_comes_last(tmp_path: Path) -> None:
    mine, theirs = tmp_path / "mine.cnf", tmp_path / "theirs.cnf"
    mine.write_text("")
    theirs.write_text("")
    login = Login(password='a"b\\c', option_file=str(theirs))
    assert option_text(login, str(mine), None).splitlines() == [
        f"!include {mine}",
        f"!include {theirs}",
        "[mariadb-backup]",
        'password="a\\"b\\\\c"',
    ]
    assert option_text(Login(option_file=str(tmp_path / "missing")), str(mine), None) == f"!include {mine}\n"


def test_quote_refuses_nul() -> None:
    with pytest.raises(ValueError, match="NUL"):
        quote_value("a\0b")


def test_private_option_file_lives_in_memory() -> None:
    with private_option_file(Login(password="geheim")) as (name, fd):
        status = os.fstat(fd)
        assert stat.S_IMODE(status.st_mode) == 0o600
        assert status.st_nlink == 0
        assert "geheim" in Path(name).read_text()
        assert not os.get_inheritable(fd)
    with pytest.raises(OSError):
        os.fstat(fd)


def test_private_option_file_wants_an_existing_defaults_file() -> None:
    with pytest.raises(MariabackupError, match="does not exist"), private_option_file(Login(), "/none.cnf"):
        pass


@pytest.fixture(scope="module")
def empty_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("options") / "empty.cnf"
    path.write_text("")
    return str(path)


@settings(max_examples=40, deadline=None)
@given(password=st.text(st.characters(min_codepoint=1, exclude_categories=("Cs",)), max_size=30))
def test_every_password_arrives(password: str, empty_file: str) -> None:
    with private_option_file(Login(password=password), empty_file) as (name, fd):
        answer = subprocess.run(
            ["my_print_defaults", f"--defaults-file={name}", "mariadb-backup"],
            pass_fds=[fd],
            stdout=subprocess.PIPE,
            check=True,
        )
    assert answer.stdout.decode() == f"--password={password}\n"


def test_read_groups(tmp_path: Path) -> None:
    path = tmp_path / "my.cnf"
    path.write_text("[client]\ncompress\n[mariadb-backup]\nparallel=2\n[mariadb-backup.x]\nstream=mbstream\n")
    assert read_groups(str(path), ["client", "mariadb-backup"]) == ["--compress", "--parallel=2"]
    assert read_groups(str(path), ["mariadb-backup"], suffix=".x") == ["--parallel=2", "--stream=mbstream"]
    path.write_text("no group\n")
    with pytest.raises(MariabackupError, match="cannot be read"):
        read_groups(str(path), ["client"])
