# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies in another repository: whole chains, each once, checked on arrival."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.manifest import (
    FileEntry,
    Manifest,
    StoredStream,
    write_manifest,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.remote_record import RemoteRecord, write_record
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.workplace import Workplace
from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.job.operations import operation, plan
from ansible_collections.dba.mariabackup.plugins.module_utils.repository import transfer
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.catalogue import Entry, chain_of
from ansible_collections.dba.mariabackup.plugins.module_utils.stream import rclone

CONTENT = b"some bytes"
Store = Callable[..., Path]


def name(number: int) -> str:
    return f"202611{number:02d}T101500Z-{number:06x}"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Store a backup and return its directory."""

    def add(number: int, base: int | None = None, checksum: str = "sha256", stream: bool = False) -> Path:
        digest = hashlib.sha256(CONTENT).hexdigest() if checksum == "sha256" else None
        made = Manifest(
            name(number), "incremental" if base else "full", f"2026-11-{number:02d}T10:15:07Z", "db1", None, None, None,
            0, 1, 2, instance="db1", base_id=name(base) if base else None, checksum=checksum,
            files={"ibdata1": FileEntry(len(CONTENT), digest), "shop/t.ibd": FileEntry(len(CONTENT), digest)},
            stream=StoredStream("backup.mbstream", len(CONTENT), digest) if stream else None,
        )  # fmt: skip
        path = tmp_path / "first" / "db1" / made.id
        if stream:
            (path / "metadata").mkdir(parents=True)
            (path / "metadata" / "xtrabackup_info").write_bytes(CONTENT)
            (path / "backup.mbstream").write_bytes(CONTENT)
        else:
            (path / "data" / "shop").mkdir(parents=True)
            for file in made.files:
                (path / "data" / file).write_bytes(CONTENT)
        (path / "RESTORE.txt").write_text(f"    BACKUP={path}\n    BASE={path.parent}/{name(base or 1)}\n")
        (path / "configuration.json").write_text("{}")
        write_manifest(str(path / "manifest.json"), made)
        return path

    return add


@pytest.fixture
def copy(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Copy, as the module would."""
    common = {"repository": str(tmp_path / "first"), "to": str(tmp_path / "second"), "instance": "db1"}
    common["state_dir"] = str(tmp_path / "state")

    def run(check: bool = False, **options: Any) -> dict[str, Any]:
        perform = (plan if check else operation)("copy_backup")
        return perform({**common, **options}, Context(str(tmp_path), str(tmp_path / "state"), check_mode=check))

    return run


