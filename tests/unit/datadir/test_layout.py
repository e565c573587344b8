# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which directories a server's options make, and what belongs to the set in each."""

from __future__ import annotations

import pytest

from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.layout import INSIDE, BinaryLogs, Layout, Place
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError

PLAIN = {
    "datadir": "/var/lib/mysql/",
    "innodb_data_home_dir": "",
    "innodb_data_file_path": "ibdata1:12M:autoextend",
    "innodb_undo_directory": ".\\",
    "innodb_log_group_home_dir": "./",
    "aria_log_dir_path": "/var/lib/mysql/",
    "log_bin": "OFF",
    "log_bin_basename": "",
    "relay_log": "",
}


def layout(mounts: tuple[str, ...] = (), links: dict[str, str] | None = None, **options: str) -> Layout:
    def realpath(path: str) -> str:
        for link, target in (links or {}).items():
            if path == link or path.startswith(link + "/"):
                return target + path[len(link) :]
        return path

    return Layout.from_options({**PLAIN, "innodb_undo_directory": "./", **options}, realpath, mounts)


def by_role(found: Layout, role: str) -> Place:
    return next(place for place in (*found.places, *found.inner) if role in place.roles)


def test_a_plain_server_has_one_directory() -> None:
    found = layout()
    assert found.datadir == "/var/lib/mysql"
    assert found.configured == "/var/lib/mysql"
    assert [place.path for place in found.places] == ["/var/lib/mysql"]
    assert (found.separate, found.inner, found.links, found.binary_logs) == ((), (), (), None)
    assert found.lock_files == ("/var/lib/mysql/ibdata1", "/var/lib/mysql/aria_log_control")


def test_the_datadir_owns_everything_but_what_is_not_the_servers() -> None:
    place = layout().places[0]
    assert place.owns("shop")
    assert place.owns(".hidden")
    assert not place.owns("lost+found")
    assert not place.owns(INSIDE)


def test_names_that_the_caller_keeps_are_not_owned() -> None:
    found = Layout.from_options(PLAIN, lambda path: path, (), keep=[".snapshot"])
    assert not found.places[0].owns(".snapshot")


def test_separate_directories() -> None:
    found = layout(
        innodb_data_home_dir="/sys",
        innodb_undo_directory="/undo/",
        innodb_log_group_home_dir="/redo",
        aria_log_dir_path="/aria",
    )
    assert [(place.path, place.roles) for place in found.separate] == [
        ("/aria", ("aria",)),
        ("/redo", ("redo",)),
        ("/sys", ("data_home",)),
        ("/undo", ("undo",)),
    ]
    assert found.lock_files == ("/sys/ibdata1", "/aria/aria_log_control")
    assert {
        name: found.directory_of(name) for name in ("ibdata1", "undo001", "ib_logfile0", "aria_log.00000001", "t.frm")
    } == {
        "ibdata1": "/sys",
        "undo001": "/undo",
        "ib_logfile0": "/redo",
        "aria_log.00000001": "/aria",
        "t.frm": "/var/lib/mysql",
    }


@pytest.mark.parametrize(
    ("role", "yes", "no"),
    [
        (
            "data_home",
            ["ibdata1", "ibtmp1", "ib_buffer_pool", "ib_buffer_pool.incomplete"],
            ["ibdata2", "undo001", "x"],
        ),
        ("undo", ["undo001", "undo127"], ["undo1", "undo0001", "undo001.bak", "ibdata1"]),
        (
            "redo",
            ["ib_logfile0", "ib_logfile101", "ib_0000000000003000.log"],
            ["ib_logfile", "ib_buffer_pool", "ib_x.log"],
        ),
        ("aria", ["aria_log_control", "aria_log.00000001"], ["aria_log.1", "aria_log", "x.MAD"]),
    ],
)
def test_what_belongs_to_the_set_in_a_separate_directory(role: str, yes: list[str], no: list[str]) -> None:
    place = by_role(
        layout(
            innodb_data_home_dir="/sys",
            innodb_undo_directory="/undo",
            innodb_log_group_home_dir="/redo",
            aria_log_dir_path="/aria",
        ),
        role,
    )
    assert [name for name in yes if not place.owns(name)] == []
    assert [name for name in [*no, "lost+found", INSIDE] if place.owns(name)] == []


def test_roles_that_share_a_directory_are_one_place() -> None:
    found = layout(innodb_undo_directory="/fast", innodb_log_group_home_dir="/fast/")
    (place,) = found.separate
    assert place.roles == ("undo", "redo")
    assert place.owns("undo001")
    assert place.owns("ib_logfile0")
    assert not place.owns("ibdata1")


def test_a_directory_inside_the_datadir_belongs_to_it() -> None:
    found = layout(innodb_undo_directory="undo", innodb_log_group_home_dir="/var/lib/mysql/redo/")
    assert found.separate == ()
    assert [(place.path, place.roles) for place in found.inner] == [
        ("/var/lib/mysql/redo", ("redo",)),
        ("/var/lib/mysql/undo", ("undo",)),
    ]
    assert found.directory_of("undo001") == "/var/lib/mysql/undo"


def test_a_mount_point_inside_the_datadir_is_a_place_and_stays_where_it_is() -> None:
    found = layout(mounts=("/var/lib/mysql/redo",), innodb_log_group_home_dir="redo")
    assert [place.path for place in found.separate] == ["/var/lib/mysql/redo"]
    assert not found.places[0].owns("redo")
    deeper = layout(mounts=("/var/lib/mysql/fast",), innodb_log_group_home_dir="fast/redo")
    assert [place.path for place in deeper.separate] == ["/var/lib/mysql/fast/redo"]
    assert not deeper.places[0].owns("fast")


