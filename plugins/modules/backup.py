#!/usr/bin/python

# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take a physical backup of a MariaDB server and prove it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: backup
short_description: Take a physical backup of a MariaDB server and prove it
description:
  - Takes a backup of the server on this host with C(mariadb-backup), into an empty or missing directory (O(target_dir)), which
    is created with its parents and mode C(0700), or into O(repository).
  - A backup counts only when the tool's return code, the last line of its log, its metadata files, the redo log's bytes, the
    tables' files and the manifest agree. Until then it lies in C(<target_dir>.partial), or carries a mark that every other
    module refuses, so an aborted one is never mistaken for a backup.
  - Beside it lies the manifest, C(<target_dir>.manifest.json), with the size and checksum of every file.
  - In O(repository) the backup is C(<repository>/<instance>/<id>), with its files in C(data), and C(manifest.json),
    C(files.json), C(RESTORE.txt) and C(configuration.json) beside them. Until it is proven the directory is C(<id>.partial).
  - In O(repository) it can be an increment (O(type)), which holds the pages of InnoDB that have changed since its base, and all
    files of other engines. An increment and its base are of one timeline, which ends when the server is restored or its data
    is replaced; nothing is ever based on the backup of another one.
  - It can be cancelled at any time, with C(SIGTERM) to the job, or C(systemctl stop) of its unit. The server goes on, and nothing of
    the backup is left; after C(SIGKILL) the next backup into the same place removes what is.
  - A backup with InnoDB tables that have a C(DATA DIRECTORY) outside of the datadir is taken with a warning which names them,
    because M(dba.mariabackup.restore) refuses it.
  - The server goes on whatever happens to the backup. The work is a job of the host. Under systemd it goes on when the
    connection is lost, and the same task again waits for it.
extends_documentation_fragment:
  - dba.mariabackup.attributes
  - dba.mariabackup.attributes.actiongroup
  - dba.mariabackup.job
  - dba.mariabackup.login
  - dba.mariabackup.repository
  - dba.mariabackup.rclone
  - dba.mariabackup.tool
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: partial
    details:
      - A directory that holds files is refused, unless O(skip_if_newer_than) lets the backup in it count.
      - Each run adds a backup to O(repository), unless O(skip_if_newer_than) lets the newest one count.
options:
  target_dir:
    description:
      - Where the backup goes. It must be empty or missing; C(lost+found) does not count. Either this or O(repository) is needed.
    type: path
  type:
    description:
      - V(full) is a full backup.
      - V(incremental) is an increment on O(base). Where nothing can be its base, the task fails.
      - V(auto) is an increment, or a full backup where nothing can be the base. RV(type_reason) says why. Nothing can be
        when there is no backup yet, when the full one at the root of the chain is older than O(full_every), when the
        server was restored or its data replaced since, when it has changed to another series, and when the chain is broken.
      - V(incremental) and V(auto) need O(repository).
    type: str
    default: full
    choices: [full, incremental, auto]
  base:
    description:
      - The id of the backup in O(repository) that an increment is based on. Without it, it is the newest one that can be the base.
    type: str
  full_every:
    description:
      - With O(type=auto), how old the full backup at the root of the chain may be, in hours, days or weeks, such as V(6d).
        A nightly backup with V(6d) is a full one each week. Without it, chains have no end.
    type: str
  parallel:
    description:
      - How many files the tool copies at a time.
    type: int
    default: 1
  throttle:
    description:
      - The most chunks of 10 MB that the tool copies in a second. V(0) is no limit.
    type: int
    default: 0
  checksum:
    description:
      - Whether the manifest gets a checksum of every file. Files are hashed while the tool still copies others.
    type: str
    default: sha256
    choices: [sha256, none]
  prepare:
    description:
      - Whether to prepare the backup as well, so that a restore needs not. A prepared backup is no base for increments.
        Only with O(type=full).
    type: bool
    default: false
  use_memory:
    description:
      - Memory for O(prepare), such as V(2G). V(auto) is at most a quarter of what is free, of the machine or the control group.
    type: str
    default: auto
  galera_info:
    description:
      - Whether to record the position in the Galera cluster.
    type: bool
    default: false
  slave_info:
    description:
      - Whether to record the position of the primary that this server replicates from.
    type: bool
    default: false
  safe_slave_backup:
    description:
      - Whether to stop the replica's SQL thread until it has no temporary tables open, and start it again after the backup.
    type: bool
    default: false
  safe_slave_backup_timeout:
    description:
      - Seconds to wait for that. Without it, the tool's own 300 seconds hold.
    type: int
  skip_if_newer_than:
    description:
      - When O(target_dir), or O(repository) for this instance, holds a good backup that is younger than this, in seconds, it
        counts, and nothing is done.
    type: int
  label:
    description:
      - A text for the manifest.
    type: str
  format:
    description:
      - V(directory) keeps the files as they are. V(stream) makes one file of them, in O(repository) only, which is compressed,
        encrypted and hashed on the way, so that the data is written once and nowhere else. Restoring it writes it once as well.
    type: str
    default: directory
    choices: [directory, stream]
  compression:
    description:
      - How a stream is compressed, by the program of that name on this host; V(gzip) by C(pigz) where there is one.
    type: str
    default: none
    choices: [none, zstd, lz4, gzip]
  compression_level:
    description:
      - From V(1) to V(19) for C(zstd), to V(12) for C(lz4), to V(9) for C(gzip). Without it V(3), V(1) or V(6).
    type: int
  compression_threads:
    description:
      - How many processors C(zstd) and C(pigz) may use. Without it all of them.
    type: int
  encryption_recipients:
    description:
      - Public keys of C(age) (C(age1...), C(ssh-ed25519), C(ssh-rsa)) for which a stream is encrypted. Any one of the secret keys
        opens it; this host needs none of them. What describes the backup (names and sizes of its files, its position) stays in
        clear.
    type: list
    elements: str
    default: []
  databases:
    description:
      - Schemas to back up instead of all. Names are exact; there are no patterns.
      - With this, O(tables), O(databases_exclude) or O(tables_exclude) the backup is partial. No server can be restored from it, and
        M(dba.mariabackup.import_tables) brings its tables back. It never counts as the newest backup, nor as the last good one.
    type: list
    elements: str
  tables:
    description:
      - Tables to back up, as C(schema.table), together with those of O(databases). Where a name holds a dot it is written with
        backquotes, as C(`my.shop`.`orders`).
    type: list
    elements: str
  databases_exclude:
    description:
      - Schemas to leave out.
    type: list
    elements: str
  tables_exclude:
    description:
      - Tables to leave out, written as in O(tables).
    type: list
    elements: str
