#!/usr/bin/python

# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a backup consistent, so that a server can start on it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: prepare
short_description: Make a backup consistent, so that a server can start on it
description:
  - The files of a backup are copied at different times. C(mariadb-backup --prepare) makes them consistent by applying the
    redo log. The restore module does it on a copy of its own, so this is for backups that have to be ready beforehand.
  - The tool changes the directory that it works on, and its success means little (a redo log that was cut is prepared with
    C(completed OK!)). So the result is proven from the bytes on the disk.
  - A prepared backup (C(log-applied)) stays as it is; running the task again changes nothing.
extends_documentation_fragment:
  - dba.mariabackup.attributes
  - dba.mariabackup.attributes.actiongroup
  - dba.mariabackup.job
  - dba.mariabackup.repository
  - dba.mariabackup.rclone
  - dba.mariabackup.source
  - dba.mariabackup.tool
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  in_place:
    description:
      - Whether to prepare the backup itself. When it is interrupted, the backup is marked as half prepared, and running the
        task again is the way on. Not for a backup in O(repository), which stays as it was taken.
    type: bool
    default: false
  dest:
    description:
      - A directory, empty or missing, that gets a prepared copy. The backup stays as it is. Blocks are shared where the file
        system can.
      - Of an increment in O(repository) it gets a copy of the full backup at the root of the chain, onto which all increments
        are applied. The copy is a full backup.
    type: path
  use_memory:
    description:
      - Memory for applying the log, such as V(2G). V(auto) is at most a quarter of what is free, of the machine or the
        control group.
    type: str
    default: auto
  export:
    description:
      - Whether to write the C(.cfg) files with which single tables are imported.
    type: bool
    default: false
  verify_checksums:
    description:
      - Whether to compare every file with the checksum in the manifest first.
    type: bool
    default: true
seealso:
  - module: dba.mariabackup.backup
  - module: dba.mariabackup.restore
author:
  - dba.mariabackup contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Prepare a copy and keep the backup as it is
  dba.mariabackup.prepare:
    target_dir: /srv/backup/monday
    dest: /srv/ready/monday

- name: Prepare a copy of the newest backup in a repository, with all increments that belong to it
  dba.mariabackup.prepare:
    repository: /srv/repository
    dest: /srv/ready/newest

- name: Prepare the backup itself
  dba.mariabackup.prepare:
    target_dir: /srv/backup/monday
    in_place: true
    use_memory: 2G
"""

RETURN = r"""
job_id:
  description: The job that has begun.
  returned: success and O(wait=false), outside of check mode
  type: str
  sample: 20261122T101500Z-1f2e3d
id:
  description: The id of the backup; ids sort by time.
  returned: success
  type: str
  sample: 20261122T101500Z-1f2e3d
path:
  description: Its directory.
  returned: success
  type: str
  sample: /srv/backup/monday
type:
  description: The type of the backup, V(full).
  returned: success
  type: str
  sample: full
base_id:
  description: The backup that it is based on; none for a full one.
  returned: success
  type: str
  sample: null
from_lsn:
  description: Where an increment begins; 0 for a full backup.
  returned: success and not in check mode
  type: int
  sample: 0
to_lsn:
  description: The checkpoint at which it began.
  returned: success and not in check mode
  type: int
  sample: 44420
last_lsn:
  description: The end of its redo log.
  returned: success and not in check mode
  type: int
  sample: 349664
gtid:
  description: The GTID position of the server at its point in time; empty without a binary log.
  returned: success and not in check mode
  type: str
  sample: 0-1-4711
binlog_file:
  description: The binary log that the server was writing.
  returned: success and not in check mode
  type: str
  sample: mysql-bin.000042
binlog_position:
  description: The position in RV(binlog_file).
  returned: success and not in check mode
  type: int
  sample: 342
server_version:
  description: The version of the server.
  returned: success
  type: str
  sample: 10.11.14-MariaDB
tool_version:
  description: The version of the tool.
  returned: success
  type: str
  sample: 10.11.14-MariaDB
size_bytes:
  description: The sum of the sizes of its files.
  returned: success and not in check mode
  type: int
  sample: 2147483648
stored_bytes:
  description: What it takes on the disk.
  returned: success and not in check mode
  type: int
  sample: 2147483648
files:
  description: The number of its files.
  returned: success and not in check mode
  type: int
  sample: 412
duration_seconds:
  description: How long preparing it took.
  returned: success and not in check mode
  type: float
  sample: 11.4
compression:
  description: Its compression, V(none).
  returned: success
  type: str
  sample: none
encrypted:
  description: Whether it is encrypted.
  returned: success
  type: bool
  sample: false
prepared:
  description: Whether it is prepared.
  returned: success
  type: bool
  sample: false
label:
  description: The label that it was given.
  returned: success
  type: str
  sample: before the upgrade
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
    - phase: prepare
      action: apply the redo log
      detail: /srv/backup/monday
failed_phase:
  description: The phase in which the task failed.
  returned: failure
  type: str
  sample: prepare
log_path:
  description: The log of the job on the host.
  returned: when the job has begun
  type: str
  sample: /var/lib/mariabackup/jobs/20261122T101500Z-1f2e3d/log
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
entries:
  description:
    - >-
      The names that the message is about: files that are in the way, missing, or changed.
  returned: failure, when it is about files
  type: list
  elements: str
  sample: [ibdata1]
problems:
  description: Everything that speaks against the backup.
  returned: failure, when the backup cannot be used
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
forbidden_options:
  description: Options in the option files, or in O(extra_args), that would change what a backup is.
  returned: failure, when there are such
  type: list
  elements: str
  sample: [compress]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.dba.mariabackup.plugins.module_utils.argspec import (
    SOURCE_RULES,
    job_spec,
    rclone_spec,
    repository_spec,
    source_spec,
    tool_spec,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.task import run_job


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **job_spec(),
            **repository_spec(),
            **rclone_spec(),
            **source_spec(),
            **tool_spec(),
            "in_place": {"type": "bool", "default": False},
            "dest": {"type": "path"},
            "use_memory": {"type": "str", "default": "auto"},
            "export": {"type": "bool", "default": False},
            "verify_checksums": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
        **SOURCE_RULES,
    )
    run_job(module, "prepare", "prepare")


if __name__ == "__main__":
    main()
