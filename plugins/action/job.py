# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Follows the job that the module job has found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.job.control import RUNNING, report
from ansible_collections.dba.mariabackup.plugins.plugin_utils.long_job import LongJob


class ActionModule(LongJob):
    """See the module."""

    _is_work = False

    def _follows(self, begun: Mapping[str, Any]) -> bool:
        self._begun = begun
        return begun.get("outcome") == RUNNING

    def _operation(self) -> str:
        return str(self._begun.get("operation"))

    def _ended(self, begun: Mapping[str, Any], outcome: Mapping[str, Any] | None) -> dict[str, Any]:
        known = {key: value for key, value in begun.items() if key != "outcome"}
        return report(known, outcome, self._task.args.get("state") == "cancelled")
