# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""RESTORE.txt as somebody uses it."""

from __future__ import annotations


def pasted(text: str) -> str:
    """Return the commands of a RESTORE.txt as somebody pastes them into a shell, with the spaces before them."""
    return "".join(line for line in text.splitlines(keepends=True) if line.startswith("    "))
