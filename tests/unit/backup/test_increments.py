# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Increments: the files of changed pages, and every fault in them that shows without a manifest."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.increments import delta_is_whole
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.proof import inspect_backup

from .conftest import frm

INFO = "uuid = u\ntool_version = 10.11.19-MariaDB\nserver_version = 10.11.19-MariaDB\nend_time = x\nincremental = Y\n"


def delta(pages: int, size: int = 16384) -> bytes:
    """A file of changed pages, in blocks of a quarter of the page's bytes."""
    numbers, data = size // 4, b""
    for begin in range(0, pages + 1, numbers - 1):
        count = min(numbers - 1, pages - begin)
        last = begin + numbers - 1 > pages
        head = (b"XTRA" if last else b"xtra") + struct.pack(f">{count}I", *range(begin, begin + count))
        data += (head + b"\xff\xff\xff\xff" if count < numbers - 1 else head).ljust(size, b"\0") + b"p" * size * count
    return data


def meta(size: int = 16384, packed: int = 0) -> bytes:
    return f"page_size = {size}\nzip_size = {packed}\nspace_id = 7\n".encode()


@pytest.fixture
def increment(builder) -> Path:
    """Turn a whole raw backup into an increment."""
    path: Path = builder("10.11", "raw")
    text = (path / "xtrabackup_checkpoints").read_text()
    text = text.replace("full-backuped", "incremental").replace("from_lsn = 0", "from_lsn = 1")
    (path / "xtrabackup_checkpoints").write_text(text)
    (path / "xtrabackup_info").write_text(INFO)
    (path / "ibdata1").unlink()
    (path / "shop" / "t.ibd").unlink()
    files = {
        "ibdata1.delta": delta(3),
        "ibdata1.meta": meta(),
        "shop/t.ibd.delta": delta(0),
        "shop/t.ibd.meta": meta(),
        "shop/z.frm": frm(12),
        "shop/z.ibd.delta": delta(2, 4096),
        "shop/z.ibd.meta": meta(16384, 4096),
    }
    for name, content in files.items():
        (path / name).write_bytes(content)
    return path


def texts(path: Path) -> list[str]:
    return [problem.text for problem in inspect_backup(str(path), as_increment=True).problems]


def test_a_whole_increment(increment: Path) -> None:
    proof = inspect_backup(str(increment), as_increment=True)
    assert texts(increment) == []
    assert proof.warnings == []
    assert proof.require().incremental
    assert not proof.prepared
    # Alone it is nothing to restore.
    assert "a full one is needed" in inspect_backup(str(increment)).problems[0].text


def test_a_full_backup_is_no_increment(builder) -> None:
    assert "It is not an incremental backup" in texts(builder("10.11", "raw"))[0]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("ibdata1.delta", "ibdata1.delta is missing"),
        ("ibdata1.meta", "ibdata1.meta is missing beside ibdata1.delta"),
        ("shop/t.ibd.delta", "shop/t.ibd.delta is missing beside shop/t.ibd.meta"),
        ("shop/z.ibd.meta", "shop/z.ibd.meta is missing beside shop/z.ibd.delta"),
        ("shop/m.MYD", "shop/m.MYD is missing"),
        ("ib_logfile0", "ib_logfile0 is missing"),
        ("xtrabackup_info", "info file is missing"),
    ],
)
def test_missing_files(increment: Path, name: str, says: str) -> None:
    (increment / name).unlink()
    assert any(says in text for text in texts(increment)), texts(increment)


@pytest.mark.parametrize("cut", [1, 16384, 3 * 16384, 4 * 16384])
def test_cut_deltas(increment: Path, cut: int) -> None:
    path = increment / "ibdata1.delta"
    path.write_bytes(path.read_bytes()[:-cut])
    assert any("ibdata1.delta was cut" in text for text in texts(increment))


def test_a_cut_redo_log(increment: Path) -> None:
    with open(increment / "ib_logfile0", "r+b") as stream:
        stream.truncate((increment / "ib_logfile0").stat().st_size - 1)
    assert texts(increment)


def test_no_page_size(increment: Path) -> None:
    (increment / "shop" / "z.ibd.meta").write_text("page_size = many\n")
    assert texts(increment) == ["shop/z.ibd.meta does not give the size of a page."]


@pytest.mark.parametrize("pages", [0, 1, 254, 255, 256, 510, 511, 512])
def test_blocks(tmp_path: Path, pages: int) -> None:
    """More pages than one block takes, and exactly as many."""
    path = tmp_path / "x.delta"
    data = delta(pages, 1024)
    path.write_bytes(data)
    assert delta_is_whole(str(path), 1024)
    for cut in (1, 1024, 1024 * 2):
        path.write_bytes(data[:-cut])
        assert not delta_is_whole(str(path), 1024)
    path.write_bytes(data + b"\0" * 1024)
    assert not delta_is_whole(str(path), 1024)
