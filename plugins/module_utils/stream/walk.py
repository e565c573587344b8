# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at a stream of mbstream while it flows by: which files it holds and whether they are whole.

``mbstream`` ends with 0 when its input stops between two chunks (facts, section 7), so somebody else has to know what a stream
holds. This runs as a program in the pipe. Only the heads of the chunks come into its memory: the kernel moves the rest from
pipe to pipe (splice(2)), so it costs next to nothing.

A chunk, as mbstream reads it (the kinds were tried against 10.11 and 11.8)::

    8 bytes  XBSTCK01
    1 byte   flags; 2: the file is written anew
    1 byte   P payload, S seek, R rename, D remove, E end of the file
    4 bytes  length of the path, and the path
    P: 8 bytes length, 8 bytes offset, 4 bytes CRC-32, the payload
    S: 8 bytes offset      R: 4 bytes length of the new path, and the new path
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import signal
import struct
import sys
from collections.abc import Collection
from dataclasses import dataclass, field

#: the command of the runner that walks
COMMAND = "walk"
MAGIC = b"XBSTCK01"
_REWRITE = 2
_LONGEST_PATH = 4096
_LARGEST_KEPT = 4 * 1024 * 1024
_COPY_BYTES = 1024 * 1024
_splice = ctypes.CDLL(None, use_errno=True).splice
_splice.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint)
_splice.restype = ctypes.c_ssize_t


class StreamError(Exception):
    """The stream is none of mbstream, or was cut short."""


@dataclass
class Contents:
    """What a stream holds.

    Attributes:
        files: size in bytes of each file, by its path.
        unfinished: files whose end has not come by.
        kept: the content of the files that were asked for, by path.
    """

    files: dict[str, int] = field(default_factory=dict)
    unfinished: set[str] = field(default_factory=set)
    kept: dict[str, bytes] = field(default_factory=dict)


class _Walker:
    def __init__(self, reader: int, writer: int, keep: Collection[str]) -> None:
        self._reader = reader
        self._writer = writer
        self._keep = keep
        self._offset = 0
        self._splices = True
        self.contents = Contents()

    def run(self) -> Contents:
        while True:
            head = self._take(14, may_end=True)
            if not head:
                return self._finished()
            magic, flags, kind, length = struct.unpack("<8sBcI", head)
            if magic != MAGIC:
                raise StreamError(f"there is no chunk at byte {self._offset - 14}")
            self._chunk(kind, flags, self._path(length))

    def _finished(self) -> Contents:
        if not self.contents.files:
            raise StreamError("it is empty")
        if self.contents.unfinished:
            names = ", ".join(sorted(self.contents.unfinished)[:3])
            raise StreamError(f"it was cut short: the end of {names} is missing")
        return self.contents

    def _chunk(self, kind: bytes, flags: int, path: str) -> None:
        files, unfinished = self.contents.files, self.contents.unfinished
        if kind == b"P":
            length, offset, _checksum = struct.unpack("<QQI", self._take(20))
            if flags & _REWRITE and offset == 0:
                files[path] = 0
            files[path] = max(files.get(path, 0), offset + length)
            unfinished.add(path)
            self._payload(path, length)
        elif kind == b"S":
            (offset,) = struct.unpack("<Q", self._take(8))
            files[path] = max(files.get(path, 0), offset)
            unfinished.add(path)
        elif kind == b"E":
            files.setdefault(path, 0)
            unfinished.discard(path)
        elif kind == b"D":
            files.pop(path, None)
            self.contents.kept.pop(path, None)
            unfinished.discard(path)
        elif kind == b"R":
            (length,) = struct.unpack("<I", self._take(4))
            new = self._path(length)
            files[new] = files.pop(path, 0)
            if path in unfinished:
                unfinished.discard(path)
                unfinished.add(new)
        else:
            raise StreamError(f"the chunk before byte {self._offset} is of the unknown kind {kind!r}")

    def _path(self, length: int) -> str:
        if not 0 < length <= _LONGEST_PATH:
            raise StreamError(f"a path of {length} bytes before byte {self._offset}")
        path = os.fsdecode(self._take(length))
        # The tool writes ./ before some names, and mbstream makes of both the same file.
        while path.startswith("./"):
            path = path[2:]
        if path.startswith("/") or ".." in path.split("/"):
            raise StreamError(f"it has the path {path!r}, which leads out of its directory")
        return path

    def _payload(self, path: str, length: int) -> None:
        if path in self._keep:
            if len(self.contents.kept.get(path, b"")) + length > _LARGEST_KEPT:
                raise StreamError(f"{path} is too large")
            self.contents.kept[path] = self.contents.kept.get(path, b"") + self._take(length)
            return
        self._offset += length
        while length:
            moved = self._move(length)
            if moved == 0:
                raise StreamError(f"it was cut short in {path}")
            length -= moved

    def _move(self, most: int) -> int:
        """Pass up to ``most`` bytes on without looking at them; 0 at the end of the stream."""
        if self._splices:
            moved = _splice(self._reader, None, self._writer, None, most, 0)
            if moved >= 0:
                return int(moved)
            number = ctypes.get_errno()
            if number == errno.EINTR:
                return self._move(most)
            if number != errno.EINVAL:
                raise OSError(number, os.strerror(number))
            self._splices = False  # neither end is a pipe
        data = os.read(self._reader, min(most, _COPY_BYTES))
        self._write(data)
        return len(data)

    def _take(self, count: int, may_end: bool = False) -> bytes:
        """Read exactly ``count`` bytes and pass them on."""
        data = b""
        while len(data) < count:
            piece = os.read(self._reader, count - len(data))
            if not piece:
                if may_end and not data:
                    return b""
                raise StreamError("it was cut short inside of a chunk")
            data += piece
        self._offset += count
        self._write(data)
        return data

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._writer, view) :]


def walk(reader: int, writer: int, keep: Collection[str] = ()) -> Contents:
    """Pass a stream from one descriptor to the other and return what it holds.

    Args:
        keep: paths of small files whose content is wanted.

    Raises:
        StreamError: it is damaged. What came before has been passed on.
        OSError: it cannot be read or passed on.
    """
    return _Walker(reader, writer, keep).run()


def main(report: str, keep: Collection[str]) -> int:
    """Walk from stdin to stdout and write the contents to the file ``report``; returns the exit code.

    The report is there only when the stream is whole. Kept files are in it as text, as the file system's names are encoded.
    """
    # Python ignores it, and then this program would look like the cause where its neighbour has died.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        found = walk(0, 1, keep)
    except (StreamError, OSError) as error:
        sys.stderr.write(f"the stream of mbstream is damaged: {error}\n")
        return 1
    kept = {path: os.fsdecode(data) for path, data in found.kept.items()}
    temporary = f"{report}.tmp"
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as stream:
        json.dump({"files": found.files, "kept": kept}, stream)
    os.rename(temporary, report)
    return 0
