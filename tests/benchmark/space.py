# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much of a host's disk is in use at most while something runs."""

from __future__ import annotations

import os
import threading

from tests.lab import Host

_EVERY = 0.01


class SpaceWatch:
    """Notes the largest number of bytes in use on a file system of a host while it is entered.

    Bytes count from their write(2) on: a file system takes those off its free space that it has not placed yet.

    Args:
        host: it runs.
        place: where the file system is mounted on it.

    Attributes:
        before: bytes in use when it was entered.
        peak: the most since then.
    """

    def __init__(self, host: Host, place: str) -> None:
        # From outside: a program on the host would take a part of its processors.
        self._place = f"/proc/{host.leader()}/root{place}"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.before = self.peak = self._used()

    @property
    def grown(self) -> int:
        """By how many bytes the use has grown at most."""
        return self.peak - self.before

    def __enter__(self) -> SpaceWatch:
        self.before = self.peak = self._used()
        self._thread.start()
        return self

    def __exit__(self, *unused: object) -> None:
        self._stop.set()
        self._thread.join()

    def _used(self) -> int:
        found = os.statvfs(self._place)
        return (found.f_blocks - found.f_bfree) * found.f_frsize

    def _watch(self) -> None:
        while not self._stop.wait(_EVERY):
            self.peak = max(self.peak, self._used())
