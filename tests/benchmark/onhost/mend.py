# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes one directory hold what another holds by writing only what differs: python3 mend.py SOURCE TARGET

A prepared copy of a backup becomes an unprepared one again without writing all of it, and both are in the cache afterwards.
"""

from __future__ import annotations

import os
import shutil
import sys

CHUNK = 1024 * 1024


def mend_file(source: str, target: str) -> None:
    """Make one file like another."""
    with (
        open(source, "rb", buffering=0) as wanted,
        open(os.open(target, os.O_RDWR | os.O_CREAT, 0o600), "r+b", 0) as found,
    ):
        position = 0
        while block := wanted.read(CHUNK):
            if found.read(len(block)) != block:
                os.pwrite(found.fileno(), block, position)
            position += len(block)
            found.seek(position)
        found.truncate(position)


def mend(source: str, target: str) -> None:
    """Make one directory like another."""
    os.makedirs(target, 0o700, exist_ok=True)
    names = set(os.listdir(source))
    for name in set(os.listdir(target)) - names:
        path = os.path.join(target, name)
        if os.path.isdir(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)
    for name in names:
        one, other = os.path.join(source, name), os.path.join(target, name)
        if os.path.isdir(one):
            mend(one, other)
        else:
            mend_file(one, other)


if __name__ == "__main__":
    mend(sys.argv[1], sys.argv[2])
