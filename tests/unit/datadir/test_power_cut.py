# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is on the disk after a power cut: file systems that are shut down without writing their log, and mounted again."""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.layout import Place
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.members import set_paths
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.place import copy_tree
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.swap import (
    Member,
    apply,
    is_done,
    one_step,
    plan_back,
    plan_steps,
    undo,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.files import sync_file_system

from .conftest import MAKERS, need, sh, tree

FS_IOC_SHUTDOWN = 0x8004587D
NO_LOG_FLUSH = 2


class Disk:
    """A disk whose plug can be pulled."""

    def __init__(self, kind: str, image: Path, point: Path) -> None:
        argv, package, size = MAKERS[kind]
        need(argv[0], package)
        self.image, self.point = image, point
        with image.open("wb") as stream:
            stream.truncate(size * 1024 * 1024)
        sh(*argv, str(image))
        point.mkdir()
        self.mount()

    def mount(self) -> None:
        sh("mount", "-o", "loop", str(self.image), str(self.point))

    def lose_power(self) -> None:
        """What is only in memory, the file system's own log included, never reaches the disk."""
        fd = os.open(self.point, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, FS_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(fd)
        sh("umount", str(self.point))
        self.mount()


@pytest.fixture(params=["ext4", "xfs"])
def disk(request: pytest.FixtureRequest, images: Path) -> Iterator[Disk]:
    made = Disk(request.param, images / "plug.img", images / "plug")
    yield made
    subprocess.run(["umount", "-l", str(made.point)], check=False)
    made.point.rmdir()
    made.image.unlink()


def fill(path: Path, text: str) -> None:
    (path / "shop").mkdir(parents=True)
    for name in ("ibdata1", "ib_logfile0", "shop/t.ibd"):
        (path / name).write_text(text)


def build(disk: Disk, modes: tuple[str, ...]) -> list[Member]:
    shutil.rmtree(disk.point / "srv", ignore_errors=True)
    members = []
    for number, mode in enumerate(modes):
        live = disk.point / "srv" / f"dir{number}"
        place = Place(
            str(live),
            ("datadir" if number == 0 else "redo",),
            ("ibdata1|ib_logfile0|shop",) if mode == "entries" else (),
        )
        member = Member(place, *set_paths(str(live), "r1", False), mode=mode)
        fill(live, "old")
        fill(Path(member.staged), "new")
        members.append(member)
    sync_file_system(str(disk.point))
    return members


def live(members: list[Member]) -> list[dict[str, bytes | str]]:
    return [tree(Path(member.live)) for member in members]


def test_what_was_not_flushed_is_lost(disk: Disk) -> None:
    """The instrument itself: without a flush a rename does not survive."""
    fill(disk.point / "a", "a")
    sync_file_system(str(disk.point))
    os.rename(disk.point / "a", disk.point / "b")
    disk.lose_power()
    assert (disk.point / "a").exists()
    assert not (disk.point / "b").exists()


@pytest.mark.parametrize(
    "modes", [("exchange",), ("rename",), ("entries",), ("exchange", "rename", "entries")], ids="-".join
)
def test_every_step_that_returned_is_on_the_disk(disk: Disk, modes: tuple[str, ...]) -> None:
    members = build(disk, modes)
    old = live(members)
    steps = plan_steps(members)
    count = len(steps)
    for cut in range(count + 1):
        if cut:
            members = build(disk, modes)
            steps = plan_steps(members)
        for step in steps[:cut]:
            apply(step)
        disk.lose_power()
        assert [is_done(step) for step in steps[:cut]] == [True] * cut
        if cut < count:
            assert not is_done(steps[cut])
        if one_step(steps):
            # No repair is needed: one complete set is live at every instant.
            assert live(members)[0]["ibdata1"] == (b"old" if cut == 0 else b"new")
        for step in reversed(steps):
            undo(step)
        assert live(members) == old
        for step in steps:
            apply(step)
        disk.lose_power()
        assert all(is_done(step) for step in steps)
        for step in plan_back(members, steps):
            apply(step)
        disk.lose_power()
        assert live(members) == old


def test_a_set_that_was_synced_is_whole(disk: Disk, tmp_path: Path) -> None:
    source = tmp_path / "backup"
    fill(source, "x" * 100_000)
    copy_tree(str(source), str(disk.point / "mysql.restore-1"))
    sync_file_system(str(disk.point / "mysql.restore-1"))
    disk.lose_power()
    assert tree(disk.point / "mysql.restore-1") == tree(source)


def test_a_moved_backup_is_whole_on_one_side(disk: Disk, tmp_path: Path) -> None:
    source = tmp_path / "backup"
    fill(source, "y" * 100_000)
    content = tree(source)
    copy_tree(str(source), str(disk.point / "mysql.restore-1"), method="move")
    disk.lose_power()
    assert tree(disk.point / "mysql.restore-1") == content
    assert tree(source) == {}
