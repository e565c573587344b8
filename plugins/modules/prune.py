#!/usr/bin/python

# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove from a repository the backups that no rule keeps."""

from __future__ import annotations

DOCUMENTATION = r"""
module: prune
short_description: Remove from a repository the backups that no rule keeps
description:
  - Decides for every backup of one instance whether it is kept, and says why. What no rule keeps is removed.
  - A backup that is kept keeps all that its restore needs, so a chain is never broken. The newest backup that can be restored is
    always kept, and so is one that somebody reads.
  - A partial backup takes no place of a whole one. The rules are applied to the backups of each selection alone.
  - A directory whose manifest cannot be read, an increment whose base is missing, and a backup whose stream or data is missing or cut
    is never removed and counts for no rule. Of a directory of files the 32 largest are looked at.
  - A day, an ISO week, a month and a year are those of UTC.
extends_documentation_fragment:
  - dba.mariabackup.attributes
  - dba.mariabackup.attributes.actiongroup
  - dba.mariabackup.job
  - dba.mariabackup.rclone
attributes:
  check_mode:
    support: full
    details:
      - RV(decisions) is the exact decision for each backup.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  repository:
    description:
      - A directory on the managed host that holds the backups of one or many servers,
        as C(<repository>/<instance>/<backup id>/); or a remote of C(rclone). A restore that runs on another host does not keep
        a backup in remote storage from being removed; it fails then, and its server goes on with its old data.
    type: path
    required: true
  instance:
    description:
      - Whose backups are meant. The default is what C(hostname) prints on the managed host.
    type: str
  keep_last:
    description:
      - Keeps so many of the newest backups. At least one of the rules is needed.
    type: int
    default: 0
  keep_within:
    description:
      - Keeps every backup that is not older than this, in hours, days or weeks, such as V(36h), V(14d) or V(8w).
    type: str
  keep_daily:
    description:
      - Keeps the newest backup of each of the last so many days that have one.
    type: int
    default: 0
  keep_weekly:
    description:
      - Keeps the newest backup of each of the last so many weeks that have one.
    type: int
    default: 0
  keep_monthly:
    description:
      - Keeps the newest backup of each of the last so many months that have one.
    type: int
    default: 0
  keep_yearly:
    description:
      - Keeps the newest backup of each of the last so many years that have one.
    type: int
    default: 0
  state_dir:
    description:
      - Where jobs and locks are kept.
    type: path
    default: /var/lib/mariabackup
seealso:
  - module: dba.mariabackup.backup
  - module: dba.mariabackup.backup_info
author:
  - dba.mariabackup contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Show what would go and why, and remove nothing
  dba.mariabackup.prune:
    repository: /srv/repository
    keep_daily: 7
    keep_weekly: 5
    keep_monthly: 12
  check_mode: true
  register: planned

- name: Keep all of the last two weeks, and one for each month of a year
  dba.mariabackup.prune:
    repository: /srv/repository
    keep_within: 14d
    keep_monthly: 12
"""

RETURN = r"""
job_id:
  description: The job that has begun.
  returned: success and O(wait=false), outside of check mode
  type: str
  sample: 20261122T101500Z-1f2e3d
path:
  description: The directory of the instance in the repository.
  returned: success
  type: str
  sample: /srv/repository/db1
instance:
  description: Whose backups they are.
  returned: success
  type: str
  sample: db1
decisions:
  description: Every backup, oldest first, and what becomes of it.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: Its id.
      type: str
    type:
      description: V(full) or V(incremental); none when its manifest cannot be read.
      type: str
    base_id:
      description: The backup that an incremental one is based on.
      type: str
    created:
      description: When it was finished, UTC.
      type: str
    size_bytes:
      description: The sum of its files' sizes.
      type: int
    keep:
      description: Whether it is kept.
      type: bool
    reasons:
      description: Every reason to keep it, or why it goes.
      type: list
      elements: str
  sample:
    - id: 20261122T101500Z-1f2e3d
      keep: true
      reasons: [daily 2026-11-22, the newest restorable backup]
removed:
  description: The ids that were removed, or would be, in this order.
  returned: success
  type: list
  elements: str
  sample: [20261015T101500Z-0a1b2c]
freed_bytes:
  description: What they took, as streams the sizes of these, else the sum of their files' sizes.
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
  sample: No rule says what to keep.
action:
  description: What to do next.
  returned: failure
  type: str
  sample: Set at least one of keep_last, keep_within, keep_daily and so on.
cmd:
  description: The command that failed.
  returned: failure, when a program failed
  type: list
  elements: str
  sample: [/usr/bin/rclone, lsjson]
rc:
  description: The return code of RV(cmd).
  returned: failure, when a program failed
  type: int
  sample: 1
log_tail:
  description: The last lines of what it said.
  returned: failure, when a program failed
  type: list
  elements: str
  sample: ["Failed to lsjson"]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.dba.mariabackup.plugins.module_utils.argspec import (
    RCLONE_RULE,
    job_spec,
    rclone_spec,
    retention_spec,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.task import run_job


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **job_spec(),
            "repository": {"type": "path", "required": True},
            **rclone_spec(),
            "instance": {"type": "str"},
            **retention_spec(),
            "state_dir": {"type": "path", "default": "/var/lib/mariabackup"},
        },
        supports_check_mode=True,
        mutually_exclusive=[RCLONE_RULE],
    )
    run_job(module, "prune", "prune")


if __name__ == "__main__":
    main()
