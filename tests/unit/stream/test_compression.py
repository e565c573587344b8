# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs that compress: their arguments, and where they are looked for."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.stream import compression
from ansible_collections.dba.mariabackup.plugins.module_utils.stream.compression import (
    compress_filter,
    decompress_filter,
    suffix,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.stream.programs import find_program


def test_suffixes() -> None:
    assert [suffix(name) for name in ("none", "zstd", "lz4", "gzip")] == ["", ".zst", ".lz4", ".gz"]
    assert set(compression.LEVELS) == set(compression.DEFAULT_LEVELS) == set(compression.SUFFIXES) - {"none"}
    for wrong in ("", "xz", "ZSTD", ".zst"):
        with pytest.raises(MariabackupError, match=r"Choose one of none, zstd, lz4, gzip"):
            suffix(wrong)
        with pytest.raises(MariabackupError):
            decompress_filter(wrong, "/bin/x")


@pytest.mark.parametrize(
    ("name", "level", "threads", "program", "expected"),
    [
        ("zstd", None, 1, "/bin/zstd", "/bin/zstd -T1 -3 -q -c"),
        ("zstd", 19, 8, "/bin/zstd", "/bin/zstd -T8 -19 -q -c"),
        ("lz4", None, 1, "/bin/lz4", "/bin/lz4 -1 -q -c"),
        ("lz4", 12, 4, "/bin/lz4", "/bin/lz4 -12 -q -c"),
        ("gzip", None, 4, "/bin/gzip", "/bin/gzip -6 -c"),
        ("gzip", 1, 4, "/bin/pigz", "/bin/pigz -p 4 -1 -c"),
    ],
)
def test_compress(name: str, level: int | None, threads: int, program: str, expected: str) -> None:
    found = compress_filter(name, level, threads, program)
    assert found is not None
    assert found.argv == tuple(expected.split())
    assert found.name == program.rsplit("/", 1)[1]


@pytest.mark.parametrize(
    ("name", "program", "expected"),
    [
        ("zstd", "/bin/zstd", "/bin/zstd -d -q -c"),
        ("lz4", "/bin/lz4", "/bin/lz4 -d -q -c"),
        ("gzip", "/bin/gzip", "/bin/gzip -dc"),
        ("gzip", "/bin/pigz", "/bin/pigz -dc"),
    ],
)
def test_decompress(name: str, program: str, expected: str) -> None:
    found = decompress_filter(name, program)
    assert found is not None
    assert found.argv == tuple(expected.split())


def test_none_needs_no_program() -> None:
    assert compress_filter("none") is None
    assert compress_filter("none", 99) is None
    assert decompress_filter("none") is None


@pytest.mark.parametrize(("name", "highest"), [("zstd", 19), ("lz4", 12), ("gzip", 9)])
def test_levels(name: str, highest: int) -> None:
    for level in (-1, 0, highest + 1):
        with pytest.raises(MariabackupError, match=f"level {level} is out of range.* from 1 to {highest}"):
            compress_filter(name, level, 1, "/bin/x")
    for level in (1, highest):
        found = compress_filter(name, level, 1, "/bin/x")
        assert found is not None
        assert f"-{level}" in found.argv


def test_threads_are_positive() -> None:
    with pytest.raises(MariabackupError, match="threads is 0"):
        compress_filter("zstd", 3, 0, "/bin/zstd")


def executable(path: Path) -> str:
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return str(path)


def test_programs_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    zstd = executable(tmp_path / "zstd")
    assert find_program("zstd", "zstd") == zstd
    for found in (compress_filter("zstd"), decompress_filter("zstd")):
        assert found is not None
        assert found.argv[0] == zstd
    gzip, pigz = executable(tmp_path / "gzip"), str(tmp_path / "pigz")
    monkeypatch.setattr(shutil, "which", lambda name, path: gzip if name == "gzip" else None)
    assert compression.find_compressor("gzip") == gzip
    monkeypatch.setattr(shutil, "which", lambda name, path: str(tmp_path / name))
    assert compression.find_compressor("gzip") == pigz


def test_a_program_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name, path: None)
    with pytest.raises(MariabackupError) as caught:
        compress_filter("zstd")
    assert caught.value.cause == "zstd is not installed on this host."
    assert caught.value.action == "Install the package zstd."
    with pytest.raises(MariabackupError, match=r"gzip is not installed on this host\."):
        decompress_filter("gzip")
