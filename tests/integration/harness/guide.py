# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A guide of docs/ as its reader follows it: the files that it names, and its commands in their order."""

from __future__ import annotations

import re
from pathlib import Path

from tests.integration.harness.seeds import ROOT

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NAME = re.compile(r"# (\S+\.\w+)\n")


class Guide:
    """The blocks of one guide.

    Args:
        name: of the guide, ``fleet`` for docs/fleet.md.
    """

    def __init__(self, name: str) -> None:
        self._blocks: list[tuple[str, str]] = _BLOCK.findall((ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8"))

    @property
    def commands(self) -> list[str]:
        """The commands, one for each block of shell."""
        return [text for language, text in self._blocks if language == "shell"]

    @property
    def files(self) -> dict[str, str]:
        """The files: blocks whose first line is a comment with a name."""
        named = [(_NAME.match(text), text) for _language, text in self._blocks]
        return {name[1]: text for name, text in named if name}

    def write_files(self, folder: Path) -> None:
        """Write the files into a folder."""
        for name, text in self.files.items():
            (folder / name).write_text(text, encoding="utf-8")
