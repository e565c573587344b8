# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The redo log of a backup that is prepared in place: kept until that is done, so that a run that was killed can be taken up again."""

from __future__ import annotations

import os
import shutil

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.metadata import REDO_FILE, BackupMetadata
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.redo import (
    KEPT_REDO_FILE,
    check_prepared_redo,
    check_raw_redo,
    read_redo_header,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.files import fsync_path


def keep_redo(directory: str) -> None:
    """Keep the log: the tool discards it shortly before it is done, and a run killed there could not be taken up again.

    The tool of 10.8 and later removes it, so a second name keeps it (seen on 10.11 and 11.8); that of 10.5 truncates it
    where it lies, so it takes a copy.
    """
    header = read_redo_header(directory)
    if header is None or not header.creator.startswith("Backup"):
        return
    kept = os.path.join(directory, KEPT_REDO_FILE)
    if os.path.lexists(kept):
        return
    source = os.path.join(directory, REDO_FILE)
    try:
        if header.kind != "stream":
            raise OSError("needs a copy")
        os.link(source, kept)
    except OSError:
        shutil.copyfile(source, f"{kept}.tmp")
        fsync_path(f"{kept}.tmp")
        os.rename(f"{kept}.tmp", kept)
    fsync_path(directory)


def bring_back_redo(directory: str, meta: BackupMetadata) -> None:
    """Put the kept log back where a killed run had removed its own and left nothing that can be used."""
    if meta.prepared and not check_prepared_redo(directory, meta):
        return
    if not check_raw_redo(directory, meta) or check_raw_redo(directory, meta, KEPT_REDO_FILE):
        return
    os.rename(os.path.join(directory, KEPT_REDO_FILE), os.path.join(directory, REDO_FILE))


def drop_kept_redo(directory: str) -> None:
    for name in (KEPT_REDO_FILE, f"{KEPT_REDO_FILE}.tmp"):
        try:
            os.unlink(os.path.join(directory, name))
        except FileNotFoundError:
            continue
