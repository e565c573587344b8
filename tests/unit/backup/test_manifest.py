# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The manifest beside a backup: written whole, read with suspicion."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.manifest import (
    FileEntry,
    Manifest,
    manifest_path,
    parse_head,
    parse_manifest,
    read_manifest,
    remove_manifest,
    safe_layout,
    write_manifest,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError

DIGEST = "a" * 64
MANIFEST = Manifest(
    id="20261122T105318Z-3f9a1c",
    type="full",
    created="2026-11-22T10:53:18Z",
    host="db1",
    datadir="/var/lib/mysql",
    server_version="10.11.19-MariaDB",
    tool_version="10.11.19",
    from_lsn=0,
    to_lsn=5,
    last_lsn=9,
    label="nightly",
    checksum="sha256",
    schemas=["shop"],
    layout={"innodb_page_size": "16384"},
    files={"ibdata1": FileEntry(12, DIGEST), "shop/odd\udcff.ibd": FileEntry(3, DIGEST)},
)


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "b.manifest.json"
    write_manifest(str(path), MANIFEST)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_manifest(str(path)) == MANIFEST
    raw = json.loads(path.read_text())
    assert (raw["schema_version"], raw["size_bytes"], raw["file_count"]) == (1, 15, 2)
    remove_manifest(str(path))
    remove_manifest(str(path))
    assert read_manifest(str(path)) is None


def test_manifests_share_their_texts() -> None:
    """A catalogue holds thousands of them."""
    texts = [json.dumps(MANIFEST.to_dict()) for _number in range(2)]
    one, other = (parse_head(json.loads(text)).manifest for text in texts)
    assert one == other
    assert one.datadir is other.datadir
    assert one.schemas[0] is other.schemas[0]
    for mine, yours in zip(one.layout.items(), other.layout.items()):
        assert mine[0] is yours[0]
        assert mine[1] is yours[1]


def test_place() -> None:
    assert manifest_path("/b/x") == manifest_path("/b/x/") == "/b/x.manifest.json"


def test_secrets_stay_out_of_the_layout() -> None:
    assert safe_layout({"file_key_management_filekey": "geheim", "innodb_page_size": "4096"}) == {
        "innodb_page_size": "4096"
    }


def change(**values: Any) -> dict[str, Any]:
    return {**MANIFEST.to_dict(), **values}


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ([], "not a JSON object"),
        ({}, "schema_version is None"),
        (change(schema_version=2), "schema_version is 2"),
        (change(id=None), "id is missing"),
        (change(id=5), "id is not str"),
        (change(last_lsn=-1), "last_lsn is not int"),
        (change(last_lsn=True), "last_lsn is not int"),
        (change(prepared="no"), "prepared is not bool"),
        (change(checksum="md5"), "checksum is 'md5'"),
        (change(duration_seconds="x"), "duration_seconds"),
        (change(layout=[]), "layout"),
        (change(schemas="shop"), "schemas"),
        (change(selection=["shop"]), "selection"),
        (change(selection={"tables": "shop.orders"}), "selection"),
        (change(selection={"tables": [5]}), "selection"),
        (change(files=[]), "files is missing"),
        (change(files={"../x": {"size": 1, "sha256": DIGEST}}), "has the path '../x'"),
        (change(files={"/x": {"size": 1, "sha256": DIGEST}}), "has the path '/x'"),
        (change(files={"a//x": {"size": 1, "sha256": DIGEST}}), "has the path 'a//x'"),
        (change(files={"x": {"size": -1, "sha256": DIGEST}}), "no size for 'x'"),
        (change(files={"x": 5}), "no size for 'x'"),
        (change(files={"x": {"size": 1}}), "no sha256 for 'x'"),
        (change(files={"x": {"size": 1, "sha256": "zz"}}), "no sha256 for 'x'"),
        (change(file_count=3), "does not add up"),
        (change(size_bytes=16), "does not add up"),
    ],
)
def test_damage_is_named(value: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_manifest(value)


def test_damaged_files(tmp_path: Path) -> None:
    path = tmp_path / "b.manifest.json"
    for text in ("", "{", "[" * 100000, "\x00"):
        path.write_text(text)
        with pytest.raises(MariabackupError, match="cannot be used") as caught:
            read_manifest(str(path))
        assert "move the manifest away" in caught.value.action


def test_a_partial_backup_says_what_was_chosen() -> None:
    found = parse_manifest(change(selection={"tables": ["shop.orders"]}))
    assert found.partial
    assert found.selection == {"tables": ["shop.orders"]}
    assert not MANIFEST.partial


def test_unknown_keys_are_left_for_later_releases() -> None:
    assert parse_manifest(change(something_new=1)) == MANIFEST
