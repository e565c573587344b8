#!/usr/bin/python

# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell what a repository or a backup directory holds and whether it can be restored."""

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_info
short_description: Tell what a repository or a backup directory holds and whether it can be restored
description:
  - Lists the backups of an instance in a repository from their manifests.
  - Reads one backup, in a repository or in a directory, made by this collection or by hand, prepared or not, and proves it from
    what lies on the disk, the metadata files, the redo log, the tables' files and, where there is one, the manifest.
  - Without O(adopt) it never changes anything, and with it never the backup.
extends_documentation_fragment:
  - dba.mariabackup.attributes
  - dba.mariabackup.attributes.actiongroup
  - dba.mariabackup.repository
  - dba.mariabackup.rclone
  - dba.mariabackup.source
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - Without O(adopt) there is nothing to show.
  idempotent:
    support: full
options:
  type:
    description:
      - Lists in RV(backups) those of this type alone.
    type: str
    choices: [full, incremental]
  label:
    description:
      - Lists in RV(backups) those with this label alone.
    type: str
  after:
    description:
      - Lists in RV(backups) those alone whose data is not from before this time, such as V(2026-11-22T10:15:00Z). A time without a
        zone is UTC.
      - O(before) bounds the list from the other side; besides, it names the backup that is looked at.
    type: str
  verify:
    description:
      - Whether to read every file and compare it with the checksum in the manifest. In O(repository), without O(backup_id)
        and O(before), it reads the newest backup. Of an increment it reads all that it is built on as well.
    type: bool
    default: false
  max_age:
    description:
      - How old the newest backup of the instance in O(repository) may be, in hours, days or weeks, such as V(26h) or V(8d).
        Partial backups do not count.
    type: str
  size_drift:
    description:
      - By how many percent the size of the newest full backup may differ from the median of up to seven full ones before it.
    type: int
  violation:
    description:
      - What a newest backup that is too old, from the future, of another size, or missing, makes of the task.
        V(fail) fails it, V(warn) warns.
        RV(violations) holds the reasons.
    type: str
    default: fail
    choices: [fail, warn]
  adopt:
    description:
      - Gives the full backup in O(target_dir), which was made by hand, its manifest, C(<target_dir>.manifest.json), after it has
        been proven. From then on it is checked like one that this collection took.
      - A backup that has a manifest is left as it is. One that cannot be restored is refused.
      - The manifest says what the tool's info file says. The times in there have no zone, so they are taken for those of this
        host. The host that the backup comes from is not in there.
    type: bool
    default: false
  checksum:
    description:
      - Whether the manifest that O(adopt) writes gets a checksum of every file.
    type: str
    default: sha256
    choices: [sha256, none]
  state_dir:
    description:
      - Where jobs, locks and the results of scheduled runs are kept.
    type: path
    default: /var/lib/mariabackup
seealso:
  - module: dba.mariabackup.backup
  - module: dba.mariabackup.schedule
author:
  - dba.mariabackup contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Look at a backup
  dba.mariabackup.backup_info:
    target_dir: /srv/backup/monday
  register: monday

- name: Read all of it, and refuse to go on with a damaged one
  dba.mariabackup.backup_info:
    target_dir: /srv/backup/monday
    verify: true
  register: monday
  failed_when: not monday.valid

- name: List the backups of this host
  dba.mariabackup.backup_info:
    repository: /srv/repository
  register: listed

- name: List the increments since a day
  dba.mariabackup.backup_info:
    repository: /srv/repository
    type: incremental
    after: "2026-11-22T00:00:00Z"

- name: Read all of the newest one of another server
  dba.mariabackup.backup_info:
    repository: /srv/repository
    instance: "{{ listed.instances[0] }}"
    verify: true

- name: Fail when there is no backup of the last day, or when its size has changed by half
  dba.mariabackup.backup_info:
    repository: /srv/repository
    max_age: 26h
    size_drift: 50

- name: Take over a backup that was made with the plain tool
  dba.mariabackup.backup_info:
    target_dir: /srv/backup/by-hand
    adopt: true
