# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option file of the backup account."""

from __future__ import annotations

import os
import string
import subprocess
from pathlib import Path

import pytest

from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.server.credentials import (
    Credentials,
    generate_password,
    read_credentials,
    write_credentials,
)

ODD = [
    "simple",
    "a b",
    "a#b",
    '"',
    "'",
    "\\",
    "ends in \\",
    "\\n",
    "tab\there",
    "ünïcode 表",
    "=;,[x]",
    "-x",
    " around ",
]


def test_generated_passwords_have_every_class_and_differ() -> None:
    passwords = {generate_password() for _unused in range(200)}
    assert len(passwords) == 200
    for password in passwords:
        assert len(password) == 30
        for group in (string.ascii_lowercase, string.ascii_uppercase, string.digits, "-_.+="):
            assert set(group) & set(password)
        assert password[0].isalnum()


@pytest.mark.parametrize("password", ODD)
def test_what_is_written_is_read(tmp_path: Path, password: str) -> None:
    path = tmp_path / "deep" / "er" / "x.cnf"
    write_credentials(str(path), "backup er", password)
    found = read_credentials(str(path))
    assert found is not None
    assert (found.user, found.password, found.private) == ("backup er", password, True)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("password", ODD)
def test_the_servers_programs_read_the_same(tmp_path: Path, password: str) -> None:
    path = tmp_path / "x.cnf"
    write_credentials(str(path), "me", password)
    shown = subprocess.run(
        ["my_print_defaults", f"--defaults-file={path}", "client"], check=True, stdout=subprocess.PIPE, text=True
    )
    assert shown.stdout == f"--user=me\n--password={password}\n"


def test_no_password_in_a_message() -> None:
    assert "geheim" not in repr(Credentials("me", "geheim", True))


def test_no_file(tmp_path: Path) -> None:
    assert read_credentials(str(tmp_path / "none")) is None


def test_a_file_that_others_may_read_is_not_private(tmp_path: Path) -> None:
    path = tmp_path / "x.cnf"
    path.write_text("[client]\nuser = me\npassword = x\n[mysqldump]\npassword = y\n")
    for mode, private in ((0o600, True), (0o400, True), (0o640, False), (0o604, False), (0o700, False)):
        path.chmod(mode)
        found = read_credentials(str(path))
        assert found is not None
        assert (found.user, found.password, found.private) == ("me", "x", private)


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    real, link = tmp_path / "real.cnf", tmp_path / "link.cnf"
    link.symlink_to(real)
    write_credentials(str(link), "me", "x")
    assert link.is_symlink()
    assert os.path.realpath(link) == str(real)
    assert real.is_file()


def test_what_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(MariabackupError, match="NUL"):
        write_credentials(str(tmp_path / "x.cnf"), "me", "a\0b")
    with pytest.raises(MariabackupError, match="cannot be written"):
        write_credentials("/proc/x.cnf", "me", "x")
    with pytest.raises(MariabackupError, match="cannot be read"):
        read_credentials(str(tmp_path))
