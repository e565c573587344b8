# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts of a lab as an Ansible inventory."""

from __future__ import annotations

import json

from .host import SSH_OPTIONS
from .lab import Lab


def inventory(lab: Lab) -> str:
    """An inventory in YAML: every host in a group named after its suite."""
    groups: dict[str, list[str]] = {}
    for host in lab.hosts():
        groups.setdefault(host.suite, []).append(
            f"        {host.name}:\n          ansible_host: {host.address}\n          lab_suite: {host.suite}\n"
        )
    variables = {
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(lab.settings.key),
        "ansible_ssh_common_args": f"{SSH_OPTIONS} -o ControlMaster=auto -o ControlPersist=60s",
        "ansible_python_interpreter": "/usr/bin/python3",
    }
    text = "---\nall:\n  vars:\n"
    # a JSON string is a YAML string
    text += "".join(f"    {name}: {json.dumps(value)}\n" for name, value in variables.items())
    text += "  children:\n" if groups else "  children: {}\n"
    for suite, hosts in sorted(groups.items()):
        text += f"    {suite}:\n      hosts:\n" + "".join(hosts)
    return text