"""

RETURN = r"""
backups:
  description:
    - Every backup of the instance in O(repository) that O(type), O(label), O(after) and O(before) let pass, oldest first; empty
      for O(target_dir). RV(problems) and RV(valid) are about all of them.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: Its id.
      type: str
    path:
      description: Its directory in the repository; its files are in C(data) in it, or in one stream.
      type: str
    problem:
      description: Why it cannot be restored, if so. When its manifest cannot be used, most of the other keys are none.
      type: str
    type:
      description: V(full) or V(incremental).
      type: str
    base_id:
      description: The backup that an incremental one is based on.
      type: str
    chain:
      description: The ids that a restore of it needs, from the full one on. Empty when one of them is missing or does not fit.
      type: list
      elements: str
    instance:
      description: Whose backup it is.
      type: str
    label:
      description: The label that it was given.
      type: str
    created:
      description: When it was finished, UTC.
      type: str
    host:
      description: Where it was taken.
      type: str
    server_version:
      description: The version of the server.
      type: str
    gtid:
      description: The server's GTID position at its point in time.
      type: str
    size_bytes:
      description: The sum of its files' sizes.
      type: int
    stored_bytes:
      description: The size of its stream; of a directory of files the same as RV(backups[].size_bytes).
      type: int
    compression:
      description: Its compression.
      type: str
    encrypted:
      description: Whether it is encrypted.
      type: bool
    files:
      description: The number of its files.
      type: int
    duration_seconds:
      description: How long taking it took.
      type: float
    prepared:
      description: Whether it is prepared.
      type: bool
    partial:
      description: Whether it holds a choice of schemas or tables. It never counts as the newest backup.
      type: bool
    selection:
      description: What was chosen, by option of the module backup; none for a whole backup.
      type: dict
  sample:
    - id: 20261122T101500Z-1f2e3d
      type: full
      created: "2026-11-22T10:15:03Z"
violations:
  description: What is wrong with the newest backup by O(max_age) and O(size_drift).
  returned: success, and failure because of them
  type: list
  elements: str
  sample: []
scheduled_runs:
  description:
    - The last run of each schedule of the host that backs up the instance into O(repository), however it ended; see
      M(dba.mariabackup.schedule).
  returned: success
  type: list
  elements: dict
  contains:
    schedule:
      description: Its name.
      type: str
    started:
      description: When it began, UTC.
      type: str
    ended:
      description: When it ended, UTC; none for one that still runs, or was killed.
      type: str
    ok:
      description: Whether all its steps ended well; none as long as it has not ended.
      type: bool
    failed_phase:
      description: The phase in which it failed.
      type: str
    error:
      description: Why it failed, and what to do next.
      type: str
    log_path:
      description: The log of its last job.
      type: str
    backup_id:
      description: The backup that it took.
      type: str
    last_backup_id:
      description: The last backup that the schedule took, in that run or in one before it.
      type: str
    retention:
      description:
        - The rules by which it prunes O(repository), by the options of M(dba.mariabackup.prune); none where it keeps everything.
      type: dict
  sample:
    - schedule: nightly
      started: "2026-11-22T02:30:00Z"
      ended: "2026-11-22T02:30:41Z"
      ok: true
instances:
  description: The instances that have backups in O(repository).
  returned: success
  type: list
  elements: str
  sample: [db1, db2]
exists:
  description: Whether there is such a directory, or a backup of the instance in O(repository).
  returned: success
  type: bool
  sample: true
valid:
  description:
    - Whether nothing speaks against restoring it, or what it is built on, or against importing tables from it where it is partial.
      For a list, whether every manifest can be used and every chain is whole.
  returned: success
  type: bool
  sample: true
verified:
  description:
    - How far the proof went, V(sha256), V(sizes) (with a manifest), V(structure) (without one), or V(stream) for one that was
      read to its end.
  returned: success, when it exists
  type: str
  sample: sizes
problems:
  description: What speaks against it.
  returned: success
  type: list
  elements: str
  sample: []
