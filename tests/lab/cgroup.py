# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Control groups: the one place where all processes of a host are found, whoever started them."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

from .shell import LabError, execute


def hierarchy(fallback: Path) -> Path:
    """Where the cgroup2 hierarchy is mounted; it is mounted at `fallback` if it is nowhere."""
    for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
        fields = line.split(" ")
        if fields[2] == "cgroup2":
            return Path(fields[1])
    fallback.mkdir(parents=True, exist_ok=True)
    execute(["mount", "-t", "cgroup2", "none", str(fallback)])
    return fallback


class Group:
    """A control group and all below it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def processes(self) -> list[int]:
        """Ids of the living processes in the group and below."""
        found: list[int] = []
        for folder, _folders, _files in os.walk(self.path):
            try:
                text = (Path(folder) / "cgroup.procs").read_text(encoding="ascii")
            except OSError:
                continue
            found += [int(word) for word in text.split() if word != "0"]
        return found

    def leader(self) -> int | None:
        """The process that is number 1 of its own pid namespace: the systemd of the host."""
        for pid in self.processes():
            try:
                status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
            for line in status.splitlines():
                if line.startswith("NSpid:"):
                    numbers = line.split()[1:]
                    if len(numbers) > 1 and numbers[-1] == "1":
                        return pid
        return None

    def freeze(self, timeout: float = 2.0) -> None:
        """Stop every process where it is."""
        self._write("cgroup.freeze", "1")
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if "frozen 1" in self._read("cgroup.events"):
                return
            time.sleep(0.005)

    def kill(self, timeout: float = 20.0) -> None:
        """Kill every process with signal 9 and remove the group.

        :raises LabError: something is still alive after the timeout (seconds)
        """
        if not self.path.is_dir():
            return
        deadline = time.monotonic() + timeout
        while True:
            if not self._write("cgroup.kill", "1"):
                # Linux before 5.14
                for pid in self.processes():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                self._write("cgroup.freeze", "0")
            if not self.processes() and self._remove():
                return
            if time.monotonic() > deadline:
                raise LabError(f"still alive in {self.path}: {self.processes()}")
            time.sleep(0.02)

    def _remove(self) -> bool:
        for folder, _folders, _files in os.walk(self.path, topdown=False):
            try:
                os.rmdir(folder)
            except FileNotFoundError:
                pass
            except OSError:
                return False
        for mirror in self._mirrors():
            for folder, _folders, _files in os.walk(mirror, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(folder)
        return True

    def _mirrors(self) -> list[Path]:
        """The same group in version 1 hierarchies: systemd-nspawn makes one in name=systemd beside cgroup2."""
        found: list[Path] = []
        own: Path | None = None
        for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
            _source, point, fstype = line.split(" ")[:3]
            if fstype == "cgroup2" and self.path.is_relative_to(point):
                own = self.path.relative_to(point)
            elif fstype == "cgroup":
                found.append(Path(point))
        return [point / own for point in found if (point / own).is_dir()] if own else []

    def _write(self, name: str, value: str) -> bool:
        try:
            (self.path / name).write_text(value, encoding="ascii")
        except OSError:
            return False
        return True

    def _read(self, name: str) -> str:
        try:
            return (self.path / name).read_text(encoding="ascii")
        except OSError:
            return ""
