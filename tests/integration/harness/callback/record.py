# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the result of every task of a playbook as a line of JSON to the file named by MARIABACKUP_RECORD."""

from __future__ import annotations

DOCUMENTATION = """
name: record
type: notification
short_description: Record results
description:
  - Writes every result as a line of JSON.
"""

import json
import os
from typing import Any

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    """The recorder."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "record"

    def _write(self, status: str, result: Any) -> None:
        event = {
            "status": status,
            "host": result._host.get_name(),
            "task": result._task.get_name(),
            "action": result._task.action,
            "result": {name: value for name, value in result._result.items() if name != "invocation"},
        }
        with open(os.environ["MARIABACKUP_RECORD"], "a", encoding="utf-8") as stream:
            stream.write(json.dumps(event, default=str) + "\n")

    def v2_runner_on_ok(self, result: Any) -> None:
        """Record it."""
        self._write("ok", result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """Record it."""
        self._write("failed", result)

    def v2_runner_on_skipped(self, result: Any) -> None:
        """Record it."""
        self._write("skipped", result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """Record it."""
        self._write("unreachable", result)
