# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies in a backup directory, and which of it cannot be right (reads names, sizes and the first bytes)."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.metadata import METADATA_FILES, BackupMetadata
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.redo import KEPT_REDO_FILE, Problem

# A mount point has it from birth. What a restore on a mount point stages stands in the other.
IGNORED_DIRECTORIES = ("lost+found", ".mariabackup")
INCOMPLETE_MARKER = ".mariabackup-incomplete"
# A restore has moved the files away, or is doing it, and may give them back.
MOVED_MARKER = ".mariabackup-moved"
_OURS = (INCOMPLETE_MARKER, MOVED_MARKER, KEPT_REDO_FILE, f"{KEPT_REDO_FILE}.tmp")
_LEFTOVERS = (".new", ".del", ".ren")
# Legacy engine numbers in byte 3 of a .frm, and the files that a table of that engine cannot be without.
_ENGINE_FILES = {9: ("MyISAM", ("MYD", "MYI")), 16: ("ARCHIVE", ("ARZ",)), 17: ("CSV", ("CSV", "CSM"))}
_ARIA_FILES = ("Aria", ("MAD", "MAI"))
_INNODB, _ARIA, _PARTITION = 12, 42, 20
_PARTITION_MARK = re.compile(r"#[Pp]#")
_FSP_HEADER = 38


@dataclass
class Inventory:
    """The files of a backup.

    Attributes:
        files: path inside of the backup, with its size in bytes.
        stored_bytes: what they occupy on disk; less than their sizes when they are sparse.
        schemas: directories that are schemas, decoded where the encoding is plain.
        isl_files: path of each ``.isl`` file, with the absolute path of the table's file in it.
        others: entries that are neither files nor directories, or symbolic links.
    """

    files: dict[str, int] = field(default_factory=dict)
    stored_bytes: int = 0
    schemas: list[str] = field(default_factory=list)
    isl_files: dict[str, str] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)

    @property
    def size_bytes(self) -> int:
        """The sum of the files' sizes."""
        return sum(self.files.values())


def take_inventory(directory: str) -> Inventory:
    """List a backup.

    Raises:
        OSError: a directory cannot be read.
    """
    found = Inventory()
    pending = [""]
    while pending:
        part = pending.pop()
        with os.scandir(os.path.join(directory, part)) as entries:
            for entry in entries:
                name = f"{part}/{entry.name}" if part else entry.name
                if entry.is_dir(follow_symlinks=False):
                    if not part and entry.name in IGNORED_DIRECTORIES:
                        continue
                    pending.append(name)
                    if not part and not entry.name.startswith(("#", ".")):
                        found.schemas.append(decode_name(entry.name))
                elif entry.is_file(follow_symlinks=False):
                    if not part and entry.name in _OURS:
                        continue
                    status = entry.stat(follow_symlinks=False)
                    found.files[name] = status.st_size
                    found.stored_bytes += status.st_blocks * 512
                    if entry.name.endswith(".isl"):
                        with open(entry.path, encoding="utf-8", errors="surrogateescape") as stream:
                            found.isl_files[name] = stream.read(4096).strip()
                else:
                    found.others.append(name)
    found.schemas.sort()
    return found


def decode_name(name: str) -> str:
    """Turn a directory's name into the schema's: ``odd@0020name`` is ``odd name``.

    Letters of some alphabets have a shorter code (``@0p``); such a name stays as it is. The server decodes
    every name: ``SELECT CONVERT(_filename'...' USING utf8mb4)``.
    """
    if re.search(r"@(?![0-9a-f]{4})", name):
        return name
    return re.sub(r"@([0-9a-f]{4})", lambda match: chr(int(match.group(1), 16)), name)


def tables_problems(directory: str, inventory: Inventory) -> tuple[list[Problem], list[str]]:
    """Compare the table definitions with the data files that they need.

    Returns:
        What is certainly missing, and what may be: an InnoDB table without a file of its own can be a discarded
        tablespace or live in the system tablespace.

    Raises:
        OSError: a file cannot be read.
    """
    problems: list[Problem] = []
    warnings: list[str] = []
    stems: dict[str, set[str]] = {}
    partitions: dict[str, set[str]] = {}
    for path in inventory.files:
        stem, _dot, extension = path.rpartition(".")
        stems.setdefault(stem, set()).add(extension)
        mark = _PARTITION_MARK.search(stem)
        if mark:
            partitions.setdefault(stem[: mark.start()], set()).add(stem)
    for stem, extensions in sorted(stems.items()):
        if "frm" not in extensions or "/" not in stem:
            continue
        engine = frm_engine(os.path.join(directory, f"{stem}.frm"))
        if engine is None:
            continue
        if engine == _PARTITION or "par" in extensions:
            if stem not in partitions:
                warnings.append(f"{stem}.frm is partitioned, but no partition of it has a file.")
            for part in sorted(partitions.get(stem, ())):
                problems += _pairs(part, stems[part])
            continue
        problems += _needed(stem, extensions, engine)
        if engine == _INNODB and not extensions & {"ibd", "new", "isl", "ren"}:
            warnings.append(f"{stem}.frm is an InnoDB table without a file of its own.")
    for stem, extensions in sorted(stems.items()):
        if "frm" not in extensions and not _PARTITION_MARK.search(stem) and "/" in stem:
            problems += _pairs(stem, extensions)
    return problems, warnings


