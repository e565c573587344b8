# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Choose the member of each group of servers that a backup is taken from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.dba.mariabackup.plugins.plugin_utils.members import choose

DOCUMENTATION = r"""
name: choose_members
short_description: Choose the member of each group of servers that a backup is taken from
description:
  - Groups servers, and chooses of each replication group or Galera cluster the healthiest, least lagging member. A synced node
    with the shortest queue, or a replica whose threads run and that is least behind; the primary only where no replica will do.
  - Of members that are equally fit it takes the first by name.
positional: _input, max_lag, from_primary
options:
  _input:
    description:
      - A dictionary for each server, with C(host), C(group) (empty for a server by itself) and C(server), the result of
        M(dba.mariabackup.server_info) or of its failure.
    type: list
    elements: dict
    required: true
  max_lag:
    description:
      - How far behind a replica may be, in seconds.
    type: int
    default: 60
  from_primary:
    description:
      - Whether the primary may be taken where no replica can be.
    type: bool
    default: true
author:
  - dba.mariabackup contributors (!UNKNOWN)
seealso:
  - module: dba.mariabackup.server_info
"""

EXAMPLES = r"""
- name: Say which replica a backup of the shop would be taken from
  ansible.builtin.debug:
    msg: "{{ servers | dba.mariabackup.choose_members(max_lag=30) }}"
  vars:
    servers:
      - host: db1
        group: shop
        server: "{{ hostvars.db1.server }}"
      - host: db2
        group: shop
        server: "{{ hostvars.db2.server }}"
"""

RETURN = r"""
_value:
  description:
    - The choice of each group, by the group's name, with C(host) (none when no member can be taken), C(reason), and
      C(passed_over), why each of the others was not taken, by host.
  type: dict
"""


def choose_members(
    servers: Sequence[Mapping[str, Any]], max_lag: int = 60, from_primary: bool = True
) -> dict[str, dict[str, Any]]:
    """Return the choice of each group; servers by themselves are left out."""
    groups: dict[str, dict[str, Mapping[str, Any]]] = {}
    for server in servers:
        if server.get("group"):
            groups.setdefault(str(server["group"]), {})[str(server["host"])] = server.get("server") or {}
    chosen = {name: choose(members, max_lag=max_lag, from_primary=from_primary) for name, members in groups.items()}
    return {
        name: {"host": choice.host, "reason": choice.reason, "passed_over": choice.passed_over}
        for name, choice in chosen.items()
    }


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return it by its name."""
        return {"choose_members": choose_members}
