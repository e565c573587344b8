# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is a backup's redo log whole, and was all of it applied? Read from the bytes, because the tool does not say.

``--prepare`` of a redo log that was cut ends with "completed OK!" and ``log-applied`` (10.5, 10.11 and 11.8).
The arithmetic below was found on these versions, with plain and with encrypted redo
(``innodb_encrypt_log``, file_key_management): encryption changes the magic number, not one size.

======== ==================================================== ==========================================
format   the raw log is whole when                            everything was applied when
======== ==================================================== ==========================================
blocks   size == 2048 + ceil512(last_lsn) - floor512(start),  u64 at 26 of the first system tablespace
10.5-10.7 and the last block's number and length fit last_lsn file >= last_lsn; log empty or a server's
stream   size == 12288 + last_lsn - start                     u64 at 8 of the log >= last_lsn - 16 (the
10.8+                                                         tool's log), >= last_lsn (a server's log)
======== ==================================================== ==========================================

``start`` is the u64 at offset 8 of ``ib_logfile0``; all numbers there are big-endian. After ``--export`` the
log is one that an embedded server made: creator ``MariaDB``, of full size. After incrementals the log goes
further than the full backup's ``last_lsn``, hence >= unless ``exact``.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.metadata import REDO_FILE, BackupMetadata

BLOCK = 512
BLOCK_HEADER = 12
BLOCKS_START = 2048
STREAM_START = 12288
# The redo log as it was, while a backup is prepared in place.
KEPT_REDO_FILE = ".mariabackup-redo"
PREPARED_RECORD = 16
CHECKPOINT_RECORD = 12
BLOCK_FRAME = 16  # header and trailer of a block
_PLAIN_BLOCKS = 0x50485953
_ENCRYPTED = 0x80000000
_PLAIN_STREAM = 0x50687973
# The UTF-8 bytes of a key sign; 10.8 and later mark an encrypted log with it.
_ENCRYPTED_STREAM = 0xF09F979D
_FLUSH_LSN_OFFSET = 26


@dataclass(frozen=True)
class Problem:
    """One thing that keeps a backup from being trusted: what, and in which file."""

    text: str
    path: str | None = None

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class RedoHeader:
    """The beginning of ``ib_logfile0``.

    Attributes:
        kind: ``blocks`` (10.5 to 10.7), ``stream`` (10.8 and later), ``empty`` or ``unknown``.
        start_lsn: the LSN at which the log begins.
        creator: ``Backup 10.11.19`` for the tool, ``MariaDB 10.11.19`` for a server.
        size: of the file, bytes.
    """

    kind: str
    encrypted: bool
    start_lsn: int
    creator: str
    size: int


def parse_redo_header(head: bytes, size: int) -> RedoHeader:
    """Read the first 48 bytes of a redo log (pure)."""
    if size == 0:
        return RedoHeader("empty", False, 0, "", 0)
    if len(head) < 48:
        return RedoHeader("unknown", False, 0, "", size)
    magic, _version, start = struct.unpack(">IIQ", head[:16])
    creator = head[16:48].split(b"\0")[0].decode("latin-1").strip()
    kinds = {
        _PLAIN_BLOCKS: ("blocks", False),
        _PLAIN_BLOCKS | _ENCRYPTED: ("blocks", True),
        _PLAIN_STREAM: ("stream", False),
        _ENCRYPTED_STREAM: ("stream", True),
    }
    kind, encrypted = kinds.get(magic, ("unknown", False))
    return RedoHeader(kind, encrypted, start, creator, size)


def read_redo_header(directory: str, name: str = REDO_FILE) -> RedoHeader | None:
    """Read the header of the log in a backup; None when there is no log.

    Raises:
        OSError: it cannot be read.
    """
    try:
        with open(os.path.join(directory, name), "rb") as stream:
            return parse_redo_header(stream.read(64), os.fstat(stream.fileno()).st_size)
    except FileNotFoundError:
        return None


