# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Places a backup as the restore does, and prints how long it took: python3 place.py PAYLOAD SOURCE TARGET METHOD CHECKSUMS

PAYLOAD is the directory with the collection's code, METHOD that of ``copy_tree``, CHECKSUMS ``yes`` or ``no``. The sync at the end is
timed apart.
"""

from __future__ import annotations

import json
import sys
import time

_HERE, PAYLOAD, SOURCE, TARGET, METHOD, CHECKSUMS = sys.argv
sys.path.insert(0, PAYLOAD)

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.manifest import (  # noqa: E402
    manifest_path,
    read_manifest,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.place import copy_tree  # noqa: E402
from ansible_collections.dba.mariabackup.plugins.module_utils.files import sync_file_system  # noqa: E402


def main() -> None:
    """Place, then sync."""
    started = time.monotonic()
    checksums = None
    if CHECKSUMS == "yes":
        manifest = read_manifest(manifest_path(SOURCE))
        if manifest is None:
            raise SystemExit(f"{SOURCE} has no manifest")
        checksums = {name: entry.sha256 or "" for name, entry in manifest.files.items()}
    placed = copy_tree(SOURCE, TARGET, method=METHOD, checksums=checksums, skip=lambda name: name == "lost+found")
    staged = time.monotonic()
    sync_file_system(TARGET)
    synced = time.monotonic()
    print(json.dumps({"stage": staged - started, "sync": synced - staged, "method": placed.method}))


if __name__ == "__main__":
    main()
