#!/usr/bin/python

# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copy a backup to another repository and check it there."""

from __future__ import annotations

DOCUMENTATION = r"""
module: copy_backup
short_description: Copy a backup to another repository and check it there
description:
  - Copies a backup of O(repository), with all that its restore needs, to the repository O(to). There it has the same instance and
    the same id, and every module takes it from there.
  - Either of them may be remote storage. That holds streams only, so a backup in the form of files does not go there.
  - The files are checked against their checksums while they are read, and once more on arrival. There they are read back from the disk,
    and a stream from the storage.
  - Until it has been checked, a copy is C(<id>.partial). What a run that died has left is removed by the next one.
  - Blocks are never shared with the original, on file systems that could.
extends_documentation_fragment:
  - dba.mariabackup.attributes
  - dba.mariabackup.attributes.actiongroup
  - dba.mariabackup.job
  - dba.mariabackup.rclone
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
    details:
      - A backup that is there, with the same manifest and files of the same sizes, is not copied again.
      - Without O(backup_id) and O(before) the newest backup is meant, and there may be a newer one the next time.
options:
  repository:
    description:
      - Holds the backup, as C(<repository>/<instance>/<backup id>/). It is a directory on the managed host, or remote storage, as
        C(<remote of rclone>:<path>).
    type: path
    required: true
  instance:
    description:
      - Whose backups are meant. The default is what C(hostname) prints on the managed host.
    type: str
  backup_id:
    description:
      - The id of the backup. Without it, and without O(before), it is the newest one.
    type: str
  before:
    description:
      - Takes the newest backup whose data is not from after this time, such as V(2026-11-22T10:15:00Z). A time without a zone is
        UTC.
    type: str
  to:
    description:
      - The other repository, a directory on the managed host or remote storage that is not lost together with the first. It is made
        when it is missing.
    type: path
    required: true
  state_dir:
    description:
      - Where jobs and locks are kept.
    type: path
    default: /var/lib/mariabackup
seealso:
  - module: dba.mariabackup.backup
  - module: dba.mariabackup.prune
  - module: dba.mariabackup.schedule
author:
  - dba.mariabackup contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Keep a second copy of the newest backup on another disk
  dba.mariabackup.copy_backup:
    repository: /srv/repository
    to: /mnt/second/repository

- name: And of the last one before noon
  dba.mariabackup.copy_backup:
    repository: /srv/repository
    before: "2036-11-22T12:00:00Z"
    to: /mnt/second/repository
"""

RETURN = r"""
job_id:
  description: The job that has begun.
  returned: success and O(wait=false), outside of check mode
  type: str
  sample: 20261122T101500Z-1f2e3d
id:
  description: The id of the backup.
  returned: success
  type: str
  sample: 20261122T101500Z-1f2e3d
path:
  description: The directory of its copy.
  returned: success
  type: str
  sample: /mnt/second/repository/db1/20261122T101500Z-1f2e3d
chain:
  description: The backups that its restore needs, from the full one on.
  returned: success
  type: list
  elements: str
  sample: [20261122T101500Z-1f2e3d]
copied:
  description: Those of them that were copied, or would be; the others were there.
  returned: success
  type: list
  elements: str
  sample: [20261122T101500Z-1f2e3d]
size_bytes:
  description: The sum of the sizes of the files of RV(chain).
  returned: success
  type: int
  sample: 2147483648
files:
  description: The number of the files of RV(chain).
  returned: success
  type: int
  sample: 412
duration_seconds:
  description: How long it took.
  returned: success and not in check mode
  type: float
  sample: 11.4
plan:
  description: What the task would do.
  returned: in check mode
  type: list
  elements: dict
  contains:
    phase:
      description: The phase.
      type: str
    action:
      description: What is done.
      type: str
    detail:
      description: With what.
      type: str
  sample:
    - phase: copy
      action: copy it and check it there
      detail: /mnt/second/repository/db1/20261122T101500Z-1f2e3d
log_path:
  description: The log of the job on the host.
  returned: when the job has begun
  type: str
  sample: /var/lib/mariabackup/jobs/20261122T101500Z-1f2e3d/log
failed_phase:
  description: The phase in which it failed.
  returned: failure
  type: str
  sample: verify
cause:
  description: What went wrong, with the names and numbers that were found.
  returned: failure
  type: str
  sample: "Another backup has this id already: /mnt/second/repository/db1/20261122T101500Z-1f2e3d."
action:
  description: What to do next.
  returned: failure
  type: str
  sample: Use another backup.
rc:
  description: 128 and the number of the signal that stopped the job.
  returned: failure, when it was stopped
  type: int
  sample: 143
log_tail:
  description: The last lines of the log.
  returned: failure, when the job was killed
  type: list
  elements: str
  sample: ["2026-11-22 10:15:03 phase copy"]
entries:
  description:
    - >-
      The names that the message is about: files that are in the way, missing, or changed.
  returned: failure, when it is about files
  type: list
  elements: str
  sample: [ibdata1]
problems:
  description: Everything that speaks against the backup, or against the copy that is there.
  returned: failure, when one of them cannot be used
  type: list
  elements: str
  sample: [ib_logfile0 is missing.]
bytes_needed:
  description: The room that would be needed.
  returned: failure, when there is not enough
  type: int
  sample: 2147483648
bytes_free:
  description: The room that there is.
  returned: failure, when there is not enough
  type: int
  sample: 1073741824
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.dba.mariabackup.plugins.module_utils.argspec import (
    RCLONE_RULE,
    job_spec,
    rclone_spec,
    source_spec,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.task import run_job


def main() -> None:
    """Run the module."""
    named = source_spec()
    module = AnsibleModule(
        argument_spec={
            **job_spec(),
            "repository": {"type": "path", "required": True},
            "instance": {"type": "str"},
            "backup_id": named["backup_id"],
            "before": named["before"],
            "to": {"type": "path", "required": True},
            **rclone_spec(),
            "state_dir": {"type": "path", "default": "/var/lib/mariabackup"},
        },
        supports_check_mode=True,
        mutually_exclusive=[("backup_id", "before"), RCLONE_RULE],
    )
    run_job(module, "copy_backup", "copy")


if __name__ == "__main__":
    main()
