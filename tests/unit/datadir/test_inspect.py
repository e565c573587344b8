# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking at directories, mounts and users."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ansible_collections.dba.mariabackup.plugins.module_utils.datadir import inspect, usage
from ansible_collections.dba.mariabackup.plugins.module_utils.files import sync_file_system

from .conftest import sh

MOUNTINFO = r"""24 29 0:22 / /proc rw,nosuid - proc proc rw
29 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,errors=remount-ro
50 29 0:45 /@data /var/lib/my\040sql rw,relatime master:2 propagate_from:3 - btrfs /dev/sd\134b ro,subvol=/@data
broken line
"""


def test_mountinfo() -> None:
    found = inspect.parse_mountinfo(MOUNTINFO)
    assert [(mount.path, mount.fstype, mount.source) for mount in found] == [
        ("/proc", "proc", "proc"),
        ("/", "ext4", "/dev/vda"),
        ("/var/lib/my sql", "btrfs", "/dev/sd\\b"),
    ]
    assert found[2].root == "/@data"
    assert found[2].option("subvol") == "/@data"
    assert found[2].option("relatime") == ""
    assert found[2].option("none") is None
    assert (found[1].read_only, found[2].read_only) == (False, True)


def test_entries_see_dotfiles_and_not_what_is_allowed(tmp_path: Path) -> None:
    for name in (".hidden", "b", "lost+found"):
        (tmp_path / name).mkdir()
    assert inspect.entries(str(tmp_path)) == [".hidden", "b"]
    assert inspect.entries(str(tmp_path), allowed=()) == [".hidden", "b", "lost+found"]
    assert inspect.entries(str(tmp_path / "none")) == []


def test_mount_points(file_systems: dict[str, Path], on: Callable[[str], Path], tmp_path: Path) -> None:
    top = on("ext4")
    assert inspect.is_mount_point(str(file_systems["ext4"]))
    assert not inspect.is_mount_point(str(top))
    (top / "a b").mkdir()
    sh("mount", "--bind", str(tmp_path), str(top / "a b"))
    try:
        assert inspect.is_mount_point(str(top / "a b"))
        assert inspect.nested_mounts(str(top)) == [str(top / "a b")]
        assert not inspect.same_mount(str(top), str(top / "a b" / "not" / "yet"))
    finally:
        sh("umount", str(top / "a b"))
    assert inspect.same_mount(str(top), str(top / "a b" / "not" / "yet"))
    assert inspect.mount_info(str(top / "x" / "y")).fstype == "ext4"


def test_a_bind_mount_of_the_same_device_is_a_mount_point(on: Callable[[str], Path]) -> None:
    top = on("ext4")
    (top / "a").mkdir()
    (top / "b").mkdir()
    sh("mount", "--bind", str(top / "a"), str(top / "b"))
    try:
        assert os.stat(top / "b").st_dev == os.stat(top).st_dev
        assert inspect.is_mount_point(str(top / "b"))
        # A rename between two mounts of one file system fails.
        assert not inspect.same_mount(str(top), str(top / "b"))
    finally:
        sh("umount", str(top / "b"))


def test_a_subvolume_is_no_mount_point(on: Callable[[str], Path]) -> None:
    top = on("btrfs")
    sh("btrfs", "subvolume", "create", str(top / "sub"))
    assert os.stat(top / "sub").st_dev != os.stat(top).st_dev
    assert not inspect.is_mount_point(str(top / "sub"))
    sh("btrfs", "subvolume", "delete", str(top / "sub"))


def test_space(file_systems: dict[str, Path]) -> None:
    ext4 = inspect.free_space(str(file_systems["ext4"] / "not" / "yet"))
    assert 100 << 20 < ext4.bytes < 320 << 20
    assert ext4.inodes
    # Btrfs makes inodes as it needs them.
    assert inspect.free_space(str(file_systems["btrfs"])).inodes is None


def test_a_read_only_file_system(make_fs: Callable[..., Path]) -> None:
    top = make_fs("ext4", 16)
    assert inspect.writable_fs(str(top / "x"))
    sh("mount", "-o", "remount,ro", str(top))
    assert not inspect.writable_fs(str(top / "x"))


def test_usage_counts_blocks_and_bytes(any_fs: Path) -> None:
    (any_fs / "d").mkdir()
    (any_fs / "d" / "full").write_bytes(os.urandom(1 << 20))
    with (any_fs / "sparse").open("wb") as stream:
        stream.truncate(8 << 20)
    os.link(any_fs / "d" / "full", any_fs / "again")
    os.symlink("/etc", any_fs / "link")
    sync_file_system(str(any_fs))
    found = inspect.disk_usage(str(any_fs))
    assert (found.files, found.directories, found.inodes) == (3, 2, 5)
    assert found.apparent == (9 << 20) + 4
    assert 1 << 20 <= found.allocated < 2 << 20
    assert inspect.disk_usage(str(any_fs), skip=("d", "again")).files == 2
    assert inspect.disk_usage(str(any_fs / "none")) == inspect.Usage()
    assert found + found == inspect.Usage(found.allocated * 2, found.apparent * 2, 6, 4)


