#!/usr/bin/python
# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module job; the work is in module_utils."""

from __future__ import annotations

DOCUMENTATION = r"""
module: job
short_description: Wait for a long job of a host, or cancel it
version_added: 0.1.0
description:
  - Backups, restores and the other long operations of this collection are jobs of their host. They go on when the connection, the
    controller or the AWX job ends. This module waits for such a job and returns what came of it, or cancels it.
  - A job's result can be fetched as long as it is among the last hundred jobs of the host.
author:
  - dba.mariabackup contributors (@mariabackup)
extends_documentation_fragment:
  - dba.mariabackup.attributes
  - dba.mariabackup.attributes.actiongroup
  - dba.mariabackup.job
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  id:
    description:
      - The job, as RV(dba.mariabackup.restore#module:job_id) names it, and the directory in RV(dba.mariabackup.restore#module:log_path).
      - Without it, the one job that runs is meant, and where none runs the newest. When several run, the task fails and names them.
    type: str
  state:
    description:
      - With V(finished) the task waits for the job's end. It fails when the job has failed, as the job's own task would have.
      - With V(cancelled) the job is asked to stop, and the task waits until it has done so. A restore that has not stopped the server
        yet leaves everything as it was. Later it swaps the old data back; and once the new data is committed, it finishes.
        RV(outcome) tells which. A backup leaves nothing behind.
    type: str
    choices: [finished, cancelled]
    default: finished
  wait:
    description:
      - Whether to wait for the job's end.
      - With V(false) and O(state=finished) the task tells whether the job still runs.
    type: bool
    default: true
  state_dir:
    description:
      - The directory on the managed host for journals, jobs and locks, as the job's own task has it.
    type: path
    default: /var/lib/mariabackup
seealso:
  - module: dba.mariabackup.restore
  - module: dba.mariabackup.backup
"""

EXAMPLES = r"""
- name: Begin a backup and do not wait for it
  dba.mariabackup.backup:
    target_dir: /srv/backup/wednesday
    wait: false
  register: begun

- name: Fetch its result later
  dba.mariabackup.job:
    id: "{{ begun.job_id }}"

- name: Cancel what runs on the host
  dba.mariabackup.job:
    state: cancelled
"""

RETURN = r"""
job_id:
  description: The job.
  returned: when there is one
  type: str
  sample: 20261122T101500Z-1f2e3d
operation:
  description: What the job does.
  returned: when there is a job
  type: str
  sample: restore
outcome:
  description:
    - V(running) while it runs, with O(wait=false) and in check mode.
    - V(succeeded) when it has done what it was begun for, V(failed) when it has not.
    - V(cancelled) when it was asked to stop and has left everything as it was.
    - V(rolled_back) when it was asked to stop and has swapped the old data back, which serves again.
    - V(lost) when its process died without a result.
  returned: when there is a job
  type: str
  sample: succeeded
result:
  description: What the job's task would have returned.
  returned: when the job has ended
  type: dict
  sample: {backup_id: 20261122T101500Z-9a8b7c, changed: true}
jobs:
  description: The jobs that run.
  returned: failure, when several run and none is named
  type: list
  elements: str
  sample: [20261122T101500Z-1f2e3d]
log_path:
  description: The log of the job on the host.
  returned: when there is a job
  type: str
  sample: /var/lib/mariabackup/jobs/20261122T101500Z-1f2e3d/log
failed_phase:
  description: The phase in which the job failed.
  returned: failure
  type: str
  sample: stage
cause:
  description: What went wrong.
  returned: failure
  type: str
  sample: There is no job 20261122T101500Z-1f2e3d on this host.
action:
  description: What to do next.
  returned: failure
  type: str
  sample: Leave id out for the newest job.
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.dba.mariabackup.plugins.module_utils.argspec import job_spec
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.job.control import attend


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "id": {"type": "str"},
            "state": {"type": "str", "default": "finished", "choices": ["finished", "cancelled"]},
            **job_spec(),
            "state_dir": {"type": "path", "default": "/var/lib/mariabackup"},
        },
        supports_check_mode=True,
    )
    try:
        result = attend(module.params, module.check_mode)
    except MariabackupError as error:
        module.fail_json(**error.as_result())
    if result.get("failed"):
        module.fail_json(**result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
