# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How each directory changes hands, and the sets on disk: made, distributed, tidied, removed."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.layout import INSIDE, Layout, Place
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.members import (
    PlaceFacts,
    choose_member,
    look_at,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.place import copy_tree
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.sets import (
    clear,
    distribute,
    is_ours,
    make_staged,
    remove_tree,
    tidy,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.swap import (
    Member,
    apply,
    one_step,
    plan_back,
    plan_steps,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError

from .conftest import sh, tree

DATADIR = Place("/d/mysql", ("datadir",))
LOGS = Place("/var/log/mysql", ("binlog",), (r"bin\.\d+",))


@pytest.mark.parametrize(
    ("facts", "mode", "staged"),
    [
        (PlaceFacts(True), "exchange", "/d/mysql.restore-7"),
        (PlaceFacts(False), "exchange", "/d/mysql.restore-7"),
        (PlaceFacts(True, obstacle=None, exchange=None), "exchange", "/d/mysql.restore-7"),
        (PlaceFacts(True, exchange=False), "rename", "/d/mysql.restore-7"),
        (PlaceFacts(True, device_of_parent=False), "exchange", "/d/mysql.restore-7"),
        (PlaceFacts(True, mount_point=True), "entries", f"/d/mysql/{INSIDE}/restore-7"),
        (PlaceFacts(True, others=("x",)), "entries", "/d/mysql.restore-7"),
        (PlaceFacts(True, others=("x",), device_of_parent=False), "entries", f"/d/mysql/{INSIDE}/restore-7"),
    ],
)
def test_the_way_each_directory_changes_hands(facts: PlaceFacts, mode: str, staged: str) -> None:
    member = choose_member(DATADIR, "7", facts)
    assert (member.mode, member.staged) == (mode, staged)
    assert member.previous == staged.replace("restore", "previous")


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (PlaceFacts(True, obstacle=errno.EXDEV), "lower layer of an overlay"),
        (PlaceFacts(True, obstacle=errno.EPERM), "immutable"),
        (PlaceFacts(True, obstacle=errno.EIO), "Input/output error"),
        (PlaceFacts(True, nested=("/d/mysql/shop",)), "/d/mysql/shop"),
        (PlaceFacts(True, writable=False), "read-only"),
    ],
)
def test_what_cannot_change_hands_is_refused(facts: PlaceFacts, words: str) -> None:
    with pytest.raises(MariabackupError, match=words):
        choose_member(DATADIR, "7", facts)


@pytest.mark.parametrize("write", [False, True])
def test_facts_of_a_plain_datadir(any_fs: Path, write: bool) -> None:
    (any_fs / "mysql" / "shop").mkdir(parents=True)
    facts = look_at(Place(str(any_fs / "mysql"), ("datadir",)), write)
    assert facts == PlaceFacts(True)
    assert choose_member(DATADIR, "1", facts).mode == "exchange"
    assert [item.name for item in any_fs.iterdir()] == ["mysql"]
    assert look_at(Place(str(any_fs / "none"), ("datadir",)), write) == PlaceFacts(False)


def test_facts_of_a_mount_point(file_systems: dict[str, Path]) -> None:
    facts = look_at(Place(str(file_systems["ext4"]), ("datadir",)), True)
    assert (facts.mount_point, facts.others, facts.obstacle) == (True, (), 0)


def test_facts_of_a_shared_directory(tmp_path: Path) -> None:
    for name in ("bin.000001", "error.log"):
        (tmp_path / name).touch()
    facts = look_at(Place(str(tmp_path), LOGS.roles, LOGS.patterns), True)
    assert facts.others == ("error.log",)


def test_a_file_in_place_of_a_directory(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    with pytest.raises(MariabackupError, match="not a directory"):
        look_at(Place(str(tmp_path / "x"), ("undo",)), True)


def test_a_mount_inside_of_the_datadir(on: Callable[[str], Path], tmp_path: Path) -> None:
    data = on("ext4") / "mysql"
    (data / "shop").mkdir(parents=True)
    sh("mount", "--bind", str(tmp_path), str(data / "shop"))
    try:
        facts = look_at(Place(str(data), ("datadir",)), True)
        assert facts.nested == (str(data / "shop"),)
        # The same directory as a place of its own: the datadir changes hands around it.
        found = Layout.from_options({"datadir": str(data), "innodb_log_group_home_dir": "shop"})
        facts = look_at(found.places[0], True)
        assert (facts.nested, facts.others) == ((), ("shop",))
        assert choose_member(found.places[0], "1", facts).mode == "entries"
    finally:
        sh("umount", str(data / "shop"))


def test_overlay_directories_are_found(overlay: Callable[..., Path]) -> None:
    def fill(lower: Path, upper: Path) -> None:
        (lower / "mysql" / "shop").mkdir(parents=True)
        (lower / "mysql" / "ibdata1").write_text("x")

    top = overlay(fill)
    for write in (False, True):
        facts = look_at(Place(str(top / "mysql"), ("datadir",)), write)
        assert facts.obstacle == errno.EXDEV
        # Entry by entry does not help: the schema is a directory of the lower layer as well.
        facts = look_at(Place(str(top / "mysql"), ("datadir",), keep=("ibdata1",)), write)
        assert (facts.others, facts.obstacle) == (("ibdata1",), errno.EXDEV)


def test_a_btrfs_subvolume_is_exchanged(on: Callable[[str], Path]) -> None:
    top = on("btrfs")
    sh("btrfs", "subvolume", "create", str(top / "mysql"))
    (top / "mysql" / "old").touch()
    place = Place(str(top / "mysql"), ("datadir",))
    facts = look_at(place, True)
    assert (facts.mount_point, facts.device_of_parent, facts.obstacle) == (False, False, 0)
    member = choose_member(place, "1", facts)
    make_staged([member])
    (Path(member.staged) / "new").touch()
    steps = plan_steps([member])
    for step in steps:
        apply(step)
    assert [item.name for item in (top / "mysql").iterdir()] == ["new"]
    for step in plan_back([member], steps):
        apply(step)
    assert [item.name for item in (top / "mysql").iterdir()] == ["old"]
    for step in plan_steps([member]):
        apply(step)
    # The old set is a subvolume still, and goes like any directory.
    assert remove_tree(member.previous) is True
    assert [item.name for item in top.iterdir()] == ["mysql"]


def server(top: Path, **options: str) -> tuple[Layout, list[Member]]:
    found = Layout.from_options({"datadir": str(top / "mysql"), **options})
    members = [choose_member(place, "1", look_at(place, True)) for place in found.places]
    make_staged(members)
    return found, members


BACKUP = ("ibdata1", "undo001", "undo002", "ib_logfile0", "aria_log_control", "aria_log.00000001", "xtrabackup_info")


def stage(member: Member, names: tuple[str, ...] = BACKUP) -> None:
    for name in names:
        (Path(member.staged) / name).write_text(name)
    (Path(member.staged) / "undo003").mkdir()


def test_distribute_over_three_file_systems(on: Callable[[str], Path]) -> None:
    top, redo, undo = on("ext4"), on("xfs"), on("btrfs")
    (top / "mysql").mkdir()
    found, members = server(
        top,
        innodb_log_group_home_dir=str(redo / "redo"),
        innodb_undo_directory=str(undo / "undo"),
        aria_log_dir_path=str(top / "aria"),
        innodb_data_home_dir=str(top / "mysql" / "sys"),
        log_bin="logs/bin",
    )
    stage(members[0])
    half = Path(next(member.staged for member in members if member.role == "redo")) / "ib_logfile0.part"
    half.write_text("half")
    (Path(members[0].staged) / "lost+found").mkdir()
    moved = distribute(found, members)
    assert len(moved) == 6
    staged = {member.role: tree(Path(member.staged)) for member in members}
    assert staged["redo"] == {"ib_logfile0": b"ib_logfile0"}
    assert staged["undo"] == {"undo001": b"undo001", "undo002": b"undo002"}
    assert set(staged["aria"]) == {"aria_log_control", "aria_log.00000001"}
    assert staged["datadir"] == {
        "logs": "dir",
        "sys": "dir",
        "sys/ibdata1": b"ibdata1",
        "undo003": "dir",
        "xtrabackup_info": b"xtrabackup_info",
    }
    assert distribute(found, members) == []
    steps = plan_steps(members)
    assert not one_step(steps)
    for step in steps:
        apply(step)
    assert (redo / "redo" / "ib_logfile0").exists()
    assert (top / "mysql" / "sys" / "ibdata1").exists()


def test_a_datadir_that_is_a_mount_point(make_fs: Callable[..., Path]) -> None:
    top = make_fs("ext4", 32)
    (top / "old.frm").write_text("old")
    (top / "shop").mkdir()
    place = Place(str(top), ("datadir",))
    member = choose_member(place, "1", look_at(place, True))
    made = make_staged([member])
    assert made == [f"{top}/{INSIDE}/restore-1"]
    assert (top / INSIDE).stat().st_mode & 0o7777 == 0o700
    (Path(member.staged) / "new.frm").write_text("new")
    steps = plan_steps([member])
    for step in steps:
        apply(step)
    assert sorted(item.name for item in top.iterdir()) == [INSIDE, "lost+found", "new.frm"]
    tidy([member])
    assert [item.name for item in (top / INSIDE).iterdir()] == ["previous-1"]
    assert remove_tree(member.previous) is True
    assert sorted(item.name for item in top.iterdir()) == ["lost+found", "new.frm"]


@pytest.mark.parametrize("separate", [False, True])
def test_the_same_files_in_the_same_places_as_copy_back(tmp_path: Path, separate: bool) -> None:
    """Beside the tool itself: copy-back looks at nothing but names, so a made-up backup is enough."""
    backup = tmp_path / "backup"
    names = ["ibdata1", "ibdata2", "undo001", "undo002", "ib_logfile0", "aria_log_control", "aria_log.00000001"]
    names += ["backup-my.cnf", "xtrabackup_info", "xtrabackup_checkpoints", "xtrabackup_binlog_info", "ib_buffer_pool"]
    names += ["xtrabackup_slave_info", "xtrabackup_galera_info", "xtrabackup_binlog_pos_innodb", "unknown", ".hidden"]
    names += ["shop/db.opt", "shop/t.frm", "shop/t.ibd", "shop/x.ibd.qp", "shop/y.pmap", "shop/z.tmp", "empty/db.opt"]
    names += ["#rocksdb/CURRENT", "#rocksdb/000001.sst"]
    for name in names:
        (backup / name).parent.mkdir(parents=True, exist_ok=True)
        (backup / name).write_text(name)
    options = {
        "innodb_data_file_path": "ibdata1:1M;ibdata2:1M:autoextend",
        "innodb_buffer_pool_filename": "ib_buffer_pool",
    }
    if separate:
        for option in (
            "innodb_data_home_dir",
            "innodb_undo_directory",
            "innodb_log_group_home_dir",
            "aria_log_dir_path",
        ):
            options[option] = f"{tmp_path}/THERE/{option}"
    argv = [f"--{name.replace('_', '-')}={value.replace('THERE', 'tool')}" for name, value in options.items()]
    (tmp_path / "tool").mkdir()
    sh(
        *("mariadb-backup", "--no-defaults", "--copy-back"),
        f"--target-dir={backup}",
        f"--datadir={tmp_path}/tool/mysql",
        *argv,
    )

    (tmp_path / "ours").mkdir()
    found, members = server(
        tmp_path / "ours", **{name: value.replace("THERE", "ours") for name, value in options.items()}
    )
    copy_tree(str(backup), members[0].staged)
    distribute(found, members)
    for step in plan_steps(members):
        apply(step)
    expected = tree(tmp_path / "tool")
    if separate:
        # The tool puts the list of cached pages into the datadir, where the server does not look for it (seen on 10.11).
        expected["innodb_data_home_dir/ib_buffer_pool"] = expected.pop("mysql/ib_buffer_pool")
    assert tree(tmp_path / "ours") == expected


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("mysql.restore-20260101T000000-ab12", True),
        ("mysql.previous-1", True),
        ("previous-1", True),
        ("mysql.failed-1", True),
        ("mysql", False),
        ("mysql.previous-", False),
        ("mysql.previous-1.deleting", True),
        ("mysqlprevious-1", False),
        ("lost+found", False),
    ],
)
def test_names_of_ours(name: str, ours: bool) -> None:
    assert is_ours(f"/x/{name}") is ours


