# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations that a job can run, and their plans for check mode: where the rooms come together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.restore import previous, transaction

Operation = Callable[[dict[str, Any], Context], dict[str, Any]]

OPERATIONS: dict[str, Operation] = {
    "previous_datadir": previous.run,
    "restore": transaction.run,
}

PLANS: dict[str, Operation] = {
    "previous_datadir": previous.check,
    "restore": transaction.check,
}
