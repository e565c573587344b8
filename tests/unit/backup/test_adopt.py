# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups made by hand: what their manifest says, and which of them get none."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.dba.mariabackup.plugins.module_utils.backup import adopt
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.manifest import read_manifest
from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError

Make = Callable[..., Path]


def params(path: Path, checksum: str = "sha256") -> dict[str, object]:
    return {"target_dir": str(path), "checksum": checksum, "verify": False}


@pytest.fixture
def ctx(tmp_path: Path) -> Context:
    return Context(str(tmp_path), str(tmp_path))


@pytest.mark.parametrize("version", ["10.5", "10.11", "11.8"])
def test_the_manifest_says_what_the_tool_wrote(
    builder: Make, ctx: Context, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        path = builder(version)
        assert adopt.check(params(path), ctx)["changed"]
        assert read_manifest(f"{path}.manifest.json") is None
        done = adopt.run(params(path), ctx)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert (done["changed"], done["valid"], done["verified"]) == (True, True, "sizes")
    made = read_manifest(f"{path}.manifest.json")
    assert made is not None
    info = next(
        path / name for name in ("xtrabackup_info", "mariadb_backup_info") if (path / name).exists()
    ).read_text()
    told = dict(line.split(" = ", 1) for line in info.splitlines() if " = " in line)
    # Tokyo is nine hours ahead.
    local = time.strptime(made.created, "%Y-%m-%dT%H:%M:%SZ")
    ended = time.strptime(told["end_time"], "%Y-%m-%d %H:%M:%S")
    assert time.mktime(ended) - time.mktime(local) == 9 * 3600
    assert (made.uuid, made.host, made.datadir, made.type) == (told["uuid"], "unknown", None, "full")
    assert made.id.startswith(made.created.replace("-", "").replace(":", ""))
    assert all(entry.sha256 for entry in made.files.values())
    assert adopt.run(params(path), ctx)["changed"] is False


def test_what_has_a_manifest_or_is_no_good_gets_none(builder: Make, ctx: Context, tmp_path: Path) -> None:
    path = builder("10.11")
    sidecar = Path(f"{path}.manifest.json")
    sidecar.write_text("{")
    with pytest.raises(MariabackupError, match="cannot be used"):
        adopt.run(params(path), ctx)
    assert sidecar.read_text() == "{"
    sidecar.unlink()
    (path / "ibdata1").unlink()
    with pytest.raises(MariabackupError, match=r"cannot be adopted: .*ibdata1") as caught:
        adopt.check(params(path), ctx)
    assert caught.value.details["problems"]
    with pytest.raises(MariabackupError, match="is not a directory"):
        adopt.run(params(tmp_path / "none"), ctx)
    assert not sidecar.exists()
