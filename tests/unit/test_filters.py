# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters that the playbooks use."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.dba.mariabackup.plugins.filter.table import FilterModule


def test_table() -> None:
    table = FilterModule().filters()["table"]
    assert table([["host", "files"], ["db1", 203], ["a-longer-name", None]]) == [
        "host           files",
        "db1            203",
        "a-longer-name  -",
    ]
    assert table([]) == []
    with pytest.raises(AnsibleFilterError, match="same length"):
        table([["host"], ["db1", 203]])