def test_remove_tree_removes_only_what_is_ours(tmp_path: Path) -> None:
    (tmp_path / "mysql").mkdir()
    (tmp_path / "mysql.previous-2").symlink_to(tmp_path / "mysql")
    for path in (tmp_path / "mysql", tmp_path / "mysql.previous-2", tmp_path / "x.previous-1" / ".."):
        with pytest.raises(MariabackupError, match="not a directory that this collection made"):
            remove_tree(str(path))
    assert (tmp_path / "mysql").exists()


def test_remove_tree_does_not_follow_links(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_text("")
    old = tmp_path / "mysql.previous-1"
    old.mkdir()
    (old / "link").symlink_to(tmp_path / "outside")
    assert remove_tree(str(old)) is True
    assert remove_tree(str(old)) is False
    assert [item.name for item in tmp_path.iterdir()] == ["outside"]
    assert (tmp_path / "outside" / "file").exists()


def test_an_interrupted_removal_goes_on(tmp_path: Path) -> None:
    (tmp_path / "mysql.previous-1.deleting" / "rest").mkdir(parents=True)
    assert remove_tree(str(tmp_path / "mysql.previous-1")) is True
    assert list(tmp_path.iterdir()) == []


def test_remove_tree_stays_out_of_mounts(on: Callable[[str], Path], tmp_path: Path) -> None:
    old = on("ext4") / "mysql.previous-1"
    (old / "m").mkdir(parents=True)
    (tmp_path / "file").write_text("")
    sh("mount", "--bind", str(tmp_path), str(old / "m"))
    try:
        with pytest.raises(MariabackupError, match="mounted"):
            remove_tree(str(old))
    finally:
        sh("umount", str(old / "m"))
    assert (tmp_path / "file").exists()


def test_clear_leaves_what_is_not_of_the_set(tmp_path: Path) -> None:
    for name in ("bin.000001", "error.log"):
        (tmp_path / name).touch()
    assert clear(Place(str(tmp_path), LOGS.roles, LOGS.patterns)) == ["bin.000001"]
    assert [item.name for item in tmp_path.iterdir()] == ["error.log"]
