# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much memory our own processes take on a host: the module, the runner and the walker, not the tool and not the server."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

from tests.lab import Host

_EVERY = 0.1


class Sampler:
    """Notes the peak resident memory (VmHWM) of our processes while it is entered."""

    def __init__(self, host: Host) -> None:
        self._group = host.group.path
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        #: bytes, the largest of any moment so far
        self.runner = 0
        self.module = 0
        self.walker = 0

    def reset(self) -> None:
        """Begin anew, for the next size."""
        self.runner = self.module = self.walker = 0

    @property
    def total(self) -> int:
        """What all of them take at most, if each is at its largest at the same time."""
        return self.runner + self.module + self.walker

    def note_module(self, peak: int) -> None:
        """Take in what the kernel says about a module's process that has ended."""
        self.module = max(self.module, peak)

    def __enter__(self) -> Sampler:
        self._stop.clear()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *unused: object) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(_EVERY):
            for group in self._group.rglob("cgroup.procs"):
                with contextlib.suppress(OSError):
                    for pid in group.read_text(encoding="ascii").split():
                        self._look_at(Path("/proc") / pid)

    def _look_at(self, process: Path) -> None:
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes().split(b"\0")
            if b"python" not in words[0].rpartition(b"/")[2]:
                return
            text = b" ".join(words[1:])
            runner = b"/runner/" in text
            if not runner and b"AnsiballZ_" not in text and b"payload/driver.py" not in text:
                return
            if b"stopwatch.py" in text:
                return
            for line in (process / "status").read_text(encoding="ascii", errors="replace").splitlines():
                if line.startswith("VmHWM:"):
                    peak = int(line.split()[1]) * 1024
                    if b" walk " in text:
                        # The runner that looks at a stream runs beside the one of the job.
                        self.walker = max(self.walker, peak)
                    elif runner:
                        self.runner = max(self.runner, peak)
                    else:
                        self.module = max(self.module, peak)
