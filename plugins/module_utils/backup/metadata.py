# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The small files in which the tool describes a backup, in both generations of names.

Since 11.1 they begin with ``mariadb_backup_`` instead of ``xtrabackup_``; ``backup-my.cnf``,
``xtrabackup_binlog_pos_innodb`` (written by prepare) and ``donor_galera_info`` kept their names.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.tool.version import ServerVersion, parse_version

GENERATIONS = ("mariadb_backup", "xtrabackup")
CONFIG_FILE = "backup-my.cnf"
REDO_FILE = "ib_logfile0"
CORRUPTED_PAGES_FILE = "innodb_corrupted_pages"
_KINDS = ("checkpoints", "info", "binlog_info", "slave_info", "galera_info", "galera_info_SST")
# Every file by which a backup describes itself; none of them belongs into a datadir.
METADATA_FILES = frozenset(
    [f"{generation}_{kind}" for generation in GENERATIONS for kind in _KINDS]
    + [CONFIG_FILE, CORRUPTED_PAGES_FILE, "xtrabackup_binlog_pos_innodb", "donor_galera_info", "xtrabackup_binary"]
)
FULL, INCREMENTAL, PREPARED = "full-backuped", "incremental", "log-applied"
_MAX_BYTES = 4 * 1024 * 1024
_POSITION = re.compile(r"filename '([^']*)', position '(\d+)'(?:, GTID of the last change '([^']*)')?")


@dataclass(frozen=True)
class BackupMetadata:
    """What a backup says of itself.

    Attributes:
        backup_type: ``full-backuped``, ``incremental`` or, once prepared, ``log-applied``.
        to_lsn: the checkpoint at which the backup began; base of the next incremental.
        last_lsn: the end of the copied redo log.
        uuid, start_time, end_time, tool_version, server_version: of the info file; None where it is missing.
            Times are local to the host and without a zone.
        gtid: ``gtid_current_pos`` of the server at the backup's point in time; empty without a binary log.
        options: ``backup-my.cnf``, underscores in the names.
        names: the metadata files that are there, by kind: ``checkpoints``, ``info``, ...
    """

    backup_type: str
    from_lsn: int
    to_lsn: int
    last_lsn: int
    tool_version: str | None = None
    server_version: str | None = None
    uuid: str | None = None
    start_time: str | None = None
    end_time: str | None = None
    partial: bool = False
    incremental: bool = False
    format: str | None = None
    compressed: bool = False
    gtid: str = ""
    binlog_file: str | None = None
    binlog_position: int | None = None
    slave_info: str | None = None
    galera_info: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def prepared(self) -> bool:
        """Whether the tool says that it is prepared; only ``proof`` finds out whether that is true."""
        return self.backup_type == PREPARED

    @property
    def server(self) -> ServerVersion | None:
        """The server's version, parsed; None where the info file does not tell."""
        try:
            return parse_version(self.server_version) if self.server_version else None
        except ValueError:
            return None

    @property
    def page_size(self) -> int:
        """innodb_page_size in bytes."""
        return parse_size(self.options.get("innodb_page_size", "16384"))

    @property
    def data_file_path(self) -> str:
        """innodb_data_file_path with base names only, as the tool writes it."""
        return self.options.get("innodb_data_file_path", "ibdata1:12M:autoextend")

    @property
    def system_files(self) -> list[str]:
        """The names of the system tablespace's files in the backup."""
        return [os.path.basename(part.split(":")[0]) for part in self.data_file_path.split(";") if part.strip()]

    @property
    def undo_tablespaces(self) -> int:
        """innodb_undo_tablespaces."""
        return int(self.options.get("innodb_undo_tablespaces", "0") or 0)

    @property
    def undo_directory(self) -> str:
        """innodb_undo_directory of the server."""
        return self.options.get("innodb_undo_directory", "./")

    @property
    def log_file_size(self) -> int | None:
        """innodb_log_file_size in bytes."""
        value = self.options.get("innodb_log_file_size")
        return parse_size(value) if value else None

    @property
    def layout(self) -> dict[str, str]:
        """The InnoDB and plugin settings by which the backup was written, for the manifest and comparisons."""
        return dict(sorted(self.options.items()))


def parse_size(text: str) -> int:
    """Read ``96M`` or ``100663296``.

    Raises:
        ValueError: not a size.
    """
    match = re.fullmatch(r"\s*(\d+)\s*([kKmMgGtT]?)\s*", text)
    if match is None:
        raise ValueError(f"not a size: {text!r}")
    return int(match.group(1)) << 10 * " kmgt".index(match.group(2).lower() or " ")


def parse_pairs(text: str) -> dict[str, str]:
    """Read ``name = value`` lines; a line without ``=`` continues the value before it (long GTID lists)."""
    pairs: dict[str, str] = {}
    last: str | None = None
    for line in text.splitlines():
        match = re.match(r"([A-Za-z_]+) =(?: (.*))?$", line)
        if match:
            last = match.group(1)
            pairs[last] = (match.group(2) or "").strip()
        elif last is not None and line.strip():
            pairs[last] += line.strip()
    return pairs


