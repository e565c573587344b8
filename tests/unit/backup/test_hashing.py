# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checksums that are taken while files still come in."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.hashing import (
    CopyFollower,
    RunningHasher,
    hash_tree,
)

DATA = Path(__file__).parent.parent / "tool" / "data"


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def make(directory: Path, **files: bytes) -> list[str]:
    for name, content in files.items():
        (directory / name).write_bytes(content)
    return list(files)


@pytest.mark.parametrize("version", ["10.5", "10.11", "11.8"])
def test_follow_a_real_log(tmp_path: Path, version: str) -> None:
    """Fed in pieces that end anywhere, the follower finds every file that the log calls finished, once."""
    text = (DATA / version / "backup.log").read_bytes()
    log = tmp_path / "log"
    log.write_bytes(b"an earlier run\n")
    follower = CopyFollower("/srv/L/full/", str(log), log.stat().st_size)
    found: list[str] = []
    for start in range(0, len(text), 777):
        with open(log, "ab") as stream:
            stream.write(text[start : start + 777])
        found += follower.poll()
    assert {"ibdata1", "shop/acc.ibd", "shop/m.MYD", "shop/a.MAD"} <= set(found)
    assert not any(name.startswith("/") or "done" in name for name in found)
    # Log tables and a few others are copied twice by 10.11 and later.
    doubles = {name for name in found if found.count(name) > 1}
    assert all(name.startswith(("mysql/", "aria_log")) for name in doubles), doubles


def test_threads_do_not_mix(tmp_path: Path) -> None:
    log = tmp_path / "log"
    stamp = "2026-01-01 10:00:00"
    log.write_text(
        f"[01] {stamp} Copying ./a to /b/a\n[02] {stamp} Copying ./b to /b/b\n[02] {stamp}         ...done\n"
        f"[00] {stamp} Writing xtrabackup_info\n[00] {stamp}         ...done\n[01] {stamp}         ...do"
    )
    follower = CopyFollower("/b", str(log))
    assert follower.poll() == ["b"]
    with open(log, "a") as stream:
        stream.write("ne\n")
    assert follower.poll() == ["a"]


def test_missing_log(tmp_path: Path) -> None:
    assert CopyFollower("/b", str(tmp_path / "none")).poll() == []


def test_early_and_late(tmp_path: Path) -> None:
    names = make(tmp_path, a=b"1", b=b"2" * 3000000, c=b"")
    old = time.time() - 10
    os.utime(tmp_path / "a", (old, old))
    hasher = RunningHasher(str(tmp_path))
    hasher.add(["a", "a", "gone"])
    seen: list[int] = []
    found = hasher.finish(names, 2, seen.append)
    assert {name: entry.sha256 for name, entry in found.items()} == {
        "a": digest(b"1"),
        "b": digest(b"2" * 3000000),
        "c": digest(b""),
    }
    assert found["b"].size == 3000000
    assert seen == sorted(seen)


def test_a_file_that_changes_after_it_was_hashed_is_hashed_again(tmp_path: Path) -> None:
    make(tmp_path, a=b"old")
    old = time.time() - 10
    os.utime(tmp_path / "a", (old, old))
    hasher = RunningHasher(str(tmp_path))
    hasher.add(["a"])
    time.sleep(0.3)
    make(tmp_path, a=b"new")
    assert hasher.finish(["a"], 1)["a"].sha256 == digest(b"new")


def test_a_change_within_one_tick_of_the_clock_is_noticed(tmp_path: Path) -> None:
    """Same size, same time stamp: only a file that was old enough when it was read keeps its checksum."""
    path = tmp_path / "a"
    path.write_bytes(b"old")
    status = path.stat()
    hasher = RunningHasher(str(tmp_path))
    hasher.add(["a"])
    time.sleep(0.05)
    with open(path, "r+b") as stream:
        stream.write(b"new")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert hasher.finish(["a"], 1)["a"].sha256 == digest(b"new")


