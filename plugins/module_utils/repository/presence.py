# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is a backup still there, as far as a short look tells? Its manifest outlives the files that it describes."""

from __future__ import annotations

import heapq
import os
import stat

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.manifest import (
    FILE_LIST,
    MANIFEST,
    METADATA,
    read_manifest,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.remote_record import read_record
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.stream_inventory import problems_of_stream
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.catalogue import Entry

# The largest files hold most of a backup, and what empties or cuts a directory does not pass them by. To look at every file would
# take a walk through the whole repository before each increment and each prune; a restore does it for the one that it reads.
_LOOKED_AT = 32


def damage_of(entry: Entry) -> str | None:
    """Return what a short look finds wrong with the files of a backup, as a part of a sentence; None when nothing.

    Of a stream the size is compared with the manifest, as it lies here or as the remote lists it; of a directory the sizes of its
    largest files. Nothing is fetched.
    """
    if entry.head is None:
        return f"the manifest of {entry.id} cannot be used"
    stream = entry.head.manifest.stream
    try:
        if not os.path.isdir(entry.data) and read_record(entry.path) is None:
            return f"the files of {entry.id} are gone"
        if stream is None:
            problem = _problem_of_files(entry)
        else:
            problem = next((found.text for found in problems_of_stream(entry.data, stream)), None)
            problem = problem or _missing_description(entry)
    except MariabackupError as error:
        problem = error.cause
    except OSError as error:
        problem = f"{error.filename or entry.path}: {error.strerror or error}"
    return f"{entry.id} is damaged ({problem.rstrip('.')})" if problem else None


def _problem_of_files(entry: Entry) -> str | None:
    manifest = read_manifest(os.path.join(entry.path, MANIFEST))
    if manifest is None:
        return "it is being removed"
    sizes = {name: file.size for name, file in manifest.files.items()}
    for name in heapq.nlargest(_LOOKED_AT, sizes, key=sizes.__getitem__):
        try:
            status = os.lstat(os.path.join(entry.data, name))
        except FileNotFoundError:
            return f"{name} is missing"
        if not stat.S_ISREG(status.st_mode):
            return f"{name} is not a regular file"
        if status.st_size != sizes[name]:
            return f"{name} has {status.st_size} bytes, {sizes[name]} in the manifest"
    return None


def _missing_description(entry: Entry) -> str | None:
    """Return which part of a stream's description is missing; without it the stream is never restored."""
    record = read_record(entry.path)
    if record is None:
        names = os.listdir(entry.path)
    else:
        names = [name.partition("/")[0] for name in record.files]
    return next((f"{name} is missing" for name in (FILE_LIST, METADATA) if name not in names), None)
