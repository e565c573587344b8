# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Renames and probes on real file systems."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.dba.mariabackup.plugins.module_utils.datadir import exchange as ex
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir import probe

from .conftest import sh


def two(top: Path) -> tuple[Path, Path]:
    for name in ("a", "b"):
        (top / name).mkdir()
        (top / name / name).write_text(name)
    return top / "a", top / "b"


def test_exchange_of_full_directories(any_fs: Path) -> None:
    first, second = two(any_fs)
    before = ex.identify(str(first)), ex.identify(str(second))
    ex.exchange(str(first), str(second))
    assert (first / "b").exists()
    assert (second / "a").exists()
    assert (ex.identify(str(second)), ex.identify(str(first))) == before


def test_exchange_needs_both(any_fs: Path) -> None:
    first, _second = two(any_fs)
    with pytest.raises(FileNotFoundError):
        ex.exchange(str(first), str(any_fs / "none"))


def test_move_never_replaces(any_fs: Path) -> None:
    first, second = two(any_fs)
    (any_fs / "empty").mkdir()
    with pytest.raises(FileExistsError):
        ex.move(str(first), str(any_fs / "empty"))
    ex.move(str(second), str(any_fs / "c"))
    assert (any_fs / "c" / "b").exists()


def test_move_where_the_file_system_has_no_such_flag(any_fs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: str, target: str, flags: int) -> None:
        raise OSError(errno.EINVAL, "no flags here")

    monkeypatch.setattr(ex, "rename2", refuse)
    first, second = two(any_fs)
    with pytest.raises(FileExistsError):
        ex.move(str(first), str(second))
    ex.move(str(first), str(any_fs / "c"))
    assert (any_fs / "c" / "a").exists()


