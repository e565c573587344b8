# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which backups of an instance a list shows (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.repository.catalogue import Entry, read_time


@dataclass(frozen=True)
class Filter:
    """What a backup has to be, to be shown; None for what does not matter.

    Attributes:
        type: ``full`` or ``incremental``.
        label: the whole label.
        after, before: its data is not from before, and not from after this time, aware.
    """

    type: str | None = None
    label: str | None = None
    after: datetime | None = None
    before: datetime | None = None

    def passes(self, entry: Entry) -> bool:
        """Tell whether a backup is shown; one whose manifest cannot be used has neither type nor label."""
        manifest = entry.head.manifest if entry.head is not None else None
        return (
            (self.type is None or (manifest is not None and manifest.type == self.type))
            and (self.label is None or (manifest is not None and manifest.label == self.label))
            and (self.after is None or entry.time >= self.after)
            and (self.before is None or entry.time <= self.before)
        )


def filter_of(params: Mapping[str, Any]) -> Filter:
    """Build the filter from the module's options.

    Raises:
        MariabackupError: ``after`` or ``before`` is no time.
    """
    times = {
        option: read_time(option, params[option]) if params.get(option) is not None else None
        for option in ("after", "before")
    }
    return Filter(params.get("type"), params.get("label"), **times)