def blocks_size(start_lsn: int, last_lsn: int) -> int:
    """Return the size in bytes that a whole raw log of 10.5 to 10.7 has."""
    return BLOCKS_START + -(-last_lsn // BLOCK) * BLOCK - start_lsn // BLOCK * BLOCK


def stream_size(start_lsn: int, last_lsn: int) -> int:
    """Return the size in bytes that a whole raw log of 10.8 or later has."""
    return STREAM_START + last_lsn - start_lsn


def block_problem(block: bytes, last_lsn: int, encrypted: bool = False) -> str | None:
    """Check that a 512-byte block is the one that ends at ``last_lsn`` (pure).

    Its first number is ``(lsn / 512) mod 2**30 + 1`` beside a flush bit, its second the bytes used in it,
    512 for a full one. In an encrypted log only the first stays in clear (seen on 10.5.23).
    """
    if len(block) < BLOCK:
        return "its last block is not whole"
    number, used = struct.unpack(">IH", block[:6])
    number &= 0x7FFFFFFF
    expected_number, expected_used = (last_lsn // BLOCK & 0x3FFFFFFF) + 1, last_lsn % BLOCK
    if number != expected_number:
        return f"its last block has the number {number}, not {expected_number}"
    if used != expected_used and not encrypted:
        return f"its last block holds {used} bytes, not {expected_used}"
    return None


def check_raw_redo(directory: str, meta: BackupMetadata, name: str = REDO_FILE) -> list[Problem]:
    """Check that the log of a backup that is not prepared reaches ``last_lsn``, to the byte.

    Raises:
        OSError: the log cannot be read.
    """
    path = os.path.join(directory, name)
    header = read_redo_header(directory, name)
    if header is None:
        return [Problem(f"The redo log {REDO_FILE} is missing.", path)]
    if header.kind == "empty":
        return [Problem(f"The redo log {REDO_FILE} is empty, so nothing can be applied.", path)]
    if header.kind == "unknown":
        return [Problem(f"{REDO_FILE} is not a redo log of MariaDB 10.5 or later.", path)]
    if header.start_lsn > meta.to_lsn and meta.to_lsn:
        return [Problem(f"{REDO_FILE} begins at LSN {header.start_lsn}, after the checkpoint {meta.to_lsn}.", path)]
    last = meta.last_lsn
    if header.kind == "stream":
        expected = stream_size(header.start_lsn, last)
        return [] if header.size == expected else [_cut(header.size, expected, path, last)]
    # At an LSN right behind a block's header nothing of that block has been written yet.
    if last % BLOCK == BLOCK_HEADER and header.size == blocks_size(header.start_lsn, last) - BLOCK:
        return []
    expected = blocks_size(header.start_lsn, last)
    if header.size != expected:
        return [_cut(header.size, expected, path, last)]
    with open(path, "rb") as stream:
        stream.seek(-BLOCK, os.SEEK_END)
        text = block_problem(stream.read(BLOCK), last, header.encrypted)
    return [Problem(f"{REDO_FILE} does not end at LSN {last}: {text}.", path)] if text else []


def check_interrupted_redo(directory: str, meta: BackupMetadata) -> list[Problem]:
    """Check that a directory whose prepare was killed can be prepared again.

    Applying a log twice does no harm, so all that it takes is a whole log (seen: some 150 kills on 10.5, 10.11 and 11.8,
    with tables created and dropped during the backup; the second run gave the same bytes as an undisturbed one).
    Killed at the very end, the log is gone while the metadata still says ``full-backuped``: hence the kept one.

    Raises:
        OSError: a file cannot be read.
    """
    problems = check_raw_redo(directory, meta)
    if not problems or not check_raw_redo(directory, meta, KEPT_REDO_FILE):
        return []
    return problems


def _cut(size: int, expected: int, path: str, last: int) -> Problem:
    what = "was cut" if size < expected else "is too long"
    return Problem(
        f"The redo log {what}: {REDO_FILE} has {size} bytes, {expected} are needed to reach LSN {last}.", path
    )


def flush_lsn(directory: str, meta: BackupMetadata) -> int | None:
    """Return the LSN in the first page of the system tablespace, as a clean shutdown of 10.5 to 10.7 leaves it."""
    names = meta.system_files or ["ibdata1"]
    try:
        with open(os.path.join(directory, names[0]), "rb") as stream:
            head = stream.read(_FLUSH_LSN_OFFSET + 8)
    except FileNotFoundError:
        return None
    if len(head) < _FLUSH_LSN_OFFSET + 8:
        return None
    return int(struct.unpack(">Q", head[_FLUSH_LSN_OFFSET:])[0])


def uses_blocks(meta: BackupMetadata, header: RedoHeader | None) -> bool:
    """Say whether the backup is of the older format, 10.5 to 10.7."""
    if header is not None and header.kind in ("blocks", "stream"):
        return header.kind == "blocks"
    server = meta.server
    if server is not None:
        return server.series_number < (10, 8)
    return header is not None and header.kind == "empty"


def applied_lsn(directory: str, meta: BackupMetadata) -> int | None:
    """Return the LSN to which a prepared backup's log was applied; None when the files do not tell.

    Raises:
        OSError: a file cannot be read.
    """
    header = read_redo_header(directory)
    if uses_blocks(meta, header):
        return flush_lsn(directory, meta)
    if header is None or header.kind != "stream":
        return None
    # The tool leaves a log with one record of 16 bytes, a checkpoint; an embedded server leaves a larger one.
    if header.creator.startswith("Backup") and header.size == STREAM_START + PREPARED_RECORD:
        return header.start_lsn + PREPARED_RECORD
    if header.creator.startswith("MariaDB"):
        return header.start_lsn
    return None


def holds_only_checkpoint(meta: BackupMetadata) -> bool:
    """Tell whether the log of 10.5 to 10.7 can hold nothing but the record of its checkpoint (pure).

    A server that has been idle since its start has written that record alone, 12 bytes (FILE_CHECKPOINT), or 28
    when it goes on in the next block. Recovery takes such a log for empty and leaves the data at ``to_lsn``, with or
    without the record, so cutting it off loses nothing (seen on 10.5.23 right after a restart).
    """
    return meta.last_lsn - meta.to_lsn in (CHECKPOINT_RECORD, CHECKPOINT_RECORD + BLOCK_FRAME)


def check_prepared_redo(directory: str, meta: BackupMetadata, exact: bool = False) -> list[Problem]:
    """Check that prepare applied the log up to ``last_lsn``.

    Args:
        exact: the backup is a full one that was prepared alone, without ``--export``.

    Raises:
        OSError: a file cannot be read.
    """
    path = os.path.join(directory, REDO_FILE)
    header = read_redo_header(directory)
    blocks = uses_blocks(meta, header)
    if not blocks and header is None:
        return [Problem(f"{REDO_FILE} is missing; a server of 10.8 or later does not start without it.", path)]
    if header is not None and header.kind == "unknown":
        return [Problem(f"{REDO_FILE} is not a redo log of MariaDB 10.5 or later.", path)]
    if blocks and header is not None and header.kind == "blocks" and header.creator.startswith("Backup"):
        return [Problem(f"{REDO_FILE} still holds the backup's log, although the metadata says log-applied.", path)]
    reached = applied_lsn(directory, meta)
    if reached is None:
        return [Problem(f"{REDO_FILE} is not what prepare leaves: {_describe(header)}.", path)]
    if blocks and holds_only_checkpoint(meta) and reached == meta.to_lsn:
        return []
    if reached < meta.last_lsn:
        return [
            Problem(
                f"The redo log was applied only up to LSN {reached}, but the backup ends at LSN {meta.last_lsn}: "
                "it was cut before it was prepared.",
                path,
            )
        ]
    if exact and reached != meta.last_lsn:
        return [Problem(f"The data is at LSN {reached}, not at {meta.last_lsn} where the backup ends.", path)]
    return []


def _describe(header: RedoHeader | None) -> str:
    if header is None:
        return "it is missing"
    return f"{header.size} bytes, created by {header.creator or 'nobody'}"
