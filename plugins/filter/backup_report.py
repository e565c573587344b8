# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell what became of the backups of a fleet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.dba.mariabackup.plugins.plugin_utils.backup_report import report

DOCUMENTATION = r"""
name: backup_report
short_description: Tell what became of the backups of a fleet
description:
  - Makes a row for each host from the result of its M(dba.mariabackup.backup), or from why it has none, and a table of them.
positional: _input, choices, check
options:
  _input:
    description:
      - A dictionary for each host, with C(host), C(group), C(backup) (the result) and C(failure) (the message of what failed).
    type: list
    elements: dict
    required: true
  choices:
    description:
      - What P(dba.mariabackup.choose_members#filter) has chosen.
    type: dict
    default: {}
  check:
    description:
      - Whether nothing was done but planned.
    type: bool
    default: false
author:
  - dba.mariabackup contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Show the table
  ansible.builtin.debug:
    msg: "{{ (hosts | dba.mariabackup.backup_report).lines }}"
  vars:
    hosts:
      - host: db1
        group: ""
        backup: "{{ hostvars.db1.backup }}"
        failure: ""
"""

RETURN = r"""
_value:
  description:
    - C(hosts) is a list of rows with C(host), C(group), C(result) (V(taken), V(would be taken), V(recent), V(not chosen) or
      V(failed)), C(reason), C(id), C(path), C(type), C(size_bytes), C(files), C(duration_seconds) and C(server_version).
    - C(taken) and C(failed) are names of hosts, C(lines) is a table of the rows for people.
  type: dict
"""


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return it by its name."""
        return {"backup_report": lambda hosts, choices=None, check=False: report(hosts, choices or {}, check)}