def _needed(stem: str, extensions: set[str], engine: int) -> list[Problem]:
    name, files = _ENGINE_FILES.get(engine, _ARIA_FILES if engine == _ARIA else ("", ()))
    return [
        Problem(f"{stem}.{extension} is missing: {stem}.frm is a table of the engine {name}.", f"{stem}.{extension}")
        for extension in files
        if extension not in extensions
    ]


def _pairs(stem: str, extensions: set[str]) -> list[Problem]:
    """Half of a pair is a loss, whatever the definition says."""
    missing = []
    for pair in (("MYD", "MYI"), ("MAD", "MAI")):
        present = [extension for extension in pair if extension in extensions]
        if len(present) == 1:
            absent = pair[0] if present[0] == pair[1] else pair[1]
            missing.append(Problem(f"{stem}.{absent} is missing beside {stem}.{present[0]}.", f"{stem}.{absent}"))
    return missing


def frm_engine(path: str) -> int | None:
    """Return the legacy engine number of a table definition; None for a view.

    Raises:
        OSError: it cannot be read.
    """
    with open(path, "rb") as stream:
        head = stream.read(65536)
    if len(head) < 4 or head[:2] != b"\xfe\x01":
        return None
    # Aria has the first of the numbers that are given out as engines are loaded; its name stands further down.
    if head[3] == _ARIA and b"\x04\x00Aria" not in head:
        return 0
    return head[3]


def tablespace_bytes(head: bytes) -> int | None:
    """Return how long an InnoDB file must be at least, by its own first page (pure).

    The page holds the space's size in pages (u32 at 46) and its flags (u32 at 54). Since full_crc32 (10.4.3)
    bit 4 is set and bits 0 to 3 give the page size; before, bits 1 to 4 give the compressed and 6 to 9 the
    uncompressed size. Sizes are ``512 << n``, except that 0 means 16 KiB uncompressed in the older form.
    """
    if len(head) < 58:
        return None
    (pages,) = struct.unpack(">I", head[46:50])
    (flags,) = struct.unpack(">I", head[54:58])
    if flags & 0x10:
        return int(pages * (512 << (flags & 0xF)))
    compressed, size = flags >> 1 & 0xF, flags >> 6 & 0xF
    shift = compressed or size
    return int(pages * (512 << shift)) if shift else int(pages * 16384)


def innodb_problems(directory: str, inventory: Inventory, meta: BackupMetadata) -> list[Problem]:
    """Find InnoDB files that are shorter than their first page says, and system or undo files that are missing.

    Raises:
        OSError: a file cannot be read.
    """
    problems = [
        Problem(f"{name} is missing, a file of the system tablespace.", name)
        for name in meta.system_files or ["ibdata1"]
        if name not in inventory.files
    ]
    undo = sorted(name for name in inventory.files if re.fullmatch(r"undo\d{3}", name))
    for number, name in enumerate(undo, 1):
        if name != f"undo{number:03d}":
            problems.append(Problem(f"undo{number:03d} is missing, an undo tablespace.", f"undo{number:03d}"))
            break
    single = [name for name in inventory.files if name.endswith(".ibd")] + undo
    for name in sorted(single):
        size = inventory.files[name]
        with open(os.path.join(directory, name), "rb") as stream:
            needed = tablespace_bytes(stream.read(64))
        if needed is None or needed > size or size == 0:
            wanted = f", {needed} are needed" if needed else ""
            problems.append(Problem(f"{name} was cut: it has {size} bytes{wanted}.", name))
    return problems


def leftover_problems(names: Iterable[str], prepared: bool) -> list[Problem]:
    """Find files that do not belong into a full backup in its state (pure)."""
    problems: list[Problem] = []
    for name in sorted(names):
        if name.endswith((".delta", ".ibd.meta", "ibdata1.meta")):
            problems.append(Problem(f"{name} belongs to an incremental backup.", name))
        elif name.endswith((".qp", ".qpress")):
            problems.append(Problem(f"{name} is compressed; the backup was taken with --compress.", name))
        elif name.endswith((".xbcrypt", ".pmap", ".zst.xb")):
            problems.append(Problem(f"{name} is of a backup format that cannot be restored as it is.", name))
        elif prepared and name.endswith(_LEFTOVERS):
            problems.append(Problem(f"{name} should be gone from a prepared backup: prepare did not finish.", name))
    return problems


def data_files(names: Iterable[str]) -> list[str]:
    """Return the names that belong into a datadir: all but the backup's description of itself (pure)."""
    return sorted(name for name in names if name not in METADATA_FILES)
