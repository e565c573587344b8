# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is an incremental backup whole? The files in which it keeps pages that changed, read as far as their structure goes.

Each InnoDB file has a ``.delta`` beside a ``.meta``, which gives the size of the pages. A delta is a row of blocks: a page with
a magic number and the numbers of the pages behind it, at most a quarter of the page's bytes less one, ended by ffffffff; then
these pages. The last block has another magic number, so a file that was cut anywhere shows it.
"""

from __future__ import annotations

import os

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.inventory import Inventory
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.metadata import BackupMetadata, parse_pairs
from ansible_collections.dba.mariabackup.plugins.module_utils.backup.redo import Problem

DELTA, META = ".delta", ".meta"
_MORE, _LAST = b"xtra", b"XTRA"
_END = b"\xff\xff\xff\xff"
_PAGE_SIZES = frozenset(512 << shift for shift in range(1, 8))


def increment_problems(directory: str, inventory: Inventory, meta: BackupMetadata) -> list[Problem]:
    """Find what is missing from an increment, or was cut.

    Raises:
        OSError: a file cannot be read.
    """
    files = inventory.files
    problems = [
        Problem(f"{name}{DELTA} is missing, the changes of the system tablespace.", f"{name}{DELTA}")
        for name in meta.system_files or ["ibdata1"]
        if f"{name}{DELTA}" not in files
    ]
    for name in sorted(files):
        if name.endswith(META) and name[: -len(META)] + DELTA not in files:
            problems.append(Problem(f"{name[: -len(META)]}{DELTA} is missing beside {name}.", name))
        if not name.endswith(DELTA):
            continue
        beside = name[: -len(DELTA)] + META
        if beside not in files:
            problems.append(Problem(f"{beside} is missing beside {name}.", name))
            continue
        sizes = _page_sizes(os.path.join(directory, beside))
        if not sizes:
            problems.append(Problem(f"{beside} does not give the size of a page.", beside))
        elif not any(delta_is_whole(os.path.join(directory, name), size) for size in sizes):
            problems.append(Problem(f"{name} was cut or is no file of changed pages: {files[name]} bytes.", name))
    return problems


def _page_sizes(path: str) -> list[int]:
    """Return the sizes that a delta's pages may have; of a compressed table the physical one comes first."""
    with open(path, encoding="ascii", errors="replace") as stream:
        pairs = parse_pairs(stream.read(4096))
    found = [int(pairs.get(name, "0") or 0) for name in ("zip_size", "page_size") if pairs.get(name, "0").isdigit()]
    return [size for size in found if size in _PAGE_SIZES]


def delta_is_whole(path: str, page_size: int) -> bool:
    """Tell whether a delta ends where its last block says.

    Raises:
        OSError: it cannot be read.
    """
    numbers = page_size // 4
    with open(path, "rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        position = 0
        while position + page_size <= size:
            stream.seek(position)
            head = stream.read(page_size)
            pages = next((n for n in range(1, numbers) if head[4 * n : 4 * n + 4] == _END), numbers)
            position += pages * page_size
            if head[:4] == _LAST:
                return position == size
            if head[:4] != _MORE or pages != numbers:
                return False
    return False
