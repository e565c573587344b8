# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a backup comes into being, how much room and memory there is."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.dba.mariabackup.plugins.module_utils.backup import memory, space
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.manifest import manifest_path
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.workplace import PreparingMarker, Workplace
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError

from .test_manifest import MANIFEST


def names(path: Path) -> list[str]:
    return sorted(os.listdir(path))


def test_a_backup_appears_in_one_step(tmp_path: Path) -> None:
    target = tmp_path / "new" / "parents" / "b"
    place = Workplace(str(target))
    place.open()
    assert stat.S_IMODE(target.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(os.stat(place.directory).st_mode) == 0o700
    assert names(target.parent) == ["b.partial", "b.partial.owner"]
    Path(place.directory, "file").write_text("x")
    place.commit(MANIFEST)
    place.discard()
    assert names(target.parent) == ["b", "b.manifest.json"]
    assert names(target) == ["file"]


def test_discard_leaves_nothing(tmp_path: Path) -> None:
    place = Workplace(str(tmp_path / "new" / "b"))
    place.open()
    Path(place.directory, "file").write_text("x")
    place.discard()
    place.discard()
    assert names(tmp_path) == []


class Stopped(Exception):
    """The run was stopped at a point."""


@pytest.mark.parametrize(
    ("point", "left"),
    [
        ("place-locked", []),
        ("place-opened", []),
        ("place-described", []),
        ("place-manifest", []),
        ("place-renamed", ["b", "b.manifest.json"]),
        ("place-committed", ["b", "b.manifest.json"]),
    ],
)
def test_a_run_that_is_stopped_leaves_all_or_nothing(tmp_path: Path, point: str, left: list[str]) -> None:
    def stop(name: str) -> None:
        if name == point:
            raise Stopped

    def take() -> None:
        place.open(stop)
        place.commit(MANIFEST)

    place = Workplace(str(tmp_path / "b"))
    with pytest.raises(Stopped):
        take()
    place.discard()
    assert names(tmp_path) == left


def test_an_empty_target_keeps_its_mode(tmp_path: Path) -> None:
    target = tmp_path / "b"
    target.mkdir()
    target.chmod(0o750)
    place = Workplace(str(target))
    place.open()
    place.commit(None)
    assert stat.S_IMODE(target.stat().st_mode) == 0o750
    assert names(tmp_path) == ["b"]


def test_a_link_means_the_directory_behind_it(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    place = Workplace(str(tmp_path / "link"))
    place.open()
    Path(place.directory, "file").write_text("x")
    place.commit(None)
    assert names(tmp_path / "real") == ["file"]
    assert (tmp_path / "link").is_symlink()


@pytest.mark.parametrize("entry", ["a", ".hidden", "lost+found"])
def test_a_target_with_files_is_refused_and_untouched(tmp_path: Path, entry: str) -> None:
    target = tmp_path / "b"
    target.mkdir()
    (target / entry).write_text("mine")
    before = _unread(target)
    for refuse in (Workplace(str(target)).check, Workplace(str(target)).open):
        with pytest.raises(MariabackupError, match="is not empty") as caught:
            refuse()
        assert caught.value.details["entries"] == [entry]
    assert (names(tmp_path), names(target)) == (["b"], [entry])
    assert _unread(target) == before


def _unread(path: Path) -> tuple[int, ...]:
    """Return what does not change when somebody looks into a directory, as the time of its last access does."""
    found = path.stat()
    return found.st_ino, found.st_mode, found.st_uid, found.st_gid, found.st_mtime_ns, found.st_ctime_ns


def test_a_file_or_a_foreign_directory_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("")
    with pytest.raises(MariabackupError, match="is not a directory"):
        Workplace(str(tmp_path / "f")).check()
    (tmp_path / "b.partial").mkdir()
    with pytest.raises(MariabackupError, match="was not left by a run of ours"):
        Workplace(str(tmp_path / "b")).open()
    assert names(tmp_path) == ["b.partial", "f"]


def test_two_runs_at_once(tmp_path: Path) -> None:
    first = Workplace(str(tmp_path / "b"))
    first.open()
    with pytest.raises(MariabackupError, match="right now"):
        Workplace(str(tmp_path / "b")).open()
    assert names(tmp_path) == ["b.partial", "b.partial.owner"]
    first.discard()
    assert names(tmp_path) == []


DYING = """
import os, sys, time
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.workplace import Workplace
place = Workplace(sys.argv[1])
place.open()
open(os.path.join(place.directory, "half"), "w").close()
print("open", flush=True)
time.sleep(60)
"""


def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    target = tmp_path / "b"
    process = subprocess.Popen([sys.executable, "-c", DYING, str(target)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    place = Workplace(str(target))
    assert not place.leftover()
    process.kill()
    process.communicate()
    assert place.leftover()
    place.check()
    place.open()
    assert names(Path(place.directory)) == []
    place.discard()
    assert names(tmp_path) == []


def test_a_parent_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MariabackupError):
        Workplace(str(tmp_path / "file" / "b")).open()
    assert names(tmp_path) == ["file"]


def test_a_stale_manifest_goes_with_a_failed_run(tmp_path: Path) -> None:
    place = Workplace(str(tmp_path / "b"))
    Path(manifest_path(str(tmp_path / "b"))).write_text("{}")
    place.open()
    place.discard()
    assert names(tmp_path) == []


def test_preparing_marker(tmp_path: Path) -> None:
    marker = PreparingMarker(str(tmp_path / "b.preparing"))
    marker.clear()
    marker.set("text\n")
    assert names(tmp_path) == ["b.preparing"]
    marker.clear()
    assert names(tmp_path) == []


def test_estimate(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    shop.mkdir()
    (tmp_path / "ibdata1").write_bytes(b"x" * 8192)
    (tmp_path / "bin.000001").write_bytes(b"x" * 81920)
    (tmp_path / "ib_logfile0").write_bytes(b"x" * 81920)
    (shop / "t.ibd").write_bytes(b"x" * 4096)
    (shop / "notes.txt").write_bytes(b"x" * 4096)
    found = space.estimate_datadir(str(tmp_path))
    assert found == space.Estimate(8192 + 4096, 16 + 3)
    assert space.estimate_datadir(str(tmp_path / "none")) is None


def test_how_long_a_stream_can_become(tmp_path: Path) -> None:
    """All pages, holes too, and tablespaces that lie elsewhere: where a schema or a table was put, and the server's own."""
    datadir, apart, undo = (tmp_path / name for name in ("datadir", "apart", "undo"))
    for directory in (datadir / "shop", apart, undo):
        directory.mkdir(parents=True)
    (datadir / "ibdata1").write_bytes(b"x" * 10)
    (datadir / "ib_logfile0").write_bytes(b"x" * 81920)
    os.truncate(_touch(datadir / "shop" / "holes.ibd"), 1 << 30)
    os.truncate(_touch(apart / "far.ibd"), 1 << 20)
    (datadir / "shop" / "far.isl").write_text(f"{apart}/far.ibd", encoding="ascii")
    (datadir / "shop" / "lost.isl").write_text("/nowhere/lost.ibd", encoding="ascii")
    (datadir / "linked").symlink_to(apart)
    (apart / "t.MYD").write_bytes(b"x" * 7)
    (apart / "loop").symlink_to(datadir)
    (undo / "undo001").write_bytes(b"x" * 5)
    found = space.stream_bytes([str(datadir), str(undo), str(undo), str(tmp_path / "none")])
    assert found == 10 + (1 << 30) + 2 * (1 << 20) + 7 + 5


def _touch(path: Path) -> Path:
    path.touch()
    return path


def test_space(tmp_path: Path) -> None:
    space.check_space(str(tmp_path), space.Estimate(1, 1), "the backup")
    with pytest.raises(MariabackupError, match=r"not enough room for the backup: about 1024\.0 TiB"):
        space.check_space(str(tmp_path), space.Estimate(1 << 50, 1), "the backup")
    if os.statvfs(tmp_path).f_files:
        with pytest.raises(MariabackupError, match="not enough inodes"):
            space.check_space(str(tmp_path), space.Estimate(1, 1 << 60), "the backup")
    assert [space.human(count) for count in (5, 2048, 5 << 20, 3 << 30)] == ["5 bytes", "2.0 KiB", "5.0 MiB", "3.0 GiB"]


MIB = 1 << 20


@pytest.mark.parametrize(
    ("free", "redo", "expected"),
    [
        (8192 * MIB, 1000 * MIB, 2048 * MIB),
        (8192 * MIB, 10 * MIB, 96 * MIB),
        (200 * MIB, 1000 * MIB, 50 * MIB),
        (10 * MIB, 1000 * MIB, 16 * MIB),
    ],
)
def test_a_quarter_of_what_is_free(free: int, redo: int, expected: int) -> None:
    assert memory.choose_memory(free, redo) == expected


def test_memory_argument() -> None:
    assert memory.memory_argument("512M", 0) == 512 * MIB
    assert memory.memory_argument(1 << 30, 0) == 1 << 30
    assert memory.memory_argument("auto", 0) >= 16 * MIB
    for wrong in ("much", "1K", "0", "900T"):
        with pytest.raises(MariabackupError, match=f"use_memory is {wrong}"):
            memory.memory_argument(wrong, 0)


def test_control_groups(tmp_path: Path) -> None:
    inner = tmp_path / "system" / "job"
    inner.mkdir(parents=True)
    (tmp_path / "system" / "memory.max").write_text("max\n")
    (tmp_path / "system" / "memory.current").write_text("5\n")
    (inner / "memory.max").write_text("1000\n")
    (inner / "memory.current").write_text("900\n")
    (inner / "memory.stat").write_text("anon 1\ninactive_file 300\n")
    climb = memory._climb
    assert climb(str(tmp_path), "/system/job", "memory.max", "memory.current") == [400]
    assert climb(str(tmp_path), "/../../etc", "memory.max", "memory.current") == []
    (inner / "memory.limit_in_bytes").write_text("9223372036854771712\n")
    (inner / "memory.usage_in_bytes").write_text("900\n")
    assert climb(str(tmp_path), "/system/job", "memory.limit_in_bytes", "memory.usage_in_bytes") == []
    assert memory.free_memory() > 0
