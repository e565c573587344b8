# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of a run: which one is current, and room for it on a full disk."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.dba.mariabackup.plugins.module_utils import files
from ansible_collections.dba.mariabackup.plugins.module_utils.restore import journal as journals

DATADIR = "/var/lib/mysql"


def _create(state_dir: Path, identity: str) -> journals.Journal:
    return journals.create(str(state_dir), DATADIR, identity, phase="plan", members=[])


def test_a_run_that_never_became_current_is_ended(tmp_path: Path) -> None:
    """Killed between its journal and the link to it: it has changed nothing, and the next run says so."""
    first = _create(tmp_path, "20260101T000000Z-000001")
    first.write(state=journals.COMMITTED)
    lost = _create(tmp_path, "20260102T000000Z-000002")
    link = os.path.join(journals.runs_directory(str(tmp_path), DATADIR), "current")
    os.unlink(link)
    os.symlink(first["id"], link)
    found = journals.current(str(tmp_path), DATADIR)
    assert found is not None
    assert found["id"] == first["id"]
    third = _create(tmp_path, "20260103T000000Z-000003")
    assert [run["state"] for run in journals.all_runs(str(tmp_path), DATADIR)] == [
        journals.COMMITTED,
        journals.RETURNED,
        journals.RUNNING,
    ]
    assert lost["id"] != third["id"]


def test_the_current_run_stays_unfinished(tmp_path: Path) -> None:
    """A run whose successor has not taken over yet is still the one that counts."""
    _create(tmp_path, "20260101T000000Z-000001")
    _create(tmp_path, "20260102T000000Z-000002")
    assert [run["state"] for run in journals.all_runs(str(tmp_path), DATADIR)] == [journals.RUNNING, journals.RUNNING]


@pytest.mark.parametrize("changes", [{"phase": "swap"}, {"phase": "commit", "direction": journals.BACK}])
def test_a_run_that_has_changed_something_is_never_ended_for_it(tmp_path: Path, changes: dict[str, str]) -> None:
    """An older run whose data is being put back is not the newest one, and half-way back it must not count as finished."""
    older = _create(tmp_path, "20260101T000000Z-000001")
    older.write(state=journals.COMMITTED, phase="commit")
    _create(tmp_path, "20260102T000000Z-000002").write(state=journals.RETURNED)
    older.write(state=journals.RUNNING, **changes)
    _create(tmp_path, "20260103T000000Z-000003")
    assert journals.load(older.path)["state"] == journals.RUNNING


def test_a_run_can_become_the_current_one_again(tmp_path: Path) -> None:
    older = _create(tmp_path, "20260101T000000Z-000001")
    _create(tmp_path, "20260102T000000Z-000002").write(state=journals.RETURNED)
    journals.make_current(older)
    found = journals.current(str(tmp_path), DATADIR)
    assert found is not None
    assert found["id"] == older["id"]


def test_room_is_kept_until_the_run_has_ended(tmp_path: Path) -> None:
    """A journal can be written on a full disk, once; the room goes when the run is finished."""
    run = _create(tmp_path, "20260101T000000Z-000001")
    spare = Path(run.directory) / files.SPARE
    assert spare.stat().st_blocks * 512 >= 64 << 10
    run.write(phase="swap")
    assert spare.exists()
    run.write(state=journals.COMMITTED)
    assert not spare.exists()


def test_a_full_disk_takes_the_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without space the write is tried again in the room that was kept; without that it fails."""
    run = _create(tmp_path, "20260101T000000Z-000001")
    spare = Path(run.directory) / files.SPARE
    real = files.write_json

    def full(path: str, value: Any, mode: int = 0o600) -> None:
        if spare.exists():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        real(path, value, mode)

    monkeypatch.setattr(files, "write_json", full)
    run.write(phase="back")
    assert journals.load(run.path)["phase"] == "back"

    def fuller(path: str, value: Any, mode: int = 0o600) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    monkeypatch.setattr(files, "write_json", fuller)
    with pytest.raises(OSError, match="No space left"):
        run.write(phase="back")
