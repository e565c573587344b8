# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mounts, loop devices and file systems on the machine."""

from __future__ import annotations

import fcntl
import os
import struct
import time
from pathlib import Path

from .shell import LabError, execute, output

# _IOR('X', 125, __u32) of linux/fs.h and of the file systems; see ext4_ioctl.h and xfs_fs.h
_FS_IOC_SHUTDOWN = 0x8004587D
_WITHOUT_FLUSHING_THE_LOG = 2

_MKFS = {
    "ext4": ["mkfs.ext4", "-q", "-F"],
    "xfs": ["mkfs.xfs", "-q", "-f"],
    "btrfs": ["mkfs.btrfs", "-q", "-f"],
}


def mount_points(below: Path) -> list[Path]:
    """Mount points at or below a folder, in the order of mounting."""
    prefix = str(below)
    found = []
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        point = _unescape(line.split(" ")[4])
        if point == prefix or point.startswith(prefix + "/"):
            found.append(Path(point))
    return found


def unmount_below(folder: Path) -> None:
    """Unmount everything at or below a folder, the last one first."""
    for point in reversed(mount_points(folder)):
        if execute(["umount", str(point)], check=False).returncode != 0:
            execute(["umount", "--lazy", str(point)])


def _unescape(text: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text


def make_image(path: Path, fstype: str, size: str, options: tuple[str, ...] = ()) -> None:
    """Make a sparse file with an empty file system in it.

    :param size: as truncate(1) reads it, such as ``64M``. XFS needs 300M, Btrfs 109M.
    """
    if fstype not in _MKFS:
        raise LabError(f"no such file system here: {fstype}; there are {', '.join(_MKFS)}")
    execute(["truncate", "--size", size, str(path)])
    execute([*_MKFS[fstype], *options, str(path)])


def attach(image: Path) -> str:
    """Put an image on a loop device, or find the one it is on."""
    existing = devices_of(image)
    if existing:
        return existing[0]
    for attempt in range(20):
        result = execute(["losetup", "--find", "--show", str(image)], check=False)
        if result.returncode == 0:
            return result.stdout.decode().strip()
        # two processes may be given the same free device; one of them loses
        time.sleep(0.05 * (attempt + 1))
    raise LabError(f"no loop device for {image}: {result.stderr.decode(errors='replace')}")


def devices_of(image: Path) -> list[str]:
    """Loop devices an image is on."""
    text = output(["losetup", "--noheadings", "--output", "NAME", "--associated", str(image)])
    return text.split()


def detach_below(path: Path, timeout: float = 20.0) -> None:
    """Free every loop device whose file is, or was, this path or below it, and wait until they are free.

    A dead host's mount namespace goes away some time after its last process. Until then its file systems live on,
    and mounting an image again would bring back the old one, with what should be lost or with its power still cut.

    :raises LabError: a device is still in use after the timeout (seconds)
    """
    deadline = time.monotonic() + timeout
    while True:
        devices = _devices_below(path)
        if not devices:
            return
        if time.monotonic() > deadline:
            raise LabError(f"still in use: {', '.join(devices)}")
        for device in devices:
            execute(["losetup", "--detach", device], check=False)
        time.sleep(0.02)


def _devices_below(path: Path) -> list[str]:
    text = output(["losetup", "--list", "--noheadings", "--raw", "--output", "NAME,BACK-FILE"])
    pairs = [line.partition(" ") for line in text.splitlines()]
    return [device for device, _number, image in pairs if f"{image}/".startswith(f"{path}/")]


def cut(mount_point: Path) -> bool:
    """Stop a mounted file system as if its disk had lost power: nothing more is written, not even its journal.

    :returns: False if this file system cannot (Btrfs before Linux 6.19)
    """
    descriptor = os.open(mount_point, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.ioctl(descriptor, _FS_IOC_SHUTDOWN, struct.pack("I", _WITHOUT_FLUSHING_THE_LOG))
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True