def test_the_raw_system_call(any_fs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class OldLibc:
        syscall = ex._libc.syscall

    monkeypatch.setattr(ex, "_libc", OldLibc)
    first, second = two(any_fs)
    known = ex.identify(str(first))
    assert known is not None
    assert known.handle is not None
    ex.exchange(str(first), str(second))
    assert known.same(ex.identify(str(second)))


def test_a_removed_directorys_number_is_not_its_identity(any_fs: Path) -> None:
    known = []
    for _number in range(20):
        (any_fs / "x").mkdir()
        known.append(ex.identify(str(any_fs / "x")))
        (any_fs / "x").rmdir()
    assert len({identity.handle for identity in known if identity}) == 20


def test_identity_without_handles() -> None:
    assert ex.Identity(5).same(ex.Identity(5, "ff"))
    assert not ex.Identity(5).same(ex.Identity(6))
    assert not ex.Identity(5, "aa").same(ex.Identity(5, "ff"))
    assert not ex.Identity(5).same(None)


def test_what_is_not_there_has_no_identity(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert ex.identify(str(tmp_path / "none")) is None
    assert ex.identify(str(tmp_path / "file" / "below")) is None


def test_every_file_system_here_exchanges(any_fs: Path) -> None:
    assert probe.supports_exchange(str(any_fs)) is True
    assert probe.supports_exchange(str(any_fs), write=False) is True
    assert list(any_fs.iterdir()) == []


@pytest.mark.parametrize(("kind", "can", "told"), [("ext4", False, False), ("xfs", True, None), ("btrfs", True, None)])
def test_reflink(on: Callable[[str], Path], kind: str, can: bool, told: bool | None) -> None:
    top = on(kind)
    (top / "src").mkdir()
    (top / "src" / "f").write_bytes(b"x" * 8192)
    assert probe.supports_reflink(str(top / "src"), str(top), write=False) is told
    assert probe.supports_reflink(str(top / "src"), str(top)) is can
    assert [item.name for item in top.iterdir()] == ["src"]


def test_no_reflink_between_file_systems(on: Callable[[str], Path]) -> None:
    source, target = on("xfs"), on("btrfs")
    (source / "f").write_bytes(b"x" * 8192)
    assert probe.supports_reflink(str(source), str(target), write=False) is False
    assert probe.supports_reflink(str(source), str(target)) is False


def test_a_directory_that_can_be_renamed(any_fs: Path) -> None:
    first, _second = two(any_fs)
    known = ex.identify(str(first))
    assert probe.rename_obstacle(str(first)) == 0
    assert known == ex.identify(str(first))
    assert sorted(item.name for item in any_fs.iterdir()) == ["a", "b"]
    assert probe.rename_obstacle(str(first), write=False) in (0, None)


def test_a_mount_point_cannot(file_systems: dict[str, Path]) -> None:
    assert probe.rename_obstacle(str(file_systems["ext4"])) == errno.EBUSY


def test_a_bind_mount_cannot(on: Callable[[str], Path]) -> None:
    first, second = two(on("ext4"))
    sh("mount", "--bind", str(first), str(second))
    try:
        assert probe.rename_obstacle(str(second), write=False) == errno.EBUSY
        assert probe.rename_obstacle(str(first)) == 0
        with pytest.raises(OSError, match="busy"):
            ex.exchange(str(first), str(second))
    finally:
        sh("umount", str(second))


@pytest.fixture(params=["i", "a"])
def attribute(request: pytest.FixtureRequest, on: Callable[[str], Path]) -> Iterator[Path]:
    first, _second = two(on("ext4"))
    sh("chattr", f"+{request.param}", str(first))
    yield first
    sh("chattr", f"-{request.param}", str(first))


def test_an_immutable_directory_cannot(attribute: Path) -> None:
    assert probe.is_immutable(str(attribute))
    assert probe.rename_obstacle(str(attribute), write=False) == errno.EPERM
    with pytest.raises(PermissionError):
        os.rename(attribute, attribute.parent / "c")


def layers(lower: Path, upper: Path) -> None:
    (lower / "low" / "sub").mkdir(parents=True)
    (lower / "lowempty").mkdir()
    (lower / "merged").mkdir()
    (upper / "merged" / "sub").mkdir(parents=True)


@pytest.mark.parametrize(
    ("options", "stuck"),
    [("", True), ("redirect_dir=off", True), ("redirect_dir=on", False), ("redirect_dir=nofollow", True)],
)
def test_directories_of_an_overlays_lower_layer(overlay: Callable[..., Path], options: str, stuck: bool) -> None:
    top = overlay(layers, options)
    (top / "fresh" / "sub").mkdir(parents=True)
    found = {}
    for name in ("low", "lowempty", "merged", "fresh"):
        found[name] = probe.overlay_lower(str(top / name)), probe.rename_obstacle(str(top / name), write=False)
        # What was read is what happens.
        known = ex.identify(str(top / name))
        assert known is not None
        (top / "other").mkdir()
        try:
            ex.exchange(str(top / name), str(top / "other"))
            assert known.same(ex.identify(str(top / "other")))
            ex.exchange(str(top / name), str(top / "other"))
            happened = 0
        except OSError as error:
            happened = error.errno or -1
        (top / "other").rmdir()
        assert found[name] == (happened == errno.EXDEV, happened)
    assert found["fresh"] == (False, 0)
    assert {found[name] for name in ("low", "lowempty", "merged")} == {(True, errno.EXDEV) if stuck else (False, 0)}


def test_an_older_kernel_is_asked_by_trying(overlay: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "overlay_handle", lambda path: None)
    top = overlay(layers)
    (top / "fresh").mkdir()
    assert probe.overlay_lower(str(top / "merged")) is True
    assert probe.overlay_lower(str(top / "low")) is None
    assert probe.rename_obstacle(str(top / "low"), write=False) is None
    assert probe.rename_obstacle(str(top / "low")) == errno.EXDEV
    assert probe.rename_obstacle(str(top / "fresh")) == 0
    assert sorted(item.name for item in top.iterdir()) == ["fresh", "low", "lowempty", "merged"]


def test_an_overlay_across_file_systems_keeps_identities(
    on: Callable[[str], Path], mounted: Callable[..., Path], tmp_path: Path
) -> None:
    upper = on("ext4")
    (tmp_path / "l" / "low").mkdir(parents=True)
    for name in ("u", "w"):
        (upper / name).mkdir()
    options = f"lowerdir={tmp_path}/l,upperdir={upper}/u,workdir={upper}/w"
    top = mounted("overlay", "-t", "overlay", "-o", options, "overlay")
    first, second = two(top)
    known = ex.identify(str(first))
    assert known is not None
    ex.exchange(str(first), str(second))
    sh("umount", str(top))
    sh("mount", "-t", "overlay", "-o", options, "overlay", str(top))
    try:
        assert known.same(ex.identify(str(second)))
        assert not known.same(ex.identify(str(first)))
    finally:
        sh("umount", str(top))


@pytest.fixture
def full_disk(make_fs: Callable[..., Path]) -> Path:
    top = make_fs("ext4", 16)
    (top / "mysql" / "shop").mkdir(parents=True)
    (top / "src").write_bytes(b"x" * 8192)
    with contextlib.suppress(OSError):
        for number in range(100_000):
            (top / "mysql" / f"f{number}").touch()
    return top


def test_where_a_probe_has_no_room_nothing_is_known(full_disk: Path) -> None:
    assert probe.supports_exchange(str(full_disk)) is None
    assert probe.supports_reflink(str(full_disk / "src"), str(full_disk)) is None
    assert probe.rename_obstacle(str(full_disk / "mysql")) is None


def test_files_of_a_lower_layer_keep_their_identity(overlay: Callable[..., Path]) -> None:
    def fill(lower: Path, upper: Path) -> None:
        (lower / "log").mkdir()
        for name in ("bin.000001", "bin.index"):
            (lower / "log" / name).write_text(name)

    top = overlay(fill)
    names = ("bin.000001", "bin.index")
    known = {name: ex.identify(str(top / "log" / name)) for name in names}
    (top / "log.previous-1").mkdir()
    for name in names:
        ex.move(str(top / "log" / name), str(top / "log.previous-1" / name))
    for name, identity in known.items():
        assert identity is not None
        assert identity.same(ex.identify(str(top / "log.previous-1" / name)))
