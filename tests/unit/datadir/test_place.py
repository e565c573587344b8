# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Placing a backup on real file systems: content, holes, clones, checksums, and what goes wrong."""

from __future__ import annotations

import hashlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.dba.mariabackup.plugins.module_utils.datadir import place
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.copying import Limiter
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.inspect import disk_usage
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.place import Placed, copy_tree, skipped
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.files import sync_file_system

from .conftest import tree

MIB = 1 << 20


def backup(top: Path) -> Path:
    """A small backup: nested, empty, odd names, a page-compressed table with a hole in every page, a hole at the end."""
    src = top / "backup"
    (src / "shop").mkdir(parents=True)
    (src / "empty_schema").mkdir()
    (src / "#rocksdb").mkdir()
    (src / "#rocksdb" / "000004.sst").write_bytes(b"sst")
    (src / "ibdata1").write_bytes(os.urandom(3 * MIB + 17))
    (src / "shop" / "t.ibd").write_bytes(os.urandom(20 * MIB))
    (src / "shop" / "leer.MYD").write_bytes(b"")
    (src / "shop" / "\u00fcber @0020.frm").write_bytes(b"frm")
    with (src / "shop" / "compressed.ibd").open("wb") as stream:
        for page in range(256):
            stream.seek(page * 16384)
            stream.write(os.urandom(4096))
        stream.truncate(12 * MIB)
    (src / "backup-my.cnf").write_text("[mysqld]\n")
    (src / "xtrabackup_checkpoints").write_text("backup_type = log-applied\n")
    os.utime(src / "ibdata1", ns=(1_600_000_000_000_000_000, 1_500_000_000_123_456_789))
    sync_file_system(str(top))
    return src


def sums(src: Path) -> dict[str, str]:
    return {
        str(item.relative_to(src)): hashlib.sha256(item.read_bytes()).hexdigest()
        for item in src.rglob("*")
        if item.is_file()
    }


def wanted(src: Path) -> dict[str, bytes | str]:
    return {name: content for name, content in tree(src).items() if not skipped(name)}


@pytest.mark.parametrize("checked", [False, True], ids=["unchecked", "checked"])
@pytest.mark.parametrize("method", ["auto", "copy", "move"])
def test_the_copy_is_the_backup(any_fs: Path, method: str, checked: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "RANGE", 4 * MIB)
    src, dst = backup(any_fs), any_fs / "mysql.restore-1"
    content, holes, checksums = wanted(src), disk_usage(str(src)), sums(src)
    seen: list[int] = []
    placed = copy_tree(
        str(src), str(dst), method=method, checksums=checksums if checked else None, on_bytes=seen.append
    )
    assert tree(dst) == content
    files = [name for name, data in content.items() if data != "dir"]
    total = sum(len(data) for data in content.values() if isinstance(data, bytes))
    reflinks = any_fs.parent.name.startswith(("mnt-xfs", "mnt-btrfs"))
    used = "move" if method == "move" else "reflink" if reflinks and method == "auto" else "copy"
    assert placed == Placed(len(files), total, used, len(files) if checked else 0)
    assert sum(seen) == total
    sync_file_system(str(dst))
    assert disk_usage(str(dst)).allocated <= holes.allocated
    assert (dst / "ibdata1").stat().st_mtime_ns == 1_500_000_000_123_456_789
    if method == "move":
        assert sorted(item.name for item in src.iterdir()) == ["backup-my.cnf", "xtrabackup_checkpoints"]
    else:
        assert tree(src).items() >= content.items()
        assert (dst / "ibdata1").stat().st_mode & 0o7777 == 0o660
        assert (dst / "shop").stat().st_mode & 0o7777 == 0o700
    assert dst.stat().st_mode & 0o7777 == 0o700


@pytest.mark.parametrize("checked", [False, True], ids=["unchecked", "checked"])
@pytest.mark.parametrize("method", ["auto", "copy", "move"])
def test_between_file_systems(on: Callable[[str], Path], method: str, checked: bool) -> None:
    source, target = on("xfs"), on("ext4")
    src, dst = backup(source), target / "mysql.restore-1"
    content, holes, checksums = wanted(src), disk_usage(str(src)), sums(src)
    placed = copy_tree(str(src), str(dst), method=method, checksums=checksums if checked else None)
    assert tree(dst) == content
    assert placed.method == ("move" if method == "move" else "copy")
    sync_file_system(str(dst))
    # Block sizes are equal; ext4 takes a block for a directory.
    assert disk_usage(str(dst)).allocated <= holes.allocated + 64 * 1024
    if method == "move":
        assert sorted(item.name for item in src.iterdir()) == ["backup-my.cnf", "xtrabackup_checkpoints"]


