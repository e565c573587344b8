# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``table``: rows as lines of text."""

from __future__ import annotations

DOCUMENTATION = r"""
name: table
short_description: Turn rows into the lines of a table
description:
  - Pads the cells, so that columns stand below each other whatever is in them. The playbooks of this collection end with such a table.
options:
  _input:
    description:
      - The rows, the first of them with the titles. Cells may be of any type; none is shown as C(-).
    type: list
    elements: list
    required: true
author:
  - dba.mariabackup contributors (@mariabackup)
"""

EXAMPLES = r"""
- name: Show the backups of a host
  vars:
    titles: [id, type]
    rows: "{{ listed.backups | map(attribute='id') | zip(listed.backups | map(attribute='type')) | map('list') }}"
  ansible.builtin.debug:
    msg: "{{ ([titles] + rows) | dba.mariabackup.table }}"
"""

RETURN = r"""
_value:
  description: One line for each row.
  type: list
  elements: str
"""

from collections.abc import Callable, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.dba.mariabackup.plugins.plugin_utils.table import lines_of


def table(rows: Sequence[Sequence[Any]]) -> list[str]:
    """Return the lines of a table."""
    try:
        return lines_of(rows)
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return them by name."""
        return {"table": table}
