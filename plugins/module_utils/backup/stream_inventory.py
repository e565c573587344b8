# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a stream holds, from its manifest, and whether it lies where it should, here or in remote storage."""

from __future__ import annotations

import os
import stat

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.inventory import Inventory
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.manifest import Manifest, StoredStream
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.redo import Problem
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.remote_record import read_record


def inventory_of_stream(path: str, stream: StoredStream, manifest: Manifest) -> tuple[Inventory, list[Problem]]:
    """Return the files that come out of a stream, and what speaks against it from the outside.

    Args:
        path: the directory of its metadata files.

    Raises:
        OSError: it cannot be looked at.
    """
    files = {name: entry.size for name, entry in manifest.files.items()}
    inventory = Inventory(
        files=files,
        stored_bytes=stream.size,
        schemas=list(manifest.schemas),
        isl_files={name: "a place that the stream names" for name in files if name.endswith(".isl")},
    )
    return inventory, problems_of_stream(path, stream)


def problems_of_stream(path: str, stream: StoredStream) -> list[Problem]:
    """Compare how a stream lies, here or as the remote lists it, with its manifest. Arguments and errors as above."""
    problems: list[Problem] = []
    record = read_record(os.path.dirname(path))
    size: int | None
    if record is not None:
        size = record.files.get(stream.file)
    else:
        try:
            status = os.lstat(stream_path(path, stream))
        except FileNotFoundError:
            size = None
        else:
            size = status.st_size
            if not stat.S_ISREG(status.st_mode):
                problems.append(Problem(f"{stream.file} is not a regular file.", stream.file))
    if size is None:
        problems.append(Problem(f"{stream.file} is missing.", stream.file))
    elif size != stream.size:
        problems.append(Problem(f"{stream.file} has {size} bytes, {stream.size} in the manifest.", stream.file))
    return problems


def stream_path(path: str, stream: StoredStream) -> str:
    """Return where the stream lies whose metadata files are in the directory ``path``."""
    return os.path.join(os.path.dirname(path), stream.file)
