#!/usr/bin/python

# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell what became of the restores of a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: restore_info
short_description: Tell what became of the restores of a host
description:
  - Lists the restores of this host from their journals, how each ended, what it cost, and what it keeps aside.
  - It never changes anything, and needs neither the server nor a login.
extends_documentation_fragment:
  - dba.mariabackup.attributes
  - dba.mariabackup.attributes.actiongroup
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  datadir:
    description:
      - Lists the restores of this datadir alone.
    type: path
  last:
    description:
      - How many restores of each datadir are listed.
    type: int
    default: 10
  state_dir:
    description:
      - The directory on the managed host for journals, jobs and locks.
    type: path
    default: /var/lib/mariabackup
seealso:
  - module: dba.mariabackup.restore
  - module: dba.mariabackup.previous_datadir
author:
  - dba.mariabackup contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: List the restores of this host
  dba.mariabackup.restore_info:
  register: found

- name: Fail when a restore waits for a decision
  dba.mariabackup.restore_info:
    datadir: /var/lib/mysql
    last: 1
  register: found
  failed_when: "'undecided' in found.restores | map(attribute='outcome')"
"""

RETURN = r"""
restores:
  description:
    - The restores of each datadir. The one that counts (RV(restores[].current)) is the first of its datadir, then they follow from
      the newest on. One that was refused before anything was changed is not among them.
  returned: success
  type: list
  elements: dict
  contains:
    run:
      description: Its id.
      type: str
    datadir:
      description: The server's datadir.
      type: str
    current:
      description: Whether a restore or M(dba.mariabackup.previous_datadir) would go on with this one.
      type: bool
    outcome:
      description:
        - V(restored), the new data serves.
        - V(rolled_back), the old data was swapped back, because the new data did not come up healthy.
        - V(failed), it failed before the old data was touched.
        - V(undecided), M(dba.mariabackup.previous_datadir) has to decide between the old and the new data.
        - V(accepted) and V(put_back), it has decided.
        - V(running), or V(interrupted), when nobody works on it; the same restore again goes on with it.
      type: str
    failed_phase:
      description: The phase that it failed in, or stands in.
      type: str
    reason:
      description: Why it failed.
      type: str
    who:
      description: Who asked for it.
      type: str
    started:
      description: When it began, UTC.
      type: str
    ended:
      description: When it ended or was decided, UTC.
      type: str
    source:
      description: The directory or address of the backup.
      type: str
    backup_id:
      description: The backup.
      type: str
    kept:
      description: The directories that it keeps aside, of old data, and of new data that failed.
      type: list
      elements: str
    method:
      description: How the data got into the staging directory.
      type: str
    bytes:
      description: The sum of the sizes of its files.
      type: int
    files:
      description: How many files it placed.
      type: int
    server_version:
      description: The version of the server.
      type: str
    health:
      description: What the health check found.
      type: str
    downtime_seconds:
      description: How long no server answered; none for a restore that did not end well.
      type: float
    duration_seconds:
      description: How long it took, of the task that ended it where several went on with it.
      type: float
    phases:
      description: The same by phase, each with C(name) and C(seconds).
      type: list
      elements: dict
    log_path:
      description: The log of its last job on the host.
      type: str
  sample:
    - run: 20261122T101500Z-1f2e3d
      datadir: /var/lib/mysql
      current: true
      outcome: restored
      downtime_seconds: 0.52
problems:
  description: The journals that cannot be read, each with the reason.
  returned: success
  type: list
  elements: str
  sample: []
failed_phase:
  description: The phase in which the module failed.
  returned: failure
  type: str
  sample: plan
cause:
  description: What went wrong, with the names and numbers that were found.
  returned: failure
  type: str
  sample: last is 0.
action:
  description: What to do next.
  returned: failure
  type: str
  sample: Set it to how many restores are to be listed, 1 or more.
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.dba.mariabackup.plugins.module_utils.restore import records
from ansible_collections.dba.mariabackup.plugins.module_utils.task import run_here


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "datadir": {"type": "path"},
            "last": {"type": "int", "default": 10},
            "state_dir": {"type": "path", "default": "/var/lib/mariabackup"},
        },
        supports_check_mode=True,
    )
    run_here(module, records.run)


if __name__ == "__main__":
    main()
