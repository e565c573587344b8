# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs that compress a stream: their names, levels and arguments. Their formats all hold a checksum."""

from __future__ import annotations

import os

from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.stream.programs import Filter, find_program
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.find import which

NONE = "none"
SUFFIXES = {NONE: "", "zstd": ".zst", "lz4": ".lz4", "gzip": ".gz"}
# Lowest and highest level. Those of zstd above 19 need so much memory that a restore may fail for it.
LEVELS = {"zstd": (1, 19), "lz4": (1, 12), "gzip": (1, 9)}
DEFAULT_LEVELS = {"zstd": 3, "lz4": 1, "gzip": 6}


def suffix(name: str) -> str:
    """Return how the name of a stream ends that was compressed with ``none``, ``zstd``, ``lz4`` or ``gzip``.

    Raises:
        MariabackupError: there is no such compression.
    """
    if name not in SUFFIXES:
        raise MariabackupError(f"There is no compression {name}.", f"Choose one of {', '.join(SUFFIXES)}.")
    return SUFFIXES[name]


def check(name: str, level: int | None, threads: int) -> None:
    """Check what a user asks for.

    Raises:
        MariabackupError: there is no such compression or level, or the number of threads is not positive.
    """
    suffix(name)
    if name == NONE:
        return
    lowest, highest = LEVELS[name]
    if level is not None and not lowest <= level <= highest:
        raise MariabackupError(
            f"The compression level {level} is out of range for {name}.",
            f"Choose a level from {lowest} to {highest}; {DEFAULT_LEVELS[name]} is used when none is given.",
        )
    if threads < 1:
        raise MariabackupError(
            f"The number of compression threads is {threads}.", "Choose a number of threads from 1 upwards."
        )


def find_compressor(name: str) -> str:
    """Return the path of the program of a compression other than ``none``; pigz before gzip.

    Raises:
        MariabackupError: it is not installed.
    """
    if name == "gzip":
        return which(["pigz"]) or find_program("gzip", "gzip")
    return find_program(name, name)


def compress_filter(name: str, level: int | None = None, threads: int = 1, program: str | None = None) -> Filter | None:
    """Return the program that compresses; None for ``none``.

    Args:
        level: None for the usual one.
        threads: how many processors it may use; lz4 and gzip (not pigz) use one.
        program: its path; None to look for it on this host.

    Raises:
        MariabackupError: see ``check`` and ``find_compressor``.
    """
    check(name, level, threads)
    if name == NONE:
        return None
    path = program or find_compressor(name)
    rank = f"-{DEFAULT_LEVELS[name] if level is None else level}"
    base = os.path.basename(path)
    if name == "zstd":
        return Filter(base, (path, f"-T{threads}", rank, "-q", "-c"))
    if name == "lz4":
        return Filter(base, (path, rank, "-q", "-c"))
    if base == "pigz":
        return Filter(base, (path, "-p", str(threads), rank, "-c"))
    return Filter(base, (path, rank, "-c"))


def decompress_filter(name: str, program: str | None = None) -> Filter | None:
    """Return the program that undoes a compression; None for ``none``.

    Args:
        program: its path; None to look for it on this host.

    Raises:
        MariabackupError: there is no such compression, or its program is not installed.
    """
    if not suffix(name):
        return None
    path = program or find_compressor(name)
    base = os.path.basename(path)
    if name == "gzip":
        return Filter(base, (path, "-dc"))
    return Filter(base, (path, "-d", "-q", "-c"))