seealso:
  - module: dba.mariabackup.prepare
  - module: dba.mariabackup.restore
  - module: dba.mariabackup.backup_info
  - module: dba.mariabackup.import_tables
author:
  - dba.mariabackup contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Take a full backup with the account of the install role
  dba.mariabackup.backup:
    target_dir: /srv/backup/monday
    config_file: /etc/mariabackup.cnf

- name: Take it as root over the socket, four files at a time, ready to be restored
  dba.mariabackup.backup:
    target_dir: /srv/backup/tuesday
    login_user: root
    parallel: 4
    prepare: true
    label: before the upgrade

- name: Back up the instance x of several, unless there is one of the last 24 hours
  dba.mariabackup.backup:
    target_dir: /srv/backup/x
    login_user: root
    defaults_group_suffix: .x
    skip_if_newer_than: 86400

- name: Take a backup into a repository
  dba.mariabackup.backup:
    repository: /srv/repository
    config_file: /etc/mariabackup.cnf

- name: Take it as one file, compressed, and encrypted for a key that only the restoring host has
  dba.mariabackup.backup:
    repository: /srv/streams
    config_file: /etc/mariabackup.cnf
    format: stream
    compression: zstd
    encryption_recipients:
      - age1fd8zvnmkrl79rrl2yscyfru7r3ppvujd2y6czgplxst48ls7ps3ssqjs6h

- name: Take an increment on the newest backup there, and fail where that is not possible
  dba.mariabackup.backup:
    repository: /srv/repository
    type: incremental
    config_file: /etc/mariabackup.cnf

- name: Take increments every night, and a full backup once a week and whenever one is needed
  dba.mariabackup.backup:
    repository: /srv/repository
    type: auto
    full_every: 6d
    config_file: /etc/mariabackup.cnf

- name: Back up one table before a risky change
  dba.mariabackup.backup:
    target_dir: /srv/backup/orders
    login_user: root
    tables:
      - shop.orders
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
  description:
    - The directory of its files; in O(repository) it is C(<id>/data), and C(<id>/metadata) beside a stream.
  returned: success
  type: str
  sample: /srv/backup/monday
type:
  description: The type of the backup, V(full) or V(incremental).
  returned: success
  type: str
  sample: full
type_reason:
  description: Why it is a full backup or an increment.
  returned: success and O(type=auto), when a backup is taken
  type: str
  sample: there is no backup yet
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
  description: How long taking it took.
  returned: success and not in check mode
  type: float
  sample: 11.4
compression:
  description: Its compression, as in O(compression).
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
selection:
  description: What was chosen for a partial backup, by option; none for a whole one.
  returned: success
  type: dict
  sample:
    tables: [shop.orders]
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
    - phase: backup
      action: take a full backup
      detail: /srv/backup/monday
failed_phase:
  description: The phase in which the task failed.
  returned: failure
  type: str
  sample: backup
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

from ansible_collections.dba.mariabackup.plugins.module_utils.argspec import BACKUP_RULES, backup_spec, job_spec
from ansible_collections.dba.mariabackup.plugins.module_utils.task import run_job


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={**backup_spec(), **job_spec()},
        supports_check_mode=True,
        **BACKUP_RULES,
    )
    suffix = module.params["defaults_group_suffix"]
    run_job(module, "backup", "mariadb" + (suffix.replace(".", "@", 1) if suffix else ""))


if __name__ == "__main__":
    main()
