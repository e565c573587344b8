# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The unit files and drop-ins that a restore writes, synced, and takes away again."""

from __future__ import annotations

import os

from ansible_collections.dba.mariabackup.plugins.module_utils import files

RUNTIME = "/run/systemd/system"
PERMANENT = "/etc/systemd/system"
HOLD = "zz-dba-mariabackup-hold.conf"
STOP = "zz-dba-mariabackup-stop.conf"
TRIGGERS = "zz-dba-mariabackup-triggers.conf"
RESTRICTED = "zz-dba-mariabackup-restricted.conf"
ENVIRONMENT_DIR = "/run/dba-mariabackup"


def drop_in(root: str, unit: str, name: str) -> str:
    """Return the path of a unit's drop-in."""
    return os.path.join(root, f"{unit}.d", name)


def write(path: str, text: str, made: list[str]) -> None:
    """Write a unit file where its text is new, and remember that systemd has to read it."""
    directory = os.path.dirname(path)
    if not os.path.isdir(directory):
        os.makedirs(directory, mode=0o755, exist_ok=True)
        files.fsync_path(os.path.dirname(directory))
    if read(path) != text:
        files.write_atomic(path, text, 0o644)
        made.append(path)


def read(path: str) -> str | None:
    """Return the text of a file, or None when it cannot be read."""
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read()
    except OSError:
        return None


def remove(path: str, gone: list[str]) -> None:
    """Remove a file or link and the drop-in directory that it leaves empty, synced."""
    if not os.path.lexists(path):
        return
    os.unlink(path)
    gone.append(path)
    directory = os.path.dirname(path)
    files.fsync_path(directory)
    if directory.endswith(".d"):
        try:
            os.rmdir(directory)
            files.fsync_path(os.path.dirname(directory))
        except OSError:
            pass
