# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One host of the lab: files, processes, power."""

from __future__ import annotations

import contextlib
import os
import shlex
import socket
import subprocess
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Union

from .base import remove_tree
from .cgroup import Group, hierarchy
from .config import Settings
from .shell import LabError, clean_environment, execute, tail
from .spec import Disk, HostSpec, Record
from .storage import Storage

Command = Union[str, Sequence[str]]

_ENVIRONMENT = (
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME=/root",
    "USER=root",
    "LOGNAME=root",
    "LANG=C.UTF-8",
)
_LAUNCH = 'echo $$ > "$1/cgroup.procs" && shift && exec setsid --fork unshare --mount --propagation private "$@"'
SSH_OPTIONS = (
    "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o BatchMode=yes"
    " -o ConnectTimeout=10 -o ServerAliveInterval=2 -o ServerAliveCountMax=3"
)


class Host:
    """A host. Any process may make this object for a host that exists: all state is on the machine."""

    def __init__(self, settings: Settings, name: str) -> None:
        self.settings = settings
        self.name = name
        self.directory = settings.hosts / name
        self._storage = Storage(self.directory)
        try:
            record = self._storage.record()
        except FileNotFoundError:
            raise LabError(f"there is no host {name} in lab {settings.lab_id}") from None
        self.suite = record.spec.suite
        self.spec = record.spec
        #: its IPv4 address on the bridge
        self.address = record.address
        #: its root folder, seen from the machine; loop file systems are not in it while the host runs
        self.root = self._storage.root
        self.group = Group(hierarchy(settings.state / "cgroup2") / settings.cgroup / name)

    def __repr__(self) -> str:
        return f"Host({self.name!r}, {self.suite!r}, {self.address!r})"

    @classmethod
    def create(cls, settings: Settings, name: str, spec: HostSpec, address: str, base: Path) -> Host:
        """Write down a new host, off. The caller holds the lock of the lab."""
        directory = settings.hosts / name
        directory.mkdir(parents=True)
        (directory / "base").symlink_to(base)
        Record(spec, address).save(directory / "host.json")
        return cls(settings, name)

    def prepare(self, public_key: str, prefix: int) -> None:
        """Give a new host its name, its address and the lab's key, before its first boot."""
        self._storage.mount_root()
        network = f"[Match]\nName=host0\n[Network]\nAddress={self.address}/{prefix}\nLinkLocalAddressing=no\n"
        self.put(network, "/etc/systemd/network/10-host0.network")
        self.put(f"{self.name}\n", "/etc/hostname")
        self.put(f"{uuid.uuid4().hex}\n", "/etc/machine-id", 0o444)
        self._inside(["install", "-d", "-m", "700", "/root/.ssh"])
        self.put(public_key, "/root/.ssh/authorized_keys", 0o600)

    # What it is

    @property
    def disks(self) -> tuple[Disk, ...]:
        """Its loop file systems."""
        return tuple(self._storage.record().disks)

    @property
    def machine_name(self) -> str:
        return f"{self.settings.tag[:5]}-{self.name}"

    def leader(self) -> int | None:
        """Process id, on the machine, of the host's systemd; None if the host is off."""
        return self.group.leader()

    def running(self) -> bool:
        return self.leader() is not None

    # Processes and files

    def _enter(self, command: Command) -> list[str]:
        leader = self.leader()
        if leader is None:
            raise LabError(f"{self.name} is off")
        argv = ["bash", "-c", command] if isinstance(command, str) else list(command)
        # In a group below the host's own, so that a power cut takes this process like any other.
        inside = self.group.path / "box" / "payload" / "lab-run"
        inside.mkdir(parents=True, exist_ok=True)
        join = f'echo $$ > {shlex.quote(str(inside))}/cgroup.procs && exec "$@"'
        enter = ["nsenter", "-t", str(leader), "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-W", "/root"]
        return ["sh", "-c", join, "sh", *enter, "env", "-i", *_ENVIRONMENT, *argv]

    def ssh_command(self, command: Command) -> list[str]:
        """The argv of an ssh to the host; an empty command gives a login shell."""
        text = command if isinstance(command, str) else " ".join(shlex.quote(word) for word in command)
        argv = ["ssh", "-i", str(self.settings.key), *SSH_OPTIONS.split(), f"root@{self.address}"]
        return [*argv, text] if text else argv

    def run(
        self,
        cmd: Command,
        check: bool = True,
        input: str | bytes | None = None,  # pylint: disable=redefined-builtin
        timeout: float | None = 120,
        ssh: bool = False,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the host as root: a string with its bash, a sequence as it is.

        It enters the host's namespaces (a few milliseconds); with ssh=True it goes through the host's sshd.

        :param timeout: seconds; then the command is killed
        :raises LabError: the host is off, the command failed (with check) or took too long
        """
        data = input.encode() if isinstance(input, str) else input
        argv = self.ssh_command(cmd) if ssh else self._enter(cmd)
        try:
            done = execute(argv, check=False, input=data, timeout=timeout)
        except LabError as error:
            raise LabError(f"{self.name}: {error}") from None
        if check and done.returncode != 0:
            shown = cmd if isinstance(cmd, str) else " ".join(cmd)
            raise LabError(
                f"{self.name}: {shown[:500]} ended with {done.returncode}\n{tail(done.stdout)}{tail(done.stderr)}"
            )
        return subprocess.CompletedProcess(
            argv, done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        )

    def start(self, cmd: Command, ssh: bool = False) -> subprocess.Popen[bytes]:
        """Start a command in the host and return at once; its output goes to pipes. The caller waits for it."""
        return subprocess.Popen(
            self.ssh_command(cmd) if ssh else self._enter(cmd),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=clean_environment(),
            start_new_session=True,
        )

    def sql(self, text: str, *options: str) -> str:
        """Give statements to the mariadb client (without column names, tabs between fields); its output."""
        return self.run(["mariadb", "--batch", "--skip-column-names", *options], input=text).stdout

    def put(self, text: str | bytes, path: str, mode: int = 0o644, owner: str = "root:root") -> None:
        """Write a file in the host, through a new file beside it. Folders on the way are made. Works when it is off."""
        script = 'mkdir -p "${1%/*}"; cat > "$1.lab"; chmod "$2" "$1.lab"; chown "$3" "$1.lab"; mv "$1.lab" "$1"'
        data = text.encode() if isinstance(text, str) else text
        self._inside(["sh", "-ec", script, "sh", path, f"{mode:o}", owner], data)

    def get(self, path: str) -> str:
        """The text of a file in the host. Works when it is off, but not for what is on a loop file system then."""
        return self.get_bytes(path).decode(errors="surrogateescape")

    def get_bytes(self, path: str) -> bytes:
        """The content of a file in the host."""
        return self._inside(["cat", "--", path])

    def _inside(self, argv: list[str], data: bytes | None = None) -> bytes:
        """In the running host, or in its root folder when it is off."""
        return execute(self._enter(argv) if self.running() else ["chroot", str(self.root), *argv], input=data).stdout

    # Power

    def boot(self, wait: bool = True, timeout: float = 90) -> None:
        """Start the host; it must be off. With wait, return when systemd says ``running`` and sshd answers.

        :raises LabError: it does not come up within timeout (seconds), or a unit failed
        """
        if self.group.processes():
            raise LabError(f"{self.name} is on already")
        # a host that was shut down from within leaves its supervisor's group behind
        self.group.kill()
        self._storage.mount_root()
        self._write_unit()
        self._spawn()
        deadline = time.monotonic() + timeout
        while self.leader() is None or not (self.group.path / "box" / "payload").is_dir():
            if time.monotonic() > deadline or not self.group.processes():
                raise LabError(f"{self.name} did not start\n{self.console()}")
            time.sleep(0.02)
        if wait:
            self.wait(deadline - time.monotonic())

    def wait(self, timeout: float = 90, degraded: bool = False) -> None:
        """Wait until the host is up: systemd says ``running`` (or ``degraded``, if that is allowed), sshd answers.

        What the boot wrote has reached the disk then; a host that has been up for a minute is not in doubt either.
        """
        deadline = time.monotonic() + timeout
        state = "no answer"
        while time.monotonic() < deadline:
            with contextlib.suppress(LabError):
                # Until the manager answers this is asked again; from then on it waits by itself, for nothing.
                done = self.run(["systemctl", "is-system-running", "--wait"], check=False, timeout=20)
                state = done.stdout.strip() or done.stderr.strip()
            if state == "running" or (state == "degraded" and degraded):
                if self._sshd_answers():
                    self._storage.sync()
                    return
            elif state == "degraded":
                failed = self.run("systemctl --failed --no-legend --plain", check=False).stdout
                raise LabError(f"{self.name}: units failed at boot\n{failed}")
            time.sleep(0.1)
        raise LabError(f"{self.name} is not up after {timeout:.0f} s: {state}\n{self.console()}")

    def power_cut(self) -> None:
        """Take the power away: every process stops at once, and disks keep what had reached them, no more.

        Frozen first, so that no process sees another one die or a disk fail. See HostSpec.disk for what is lost.
        """
        leader = self.leader()
        self.group.freeze()
        self._storage.lose_power(leader)
        self.group.kill()
        self._storage.after_death()

    def power_off(self, timeout: float = 60) -> None:
        """Shut the host down in order; the power is cut if that takes longer than timeout (seconds)."""
        self.run(["systemctl", "poweroff"], check=False, timeout=timeout)
        deadline = time.monotonic() + timeout
        while self.group.processes() and time.monotonic() < deadline:
            time.sleep(0.05)
        self.group.kill()
        self._storage.after_death()

    def reboot(self) -> None:
        """Shut down in order and start again."""
        self.power_off()
        self.boot()

    def destroy(self) -> None:
        """Remove the host with all it has: processes, mounts, loop devices, files."""
        self.group.kill()
        self._storage.release()
        remove_tree(self.directory)
        with contextlib.suppress(OSError):
            os.rmdir(f"/run/systemd/nspawn/propagate/{self.machine_name}")

    def console(self) -> str:
        """What systemd-nspawn and the host's systemd said since the last boot."""
        with contextlib.suppress(FileNotFoundError):
            return (self.directory / "console.log").read_text(encoding="utf-8", errors="replace")[-4000:]
        return ""

    # Loop file systems

    def loop_fs(
        self,
        fstype: str,
        size: str,
        mountpoint: str,
        mkfs: tuple[str, ...] = (),
        options: str = "",
        owner: str | None = None,
    ) -> Disk:
        """Make an empty file system of its own size and mount it in the host, now (if it is on) and at each boot.

        :param fstype: ext4, xfs (at least 300M) or btrfs (at least 109M)
        :param size: as truncate(1) reads it, such as ``64M``
        :param mkfs: more arguments for mkfs
        :param options: mount options
        :param owner: such as ``mysql:mysql``, given to the mount point; the host must be on
        """
        running = self.running()
        if owner and not running:
            raise LabError(f"{self.name} is off: nothing to give to {owner} yet")
        commands = self._storage.add(Disk("", fstype, mountpoint, options), size, mkfs)
        self._write_unit()
        if running:
            for command in commands:
                self.run(command)
            if owner:
                self.run(["chown", owner, mountpoint])
        return self.disks[-1]

    def remove_fs(self, mountpoint: str) -> None:
        """Unmount a loop file system made with loop_fs and delete it."""
        if self.running():
            self.run(["sh", "-c", '! mountpoint -q "$1" || umount "$1"', "sh", mountpoint])
        self._storage.forget(mountpoint)
        self._write_unit()

    def _write_unit(self) -> None:
        self.put(self._storage.unit(), "/etc/systemd/system/lab-disks.service")
        wants = "/etc/systemd/system/local-fs.target.wants"
        self._inside(["sh", "-ec", 'mkdir -p "$1"; ln -sf ../lab-disks.service "$1/"', "sh", wants])

    def _spawn(self) -> None:
        launcher, box = self.group.path / "launcher", self.group.path / "box"
        for folder in (launcher, box):
            folder.mkdir(parents=True, exist_ok=True)
        argv = ["systemd-nspawn", "--quiet", "-D", str(self.root), f"--machine={self.machine_name}"]
        argv += [f"--hostname={self.name}", "--register=no", "--keep-unit", f"--network-bridge={self.settings.bridge}"]
        argv += ["--boot", "--console=passive", "--resolv-conf=off", "--timezone=off", "--link-journal=no"]
        argv += ["--settings=no"]
        # systemd 256 and later refuse the version 1 hierarchy, whatever the machine itself uses
        environment = dict(clean_environment(), SYSTEMD_NSPAWN_UNIFIED_HIERARCHY="1")
        script = Path(__file__).with_name("launch.sh")
        with open(self.directory / "console.log", "wb") as log:
            subprocess.run(
                ["sh", "-c", _LAUNCH, "sh", str(launcher), "sh", str(script), str(box), str(self.directory), *argv],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
                check=True,
            )

    def _sshd_answers(self) -> bool:
        try:
            with socket.create_connection((self.address, 22), timeout=2) as connection:
                return connection.recv(4).startswith(b"SSH-")
        except OSError:
            return False
