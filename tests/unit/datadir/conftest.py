# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real file systems for the tests of the datadir room: small loop devices and overlays, which need root."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

# Program, Debian package, size (mkfs.xfs makes nothing below 300 MB).
MAKERS = {
    "ext4": (("mkfs.ext4", "-q", "-F"), "e2fsprogs", 320),
    "xfs": (("mkfs.xfs", "-q", "-m", "reflink=1"), "xfsprogs", 320),
    "btrfs": (("mkfs.btrfs", "-q"), "btrfs-progs", 256),
}


def sh(*argv: str) -> str:
    """Run a command that has to succeed."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(argv)}: {done.stderr}"
    return done.stdout


def need(program: str, package: str) -> None:
    """Install a file system's tools where they are missing."""
    if shutil.which(program, path="/usr/sbin:/sbin:/usr/bin:/bin") is None:
        sh("apt-get", "install", "-q", "-y", "--no-install-recommends", package)


@pytest.fixture(scope="session", autouse=True)
def root() -> None:
    """These tests mount, change owners and read other processes: anything less than root proves nothing."""
    assert os.geteuid() == 0, "the tests of the datadir room need root: they mount loop devices and change owners"


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the images of file systems lie: in memory if there is room, so that flushing does not wait for a busy disk."""
    memory = os.statvfs("/dev/shm")
    if memory.f_bavail * memory.f_frsize < 2 << 30:
        yield tmp_path_factory.mktemp("images")
        return
    with tempfile.TemporaryDirectory(prefix="datadir-tests-", dir="/dev/shm") as path:
        yield Path(path)


@pytest.fixture(scope="session")
def mounted(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Path]]:
    """Return a function that mounts something and gives the mount point; all of it is unmounted at the end."""
    with ExitStack() as stack:

        def mount(name: str, *argv: str) -> Path:
            point = tmp_path_factory.mktemp(f"mnt-{name}")
            sh("mount", *argv, str(point))
            stack.callback(subprocess.run, ("umount", "-R", "-l", str(point)), check=False)
            return point

        yield mount


@pytest.fixture(scope="session")
def make_fs(mounted: Callable[..., Path], images: Path) -> Callable[..., Path]:
    """Return a function that makes a file system of a kind, in a size in MiB, and mounts it."""
    count = itertools.count()

    def make(kind: str, size: int | None = None, options: str = "loop") -> Path:
        argv, package, default = MAKERS[kind]
        need(argv[0], package)
        image = images / f"{kind}-{next(count)}.img"
        with image.open("wb") as stream:
            stream.truncate((size or default) * 1024 * 1024)
        sh(*argv, str(image))
        return mounted(kind, "-o", options, str(image))

    return make


@pytest.fixture(scope="session")
def file_systems(make_fs: Callable[..., Path], mounted: Callable[..., Path]) -> dict[str, Path]:
    """One mounted file system of each kind."""
    return {
        **{kind: make_fs(kind) for kind in MAKERS},
        "tmpfs": mounted("tmpfs", "-t", "tmpfs", "-o", "size=256m", "tmpfs"),
    }


@pytest.fixture
def tmp_path(file_systems: dict[str, Path]) -> Iterator[Path]:
    """A fresh directory, on ext4 whatever the machine has."""
    path = file_systems["ext4"] / "tmp"
    path.mkdir()
    yield path
    shutil.rmtree(path)


@pytest.fixture(params=["ext4", "xfs", "btrfs", "tmpfs"])
def any_fs(request: pytest.FixtureRequest, file_systems: dict[str, Path]) -> Iterator[Path]:
    """A fresh directory on each kind of file system."""
    top = file_systems[request.param] / "test"
    top.mkdir()
    yield top
    shutil.rmtree(top)


@pytest.fixture
def on(file_systems: dict[str, Path]) -> Iterator[Callable[[str], Path]]:
    """Return a function that gives a fresh directory on a file system of one kind."""
    made: list[Path] = []

    def fresh(kind: str) -> Path:
        top = file_systems[kind] / f"on-{len(made)}"
        top.mkdir()
        made.append(top)
        return top

    yield fresh
    for top in made:
        shutil.rmtree(top)


@pytest.fixture
def overlay(mounted: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """Return a function that mounts an overlay; ``fill`` makes the lower and the upper layer."""

    def make(fill: Callable[[Path, Path], None], options: str = "") -> Path:
        lower, upper, work = tmp_path / "lower", tmp_path / "upper", tmp_path / "work"
        for path in (lower, upper, work):
            path.mkdir()
        fill(lower, upper)
        layers = f"lowerdir={lower},upperdir={upper},workdir={work}"
        return mounted("overlay", "-t", "overlay", "-o", layers + (f",{options}" if options else ""), "overlay")

    return make


def tree(path: Path) -> dict[str, bytes | str]:
    """Return everything below a directory: the bytes of files, ``dir`` for directories, the targets of links."""
    found: dict[str, bytes | str] = {}
    for item in sorted(path.rglob("*")):
        relative = str(item.relative_to(path))
        if item.is_symlink():
            found[relative] = f"-> {os.readlink(item)}"
        else:
            found[relative] = "dir" if item.is_dir() else item.read_bytes()
    return found