def parse_checkpoints(text: str) -> dict[str, Any]:
    """Read a checkpoints file.

    Raises:
        ValueError: a line that every backup has is missing or is not a number.
    """
    pairs = parse_pairs(text)
    kind = pairs.get("backup_type")
    if kind not in (FULL, INCREMENTAL, PREPARED):
        if kind == "full-prepared":
            raise ValueError("backup_type is full-prepared, which Percona XtraBackup writes and MariaDB never does")
        raise ValueError(f"backup_type is {kind!r}" if kind else "there is no backup_type")
    values: dict[str, Any] = {"backup_type": kind}
    for name in ("from_lsn", "to_lsn", "last_lsn"):
        if not pairs.get(name, "").isdigit():
            raise ValueError(f"{name} is {pairs.get(name)!r}")
        values[name] = int(pairs[name])
    return values


def parse_binlog_info(text: str) -> tuple[str | None, int | None, str]:
    """Read ``file TAB position TAB gtid``; a GTID list may go on over lines."""
    parts = text.strip().split("\t")
    if len(parts) < 2 or not parts[1].strip().isdigit():
        return None, None, ""
    return parts[0].strip() or None, int(parts[1]), "".join("".join(parts[2:]).split())


def parse_options(text: str) -> dict[str, str]:
    """Read ``backup-my.cnf``: names with underscores, values as they are."""
    options: dict[str, str] = {}
    for line in text.splitlines():
        stripped = line.strip()
        if not stripped or stripped[0] in "#;[":
            continue
        name, _separator, value = stripped.partition("=")
        options[name.strip().replace("-", "_")] = value.strip()
    return options


def build(files: Mapping[str, str]) -> BackupMetadata:
    """Make the metadata out of the texts of the files, by file name (pure).

    Raises:
        ValueError: the checkpoints file is missing or damaged.
    """
    names: dict[str, str] = {}
    for generation in GENERATIONS:
        for kind in _KINDS:
            if f"{generation}_{kind}" in files:
                names.setdefault(kind, f"{generation}_{kind}")
    if "checkpoints" not in names:
        raise ValueError("there is no xtrabackup_checkpoints or mariadb_backup_checkpoints")
    values = parse_checkpoints(files[names["checkpoints"]])
    info = parse_pairs(files[names["info"]]) if "info" in names else {}
    binlog_file, binlog_position, gtid = parse_binlog_info(files.get(names.get("binlog_info", ""), ""))
    match = _POSITION.search(info.get("binlog_pos", ""))
    if match and binlog_file is None:
        binlog_file, binlog_position, gtid = match.group(1), int(match.group(2)), match.group(3) or ""
    return BackupMetadata(
        tool_version=info.get("tool_version") or None,
        server_version=info.get("server_version") or None,
        uuid=info.get("uuid") or None,
        start_time=info.get("start_time") or None,
        end_time=info.get("end_time") or None,
        partial=info.get("partial") == "Y",
        # The info file of a full backup onto which increments were applied is that of the last one.
        incremental=values["backup_type"] == INCREMENTAL
        or (info.get("incremental") == "Y" and values["backup_type"] != PREPARED),
        format=info.get("format") or None,
        compressed=info.get("compressed", "N") not in ("N", ""),
        gtid=gtid,
        binlog_file=binlog_file,
        binlog_position=binlog_position,
        slave_info=files.get(names.get("slave_info", "")),
        galera_info=(files.get(names.get("galera_info", "")) or "").strip() or None,
        options=parse_options(files.get(CONFIG_FILE, "")),
        names=names,
        **values,
    )


def read_metadata_files(path: str) -> dict[str, str]:
    """Return the texts of the metadata files in a directory, by name.

    Raises:
        OSError: a file cannot be read.
        ValueError: a file is far too large to be one of the tool's.
    """
    files: dict[str, str] = {}
    for name in sorted(METADATA_FILES):
        place = os.path.join(path, name)
        if name in ("donor_galera_info", "xtrabackup_binary") or not os.path.isfile(place):
            continue
        if os.path.getsize(place) > _MAX_BYTES:
            raise ValueError(f"{name} is larger than {_MAX_BYTES} bytes")
        with open(place, encoding="utf-8", errors="surrogateescape") as stream:
            files[name] = stream.read()
    return files


def read_metadata(path: str) -> BackupMetadata:
    """Read the metadata of the backup in a directory.

    Raises:
        MariabackupError: the directory is missing, holds no backup, or a backup whose description is damaged.
    """
    if not os.path.isdir(path):
        raise MariabackupError(f"{path} is not a directory.", "Name the directory of a backup.")
    try:
        return build(read_metadata_files(path))
    except (OSError, ValueError) as error:
        raise MariabackupError(
            f"{path} is not a readable backup: {error}.",
            "Name the directory of a finished backup; one whose run was aborted cannot be used.",
        ) from error
