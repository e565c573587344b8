# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups for the unit tests: built from the descriptions and the first and last bytes of real ones."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

DATA = Path(__file__).parent / "data"
SAMPLES: list[dict[str, Any]] = json.loads((DATA / "backups.json").read_text())
# A view, a MyISAM and an InnoDB table definition, as far as the proof reads them.
VIEW = b"TYPE=VIEW\nquery=select 1\n"


def frm(engine: int, text: bytes = b"") -> bytes:
    return b"\xfe\x01\x0a" + bytes([engine]) + b"\0" * 60 + text


def ibd(pages: int, flags: int = 0x15) -> bytes:
    """The first page of a tablespace with 16 KiB pages (flags 0x15: full_crc32, 512 << 5)."""
    head = bytearray(16384)
    head[46:50] = pages.to_bytes(4, "big")
    head[54:58] = flags.to_bytes(4, "big")
    return bytes(head)


def sample(version: str, state: str, encrypted: bool = False) -> dict[str, Any]:
    return next(
        one for one in SAMPLES if (one["version"], one["state"], one["encrypted"]) == (version, state, encrypted)
    )


def write_sparse(path: Path, size: int, head: bytes, tail: bytes = b"") -> None:
    with open(path, "wb") as stream:
        stream.truncate(size)
        stream.seek(max(0, size - len(tail)))
        stream.write(tail)
        stream.seek(0)
        stream.write(head[:size])


@dataclass
class Builder:
    """Makes a directory that looks like a sample."""

    path: Path
    version: str = "10.11"
    state: str = "raw"
    encrypted: bool = False
    schema: dict[str, bytes] = field(default_factory=dict)

    def build(self) -> Path:
        one = sample(self.version, self.state, self.encrypted)
        self.path.mkdir(parents=True)
        for name, text in one["files"].items():
            (self.path / name).write_text(text)
        redo = one["redo"]
        write_sparse(self.path / "ib_logfile0", redo["size"], bytes.fromhex(redo["head"]), bytes.fromhex(redo["tail"]))
        write_sparse(self.path / "ibdata1", 12 * 1024 * 1024, bytes.fromhex(one["ibdata1"]))
        shop = self.path / "shop"
        shop.mkdir()
        files = {
            "db.opt": b"default-character-set=utf8mb4\n",
            "v.frm": VIEW,
            "m.frm": frm(9),
            "m.MYD": b"data",
            "m.MYI": b"index",
            "t.frm": frm(12),
            "t.ibd": ibd(1),
            **self.schema,
        }
        for name, content in files.items():
            (shop / name).write_bytes(content)
        return self.path


@pytest.fixture
def builder(tmp_path: Path):
    def make(version: str = "10.11", state: str = "raw", encrypted: bool = False, **schema: bytes) -> Path:
        names = {name.replace("__", "."): content for name, content in schema.items()}
        return Builder(tmp_path / "backup", version, state, encrypted, names).build()

    os.umask(0o077)
    return make
