# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much memory prepare may use: of the machine, or of the control group that limits this process."""

from __future__ import annotations

import os
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.metadata import parse_size
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError

_MIB = 1024 * 1024
# The tool's own default since 10.11 and its smallest sensible value.
_DEFAULT, _SMALLEST = 96 * _MIB, 16 * _MIB
_CGROUP = "/sys/fs/cgroup"


def choose_memory(free: int, redo_bytes: int) -> int:
    """Return the bytes for ``--use-memory`` (pure): a quarter of what is free, and not more than the log can use.

    Applying works in batches that fit the memory; beyond a few times the size of the log more does not help.
    """
    useful = max(_DEFAULT, 4 * redo_bytes)
    return max(_SMALLEST, min(free // 4, useful)) // _MIB * _MIB


def memory_argument(value: Any, redo_bytes: int) -> int:
    """Turn the option ``use_memory`` (``auto``, ``2G``, a number of bytes) into bytes.

    Raises:
        MariabackupError: not a size, too small for the tool, or more than the machine has.
    """
    if value in (None, "", "auto"):
        return choose_memory(free_memory(), redo_bytes)
    try:
        size = parse_size(str(value))
    except ValueError:
        size = 0
    if size < 5 * _MIB:
        raise MariabackupError(
            f"use_memory is {value}, which is not a size of at least 5M.", "Write auto, or a size such as 512M or 4G."
        )
    most = _machine("MemTotal:")
    if size > most:
        raise MariabackupError(
            f"use_memory is {value}, and this machine has {most // _MIB} MiB of memory.",
            "Write auto, or less than what is free.",
        )
    return size


def free_memory() -> int:
    """Return how many bytes this process could get: the least of the machine's and its control groups'."""
    found = [_machine("MemAvailable:")]
    try:
        with open("/proc/self/cgroup", encoding="ascii") as stream:
            groups = stream.read()
    except OSError:
        groups = ""
    for line in groups.splitlines():
        number, controllers, path = line.strip().split(":", 2)
        if number == "0":
            found += _climb(_CGROUP, path, "memory.max", "memory.current")
        elif "memory" in controllers.split(","):
            found += _climb(f"{_CGROUP}/memory", path, "memory.limit_in_bytes", "memory.usage_in_bytes")
    return max(0, min(found))


def _machine(what: str) -> int:
    with open("/proc/meminfo", encoding="ascii") as stream:
        for line in stream:
            if line.startswith(what):
                return int(line.split()[1]) * 1024
    return _DEFAULT * 4


def _climb(root: str, path: str, limit_name: str, usage_name: str) -> list[int]:
    """Return what is free in a group and in each one above it; nothing for those without a limit."""
    found: list[int] = []
    place = os.path.normpath(os.path.join(root, path.lstrip("/")))
    while place.startswith(root):
        free = _free_in(place, limit_name, usage_name)
        if free is not None:
            found.append(free)
        if place == root:
            break
        place = os.path.dirname(place)
    return found


def _free_in(place: str, limit_name: str, usage_name: str) -> int | None:
    try:
        limit = _read(os.path.join(place, limit_name))
        usage = _read(os.path.join(place, usage_name))
        # v1 writes a number near 2**63 for "no limit".
        if not limit.isdigit() or int(limit) > 1 << 60:
            return None
        return max(0, int(limit) - int(usage) + _reclaimable(place))
    except (OSError, ValueError):
        return None


def _reclaimable(place: str) -> int:
    """Cached file pages count as used although they are given up on demand."""
    for line in _read(os.path.join(place, "memory.stat")).splitlines():
        name, _space, value = line.partition(" ")
        if name in ("inactive_file", "total_inactive_file"):
            return int(value)
    return 0


def _read(path: str) -> str:
    with open(path, encoding="ascii") as stream:
        return stream.read().strip()
