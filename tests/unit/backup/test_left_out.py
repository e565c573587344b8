# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which tables of the server a backup lacks although it has their definitions."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.left_out import (
    left_out,
    left_out_links,
    require_all,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError

SERVER = ["shop/t.ibd"]


@pytest.mark.parametrize(
    ("backup", "missing"),
    [
        ({"shop/t.frm", "shop/t.ibd"}, []),
        ({"shop/t.frm", "shop/t.new"}, []),
        ({"shop/t.frm", "shop/t.ibd.delta", "shop/t.ibd.meta"}, []),
        ({"shop/t.frm", "shop/t.isl"}, []),
        ({"shop/t.frm"}, ["shop/t.ibd"]),
        ({"shop/t.frm", "shop/other.ibd"}, ["shop/t.ibd"]),
        # Made after the backup, or not chosen.
        (set[str](), []),
    ],
)
def test_a_definition_needs_its_data(backup: set[str], missing: list[str]) -> None:
    assert left_out(SERVER, backup, ()) == missing


def test_partitions_belong_to_their_table() -> None:
    server = ["shop/p#P#p0.ibd", "shop/p#P#p1.ibd", "shop/FTS_0001_BEING_DELETED.ibd"]
    assert left_out(server, {"shop/p.frm", "shop/p#P#p0.ibd"}, ()) == ["shop/p#P#p1.ibd"]


def test_tables_that_were_renamed_meanwhile() -> None:
    assert left_out(SERVER, {"shop/t.frm", "shop/old.ibd", "shop/old.ren"}, {"shop/t"}) == []
    assert left_out(SERVER, {"shop/t.frm", "shop/old.ren"}, (), unknown=1) == []
    two = ["shop/t.ibd", "shop/u.ibd"]
    assert left_out(two, {"shop/t.frm", "shop/u.frm", "shop/old.ren"}, (), unknown=1) == two


def test_linked_files() -> None:
    links = ["shop/a.MAD", "shop/a.MAI", "shop/p#P#p0.MAD"]
    assert left_out_links(links, {"shop/a.frm", "shop/a.MAD", "shop/a.MAI", "shop/p.frm"}) == ["shop/p#P#p0.MAD"]
    assert left_out_links(links, {"shop/a.frm", "shop/a.MAI"}) == ["shop/a.MAD"]
    # Dropped meanwhile, or not chosen.
    assert left_out_links(links, set()) == []


def test_what_lies_on_the_disk(tmp_path: Path) -> None:
    datadir, backup = tmp_path / "mysql", tmp_path / "backup"
    for top in (datadir / "shop", datadir / "#rocksdb", backup / "shop"):
        top.mkdir(parents=True)
    for name in ("t.ibd", "new.ibd"):
        (datadir / "shop" / name).touch()
    (datadir / "#rocksdb" / "x.ibd").touch()
    (backup / "shop" / "old.ren").write_text("./shop/new.ibd\n")
    names = {"shop/t.frm", "shop/t.ibd", "shop/new.frm", "shop/old.ibd", "shop/old.ren"}
    require_all(str(datadir), names, str(backup))
    with pytest.raises(MariabackupError, match=r"left out.*shop/t\.ibd") as caught:
        require_all(str(datadir), names - {"shop/t.ibd"}, str(backup))
    assert caught.value.details == {"entries": ["shop/t.ibd"]}
    (datadir / "shop" / "a.MAD").symlink_to("/srv/a.MAD")
    (datadir / "shop" / "b.MAD").touch()
    require_all(str(datadir), {*names, "shop/a.frm", "shop/a.MAD", "shop/b.frm"}, str(backup))
    with pytest.raises(MariabackupError, match=r"DATA DIRECTORY.*shop/a\.MAD\.") as caught:
        require_all(str(datadir), {*names, "shop/a.frm", "shop/b.frm"}, str(backup))
    assert caught.value.details == {"entries": ["shop/a.MAD"]}
