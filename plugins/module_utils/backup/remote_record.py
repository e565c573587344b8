# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in for a stream that lies in remote storage: where it is, and how large its files are there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from ansible_collections.dba.mariabackup.plugins.module_utils.files import read_json, write_json

NAME = "remote.json"


@dataclass(frozen=True)
class RemoteRecord:
    """The remote directory of a backup, ``NAME:path``, and the size in bytes of each file in it."""

    url: str
    files: Mapping[str, int]


def read_record(unit: str) -> RemoteRecord | None:
    """Read the record of a backup's directory; None for one that lies here whole."""
    value = read_json(os.path.join(unit, NAME))
    return None if value is None else RemoteRecord(str(value["url"]), dict(value["files"]))


def address_of(path: str) -> str:
    """Return what to call the directory of a backup's files: where the backup lies in remote storage, or the path of one that lies here."""
    record = read_record(os.path.dirname(path.rstrip("/")))
    return path if record is None else record.url


def write_record(unit: str, record: RemoteRecord) -> None:
    """Write it."""
    write_json(os.path.join(unit, NAME), {"url": record.url, "files": dict(record.files)})
