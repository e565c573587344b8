# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The contents of a stream of mbstream, seen while it flows by: streams of the real program, whole, cut, and damaged."""

from __future__ import annotations

import contextlib
import os
import struct
import subprocess
import threading
from pathlib import Path

import pytest

from ansible_collections.dba.mariabackup.plugins.module_utils.stream import walk as walking
from ansible_collections.dba.mariabackup.plugins.module_utils.stream.walk import MAGIC, Contents, StreamError, walk

FILES = {"ibdata1": 3_000_000, "shop/orders.ibd": 25_000_000, "shop/db.opt": 67, "empty": 0, "xtrabackup_info": 200}


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What mbstream makes of FILES."""
    top = tmp_path_factory.mktemp("files")
    for name, size in FILES.items():
        (top / name).parent.mkdir(exist_ok=True)
        (top / name).write_bytes(os.urandom(size))
    return subprocess.run(["mbstream", "-c", *FILES], cwd=top, stdout=subprocess.PIPE, check=True).stdout


def _walk(data: bytes, keep: tuple[str, ...] = ()) -> tuple[Contents, bytes]:
    """Send data through a walker between two pipes; return what it found and what came out."""
    inward, outward = os.pipe(), os.pipe()
    out: list[bytes] = []

    def feed() -> None:
        with open(inward[1], "wb") as pipe:
            try:
                pipe.write(data)
            except BrokenPipeError:
                pass

    def drain() -> None:
        with open(outward[0], "rb") as pipe:
            out.append(pipe.read())

    threads = [threading.Thread(target=feed), threading.Thread(target=drain)]
    for thread in threads:
        thread.start()
    try:
        found = walk(inward[0], outward[1], keep)
    finally:
        os.close(inward[0])
        os.close(outward[1])
        for thread in threads:
            thread.join()
    return found, out[0]


def _chunk(kind: bytes, path: str, rest: bytes = b"", flags: int = 0) -> bytes:
    name = path.encode()
    return b"XBSTCK01" + bytes([flags]) + kind + struct.pack("<I", len(name)) + name + rest


def _payload(path: str, data: bytes, offset: int = 0, flags: int = 0) -> bytes:
    return _chunk(b"P", path, struct.pack("<QQI", len(data), offset, 0) + data, flags)


def test_it_passes_everything_on_and_knows_every_file(stream: bytes) -> None:
    found, out = _walk(stream, keep=("xtrabackup_info",))
    assert out == stream
    assert found.files == FILES
    assert not found.unfinished
    assert list(found.kept) == ["xtrabackup_info"]
    assert len(found.kept["xtrabackup_info"]) == FILES["xtrabackup_info"]
    assert found.kept["xtrabackup_info"] in stream


def test_a_stream_that_stops_is_noticed_wherever_it_stops(stream: bytes) -> None:
    """mbstream itself ends with 0 where it stops between two chunks."""
    for place in (1, 5, 13, 14, 20, 40, len(stream) // 2, len(stream) - 1, len(stream) - 30):
        with pytest.raises(StreamError, match="cut short"):
            _walk(stream[:place])
    # Between two files only a list can tell.
    position = 0
    while (position := stream.find(MAGIC, position + 1)) >= 0:
        with contextlib.suppress(StreamError):
            assert set(_walk(stream[:position])[0].files) < set(FILES)
    with pytest.raises(StreamError, match="empty"):
        _walk(b"")


def test_files_that_are_renamed_removed_written_anew_and_sparse() -> None:
    data = (
        _payload("a", b"x" * 10)
        + _payload("a", b"y" * 5, 10)
        + _chunk(b"E", "a")
        + _chunk(b"R", "a", struct.pack("<I", 3) + b"d/b")
        + _payload("gone", b"z")
        + _chunk(b"E", "gone")
        + _chunk(b"D", "gone")
        + _payload("again", b"1" * 30)
        + _chunk(b"E", "again")
        + _payload("again", b"2" * 4, flags=2)
        + _chunk(b"E", "again")
        + _payload("sparse", b"s" * 16)
        + _chunk(b"S", "sparse", struct.pack("<Q", 4096))
        + _payload("sparse", b"t" * 16, 4096)
        + _chunk(b"E", "sparse")
        + _payload("./dot", b"")
        + _chunk(b"E", "./dot")
    )
    found, out = _walk(data)
    assert out == data
    assert found.files == {"d/b": 15, "again": 4, "sparse": 4112, "dot": 0}


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\x28\xb5\x2f\xfd" + bytes(100), "no chunk at byte 0"),
        (_payload("a", b"x") + bytes(40), "no chunk at byte"),
        (_chunk(b"Q", "a"), "unknown kind"),
        (_payload("../../etc/passwd", b"x"), "leads out"),
        (_payload("/etc/passwd", b"x"), "leads out"),
        (_payload("a" * 5000, b"x"), "a path of 5000 bytes"),
    ],
)
def test_what_is_no_stream_is_refused(data: bytes, text: str) -> None:
    with pytest.raises(StreamError, match=text):
        _walk(data)


def test_the_program_writes_its_report_only_for_a_whole_stream(stream: bytes, tmp_path: Path) -> None:
    code = f"import sys; from {walking.__name__} import main; sys.exit(main(sys.argv[1], ['xtrabackup_info']))"
    report = tmp_path / "report.json"
    for data, rc in ((stream[:-7], 1), (stream, 0)):
        done = subprocess.run(["python3", "-c", code, str(report)], input=data, capture_output=True, check=False)
        assert done.returncode == rc, done.stderr
        assert report.exists() is (rc == 0)
    assert done.stdout == stream
    assert done.stderr == b""