def test_a_growing_table_is_read_behind_the_tool(tmp_path: Path) -> None:
    """Its checksum is there as soon as the tool has finished it; pieces of any size arrive at any time."""
    path = tmp_path / "t.ibd"
    pieces = [os.urandom(size) for size in (1, 4096, 3 * 1024 * 1024 + 5, 0, 700000)]
    hasher = RunningHasher(str(tmp_path))
    with open(path, "wb", buffering=0) as stream:
        hasher.follow(["t.ibd"])
        for piece in pieces:
            stream.write(piece)
            time.sleep(0.03)
    hasher.follow(["t.ibd"])
    hasher.add(["t.ibd"])
    time.sleep(0.4)
    assert hasher._done["t.ibd"][1] == digest(b"".join(pieces))
    found = hasher.finish(["t.ibd"], 1)
    assert found["t.ibd"].sha256 == digest(b"".join(pieces))
    assert found["t.ibd"].size == sum(map(len, pieces))


def test_a_table_that_is_copied_anew_while_it_is_followed(tmp_path: Path) -> None:
    """DDL makes the tool drop a copy and make another: what was read of the first one does not count."""
    path = tmp_path / "t.ibd"
    path.write_bytes(b"first" * 100000)
    hasher = RunningHasher(str(tmp_path))
    hasher.follow(["t.ibd", "never.ibd"])
    time.sleep(0.1)
    path.unlink()
    path.write_bytes(b"second" * 100000)
    hasher.add(["t.ibd"])
    time.sleep(0.3)
    assert hasher.finish(["t.ibd"], 1)["t.ibd"].sha256 == digest(b"second" * 100000)


def test_a_table_that_becomes_shorter_while_it_is_followed(tmp_path: Path) -> None:
    path = tmp_path / "t.ibd"
    path.write_bytes(b"x" * 100000)
    hasher = RunningHasher(str(tmp_path))
    hasher.follow(["t.ibd"])
    time.sleep(0.1)
    os.truncate(path, 10)
    assert hasher.finish(["t.ibd"], 2)["t.ibd"].sha256 == digest(b"x" * 10)


def test_the_end_of_the_tool_ends_the_following(tmp_path: Path) -> None:
    """A table whose end the log did not tell is finished when the tool is."""
    make(tmp_path, **{"t.ibd": b"1" * 5000})
    hasher = RunningHasher(str(tmp_path))
    hasher.follow(["t.ibd"])
    time.sleep(0.1)
    assert hasher.finish(["t.ibd"], 1)["t.ibd"].sha256 == digest(b"1" * 5000)
    other = RunningHasher(str(tmp_path))
    other.follow(["t.ibd"])
    time.sleep(0.1)
    started = time.monotonic()
    other.abort()
    assert time.monotonic() - started < 1


def test_only_tables_are_followed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    stamp = "2026-01-01 10:00:00"
    log.write_text(f"[01] {stamp} Copying ./s/a.ibd to /b/s/a.ibd\n[02] {stamp} Copying ./s/a.MYD to /b/s/a.MYD\n")
    follower = CopyFollower("/b", str(log))
    follower.poll()
    assert follower.growing() == ["s/a.ibd"]
    with open(log, "a") as stream:
        stream.write(f"[01] {stamp}         ...done\n")
    assert follower.poll() == ["s/a.ibd"]
    assert follower.growing() == []


def test_errors(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        hash_tree(str(tmp_path), ["none"], 1)
    (tmp_path / "d").mkdir()
    with pytest.raises(OSError):
        hash_tree(str(tmp_path), ["d"], 2)


def test_abort_is_quick(tmp_path: Path) -> None:
    path = tmp_path / "big"
    with open(path, "wb") as stream:
        stream.truncate(1 << 34)
    hasher = RunningHasher(str(tmp_path))
    hasher.add(["big"])
    time.sleep(0.1)
    started = time.monotonic()
    hasher.abort()
    assert time.monotonic() - started < 2
