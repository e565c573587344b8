# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the binary logs of a stopped server end, read from the files: the server itself can no longer be asked.

A server that was stopped has written its state beside them. One that died has not: then the last binary log tells. Its
second event lists the state at its beginning, and each transaction in it begins with a GTID event. Layout of the
events: MariaDB's documentation, "Replication protocol", events 0x0f, 0xa2, 0xa3 and 0xa4.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.server.gtid import Gtid, merge, parse_list

_MAGIC = b"\xfebin"
_HEADER = struct.Struct("<IBIIIH")
_GTID = 162
_GTID_LIST = 163
_START_ENCRYPTION = 164
# Added where the last file of a lost history is not known: more binary logs than there are between a backup and a restore.
BLIND_FILES = 100_000


@dataclass
class BinlogEnd:
    """The end of a history.

    Attributes:
        state: the highest number of each domain and server.
        source: the file that told; empty when there is no binary log.
        complete: False when a file could not be read to its end, so that higher numbers may exist.
        note: why, for the operator.
        last_file: name of the newest binary log, without its directory; empty when there is none. An empty file of
            this name, staged beside the ``.state`` file of a new set, makes the server give its first binary log the
            next number (seen on 10.5, 10.11 and 11.8). Without it the numbers start at 000001 again, and a replica
            that replicates by file and position finds "its" file in the new history one day and goes on. The file
            is never in the index; it can be removed once the server is up.
    """

    state: list[Gtid] = field(default_factory=list)
    source: str = ""
    complete: bool = True
    note: str = ""
    last_file: str = ""


def binlog_basename(options: Mapping[str, str]) -> str | None:
    """Return the path of the binary logs without number, or None when the server writes none."""
    name = options.get("log_bin", "")
    if not name:  # Any other word is a name: seen with ON and 0.
        return None
    path = os.path.join(options.get("datadir", "/"), name)
    head, tail = os.path.split(path)
    return os.path.join(head, tail.partition(".")[0] if "." in tail else tail)


def binlog_index(options: Mapping[str, str]) -> str | None:
    """Return the path of the index of the binary logs."""
    base = binlog_basename(options)
    if base is None:
        return None
    name = options.get("log_bin_index", "")
    return os.path.join(options.get("datadir", "/"), name) if name else base + ".index"


def last_binlog(index: str, datadir: str) -> str | None:
    """Return the newest binary log that an index names; None without one."""
    try:
        with open(index, encoding="utf-8", errors="surrogateescape") as stream:
            names = [line.strip() for line in stream if line.strip()]
    except OSError:
        return None
    return os.path.join(datadir, names[-1]) if names else None


def file_number(name: str) -> int:
    """Return the number in the name of a binary log; 0 where there is none."""
    digits = name.rpartition(".")[2]
    return int(digits) if digits.isdigit() else 0


def far_above(stem: str, *names: str | None) -> str:
    """Return the name of a binary log that no history has reached of which only ``names`` are known.

    Args:
        stem: the base name of the server's binary logs, without directory.
        names: of binary logs; what is empty does not count.
    """
    return f"{stem}.{max(file_number(name or '') for name in names) + BLIND_FILES:06d}"


def scan_binlog(data: mmap.mmap | bytes) -> tuple[list[Gtid], bool, str]:
    """Collect the GTIDs of one binary log.

    Returns:
        the highest of each domain and server, whether everything could be read, and why not. A last event that is
        cut does not count: the server drops it as well when it recovers.
    """
    size = len(data)
    if data[:4] != _MAGIC:
        return [], False, "it does not begin like a binary log"
    highest: dict[tuple[int, int], int] = {}
    position = 4
    while position + _HEADER.size <= size:
        kind, server_id, length = _HEADER.unpack_from(data, position)[1:4]
        if length < _HEADER.size or position + length > size:
            break
        body = position + _HEADER.size
        if kind == _GTID:
            sequence, domain_id = struct.unpack_from("<QI", data, body)
            highest[domain_id, server_id] = max(sequence, highest.get((domain_id, server_id), 0))
        elif kind == _GTID_LIST:
            count = struct.unpack_from("<I", data, body)[0] & 0x0FFFFFFF
            for number in range(count):
                domain_id, server, sequence = struct.unpack_from("<IIQ", data, body + 4 + 16 * number)
                highest[domain_id, server] = max(sequence, highest.get((domain_id, server), 0))
        elif kind == _START_ENCRYPTION:
            return [], False, "it is encrypted"
        position += length
    return [Gtid(domain, server, sequence) for (domain, server), sequence in highest.items()], True, ""


def read_binlog_end(options: Mapping[str, str]) -> BinlogEnd:
    """Return where the history of a stopped server ends, from its ``options`` (see `options.read_options`)."""
    base = binlog_basename(options)
    index = binlog_index(options)
    if base is None or index is None:
        return BinlogEnd()
    return read_end(base + ".state", last_binlog(index, options.get("datadir", "/")))


def read_end(state_file: str, name: str | None) -> BinlogEnd:
    """Return where a history ends, from the file with its state, or else from its last binary log.

    Args:
        state_file: the path that the state has when the server was stopped in order.
        name: path of the newest binary log; None without one.
    """
    last_file = os.path.basename(name) if name else ""
    try:
        with open(state_file, encoding="utf-8") as stream:
            return BinlogEnd(merge([parse_list(stream.read())]), state_file, last_file=last_file)
    except (OSError, MariabackupError):
        pass  # A server that died has left none: then the binary log itself tells.
    if name is None:
        return BinlogEnd()
    state: list[Gtid] = []
    try:
        if os.path.getsize(name) == 0:
            complete, why = False, "it is empty"
        else:
            with open(name, "rb") as raw, mmap.mmap(raw.fileno(), 0, access=mmap.ACCESS_READ) as data:
                state, complete, why = scan_binlog(data)
    except OSError as error:
        complete, why = False, error.strerror or str(error)
    note = "" if complete else f"The binary log {name} cannot be read: {why}."
    return BinlogEnd(merge([state]), name, complete, note, last_file)
