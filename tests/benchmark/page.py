# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/benchmarks.md: its parts, each with the machine and the day that it is of (pure).

Who measures one part alone renews that part of the page, and leaves the others as they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

#: the parts by their names on the command line, in their order on the page
TITLES = {
    "files": "Backups as files",
    "streams": "Backups as streams",
    "catalogue": "A repository of 10,000 backups",
    "fleet": "A fleet",
}

_HEAD = """<!--
Copyright: (c) 2026, dba.mariabackup contributors
GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
SPDX-License-Identifier: GPL-3.0-or-later
-->

# Benchmarks

`make bench` writes this page. It measures the collection against the same steps done by hand with the plain
`mariadb-backup`, on one host, in one run, one of each kind after the other, and shows medians of {runs}. Nothing here is a
test: a target that was missed is printed as missed. `make bench ARGS="--only streams"` renews one part alone.
"""
_PART = re.compile(r"^<!-- part: (\w+) -->\n(.*?)^<!-- end -->\n", re.MULTILINE | re.DOTALL)


def page(existing: str, parts: Mapping[str, str], runs: int) -> str:
    """Return the page with new parts in it.

    Args:
        existing: the page as it was; its other parts stay.
        parts: the texts of those that were measured, by name, without their titles.
    """
    texts = dict(_PART.findall(existing))
    for name, text in parts.items():
        texts[name] = f"\n## {TITLES[name]}\n\n{text.strip()}\n\n"
    shown = [f"\n<!-- part: {name} -->\n{texts[name]}<!-- end -->\n" for name in TITLES if name in texts]
    return _HEAD.format(runs=runs) + "".join(shown)
