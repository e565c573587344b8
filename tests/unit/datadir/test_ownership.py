# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Owners, modes and labels; and what is carried over from the old datadir."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.dba.mariabackup.plugins.module_utils.datadir import ownership
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.carry_over import (
    CarryOver,
    copy_over,
    list_top,
    plan_carry_over,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.layout import Layout
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.ownership import (
    Owner,
    find_owner,
    owner_of,
    selinux_label,
    set_owner,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError

from .conftest import tree


def staged(top: Path) -> Path:
    path = top / "mysql.restore-1"
    (path / "shop").mkdir(parents=True)
    (path / "ibdata1").write_text("")
    (path / "shop" / "t.ibd").write_text("")
    (path / "link").symlink_to("/etc/hostname")
    return path


def modes(path: Path) -> dict[str, tuple[int, int, int]]:
    return {
        item.name: (item.lstat().st_uid, item.lstat().st_gid, item.lstat().st_mode & 0o7777)
        for item in [path, *path.rglob("*")]
    }


def test_owner_and_modes(any_fs: Path) -> None:
    path = staged(any_fs)
    before = os.stat("/etc/hostname")
    assert set_owner(str(path), Owner(4321, 8765, 0o2750)) == 6
    found = modes(path)
    link = found.pop("link")
    assert link[:2] == (4321, 8765)
    assert found == {
        "mysql.restore-1": (4321, 8765, 0o2750),
        "shop": (4321, 8765, 0o700),
        "ibdata1": (4321, 8765, 0o660),
        "t.ibd": (4321, 8765, 0o660),
    }
    assert (os.stat("/etc/hostname").st_uid, os.stat("/etc/hostname").st_mode) == (before.st_uid, before.st_mode)
    assert set_owner(str(path), Owner(4321, 8765, 0o2750)) == 0


def test_modes_may_stay(tmp_path: Path) -> None:
    path = staged(tmp_path)
    (path / "ibdata1").chmod(0o604)
    set_owner(str(path), Owner(0, 0), file_mode=None, dir_mode=None)
    assert modes(path)["ibdata1"][2] == 0o604


def test_the_owner_of_the_previous_datadir(tmp_path: Path) -> None:
    os.chown(tmp_path, 12, 34)
    tmp_path.chmod(0o755)
    assert owner_of(str(tmp_path)) == Owner(12, 34, 0o755)
    assert owner_of(str(tmp_path / "none")) is None


def test_owners_by_name_and_number() -> None:
    assert find_owner("root") == Owner(0, 0)
    assert find_owner("nobody", "root", 0o755) == Owner(65534, 0, 0o755)
    assert find_owner("54321", "12345") == Owner(54321, 12345)
    assert str(Owner(0, 0)) == "root:root"
    assert str(Owner(54321, 54322)) == "54321:54322"
    for user, group in (("no-such-user", None), ("root", "no-such-group")):
        with pytest.raises(MariabackupError, match="There is no"):
            find_owner(user, group)


def test_without_selinux_nothing_is_labelled(tmp_path: Path) -> None:
    assert selinux_label(str(tmp_path), "/var/lib/mysql") is None


@pytest.fixture
def labels(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """As on a host with SELinux: this kernel has none, so the labels live in attributes that it lets us write."""
    monkeypatch.setattr(ownership, "_SELINUX", str(tmp_path))
    monkeypatch.setattr(ownership, "_XATTR", "trusted.selinux")
    path = staged(tmp_path)
    for item in [path, *path.rglob("*")]:
        os.setxattr(item, "trusted.selinux", b"system_u:object_r:var_lib_t:s0\0", follow_symlinks=False)
    return path


def test_labels_follow_the_live_directory(labels: Path, tmp_path: Path) -> None:
    live = tmp_path / "mysql"
    live.mkdir()
    os.setxattr(live, "trusted.selinux", b"system_u:object_r:mysqld_db_t:s0\0")
    assert selinux_label(str(labels), str(live)) == "system_u:object_r:mysqld_db_t:s0"
    assert os.getxattr(labels / "shop" / "t.ibd", "trusted.selinux") == b"system_u:object_r:mysqld_db_t:s0\0"


def test_labels_follow_the_policy_where_nothing_is_live(
    labels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "matchpathcon"
    program.write_text('#!/bin/sh\n[ "$1" = -n ] && [ "$2" = /data/mysql ] && echo system_u:object_r:mysqld_db_t:s0\n')
    program.chmod(0o755)
    monkeypatch.setattr(ownership.shutil, "which", lambda name, path: str(program))
    assert selinux_label(str(labels), "/data/mysql") == "system_u:object_r:mysqld_db_t:s0"
    with pytest.raises(MariabackupError, match="does not know a context"):
        selinux_label(str(labels), "/elsewhere")
    monkeypatch.setattr(ownership.shutil, "which", lambda name, path: None)
    with pytest.raises(MariabackupError, match="matchpathcon is missing"):
        selinux_label(str(labels), "/data/mysql")


OPTIONS = {
    "datadir": "/var/lib/mysql/",
    "log_bin": "ON",
    "log_bin_basename": "/var/lib/mysql/db-bin",
    "ssl_ca": "/etc/ssl/ca.pem",
    "ssl_key": "/var/lib/mysql/server-key.pem",
    "ssl_cert": "certs/server.pem",
    "file_key_management_filename": "/var/lib/mysql/keys.enc",
    "file_key_management_filekey": "FILE:/var/lib/mysql/keys.key",
    "log_error": "/var/lib/mysql/db1.err",
    "general_log_file": "queries",
}
LISTING = {
    "shop": "schema",
    "mysql": "schema",
    "notes": "dir",
    "certs": "dir",
    "ibdata1": "file",
    "ib_logfile0": "file",
    "undo001": "file",
    "aria_log_control": "file",
    "db-bin.000001": "file",
    "db-bin.index": "file",
    "db1.err": "file",
    "queries": "file",
    "mysql_upgrade_info": "file",
    "grastate.dat": "file",
    "auto.cnf": "file",
    "debian-10.11.flag": "file",
    "server-key.pem": "file",
    "keys.enc": "file",
    "keys.key": "file",
    "README.dba": "file",
    "backup.sh": "file",
    "elsewhere": "link",
    "mysqld.sock": "other",
}


def layout(**options: str) -> Layout:
    return Layout.from_options({**OPTIONS, **options}, lambda path: path, ())


def test_what_options_name_is_carried_and_what_is_left_is_told() -> None:
    plan = plan_carry_over(LISTING, layout(), OPTIONS)
    assert plan == CarryOver(
        ("certs/server.pem", "server-key.pem", "keys.enc", "keys.key", "debian-10.11.flag"),
        ("README.dba", "backup.sh", "elsewhere", "notes"),
    )


def test_the_callers_list() -> None:
    plan = plan_carry_over(LISTING, layout(), OPTIONS, wanted=["*.dba", "backup.sh", "certs/other.pem", "none"])
    assert plan.carried[-3:] == ("README.dba", "backup.sh", "certs/other.pem")
    assert plan.others == ("elsewhere", "notes")
    assert "notes" in plan_carry_over(LISTING, layout(), OPTIONS, wanted=["notes"]).carried


@pytest.mark.parametrize(
    "name",
    [
        "shop",
        "ibdata1",
        "ib_logfile0",
        "undo*",
        "aria_log_control",
        "db-bin.*",
        "mysql_upgrade_info",
        "grastate.dat",
        "auto.cnf",
    ],
)
def test_data_is_never_carried(name: str) -> None:
    with pytest.raises(MariabackupError, match="never carried over"):
        plan_carry_over(LISTING, layout(), OPTIONS, wanted=[name])


def test_a_directory_that_an_option_names_is_carried() -> None:
    options = {**OPTIONS, "ssl_capath": "certs", "wsrep_provider_options": "gcache.size=1G; socket.ssl_key=keys.key"}
    carried = plan_carry_over({"certs": "dir", "keys.key": "file"}, layout(), options).carried
    assert set(carried) == {"certs", "certs/server.pem", "keys.key"}


@pytest.mark.parametrize("name", ["/etc/passwd", "../other", "a/../../b", ""])
def test_paths_outside_are_refused(name: str) -> None:
    with pytest.raises(MariabackupError, match="not a path inside the datadir"):
        plan_carry_over(LISTING, layout(), OPTIONS, wanted=[name])


def test_what_the_backup_brings_is_not_overwritten() -> None:
    plan = plan_carry_over(LISTING, layout(), OPTIONS, wanted=["README.dba"], in_backup=["README.dba", "shop"])
    assert "README.dba" not in plan.carried


def test_the_links_of_the_layout_are_carried() -> None:
    found = Layout.from_options(
        {**OPTIONS, "innodb_undo_directory": "undo"}, lambda path: path.replace("/var/lib/mysql/undo", "/ssd/undo"), ()
    )
    plan = plan_carry_over({**LISTING, "undo": "link"}, found, OPTIONS)
    assert plan.carried[0] == "undo"
    assert "undo" not in plan.others


def test_copies_keep_owner_mode_and_time(any_fs: Path) -> None:
    old, new = any_fs / "mysql", any_fs / "mysql.restore-1"
    (old / "certs").mkdir(parents=True)
    new.mkdir()
    (old / "server-key.pem").write_text("secret")
    (old / "server-key.pem").chmod(0o400)
    os.chown(old / "server-key.pem", 77, 78)
    (old / "certs" / "server.pem").write_text("cert")
    os.chown(old / "certs", 79, 80)
    (old / "undo").symlink_to("/ssd/undo")
    os.utime(old / "server-key.pem", ns=(10**18, 10**18))
    (old / "shop").mkdir()
    (old / "shop" / "db.opt").touch()
    assert list_top(str(old)) == {"shop": "schema", "certs": "dir", "server-key.pem": "file", "undo": "link"}
    names = ["certs/server.pem", "server-key.pem", "undo", "gone"]
    for _again in range(2):
        assert copy_over(names, str(old), str(new)) == names[:3]
        assert tree(new).items() <= tree(old).items()
        status = (new / "server-key.pem").stat()
        assert (status.st_uid, status.st_gid, status.st_mode & 0o7777, status.st_mtime_ns) == (77, 78, 0o400, 10**18)
        assert (new / "certs").stat().st_uid == 79


def test_a_copy_that_fails_says_so(on: Callable[[str], Path], tmp_path: Path) -> None:
    (tmp_path / "key").write_text("x")
    with pytest.raises(MariabackupError, match="Could not carry"):
        copy_over(["key"], str(tmp_path), str(tmp_path / "none"))