def test_a_stream_of_remote_storage_may_take_its_time(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred gigabytes are not through in the hour that a small file gets."""
    unit = store(1, stream=True)
    url = f"s3:bucket/db1/{unit.name}"
    write_record(
        str(unit), RemoteRecord(url, {"backup.mbstream": len(CONTENT), "metadata/xtrabackup_info": len(CONTENT)})
    )
    limits: dict[str, float | None] = {}

    def run(argv: tuple[str, ...], **options: Any) -> subprocess.CompletedProcess[str]:
        limits[f"{argv[1]} {argv[-2]}"] = options["timeout"]
        return subprocess.CompletedProcess(argv, 0, "", "")

    monkeypatch.setattr(rclone, "find_program", lambda *_names: "rclone")
    monkeypatch.setattr(subprocess, "run", run)
    place = Workplace(str(tmp_path / "second" / "db1" / unit.name), "metadata")
    transfer.send(
        Entry(unit.name, str(unit), None), place, {}, Context(str(tmp_path), str(tmp_path)), lambda *_arguments: None
    )
    assert limits == {f"copy {url}": 3600, f"copyto {url}/backup.mbstream": None}


def test_a_chain_arrives_with_its_bases(store: Store, copy: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    paths = [store(1), store(2, 1), store(3, 2), store(4)]
    planned = copy(check=True, backup_id=name(3))
    assert planned["copied"] == planned["chain"] == [name(1), name(2), name(3)]
    assert not (tmp_path / "second").exists()
    assert copy(backup_id=name(1))["copied"] == [name(1)]
    done = copy(backup_id=name(3))
    assert (done["copied"], done["chain"]) == ([name(2), name(3)], planned["chain"])
    top = tmp_path / "second" / "db1"
    assert [entry.id for entry in chain_of(str(top), name(3))] == planned["chain"]
    assert sorted(item.name for item in top.iterdir()) == planned["chain"]
    for path in paths[:3]:
        for file in ("manifest.json", "files.json", "configuration.json", "data/ibdata1", "data/shop/t.ibd"):
            assert (top / path.name / file).read_bytes() == (path / file).read_bytes()
    text = (top / name(3) / "RESTORE.txt").read_text()
    assert f"    BACKUP={top}/{name(3)}\n" in text
    assert name(2) in text
    assert str(tmp_path / "first") not in text
    assert copy(backup_id=name(3))["changed"] is False
    assert copy()["copied"] == [name(4)]


def test_a_stream(store: Store, copy: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    """The stream beside the manifest, and what describes it; damage is found at the source and in the copy."""
    path = store(1, stream=True)
    (path / "backup.mbstream").write_bytes(b"x" * len(CONTENT))
    with pytest.raises(MariabackupError, match="damaged: its stream was changed"):
        copy()
    (path / "backup.mbstream").write_bytes(CONTENT)
    copy()
    there = tmp_path / "second" / "db1" / name(1)
    assert sorted(str(item.relative_to(there)) for item in there.rglob("*") if item.is_file()) == [
        "RESTORE.txt", "backup.mbstream", "configuration.json", "files.json", "manifest.json", "metadata/xtrabackup_info"
    ]  # fmt: skip
    assert (there / "backup.mbstream").read_bytes() == CONTENT
    assert not (there / "data").exists()
    (there / "backup.mbstream").write_bytes(b"x")
    with pytest.raises(MariabackupError, match=r"damaged: backup\.mbstream is missing or cut"):
        copy()


def test_without_checksums_it_is_compared_with_the_source(
    store: Store, copy: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    store(1, checksum="none")
    path = store(2, checksum="none")
    copy(backup_id=name(1))
    monkeypatch.setattr(
        transfer, "_forget", lambda work, _names: (Path(work) / "data/ibdata1").write_bytes(b"other" * 2)
    )
    with pytest.raises(MariabackupError, match=r"not what was sent: data/ibdata1") as caught:
        copy(backup_id=name(2))
    assert caught.value.details["entries"] == ["data/ibdata1"]
    assert caught.value.phase == "verify"
    (path / "data/ibdata1").unlink()
    with pytest.raises(MariabackupError, match="ibdata1 is missing"):
        copy(backup_id=name(2))


def test_a_base_that_is_missing(store: Store, copy: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    store(2, 1)
    with pytest.raises(
        MariabackupError, match=rf"{name(1)} in .*, which {name(2)} needs, cannot be used. It is missing"
    ):
        copy()
    looped = store(3, 3)
    with pytest.raises(MariabackupError, match="form a loop"):
        copy(backup_id=looped.name)
    assert not (tmp_path / "second").exists()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"label": "other"}, "Another backup has this id already"),
        ({"data": b"x"}, "is damaged: ibdata1 has 1 bytes"),
        ({"manifest": "{"}, "Another backup has this id already"),
    ],
    ids=["other", "damaged", "no-manifest"],
)
def test_another_backup_in_its_place(
    store: Store, copy: Callable[..., dict[str, Any]], tmp_path: Path, change: Mapping[str, Any], text: str
) -> None:
    store(1)
    copy()
    there = tmp_path / "second" / "db1" / name(1)
    if "data" in change:
        (there / "data" / "ibdata1").write_bytes(change["data"])
    elif "manifest" in change:
        (there / "manifest.json").write_text(change["manifest"])
    else:
        value = json.loads((there / "manifest.json").read_text())
        (there / "manifest.json").write_text(json.dumps({**value, **change}))
    for check in (True, False):
        with pytest.raises(MariabackupError, match=text):
            copy(check=check)


@pytest.mark.parametrize("place", ["first", "first/inside", "."])
def test_one_repository_is_not_a_second_one(
    store: Store, copy: Callable[..., dict[str, Any]], tmp_path: Path, place: str
) -> None:
    store(1)
    with pytest.raises(MariabackupError, match="lie inside of each other"):
        copy(to=str(tmp_path / place))
