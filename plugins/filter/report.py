# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``report``: from what was gathered of the hosts to what the report's page is made of."""

from __future__ import annotations

DOCUMENTATION = r"""
name: report
short_description: Turn what backup_info and restore_info tell of many hosts into a report
description:
  - Judges the backups and restores of each host, puts what needs attention first, and returns the rows and charts of the page
    that the role P(dba.mariabackup.report#role) writes.
options:
  _input:
    description:
      - One dictionary for each host, with C(name), C(max_age), C(size_drift), and the results of M(dba.mariabackup.backup_info)
        (C(backups)) and M(dba.mariabackup.restore_info) (C(restores)). Either is empty, or a failure, where there is none.
    type: list
    elements: dictionary
    required: true
  hosts:
    description:
      - The names of all hosts that the report is about. One that has no dictionary was not asked.
    type: list
    elements: str
    default: []
  now:
    description:
      - The time that ages are counted from, in ISO 8601, UTC where it names no zone.
    type: str
    required: true
seealso:
  - module: dba.mariabackup.backup_info
  - module: dba.mariabackup.restore_info
author:
  - dba.mariabackup contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Answer whether one host is safe
  vars:
    told:
      - name: db1
        max_age: 26h
        size_drift: 50
        backups: "{{ listed }}"
        restores: "{{ restored }}"
  ansible.builtin.debug:
    msg: "{{ (told | dba.mariabackup.report(now=now(utc=true).isoformat())).summary }}"
"""

RETURN = r"""
_value:
  description:
    - A dictionary with C(totals), C(summary) and C(page).
    - C(totals) has C(safe), the numbers of C(hosts) and of findings that are C(critical), C(warning) and C(note), and
      C(stored_bytes).
    - C(summary) is a list of lines, the answer first. It holds text of the hosts as it is.
    - C(page) is what the template of the page shows. Every string in it is escaped for HTML.
  type: dictionary
"""

from collections.abc import Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.plugin_utils.report import page, words


def report(gathered: list[dict[str, Any]], now: str, hosts: Sequence[str] = ()) -> dict[str, Any]:
    """Return the report, or fail the template with what is wrong with its input."""
    moment = words.parse_time(now)
    if moment is None:
        raise AnsibleFilterError(f"now is {now!r}, which is no time in ISO 8601.")
    try:
        return page.report(gathered, moment, hosts)
    except MariabackupError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Any]:
        """Return the filter by its name."""
        return {"report": report}
