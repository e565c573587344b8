# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories that are removed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.dba.mariabackup.plugins.module_utils import files


def test_a_directory_that_gets_another_number_while_it_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on an overlay file system that is short of memory: tried again; a disk that refuses is not."""
    real, left = shutil.rmtree, [2]

    def forgetful(path: str, **options: Any) -> None:
        if left[0]:
            left[0] -= 1
            raise OSError("Cannot call rmtree on a symbolic link")
        real(path, **options)

    monkeypatch.setattr(shutil, "rmtree", forgetful)
    (tmp_path / "a" / "b").mkdir(parents=True)
    files.delete_tree(str(tmp_path / "a"))
    assert not (tmp_path / "a").exists()
    with pytest.raises(FileNotFoundError):
        files.delete_tree(str(tmp_path / "a"))
    files.delete_tree(str(tmp_path / "a"), ignore_errors=True)
    left[0] = 3
    (tmp_path / "a").mkdir()
    with pytest.raises(OSError, match="symbolic link"):
        files.delete_tree(str(tmp_path / "a"))
