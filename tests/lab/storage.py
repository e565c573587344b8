# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host writes to: its root folder and its loop file systems."""

from __future__ import annotations

import contextlib
import os
import shlex
from pathlib import Path

from . import mounts
from .shell import LabError, execute, locked
from .spec import Disk, Record

_UNIT = """[Unit]
Description=Loop file systems of the lab
DefaultDependencies=no
After=systemd-remount-fs.service local-fs-pre.target
Before=local-fs.target
[Install]
WantedBy=local-fs.target
[Service]
Type=oneshot
RemainAfterExit=yes
"""


class Storage:
    """The storage of one host, as the machine sees it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.root = directory / "root"
        self._file = directory / "host.json"

    def record(self) -> Record:
        """What is written down about the host; other processes may change it."""
        return Record.load(self._file)

    @property
    def _disk_folder(self) -> Path:
        return self.directory / "disk"

    # The root

    def mount_root(self) -> None:
        """Put the host's own layer on its base, unless it is there."""
        if os.path.ismount(self.root):
            return
        spec = self.record().spec
        self.root.mkdir(exist_ok=True)
        self._disk_folder.mkdir(exist_ok=True)
        if spec.disk and not os.path.ismount(self._disk_folder):
            image = self.directory / "disk.img"
            if not image.exists():
                mounts.make_image(image, "ext4", spec.disk)
            execute(["mount", mounts.attach(image), str(self._disk_folder)])
        upper, work = self._disk_folder / "upper", self._disk_folder / "work"
        upper.mkdir(exist_ok=True)
        work.mkdir(exist_ok=True)
        options = f"lowerdir={(self.directory / 'base').resolve()},upperdir={upper},workdir={work}"
        options += f",redirect_dir={'on' if spec.redirect_dir else 'off'}"
        execute(["mount", "-t", "overlay", "overlay", "-o", options, str(self.root)])

    def sync(self) -> None:
        """Bring what the host has written to its own disk, if it has one."""
        if self.record().spec.disk:
            execute(["sync", "--file-system", str(self._disk_folder)])

    def lose_power(self, leader: int | None) -> None:
        """Stop the file systems where they are, without flushing. The host must be frozen."""
        record = self.record()
        if leader is not None:
            devices = {device for disk in record.disks for device in mounts.devices_of(Path(disk.image))}
            for line in Path(f"/proc/{leader}/mounts").read_text(encoding="utf-8").splitlines():
                source, point = line.split(" ")[:2]
                if source in devices:
                    mounts.cut(Path(f"/proc/{leader}/root{point}"))
        if record.spec.disk and os.path.ismount(self._disk_folder):
            mounts.cut(self._disk_folder)

    def after_death(self) -> None:
        """Let go of what a host that is off had, and mount its root for reading and writing from the machine.

        The root of a host without a disk of its own stays mounted: it lost nothing, and the kernel may still have it.
        """
        self._remove_nspawn_lock()
        mounts.detach_below(self.directory / "disks")
        if self.record().spec.disk:
            self.release()
        self.mount_root()

    def release(self) -> None:
        """Unmount everything of a host that is off, and free its loop devices."""
        self._remove_nspawn_lock()
        mounts.unmount_below(self.directory)
        mounts.detach_below(self.directory)

    def _remove_nspawn_lock(self) -> None:
        # systemd-nspawn removes it itself, unless it was killed
        with contextlib.suppress(OSError):
            status = os.stat(self.root)
            os.unlink(f"/run/systemd/nspawn/locks/inode-{status.st_dev}:{status.st_ino}")

    # Loop file systems

    def unit(self) -> str:
        """A unit that mounts the loop file systems from within.

        In containers systemd ignores the devices of /etc/fstab. Mounted from outside before the boot they would be in
        the machine's mount table too, and live on in copies of it.
        """
        lines = []
        for disk in self.record().disks:
            lines += [f"ExecStart={shlex.join(command)}" for command in _mount_commands(disk)]
        return _UNIT + "".join(f"{line}\n" for line in lines)

    def add(self, disk: Disk, size: str, mkfs: tuple[str, ...]) -> list[list[str]]:
        """Make a loop file system.

        :param disk: the image is chosen here
        :returns: the commands that mount it, to be run in the host if it is on
        """
        with locked(self.directory / "disks.lock"):
            record = self.record()
            if any(other.mountpoint == disk.mountpoint for other in record.disks):
                raise LabError(f"there is a loop file system at {disk.mountpoint} already")
            folder = self.directory / "disks"
            folder.mkdir(exist_ok=True)
            number = 1 + max([int(path.stem) for path in folder.glob("*.img")], default=0)
            made = Disk(str(folder / f"{number}.img"), disk.fstype, disk.mountpoint, disk.options)
            mounts.make_image(Path(made.image), disk.fstype, size, mkfs)
            record.disks.append(made)
            record.save(self._file)
        return _mount_commands(made)

    def forget(self, mountpoint: str) -> None:
        """Delete a loop file system that is not mounted any more."""
        with locked(self.directory / "disks.lock"):
            record = self.record()
            gone = [disk for disk in record.disks if disk.mountpoint == mountpoint]
            if not gone:
                raise LabError(f"there is no loop file system at {mountpoint}")
            record.disks = [disk for disk in record.disks if disk not in gone]
            record.save(self._file)
            for disk in gone:
                mounts.detach_below(Path(disk.image))
                Path(disk.image).unlink()


def _mount_commands(disk: Disk) -> list[list[str]]:
    device = mounts.attach(Path(disk.image))
    number = os.stat(device).st_rdev
    node = f"[ -b {device} ] || mknod -m 660 {device} b {os.major(number)} {os.minor(number)}"
    options = ["-o", disk.options] if disk.options else []
    return [
        ["/bin/sh", "-c", node],
        ["/bin/mkdir", "-p", disk.mountpoint],
        ["/bin/mount", "-t", disk.fstype, *options, device, disk.mountpoint],
    ]