def test_a_symlinked_datadir() -> None:
    found = layout(links={"/var/lib/mysql": "/data/mysql"}, innodb_undo_directory="/var/lib/mysql/undo")
    assert (found.datadir, found.configured) == ("/data/mysql", "/var/lib/mysql")
    assert found.separate == ()
    assert found.inner[0].path == "/data/mysql/undo"
    assert found.links == ()


def test_a_link_in_the_datadir_that_leads_to_another_place_is_named() -> None:
    found = layout(links={"/var/lib/mysql/undo": "/ssd/undo"}, innodb_undo_directory="undo")
    assert [place.path for place in found.separate] == ["/ssd/undo"]
    assert found.links == ("undo",)


def test_several_system_files_in_several_directories() -> None:
    found = layout(innodb_data_home_dir="", innodb_data_file_path="/d1/ibdata1:12M;/d2/ibdata2:50M:autoextend:max:500M")
    assert [(place.path, place.patterns) for place in found.separate] == [("/d1", ("ibdata1",)), ("/d2", ("ibdata2",))]
    assert found.lock_files[:2] == ("/d1/ibdata1", "/d2/ibdata2")


def test_two_system_files_of_one_name_are_refused() -> None:
    with pytest.raises(MariabackupError, match="two files called ibdata1"):
        layout(innodb_data_file_path="/d1/ibdata1:12M;/d2/ibdata1:50M:autoextend")


def test_a_raw_device_is_refused() -> None:
    with pytest.raises(MariabackupError, match="raw device"):
        layout(innodb_data_file_path="/dev/sdb1:5Graw")


@pytest.mark.parametrize("datadir", ["", "data", "/"])
def test_a_datadir_that_is_none_is_refused(datadir: str) -> None:
    with pytest.raises(MariabackupError):
        layout(datadir=datadir)


def test_binary_logs_of_a_running_server() -> None:
    found = layout(
        log_bin="ON", log_bin_basename="/var/log/mysql/mysql-bin", log_bin_index="/var/log/mysql/mysql-bin.index"
    )
    assert found.binary_logs == BinaryLogs("/var/log/mysql/mysql-bin", "/var/log/mysql/mysql-bin.index")
    assert found.binary_logs.state == "/var/log/mysql/mysql-bin.state"
    (place,) = found.separate
    yes = ["mysql-bin.000001", "mysql-bin.1234567", "mysql-bin.index", "mysql-bin.state", "mysql-bin.000001.idx"]
    yes += ["mysql-bin.index_crash_safe", "mysql-bin.~rec~"]
    no = ["error.log", "mysql-bin.00001", "mysql-bin.000001.gz", "mysql-binx.000001", "mysql-bin", "mysqlXbin.000001"]
    assert [name for name in yes if not place.owns(name)] == []
    assert [name for name in no if place.owns(name)] == []


@pytest.mark.parametrize(
    ("options", "base", "index"),
    [
        ({"log_bin": "/b/bin.log"}, "/b/bin", "/b/bin.index"),
        ({"log_bin": "bin"}, "/var/lib/mysql/bin", "/var/lib/mysql/bin.index"),
        ({"log_bin": "/b/bin", "log_bin_index": "/c/idx"}, "/b/bin", "/c/idx.index"),
        (
            {"log_bin": "1", "pid_file": "/run/mysqld/mysqld.pid"},
            "/var/lib/mysql/mysqld-bin",
            "/var/lib/mysql/mysqld-bin.index",
        ),
        ({"log_bin": "ON", "log_basename": "db"}, "/var/lib/mysql/db-bin", "/var/lib/mysql/db-bin.index"),
    ],
)
def test_binary_logs_of_option_files(options: dict[str, str], base: str, index: str) -> None:
    found = layout(**options)
    assert found.binary_logs == BinaryLogs(base, index)


def test_an_index_elsewhere_is_a_place_of_its_own() -> None:
    found = layout(log_bin="/b/bin", log_bin_index="/c/idx.index")
    assert [place.path for place in found.separate] == ["/b", "/c"]
    assert found.separate[1].owns("idx.index")
    assert not found.separate[1].owns("bin.000001")


def test_binary_logs_in_the_datadir_belong_to_it() -> None:
    found = layout(log_bin="ON", log_bin_basename="/var/lib/mysql/bin")
    assert found.separate == ()


def test_relay_logs() -> None:
    found = layout(
        relay_log="/var/log/mysql/relay",
        relay_log_index="/var/log/mysql/relay.index",
        relay_log_info_file="relay-log.info",
    )
    (place,) = found.separate
    assert place.roles == ("relaylog",)
    yes = ["relay.000001", "relay-east.000002", "relay.index", "relay-east.index", "relay.index_crash_safe"]
    assert [name for name in yes if not place.owns(name)] == []
    assert not place.owns("mysql-bin.000001")


def test_debian_puts_both_kinds_of_logs_beside_the_error_log() -> None:
    found = layout(log_bin="ON", log_bin_basename="/var/log/mysql/mysql-bin", relay_log="/var/log/mysql/relay-bin")
    (place,) = found.separate
    assert place.roles == ("binlog", "relaylog")
    assert not place.owns("error.log")
