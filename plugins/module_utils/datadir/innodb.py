# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""InnoDB's layout options: the files of the system tablespace, and which differences stop a server from starting. Pure."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError

_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}
_MIB = 1024**2


@dataclass(frozen=True)
class SystemFile:
    """One file of ``innodb_data_file_path``: its path as written, its size in bytes, and whether it grows (to ``maximum``)."""

    path: str
    size: int
    autoextend: bool = False
    maximum: int | None = None

    @property
    def name(self) -> str:
        """The file's name in a backup, which keeps all files of the system tablespace in one directory."""
        return os.path.basename(self.path)


def parse_size(text: str) -> int:
    """Parse ``12M`` into bytes; raises ValueError."""
    match = re.fullmatch(r"(\d+)([KMG]?)", text.strip().upper())
    if match is None:
        raise ValueError(text)
    return int(match.group(1)) * _UNITS[match.group(2)]


def start_bytes(options: Mapping[str, str]) -> tuple[int, int]:
    """Return what a server needs of the disk to start on a prepared backup: in its redo directory, and in its datadir.

    A prepared backup has a redo log of a few KiB, and the server makes one of its configured size at once (11.8: "Resizing
    redo log from 12.016KiB to 16.000MiB"); without room it does not start. The datadir gets the temporary tablespace.
    """
    values = {name.replace("-", "_"): value for name, value in options.items()}
    redo = parse_size(values.get("innodb_log_file_size") or "96M") * int(values.get("innodb_log_files_in_group") or 1)
    try:
        files = parse_data_file_path(
            values.get("innodb_temp_data_file_path") or "ibtmp1:12M:autoextend", temporary=True
        )
    except MariabackupError:
        return redo, 0  # the server says itself what it thinks of the value
    return redo, sum(item.size for item in files)


def parse_data_file_path(value: str, temporary: bool = False) -> tuple[SystemFile, ...]:
    """Parse ``innodb_data_file_path`` or, with ``temporary``, ``innodb_temp_data_file_path``.

    Raises:
        MariabackupError: for a raw device, which no backup can be put on, or a value that cannot be read.
    """
    option = "innodb_temp_data_file_path" if temporary else "innodb_data_file_path"
    files: list[SystemFile] = []
    for part in value.strip().strip("\"'").split(";"):
        fields = part.strip().split(":")
        if not temporary and (fields[0].startswith("/dev/") or re.search(r"(new)?raw$", part.strip())):
            raise MariabackupError(
                f"{option} names a raw device: {part.strip()}.",
                "Mariabackup restores files only. Move the system tablespace to a file first.",
            )
        try:
            name, size, rest = fields[0], parse_size(fields[1]), fields[2:]
            autoextend = bool(rest) and rest.pop(0) == "autoextend"
            maximum = parse_size(rest[1]) if autoextend and rest and rest[0] == "max" else None
            if not os.path.basename(name) or (rest and maximum is None) or (fields[2:] and not autoextend):
                raise ValueError(part)
        except (IndexError, ValueError):
            raise MariabackupError(
                f"{option} = {value!r} cannot be read.", "Its form is file:size[:autoextend[:max:size]][;file:size...]."
            ) from None
        files.append(SystemFile(name, size, autoextend, maximum))
    return tuple(files)


def compare_innodb(
    backup: Mapping[str, str],
    server: Mapping[str, str],
    *,
    sizes: Mapping[str, int] | None = None,
    server_version: Sequence[int] | None = None,
) -> list[str]:
    """Return the differences, as sentences, that would keep the server from starting on the backup's files, or from
    finding its tables there.

    All tried on 10.5.23, 10.11.19 and 11.8.6. A server starts when its ``innodb_data_file_path`` names one more file than
    there is, but the tool cannot restore for it ("cannot open file"), so that is a difference too; with another
    ``lower_case_table_names`` it starts and does not find tables.

    Args:
        backup: the values of ``backup-my.cnf`` (and ``lower_case_table_names`` where the manifest has it).
        server: the server's effective variables.
        sizes: bytes of the system tablespace files in the backup, by name; without them the configured sizes count.
        server_version: ``(11, 8, 6)``. From 10.11 on a server changes the number of undo tablespaces itself
            (MDEV-19229); before, it refuses to start when it is told of more than there are.

    The checksum algorithm and the size of the redo log are not compared: the server reads every algorithm, and makes a
    redo log of its own size.
    """
    old = {name.replace("-", "_"): str(value).strip().strip("\"'") for name, value in backup.items()}
    new = {name.replace("-", "_"): str(value).strip().strip("\"'") for name, value in server.items()}
    found: list[str] = []
    if old.get("innodb_page_size") and new.get("innodb_page_size"):
        pages = [parse_size(values["innodb_page_size"]) for values in (old, new)]
        if pages[0] != pages[1]:
            found.append(f"innodb_page_size is {pages[0]} in the backup and {pages[1]} on the server")
    if old.get("innodb_data_file_path"):
        # An unset variable is its default, as in the server.
        found.extend(
            _compare_system_files(
                parse_data_file_path(old["innodb_data_file_path"]),
                parse_data_file_path(new.get("innodb_data_file_path", "") or "ibdata1:12M:autoextend"),
                sizes or {},
            )
        )
    undo = [values.get("innodb_undo_tablespaces", "") for values in (old, new)]
    if all(value.isdigit() for value in undo) and (server_version is None or tuple(server_version[:2]) < (10, 11)):
        if int(undo[1]) > int(undo[0]):
            found.append(f"innodb_undo_tablespaces is {undo[0]} in the backup and {undo[1]} on the server")
    case = [values.get("lower_case_table_names", "") for values in (old, new)]
    if all(case) and case[0] != case[1]:
        found.append(f"lower_case_table_names is {case[0]} in the backup and {case[1]} on the server")
    return found


def _compare_system_files(old: Sequence[SystemFile], new: Sequence[SystemFile], sizes: Mapping[str, int]) -> list[str]:
    names = [[item.name for item in files] for files in (old, new)]
    if names[0] != names[1]:
        return [
            f"innodb_data_file_path names {', '.join(names[0])} in the backup and {', '.join(names[1])} on the server"
        ]
    found: list[str] = []
    for number, (left, right) in enumerate(zip(old, new)):
        # The server counts whole mebibytes, and lets only the last file grow.
        actual = sizes.get(left.name, left.size) // _MIB
        wanted = right.size // _MIB
        grows = right.autoextend and number == len(new) - 1
        unknown = left.name not in sizes and left.autoextend
        if grows and right.maximum is not None and actual > right.maximum // _MIB:
            found.append(
                f"{left.name} has {actual} MiB in the backup, and the server lets it have {right.maximum // _MIB} MiB"
            )
            continue
        if grows and (actual >= wanted or (unknown and left.size >= right.size)):
            continue
        if not grows and actual == wanted and not unknown:
            continue
        if unknown and not grows and left.size == right.size and left.autoextend == right.autoextend:
            continue
        qualifier = " or more" if unknown else ""
        found.append(
            f"{left.name} has {actual} MiB{qualifier} in the backup, and the server's innodb_data_file_path "
            f"says {wanted} MiB{' at least' if grows else ''}"
        )
    return found
