# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that go to the disk while they are written: each part once, and nothing that cannot be looked at stops anybody."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.dba.mariabackup.plugins.module_utils.backup import writeback

MIB = 1024 * 1024


def test_each_part_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[str, int, int]] = []

    def note(fd: int, offset: int, count: int) -> None:
        sent.append((os.path.basename(os.readlink(f"/proc/self/fd/{fd}")), offset, count))

    monkeypatch.setattr(writeback, "start_writeback", note)
    monkeypatch.setattr(writeback, "_SHARE", 1e9)
    (tmp_path / "shop").mkdir()
    table, small = tmp_path / "shop" / "t.ibd", tmp_path / "shop" / "small"
    table.write_bytes(bytes(2 * MIB))
    small.write_bytes(b"x")
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    tree = writeback.TreeWriteback(str(tmp_path))
    tree.look()
    tree.look()
    assert sent == [("t.ibd", 0, 2 * MIB)]
    with table.open("ab") as stream:
        stream.write(bytes(3 * MIB))
    tree.look()
    assert sent[1:] == [("t.ibd", 2 * MIB, 3 * MIB)]
    writeback.TreeWriteback(str(tmp_path / "missing")).look()


def test_a_look_that_takes_long_is_followed_by_a_long_pause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[str] = []
    times = iter([100.0, 102.0, 130.0, 140.0, 150.0])
    monkeypatch.setattr(writeback, "_files", lambda top: looks.append(top) or [])
    monkeypatch.setattr(writeback.time, "monotonic", lambda: next(times))
    tree = writeback.TreeWriteback(str(tmp_path))
    for _number in range(3):
        tree.look()
    assert len(looks) == 2, "two seconds of looking are followed by 38 of peace, from 102 to 140"