def test_usage_stays_on_its_file_system(on: Callable[[str], Path], file_systems: dict[str, Path]) -> None:
    top = on("ext4")
    (top / "m").mkdir()
    (file_systems["tmpfs"] / "big").write_bytes(bytes(1 << 20))
    sh("mount", "--bind", str(file_systems["tmpfs"]), str(top / "m"))
    try:
        assert inspect.disk_usage(str(top)).files == 0
    finally:
        sh("umount", str(top / "m"))
        (file_systems["tmpfs"] / "big").unlink()


@contextmanager
def process(code: str, cwd: str | None = None) -> Iterator[int]:
    """A Python process that runs ``code``, says that it did, and waits."""
    with subprocess.Popen(
        [sys.executable, "-c", f"{code}\nprint('ready', flush=True)\nimport time; time.sleep(60)"],
        cwd=cwd or "/",
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        try:
            yield child.pid
        finally:
            child.send_signal(signal.SIGKILL)


LOCK = "import fcntl; f = open({!r}, 'r+b'); fcntl.lockf(f, fcntl.LOCK_EX)"


def test_record_locks(tmp_path: Path) -> None:
    file = tmp_path / "ibdata1"
    file.write_bytes(b"x")
    assert usage.lock_holder(str(file)) is None
    assert usage.lock_holder(str(tmp_path / "none")) is None
    with process(LOCK.format(str(file))) as pid:
        assert usage.lock_holder(str(file)) == pid
        (user, _open) = usage.in_use([str(tmp_path)], [str(file)])
        assert (user.pid, user.how, user.path) == (pid, "lock", str(file))
        assert user.command.startswith("python")
        assert str(user) == f"{user.command} (pid {pid}) locks {file}"
    assert usage.lock_holder(str(file)) is None


def test_a_lock_from_another_pid_namespace(tmp_path: Path) -> None:
    file = tmp_path / "ibdata1"
    file.write_bytes(b"x")
    code = LOCK.format(str(file)) + "; import os; r, w = os.pipe()"
    with process(code) as pid:
        # Seen from a namespace of its own, the holder has no number.
        check = (
            "import sys; from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.usage import *;"
            "print(lock_holder(sys.argv[1]), in_use([], [sys.argv[1]])[0])"
        )
        out = sh("unshare", "--pid", "--fork", sys.executable, "-c", check, str(file))
        assert out == f"0 a process in another pid namespace locks {file}\n"
        assert usage.lock_holder(str(file)) == pid


def test_processes_with_a_foot_in_the_directory(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "shop").mkdir(parents=True)
    (data / "file").write_bytes(b"x" * 4096)
    (tmp_path / "data2").mkdir()
    mapped = (
        f"import mmap, os; f = open({str(data / 'file')!r}, 'rb');"
        "m = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ); os.closerange(3, 20)"
    )
    ways = {
        "cwd": ("", str(data / "shop")),
        "open": (f"f = open({str(data / 'file')!r}, 'rb')", None),
        "mapped": (mapped, None),
    }
    assert usage.in_use([str(data)]) == []
    for how, (code, cwd) in ways.items():
        with process(code, cwd) as pid:
            assert [(user.pid, user.how) for user in usage.in_use([str(data)])] == [(pid, how)]
            assert usage.in_use([str(tmp_path / "data2"), str(tmp_path / "none")]) == []
            assert usage.in_use([str(data)], ignore=[pid]) == []


def test_a_deleted_file_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    with process(f"import os; f = open({str(tmp_path / 'x')!r}); os.unlink(f.name)"):
        assert usage.in_use([str(tmp_path)]) == []


def test_the_same_path_in_another_mount_namespace_does_not_count(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "file").write_text("ours")
    code = (
        f"import subprocess; subprocess.run(['mount', '-t', 'tmpfs', 'tmpfs', {str(data)!r}], check=True);"
        f"f = open({str(data / 'file')!r}, 'w')"
    )
    with subprocess.Popen(
        [
            "unshare",
            "--mount",
            sys.executable,
            "-c",
            f"{code}\nprint('ready', flush=True)\nimport time; time.sleep(60)",
        ],
        cwd="/",
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
            assert usage.in_use([str(data)]) == []
        finally:
            child.kill()
