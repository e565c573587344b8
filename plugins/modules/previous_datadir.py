#!/usr/bin/python

# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide over the data that a restore kept aside."""

from __future__ import annotations

DOCUMENTATION = r"""
module: previous_datadir
short_description: Put back, accept or delete the data that a restore kept aside
description:
  - A restore with O(dba.mariabackup.restore#module:existing_data=keep) leaves the old data beside the new. This module puts
    it back into service, or deletes it when it is no longer needed.
  - When a machine went down after the new data was in place and before the restore was committed, the server may have
    been written to since. Nothing is swapped back on its own then. This module is how you decide.
extends_documentation_fragment:
  - dba.mariabackup.attributes
  - dba.mariabackup.attributes.actiongroup
  - dba.mariabackup.job
  - dba.mariabackup.login
  - dba.mariabackup.service
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  state:
    description:
      - V(restored) puts the old data of the newest restore back into service. The data that was in service is kept at
        C(<datadir>.failed-<id>).
      - V(accepted) keeps the new data of an interrupted restore for good. Without one it does nothing.
      - V(absent) deletes what finished restores kept aside, old data and failed new data. An interrupted restore keeps what
        it has.
    type: str
    choices: [restored, accepted, absent]
    required: true
  topology:
    description:
      - Whether to put data back, with O(state=restored), where the server has replicas, is a replica or belongs to a Galera
        cluster, or where the old data is a replica's.
      - O(login_user) and the other options of the login are for finding that out. Root over the socket is tried as well.
    type: str
    default: refuse
    choices: [refuse, allow]
  gtid_state:
    description:
      - How GTIDs go on, with O(state=restored), when the server writes binary logs.
      - V(new_history) continues above every number that either set of data used. No GTID is issued twice, and a replica
        of either history stops instead of resuming on diverged data. The old binary logs stay, but the server does not know of
        them any more.
      - V(leave) continues where the old data ended, with its binary logs. A replica that followed the new data resumes, on
        diverged data, when the old has passed its position, so there must be none. A replica of the old data goes on.
    type: str
    default: new_history
    choices: [new_history, leave]
  older_than:
    description:
      - With O(state=absent), only what restores kept that ended longer ago than this, in seconds.
    type: int
  datadir:
    description:
      - The server's datadir. Without it, the service's option files decide; with it, they must agree.
    type: path
  defaults_file:
    description:
      - The one option file of the server, in place of the usual ones.
    type: path
  defaults_group_suffix:
    description:
      - The suffix of the option groups that belong to this server, where a host runs several.
    type: str
  state_dir:
    description:
      - The directory on the managed host for journals, jobs and locks, with mode C(0700).
    type: path
    default: /var/lib/mariabackup
seealso:
  - module: dba.mariabackup.restore
author:
  - dba.mariabackup contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Go back to the data from before the restore
  dba.mariabackup.previous_datadir:
    state: restored

- name: Go back on a primary whose replicas are built anew afterwards
  dba.mariabackup.previous_datadir:
    state: restored
    topology: allow

- name: Keep the new data of a restore that a power cut interrupted
  dba.mariabackup.previous_datadir:
    state: accepted

- name: Delete what restores kept aside more than a week ago
  dba.mariabackup.previous_datadir:
    state: absent
    older_than: 604800
"""

RETURN = r"""
job_id:
  description: The job that has begun.
  returned: success and O(wait=false), outside of check mode
  type: str
  sample: 20261122T101500Z-1f2e3d
datadir:
  description: The server's datadir.
  returned: success
  type: str
  sample: /var/lib/mysql
run:
  description: The restore that was decided on.
  returned: success, when there was one
  type: str
  sample: 20261122T101500Z-1f2e3d
previous_datadir:
  description: Where the set that is not in service is kept now.
  returned: success, when there is one
  type: str
  sample: /var/lib/mysql.failed-20261122T101500Z-1f2e3d
removed:
  description: The directories that were deleted.
  returned: success
  type: list
  elements: str
  sample:
    - /var/lib/mysql.previous-20261122T101500Z-1f2e3d
freed_bytes:
  description: How many bytes deleting them frees.
  returned: success
  type: int
  sample: 2147483648
log_path:
  description: The log of the job on the host.
  returned: when the job has begun
  type: str
  sample: /var/lib/mariabackup/jobs/20261122T101500Z-1f2e3d/log
failed_phase:
  description: The phase in which it failed.
  returned: failure
  type: str
  sample: plan
cause:
  description: What went wrong, with the names and numbers that were found.
  returned: failure
  type: str
  sample: The backup /srv/backup/monday has no manifest.
action:
  description: What to do next.
  returned: failure
  type: str
  sample: Use another backup.
refusals:
  description: Everything that speaks against putting the old data back, each with C(cause) and C(action).
  returned: failure in the phase V(plan), when there is something
  type: list
  elements: dict
  sample: [{cause: A replica is connected to this server., action: Set topology.}]
cmd:
  description: The command that failed, passwords masked.
  returned: failure, when a program failed
  type: list
  elements: str
  sample: [/usr/bin/mariadb-backup, --prepare]
rc:
  description: The return code of RV(cmd), or 128 and the number of the signal that stopped the job.
  returned: failure, when a program failed
  type: int
  sample: 1
log_tail:
  description: The last lines of the log.
  returned: failure, when a program failed
  type: list
  elements: str
  sample: ["[00] FATAL ERROR: 2026-11-22 10:15:03 failed to execute query"]
step:
  description: The step of the swap at which the disk shows neither the state before nor the one after.
  returned: failure, when there is one
  type: dict
  sample: {kind: move}
errno:
  description: The number of the error that the server answered with.
  returned: failure, when a login was refused
  type: int
  sample: 1045
logins:
  description: The logins that were tried, and what became of them.
  returned: failure, when no login worked
  type: list
  elements: str
  sample: ["root over the socket: Access denied"]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.dba.mariabackup.plugins.module_utils.argspec import job_spec, login_spec, service_spec
from ansible_collections.dba.mariabackup.plugins.module_utils.task import run_job


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **job_spec(),
            **login_spec(),
            **service_spec(),
            "state": {"type": "str", "choices": ["restored", "accepted", "absent"], "required": True},
            "topology": {"type": "str", "default": "refuse", "choices": ["refuse", "allow"]},
            "gtid_state": {"type": "str", "default": "new_history", "choices": ["new_history", "leave"]},
            "older_than": {"type": "int"},
            "datadir": {"type": "path"},
            "defaults_file": {"type": "path"},
            "defaults_group_suffix": {"type": "str"},
            "state_dir": {"type": "path", "default": "/var/lib/mariabackup"},
        },
        supports_check_mode=True,
        required_if=[("service_manager", "process", ["server_config_file"])],
    )
    run_job(module, "previous_datadir", module.params["service"])


if __name__ == "__main__":
    main()