backup:
  description: What it is; none when it does not describe itself as a backup, and for a list.
  returned: success, when it exists
  type: dict
  contains:
    id:
      description: Its id, or the tool's UUID where there is no manifest.
      type: str
    path:
      description: Its directory.
      type: str
    type:
      description: V(full) or V(incremental).
      type: str
    base_id:
      description: The backup that an incremental one is based on.
      type: str
    label:
      description: The label that it was given.
      type: str
    created:
      description: When it was finished. UTC where there is a manifest, else the local time of its host.
      type: str
    host:
      description: Where it was taken.
      type: str
    from_lsn:
      description: Where an increment begins.
      type: int
    to_lsn:
      description: The checkpoint at which it began.
      type: int
    last_lsn:
      description: The end of its redo log.
      type: int
    gtid:
      description: The server's GTID position at its point in time; empty without a binary log.
      type: str
    binlog_file:
      description: The binary log that the server was writing.
      type: str
    binlog_position:
      description: The position in RV(backup.binlog_file).
      type: int
    server_version:
      description: The version of the server.
      type: str
    tool_version:
      description: The version of the tool.
      type: str
    size_bytes:
      description: The sum of its files' sizes.
      type: int
    stored_bytes:
      description: What it takes on the disk.
      type: int
    files:
      description: The number of its files.
      type: int
    schemas:
      description: The schemas in it.
      type: list
      elements: str
    compression:
      description: Its compression.
      type: str
    encrypted:
      description: Whether it is encrypted.
      type: bool
    prepared:
      description: Whether it says that it is prepared, and the bytes agree.
      type: bool
    manifest:
      description: Whether it has a manifest.
      type: bool
    partial:
      description: Whether it holds a choice of schemas or tables, so that M(dba.mariabackup.import_tables) alone can use it.
      type: bool
    selection:
      description: What was chosen, by option of the module backup; none for a whole backup, and where there is no manifest.
      type: dict
  sample:
    id: 20261122T101500Z-1f2e3d
    path: /srv/backup/monday
    type: full
    prepared: false
log_path:
  description: The log of the job on the host.
  returned: with O(adopt), when the job has begun
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
cmd:
  description: The command that failed.
  returned: failure, when a program failed
  type: list
  elements: str
  sample: [/usr/bin/rclone, lsjson]
rc:
  description: The return code of RV(cmd), or 128 and the number of the signal that stopped the job.
  returned: failure, when a program failed, or the job was stopped
  type: int
  sample: 1
log_tail:
  description: The last lines of what it said, or of the job's log.
  returned: failure, when a program failed, or the job was killed
  type: list
  elements: str
  sample: ["Failed to lsjson"]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.dba.mariabackup.plugins.module_utils.argspec import (
    SOURCE_RULES,
    rclone_spec,
    repository_spec,
    source_spec,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.job.operations import with_remotes
from ansible_collections.dba.mariabackup.plugins.module_utils.repository import listing
from ansible_collections.dba.mariabackup.plugins.module_utils.task import run_here, run_job


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **repository_spec(),
            **rclone_spec(),
            **source_spec(),
            "type": {"type": "str", "choices": ["full", "incremental"]},
            "label": {"type": "str"},
            "after": {"type": "str"},
            "verify": {"type": "bool", "default": False},
            "max_age": {"type": "str"},
            "size_drift": {"type": "int"},
            "violation": {"type": "str", "default": "fail", "choices": ["fail", "warn"]},
            "adopt": {"type": "bool", "default": False},
            "checksum": {"type": "str", "default": "sha256", "choices": ["sha256", "none"]},
            "state_dir": {"type": "path", "default": "/var/lib/mariabackup"},
        },
        supports_check_mode=True,
        required_one_of=SOURCE_RULES["required_one_of"],
        mutually_exclusive=SOURCE_RULES["mutually_exclusive"],
        required_by={
            **SOURCE_RULES["required_by"],
            **dict.fromkeys(("type", "label", "after", "max_age", "size_drift"), "repository"),
        },
        required_if=[("adopt", True, ["target_dir"])],
    )
    if module.params["adopt"]:
        run_job(module, "adopt", "adopt")
    run_here(module, with_remotes(listing.run))


if __name__ == "__main__":
    main()