def test_what_the_tool_took_for_schemas_stays_behind(tmp_path: Path) -> None:
    src = backup(tmp_path)
    for name in ("lost+found", ".mariabackup"):
        (src / name).mkdir()
        (src / name / "db.opt").touch()
    copy_tree(str(src), str(tmp_path / "dst"), skip=lambda relative: False, checksums=sums(src))
    assert not {"lost+found", ".mariabackup"} & {item.name for item in (tmp_path / "dst").iterdir()}


def test_a_clone_does_not_follow_its_backup(on: Callable[[str], Path]) -> None:
    top = on("xfs")
    src, dst = backup(top), top / "mysql.restore-1"
    assert copy_tree(str(src), str(dst), method="reflink").method == "reflink"
    before = (src / "ibdata1").read_bytes()
    (dst / "ibdata1").write_bytes(b"changed")
    assert (src / "ibdata1").read_bytes() == before


def test_reflink_alone_is_refused_where_there_is_none(on: Callable[[str], Path]) -> None:
    top = on("ext4")
    with pytest.raises(MariabackupError, match="cannot be cloned"):
        copy_tree(str(backup(top)), str(top / "mysql.restore-1"), method="reflink")


def test_the_metadata_of_an_unprepared_backup_comes_along(tmp_path: Path) -> None:
    src, dst = backup(tmp_path), tmp_path / "mysql.restore-1"
    copy_tree(str(src), str(dst), skip=lambda relative: False)
    assert tree(dst) == tree(src)


@pytest.mark.parametrize(
    "name",
    [
        "backup-my.cnf",
        "xtrabackup_checkpoints",
        "mariadb_backup_checkpoints",
        "xtrabackup_binlog_info",
        "shop/t.ibd.qp",
        "x.tmp",
        "a.pmap",
        "xtrabackup_binary",
    ],
)
def test_what_copy_back_leaves_out(name: str) -> None:
    assert skipped(name)


@pytest.mark.parametrize(
    "name",
    [
        "xtrabackup_info",
        "mariadb_backup_galera_info",
        "xtrabackup_slave_info",
        "shop/tmp.frm",
        "xtrabackup_binlog_pos_innodb",
    ],
)
def test_what_copy_back_copies(name: str) -> None:
    assert not skipped(name)


@pytest.mark.parametrize("method", ["auto", "copy", "move"])
@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_a_flipped_byte(on: Callable[[str], Path], kind: str, method: str) -> None:
    top = on(kind)
    src, dst = backup(top), top / "mysql.restore-1"
    checksums = sums(src)
    with (src / "shop" / "t.ibd").open("r+b") as stream:
        stream.seek(19 * MIB)
        byte = stream.read(1)
        stream.seek(19 * MIB)
        stream.write(bytes([byte[0] ^ 1]))
    before = tree(src)
    with pytest.raises(MariabackupError, match=r"checksum of .*shop/t\.ibd") as caught:
        copy_tree(str(src), str(dst), method=method, checksums=checksums)
    assert caught.value.details == {"entries": ["shop/t.ibd"]}
    assert tree(src) == before


def test_a_missing_and_an_unknown_file(tmp_path: Path) -> None:
    src = backup(tmp_path)
    checksums = sums(src)
    (src / "shop" / "t.ibd").rename(tmp_path / "t.ibd")
    with pytest.raises(MariabackupError, match=r"lacks files .*: shop/t\.ibd\."):
        copy_tree(str(src), str(tmp_path / "a"), checksums=checksums)
    (tmp_path / "t.ibd").rename(src / "shop" / "t.ibd")
    (src / "evil").write_text("")
    with pytest.raises(MariabackupError, match="does not list: evil"):
        copy_tree(str(src), str(tmp_path / "b"), checksums=checksums)
    assert not (tmp_path / "a").exists()
    assert not (tmp_path / "b").exists()


