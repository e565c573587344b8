# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy of this checkout under a real ``ansible_collections/dba/mariabackup`` path.

ansible-test resolves symbolic links and then no longer sees a collection, so a link is not enough. What is copied
is what git tracks and what is new and not ignored, so that a check sees a file before it is committed.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLACE = Path("ansible_collections", "dba", "mariabackup")


def files() -> list[str]:
    """Return the paths of the checkout's files, relative to its root."""
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    return sorted(name for name in listed.split("\0") if name and (ROOT / name).is_file())


def copy_to(top: Path) -> Path:
    """Copy the checkout below ``top`` and return the collection's directory there."""
    collection = top / PLACE
    for name in files():
        target = collection / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target, follow_symlinks=False)
    return collection


if __name__ == "__main__":
    print(copy_to(Path(sys.argv[1])))
