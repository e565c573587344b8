# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables of text (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def lines_of(rows: Sequence[Sequence[Any]]) -> list[str]:
    """Return the lines of a table.

    Args:
        rows: its rows, the first with the titles; a cell that is None is shown as ``-``.

    Raises:
        ValueError: the rows differ in their length.
    """
    texts = [["-" if cell is None else str(cell) for cell in row] for row in rows]
    if len({len(row) for row in texts}) > 1:
        raise ValueError("A table needs rows of the same length.")
    widths = [max(map(len, column)) for column in zip(*texts)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in texts]
