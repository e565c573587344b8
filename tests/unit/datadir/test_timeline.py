# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The timeline of a datadir: the same as long as the data is the same, another after every replacement."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.carry_over import list_top, plan_carry_over
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.exchange import Identity, exchange
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.layout import Layout
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.timeline import (
    NAME,
    begin_timeline,
    combine,
    timeline_of,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError


def make(path: Path, aria: bytes = b"u" * 16) -> Path:
    """Make what a timeline is read from."""
    (path / "mysql").mkdir(parents=True)
    (path / "aria_log_control").write_bytes(b"\xfe\xfe\x0c\x01" + aria + b"rest")
    return path


def test_it_stays_while_the_server_works(tmp_path: Path) -> None:
    datadir = make(tmp_path / "mysql")
    first = timeline_of(str(datadir))
    assert first
    (datadir / "mysql" / "new.frm").write_text("x")
    (datadir / "aria_log_control").write_bytes(b"\xfe\xfe\x0c\x01" + b"u" * 16 + b"other numbers")
    assert timeline_of(str(datadir)) == first
    datadir.rename(tmp_path / "renamed")
    assert timeline_of(str(tmp_path / "renamed")) == first


def test_no_data_no_timeline(tmp_path: Path) -> None:
    assert timeline_of(str(tmp_path)) is None
    assert timeline_of(str(tmp_path / "missing")) is None


def test_a_restore_begins_another_and_the_way_back_returns_the_old_one(tmp_path: Path) -> None:
    live, staged = make(tmp_path / "live"), make(tmp_path / "staged")
    old = timeline_of(str(live))
    assert begin_timeline(str(staged)) != begin_timeline(str(staged))
    new = timeline_of(str(staged))
    exchange(str(live), str(staged))
    assert timeline_of(str(live)) == new != old
    exchange(str(live), str(staged))
    assert timeline_of(str(live)) == old


def test_a_copy_and_a_new_datadir_are_others(tmp_path: Path) -> None:
    live = make(tmp_path / "live")
    begin_timeline(str(live))
    shutil.copytree(live, tmp_path / "copy")
    anew = make(tmp_path / "anew", b"v" * 16)
    found = {timeline_of(str(path)) for path in (live, tmp_path / "copy", anew)}
    assert len(found) == 3
    # Emptied as people do it, nothing of the old timeline is left.
    assert [path.name for path in live.glob("*") if path.name == NAME] == [NAME]


@pytest.mark.parametrize("part", range(4))
def test_every_part_counts(part: int) -> None:
    parts = [("w", "x"), (Identity(1, "aa"), Identity(1, "bb")), (b"u", b"v"), (b"m", b"n")]
    same = [pair[0] for pair in parts]
    changed = [pair[number == part] for number, pair in enumerate(parts)]
    assert combine(*same) != combine(*changed)  # type: ignore[arg-type]
    # Without file handles the inode number has to do.
    assert combine("w", Identity(1), b"u", b"m") != combine("w", Identity(2), b"u", b"m")


def test_it_is_never_carried_over(tmp_path: Path) -> None:
    datadir = make(tmp_path / "mysql")
    begin_timeline(str(datadir))
    layout = Layout.from_options({"datadir": str(datadir)})
    listing = list_top(str(datadir))
    found = plan_carry_over(listing, layout, {})
    assert NAME not in (*found.carried, *found.others)
    with pytest.raises(MariabackupError, match="belong to the old data"):
        plan_carry_over(listing, layout, {}, [NAME])
