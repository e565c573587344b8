# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fills a repository with backups like one that was really taken: python3 manifests.py DIRECTORY ID COUNT CHAIN

DIRECTORY is that of the instance, ID the full backup in it, which counts as one of COUNT. Each CHAIN of them are a full one and its
increments, six hours apart. All files but the manifests are further names of those of that backup.
"""

from __future__ import annotations

import datetime
import json
import os
import sys
import uuid

BEGIN = datetime.datetime(2015, 1, 1, tzinfo=datetime.timezone.utc)
STEP = datetime.timedelta(hours=6)


def link_tree(source: str, target: str) -> None:
    """Make a directory with the same files in it, but for the manifest."""
    os.mkdir(target, 0o700)
    for name in os.listdir(source):
        path = os.path.join(source, name)
        if os.path.isdir(path):
            link_tree(path, os.path.join(target, name))
        elif name != "manifest.json":
            os.link(path, os.path.join(target, name))


def main(directory: str, template: str, count: int, chain: int) -> None:
    """Make the backups."""
    source = os.path.join(directory, template)
    with open(os.path.join(source, "manifest.json"), encoding="utf-8") as stream:
        manifest = json.load(stream)
    base = None
    for number in range(count - 1):
        time = BEGIN + number * STEP
        name = f"{time:%Y%m%dT%H%M%SZ}-{number:06x}"
        if number % chain == 0:
            base = None
        manifest.update(
            id=name,
            uuid=str(uuid.UUID(int=number + 1)),
            created=f"{time:%Y-%m-%dT%H:%M:%SZ}",
            type="incremental" if base else "full",
            base_id=base,
            from_lsn=number if base else 0,
            to_lsn=number + 1,
            last_lsn=number + 1,
        )
        target = os.path.join(directory, name)
        link_tree(source, target)
        with open(os.path.join(target, "manifest.json"), "w", encoding="utf-8") as stream:
            stream.write(json.dumps(manifest, indent=1, sort_keys=True) + "\n")
        base = name


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
