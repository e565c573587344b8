# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The redo arithmetic, on the headers and last blocks of real backups: every cut is caught."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.metadata import build, read_metadata
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.redo import (
    applied_lsn,
    block_problem,
    blocks_size,
    check_prepared_redo,
    check_raw_redo,
    parse_redo_header,
    read_redo_header,
    stream_size,
)

from .conftest import SAMPLES, Builder, write_sparse


def named(state: str) -> list[Any]:
    return [pytest.param(one, id=one["name"]) for one in SAMPLES if one["state"] == state]


def directory(tmp_path: Path, one: dict[str, Any]) -> Path:
    return Builder(tmp_path / "b", one["version"], one["state"], one["encrypted"]).build()


@pytest.mark.parametrize("one", named("raw"))
def test_whole_log(tmp_path: Path, one: dict[str, Any]) -> None:
    path = directory(tmp_path, one)
    meta = read_metadata(str(path))
    assert check_raw_redo(str(path), meta) == []
    header = read_redo_header(str(path))
    assert header is not None
    assert header.kind == ("blocks" if one["version"] == "10.5" else "stream")
    assert header.encrypted is one["encrypted"]
    assert header.creator.startswith("Backup ")
    assert check_prepared_redo(str(path), meta)


@pytest.mark.parametrize("one", named("raw"))
def test_every_cut_is_caught(tmp_path: Path, one: dict[str, Any]) -> None:
    path = directory(tmp_path, one)
    meta = read_metadata(str(path))
    log = path / "ib_logfile0"
    size = log.stat().st_size
    with open(log, "r+b") as stream:
        for cut in sorted({*range(1, 1400), *range(512, size, 512), size - 1, size}):
            stream.truncate(size - cut)
            assert check_raw_redo(str(path), meta), f"a cut of {cut} bytes is not noticed"


@pytest.mark.parametrize("one", named("raw"))
def test_a_log_that_was_padded_is_caught(tmp_path: Path, one: dict[str, Any]) -> None:
    path = directory(tmp_path, one)
    os.truncate(path / "ib_logfile0", (path / "ib_logfile0").stat().st_size + 512)
    assert "is too long" in check_raw_redo(str(path), read_metadata(str(path)))[0].text


def test_a_last_block_of_zeros_is_caught(tmp_path: Path) -> None:
    one = next(one for one in SAMPLES if one["name"] == "10.5 raw")
    path = directory(tmp_path, one)
    write_sparse(path / "ib_logfile0", one["redo"]["size"], bytes.fromhex(one["redo"]["head"]))
    assert "last block has the number 0" in check_raw_redo(str(path), read_metadata(str(path)))[0].text


@pytest.mark.parametrize("one", named("prepared"))
def test_prepared(tmp_path: Path, one: dict[str, Any]) -> None:
    path = directory(tmp_path, one)
    meta = read_metadata(str(path))
    assert check_prepared_redo(str(path), meta, exact=True) == []
    assert applied_lsn(str(path), meta) == meta.last_lsn


@pytest.mark.parametrize("one", named("exported"))
def test_exported(tmp_path: Path, one: dict[str, Any]) -> None:
    path = directory(tmp_path, one)
    assert check_prepared_redo(str(path), read_metadata(str(path))) == []


@pytest.mark.parametrize("one", [*named("prepared"), *named("exported")])
def test_prepared_from_a_cut_log(tmp_path: Path, one: dict[str, Any]) -> None:
    """The same bytes with a backup that ends later: what a cut log leaves after prepare."""
    path = directory(tmp_path, one)
    meta = read_metadata(str(path))
    texts = dict(one["files"])
    name = meta.names["checkpoints"]
    last = applied_lsn(str(path), meta) or 0
    texts[name] = texts[name].replace(f"last_lsn = {meta.last_lsn}", f"last_lsn = {last + 1}")
    assert "applied only up to LSN" in check_prepared_redo(str(path), build(texts))[0].text


@pytest.mark.parametrize("one", named("prepared"))
def test_a_prepared_backup_without_its_log(tmp_path: Path, one: dict[str, Any]) -> None:
    path = directory(tmp_path, one)
    (path / "ib_logfile0").unlink()
    problems = check_prepared_redo(str(path), read_metadata(str(path)))
    # Before 10.8 a server makes a new log when there is none.
    assert bool(problems) is (one["version"] != "10.5")


def test_log_that_is_none(tmp_path: Path) -> None:
    path = directory(tmp_path, next(one for one in SAMPLES if one["name"] == "11.8 raw"))
    meta = read_metadata(str(path))
    log = path / "ib_logfile0"
    log.write_bytes(b"x" * 20000)
    assert "is not a redo log" in check_raw_redo(str(path), meta)[0].text
    log.write_bytes(b"")
    assert "is empty" in check_raw_redo(str(path), meta)[0].text
    log.unlink()
    assert "is missing" in check_raw_redo(str(path), meta)[0].text


def test_sizes() -> None:
    assert blocks_size(45079, 5657937) == 5615104
    assert stream_size(44760, 5325538) == 5293066
    assert parse_redo_header(b"", 0).kind == "empty"
    assert parse_redo_header(b"short", 5).kind == "unknown"


def test_block_at_its_limits() -> None:
    def block(number: int, used: int) -> bytes:
        return number.to_bytes(4, "big") + used.to_bytes(2, "big") + b"\0" * 506

    assert block_problem(block(0x80000001, 100), 100) is None
    assert block_problem(block(1, 101), 100) == "its last block holds 101 bytes, not 100"
    assert block_problem(block(1, 101), 100, encrypted=True) is None
    assert block_problem(block(2, 100), 100) == "its last block has the number 2, not 1"
    assert block_problem(b"short", 100) == "its last block is not whole"
    # Numbers begin again after 2**30 blocks.
    lsn = (1 << 30) * 512 + 20
    assert block_problem(block(1, 20), lsn) is None
