# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What diff mode shows of a backup that was taken or prepared."""

from __future__ import annotations

from typing import Any


def with_diff(result: dict[str, Any], before: str) -> dict[str, Any]:
    """Add what diff mode shows: the backup as it was (``before``) and as it is."""
    kind = "partial" if result.get("selection") else result["type"]
    after = f"{result['path']}: {kind} backup, {'prepared' if result['prepared'] else 'not prepared'}\n"
    return {**result, "diff": {"before": before if result["changed"] else after, "after": after}}