def test_links_and_special_files_are_refused(tmp_path: Path) -> None:
    src = backup(tmp_path)
    (src / "shop" / "link.ibd").symlink_to("/etc/passwd")
    with pytest.raises(MariabackupError, match="symbolic link"):
        copy_tree(str(src), str(tmp_path / "dst"))
    (src / "shop" / "link.ibd").unlink()
    os.mkfifo(src / "fifo")
    with pytest.raises(MariabackupError, match="special file"):
        copy_tree(str(src), str(tmp_path / "dst"))


def test_the_destination_has_to_be_new(tmp_path: Path) -> None:
    src, dst = backup(tmp_path), tmp_path / "dst"
    dst.mkdir()
    (dst / ".x").write_text("")
    with pytest.raises(MariabackupError, match="not empty"):
        copy_tree(str(src), str(dst))
    assert [item.name for item in dst.iterdir()] == [".x"]


@pytest.mark.parametrize("checked", [False, True], ids=["unchecked", "checked"])
def test_a_full_disk(make_fs: Callable[..., Path], tmp_path: Path, checked: bool) -> None:
    src, small = backup(tmp_path), make_fs("ext4", 16)
    with pytest.raises(MariabackupError, match=f"No space left on the file system {small} ") as caught:
        copy_tree(str(src), str(small / "mysql.restore-1"), checksums=sums(src) if checked else None)
    assert "has not been touched" in caught.value.action
    assert wanted(src)


def test_no_inodes_left(make_fs: Callable[..., Path], tmp_path: Path) -> None:
    src, small = tmp_path / "src", make_fs("ext4", 16)
    src.mkdir()
    for number in range(5000):
        (src / f"{number}.frm").touch()
    with pytest.raises(MariabackupError, match="No space left"):
        copy_tree(str(src), str(small / "mysql.restore-1"))


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_an_interrupted_move_goes_on(on: Callable[[str], Path], kind: str) -> None:
    source, target = on("ext4"), on(kind)
    src, dst = backup(source), target / "mysql.restore-1"
    content, checksums = wanted(src), sums(src)
    # As a kill leaves it: some files are over, and one of them is there by half.
    (dst / "shop").mkdir(parents=True)
    (src / "shop" / "leer.MYD").unlink()
    (dst / "shop" / "leer.MYD").write_bytes(b"")
    if kind == "xfs":
        (dst / "ibdata1").write_bytes(b"half")
    copy_tree(str(src), str(dst), method="move", checksums=checksums)
    assert tree(dst) == content


def test_a_signal_ends_the_copy_soon(tmp_path: Path) -> None:
    src = tmp_path / "src"
    src.mkdir()
    (src / "t.ibd").write_bytes(os.urandom(64 * MIB))

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        started = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            copy_tree(str(src), str(tmp_path / "dst"), method="copy", bandwidth_limit=4 * MIB)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - started < 10


def test_many_ranges_of_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "RANGE", 64 * 1024)
    src = tmp_path / "src"
    src.mkdir()
    (src / "ibdata1").write_bytes(os.urandom(5 * MIB + 1))
    copy_tree(str(src), str(tmp_path / "dst"), workers=7, method="copy")
    assert tree(tmp_path / "dst") == tree(src)


def test_an_empty_backup_is_no_error_here(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    assert copy_tree(str(tmp_path / "src"), str(tmp_path / "dst")) == Placed(0, 0, "copy", 0)


def test_where_the_kernel_does_not_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> int:
        raise OSError(22, "no")

    monkeypatch.setattr(os, "sendfile", refuse)
    src = backup(tmp_path)
    copy_tree(str(src), str(tmp_path / "dst"), method="copy")
    assert tree(tmp_path / "dst") == wanted(src)


def test_the_bandwidth_limit_holds_for_all_threads_together(tmp_path: Path) -> None:
    src = tmp_path / "src"
    src.mkdir()
    for number in range(4):
        (src / f"{number}.ibd").write_bytes(os.urandom(MIB))
    started = time.monotonic()
    copy_tree(str(src), str(tmp_path / "dst"), workers=4, method="copy", bandwidth_limit=8 * MIB)
    # 4 MiB at 8 MiB/s; the first piece is free.
    assert 0.3 < time.monotonic() - started < 10
    with pytest.raises(ValueError, match="positive"):
        Limiter(0)
