# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sends the files of a directory to the disk while another program still writes them.

What mbstream extracts would otherwise wait in memory, and preparing, which reads past the cache, would wait for all of it.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator

from ansible_collections.dba.mariabackup.plugins.module_utils.files import start_writeback

# What is smaller is not worth a look of its own; the sync at the end brings it to the disk.
_SMALLEST = 1024 * 1024
# A look at many files may take its time; this part of all time goes to them at most.
_SHARE = 0.05


class TreeWriteback:
    """Call ``look`` again and again while files are written below ``top``."""

    def __init__(self, top: str) -> None:
        self._top = top
        self._seen: dict[str, int] = {}
        self._next = 0.0

    def look(self) -> None:
        """Start the writing of every file that has grown since the last look. What cannot be looked at is left alone."""
        begun = time.monotonic()
        if begun < self._next:
            return
        for path in _files(self._top):
            with contextlib.suppress(OSError):
                fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
                try:
                    size = os.fstat(fd).st_size
                    before = self._seen.get(path, 0)
                    if size - before >= _SMALLEST:
                        start_writeback(fd, before, size - before)
                        self._seen[path] = size
                finally:
                    os.close(fd)
        self._next = begun + (time.monotonic() - begun) / _SHARE


def _files(top: str) -> Iterator[str]:
    """Yield the paths of the large files in a directory and in those below it."""
    for directory, _names, names in os.walk(top):
        for name in names:
            path = os.path.join(directory, name)
            with contextlib.suppress(OSError):
                if os.lstat(path).st_size >= _SMALLEST:
                    yield path
