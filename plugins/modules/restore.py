#!/usr/bin/python

# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put a backup into service."""

from __future__ import annotations

DOCUMENTATION = r"""
module: restore
short_description: Put a backup of a MariaDB server into service
description:
  - Restores a physical backup made by C(mariadb-backup). It does the whole documented procedure in one task, preparing
    a copy of the backup, stopping the server, seeing to an empty datadir, placing the files, setting their owner and starting the
    server, but in an order in which nothing can be lost.
  - The new data is placed beside the old, prepared, proven and synced while the old server still runs. Then the server is
    stopped and the two sets of directories are exchanged. The server starts read-only and has to pass a health check
    before it is opened. When it does not, the old data is swapped back and the old server runs again.
  - The service is stopped together with the sockets that would wake it, and cannot be started meanwhile. Nothing is exchanged before
    no process uses the directories or holds a lock in them. A server that does not stop in time is never killed.
  - A set is the datadir with the directories that the server's options name beside it, for InnoDB, Aria, binary and relay logs. They
    change hands together. A symbolic link stays, and what it points to is exchanged; on a mount point the entries are.
  - The old redo logs leave with the old data, those in a separate directory too, so no C(ib_logfile*) of another history meets
    the new data.
  - An increment in O(repository) is restored with all that it is built on, from copies. When one of these is missing, is damaged or
    does not fit, the restore is refused before anything is done.
  - The work is a job of the host. Under systemd it goes on when the connection is lost, and the same task again waits for
    it. Without systemd it is a process of its own, which a host may end with the connection.
  - It can be killed anywhere. The server starts on the old data or on the new, or refuses to start until the repair at boot
    is through; the same task again finishes the work.
extends_documentation_fragment:
  - dba.mariabackup.attributes
  - dba.mariabackup.attributes.actiongroup
  - dba.mariabackup.job
  - dba.mariabackup.login
  - dba.mariabackup.service
  - dba.mariabackup.repository
  - dba.mariabackup.rclone
  - dba.mariabackup.source
  - dba.mariabackup.tool
attributes:
  check_mode:
    support: full
    details:
      - Returns RV(plan) after the same checks, and the same refusals, as a real run.
  diff_mode:
    support: full
  idempotent:
    support: partial
    details:
      - A restore is a new restore each time, unless O(run_id) says that it is the same, or O(if_not_restored) that one is enough.
options:
  datadir:
    description:
      - The directory to restore into. Without it, the service's option files decide; with it, they must agree.
    type: path
  method:
    description:
      - How the files get from the backup to the staging directory.
      - V(auto) and V(copy) leave the backup as it is; V(auto) shares blocks where the file system can (reflink).
      - V(move) consumes the backup, as C(--move-back) does. A backup that is not prepared is prepared in its own directory
        first. When the restore fails before a server has run on it, the backup is given back; after that it is kept at
        C(<datadir>.failed-<id>), whatever O(failed_data) says. Not for a backup in O(repository).
    type: str
    default: auto
    choices: [auto, copy, move]
  copier:
    description:
      - The program that places the files.
      - V(builtin) copies in parallel and keeps sparse files sparse.
      - V(mariadb-backup) is C(--copy-back) or C(--move-back), single-threaded, for procedures that demand it.
      - V(rsync) is C(rsync), which has to be on the host. It cannot move.
      - All of them write into the same staging directory.
    type: str
    default: builtin
    choices: [builtin, mariadb-backup, rsync]
  parallel:
    description:
      - Threads of the V(builtin) copier. V(0) takes one for each processor, at most 8.
    type: int
    default: 0
  existing_data:
    description:
      - What becomes of data that is there.
      - V(fail) refuses and names what it found. C(lost+found) and what is carried over (O(carry_over)) do not count.
      - V(keep) moves it aside, to C(<datadir>.previous-<id>).
      - V(delete) moves it aside and deletes it after the commit.
      - V(delete_first) verifies the whole backup, then deletes the old data before placing the new. It is for disks that
        cannot hold both. There is no way back from it.
    type: str
    default: fail
    choices: [fail, keep, delete, delete_first]
  failed_data:
    description:
      - What becomes of the new data when the old is swapped back; V(keep) leaves it at C(<datadir>.failed-<id>).
    type: str
    default: keep
    choices: [keep, delete]
  carry_over:
    description:
      - More names in the old datadir to take into the new one. Keys and certificates which the option files name, and
        C(debian-*.flag), are taken along without being named.
    type: list
    elements: str
    default: []
  binary_logs:
    description:
      - Whether the old binary logs, with index and state file, leave together with the old data.
      - Left behind with V(leave), they claim transactions that the data no longer has.
    type: str
    default: swap
    choices: [swap, leave]
  gtid_state:
    description:
      - How GTIDs go on when the server writes binary logs.
      - V(new_history) continues above every number that the old data or the backup used. No GTID is
        issued twice, and a replica of the old history stops instead of resuming on diverged data. Where the host's own GTIDs do
        not reach the backup's, as on an empty or a new host, nobody knows how far the old history went. The new one then begins
        1000000000 above what is known.
      - V(backup) continues at the backup's GTID, which replaying binary logs and a new replica need.
      - V(leave) leaves it to the server, which starts at 1.
    type: str
    default: new_history
    choices: [new_history, backup, leave]
  topology:
    description:
      - Whether to restore a server that has replicas, is a replica or belongs to a Galera cluster.
    type: str
    default: refuse
    choices: [refuse, allow]
  start:
    description:
      - Whether to start the server. Without, the restore ends after the swap, with the service released and stopped.
    type: bool
    default: true
  owner:
    description:
      - The owner of the files. Without it, the owner of the previous datadir, and then the service's user.
    type: str
  group:
    description:
      - The group of the files. Without it, the group of the previous datadir, and then the service's group.
    type: str
  health_check:
    description:
      - What the started server has to pass before it is opened.
      - V(normal) wants the server on this datadir, a greeting, the backup's schemas, O(verify_queries), and an error log without
        fatal messages. A refused login is only a warning, because the accounts are now those of the backup.
      - V(strict) wants a login as well.
      - V(none) wants a started server.
    type: str
    default: normal
    choices: [normal, strict, none]
  restored_login_user:
    description:
      - An account that exists in the backup, for the health check and the commit.
      - Without it, root over the socket is tried, and then O(login_user).
    type: str
  restored_login_password:
    description:
      - The password of O(restored_login_user).
    type: str
  expect_schemas:
    description:
      - Schemas that must be there after the restore.
    type: list
    elements: str
    default: []
  verify_queries:
    description:
      - Queries whose first value must be as expected before the server is opened.
    type: list
    elements: dict
    default: []
    suboptions:
      query:
        description:
          - A statement that returns a row.
        type: str
        required: true
      expect:
        description:
          - The first column of the first row, as text.
        type: str
        required: true
  upgrade:
    description:
      - Whether to run C(mariadb-upgrade) when the backup is of an older series than the server.
    type: str
    default: auto
    choices: [auto, never]
  post_restore_sql:
    description:
      - Statements to run before the server is opened for writing. Whoever has an account of the backup can log in and read
        meanwhile.
      - With O(clone) they run before the data is in service at all, in one session that may do everything. Nobody ever reaches
        the data as it was.
    type: list
    elements: str
    default: []
  clone:
    description:
      - Whether the data becomes that of another server than the one it was backed up from.
      - The staged data is then opened by a server of its own without a network. There the events are disabled and the position
        in replication is forgotten, O(post_restore_sql) runs, and O(verify_queries) have to hold, before the server in
        service is stopped. When one of them fails, that server has not been touched.
      - That server loads the plugins which encrypt or compress the backup's pages, and no other; statements cannot use tables of
        storage engines that are plugins.
    type: bool
    default: false
  clone_server_id:
    description:
      - The C(server_id) of the clone. It is written to C(zz-mariabackup-clone-<datadir>.cnf) in the last directory of option
        files that the server reads, and is in force from its first start on the new data; old data that is put back gets its
        own again.
      - Without it, what the host's option files say is kept if it is a number of its own (not V(1), the built-in default) and not that
        of the backup's server. Else a number of at least 2147483648 is derived from the machine and the datadir.
      - An id that the backup's server has, or that is in the backup's GTIDs, is refused.
    type: int
  clone_events:
    description:
      - What becomes of the events in the data of a clone.
      - V(disable) disables each of them, so that none runs when the clone's event scheduler is switched on one day. C(ALTER EVENT)
        enables those that are wanted, O(post_restore_sql) may do so.
      - V(keep) leaves them; they run when the option files of the clone's host switch the event scheduler on.
    type: str
    default: disable
    choices: [disable, keep]
  clone_replication:
    description:
      - What becomes of the source's place in replication. A backup holds no connection to a primary, so a clone never replicates by itself.
      - V(drop) forgets the position (C(gtid_slave_pos)) too.
      - V(keep) leaves it, for a clone that is to become a replica of the source's primary.
    type: str
    default: drop
    choices: [drop, keep]
  rollback_on_failure:
    description:
      - Whether to swap the old data back when the server does not come up healthy. Without, the server is left
        on the new data, and O(dba.mariabackup.previous_datadir#module:state) decides.
    type: bool
    default: true
  verify_checksums:
    description:
      - Whether to compare every file with the checksum in the manifest.
    type: bool
    default: true
  manifest:
    description:
      - Whether a backup without a manifest, one made by hand for example, is accepted with the weaker proof.
    type: str
    default: if_present
    choices: [require, if_present]
  use_memory:
    description:
      - Memory for applying the log, such as V(2G). V(auto) is at most a quarter of what is free.
    type: str
    default: auto
  bandwidth_limit:
    description:
      - The most that staging may copy in a second, such as V(100M).
    type: str
  run_id:
    description:
      - A name for this restore. When a restore of that name was committed, it is not done again.
    type: str
  if_not_restored:
    description:
      - Does nothing when the data in the datadir is the one that a restore of this very backup has put there, and says so with
        RV(already_restored). Other options are not compared, and what was written to that data since stays.
      - Data that anything else has replaced since is restored anew, as is a backup that nothing tells from others, one without a
        manifest and a UUID. Nor is a restore known that was committed before this option existed.
    type: bool
    default: false
seealso:
  - module: dba.mariabackup.backup
  - module: dba.mariabackup.prepare
  - module: dba.mariabackup.previous_datadir
  - name: Full Backup and Restore with Mariabackup
    description: The documented procedure.
    link: https://mariadb.com/kb/en/full-backup-and-restore-with-mariabackup/
author:
  - dba.mariabackup contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Restore onto a new server, whose datadir has to be empty
  dba.mariabackup.restore:
    target_dir: /srv/backup/monday

- name: See what a restore would do
  dba.mariabackup.restore:
    target_dir: /srv/backup/monday
    existing_data: keep
  check_mode: true
  register: restore

- name: Go back to Monday, and keep the present data
  dba.mariabackup.restore:
    target_dir: /srv/backup/monday
    existing_data: keep
    expect_schemas:
      - shop
    verify_queries:
      - query: SELECT COUNT(*) > 0 FROM shop.orders
        expect: "1"

- name: Restore the instance x of several
  dba.mariabackup.restore:
    target_dir: /srv/backup/x
    service: mariadb@x
    defaults_group_suffix: .x
    existing_data: delete

- name: Restore the newest backup in a repository from before a mistake
  dba.mariabackup.restore:
    repository: /srv/repository
    before: "2036-11-22T10:15:00Z"
    existing_data: keep

- name: Make a test server of production's newest backup, without its customers' addresses
  dba.mariabackup.restore:
    repository: /srv/repository
    instance: shop-production
    existing_data: keep
    clone: true
    post_restore_sql:
      - UPDATE shop.customers SET email = CONCAT('customer', id, '@example.com')
    verify_queries:
      - query: SELECT COUNT(*) FROM shop.customers WHERE email NOT LIKE '%@example.com'
        expect: "0"
"""

RETURN = r"""
job_id:
  description: The job that has begun.
  returned: success and O(wait=false), outside of check mode
  type: str
  sample: 20261122T101500Z-1f2e3d
backup_id:
  description: The id of the backup that was restored, or the tool's UUID where there is no manifest.
  returned: success
  type: str
  sample: 20261122T101500Z-1f2e3d
source:
  description: Where the backup was read from.
  returned: success
  type: str
  sample: /srv/backup/monday
method:
  description: How the files were placed, V(reflink), V(copy), V(move), or out of a V(stream).
  returned: success
  type: str
  sample: reflink
datadir:
  description: The directory that was restored into.
  returned: success
  type: str
  sample: /var/lib/mysql
previous_datadir:
  description: Where the old data is kept; none when there was none or when it was deleted.
  returned: success
  type: str
  sample: /var/lib/mysql.previous-20261122T101500Z-1f2e3d
downtime_seconds:
  description: From asking the old server to stop until the new one was healthy.
  returned: success and not in check mode
  type: float
  sample: 1.2
duration_seconds:
  description: The whole restore.
  returned: success and not in check mode
  type: float
  sample: 21.4
phases:
  description: The phases in their order.
  returned: success and not in check mode
  type: list
  elements: dict
  contains:
    name:
      description: The phase.
      type: str
    seconds:
      description: How long it took.
      type: float
  sample:
    - name: plan
      seconds: 0.3
server_version:
  description: The version of the server.
  returned: success
  type: str
  sample: 10.11.14-MariaDB
gtid:
  description: The GTID position of the backup.
  returned: success, when the backup has one
  type: str
  sample: 0-1-4711
binlog_file:
  description: The binary log that the backup's server was writing.
  returned: success, when the backup has one
  type: str
  sample: mysql-bin.000042
binlog_position:
  description: The position in RV(binlog_file).
  returned: success, when the backup has one
  type: int
  sample: 342
bytes:
  description: The size of the restored data.
  returned: success
  type: int
  sample: 2147483648
files:
  description: The number of restored files.
  returned: success
  type: int
  sample: 412
health:
  description:
    - The result of the health check, V(ok), V(unverified_login) when nobody could log in, V(none) when it was not asked
      for, or V(not_started).
  returned: success and not in check mode
  type: str
  sample: ok
server_id:
  description: The C(server_id) of the clone.
  returned: success, with O(clone)
  type: int
  sample: 3405691582
already_restored:
  description:
    - That the backup was in service already, and nothing was done. The other results are those of the restore that put it there,
      without RV(duration_seconds), RV(phases) and RV(log_path).
  returned: when O(if_not_restored) found it so
  type: bool
  sample: true
rolled_back:
  description: Whether the old data was swapped back.
  returned: always
  type: bool
  sample: false
failed_phase:
  description: The phase in which the restore failed.
  returned: failure
  type: str
  sample: health
plan:
  description:
    - What the restore would do. The stage phase names the space that is needed and what is free, the stop phase how long the server
      will be away, by the last restore of the host.
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
    - phase: stage
      action: copy the backup (2048 MiB in 412 files; needs 2208 MiB, 51200 MiB are free)
      detail: /srv/backup/monday -> /var/lib/mysql.restore-20261122T101500Z-1f2e3d
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
refusals:
  description: Everything that speaks against the restore, each with C(cause) and C(action).
  returned: failure in the phase V(plan)
  type: list
  elements: dict
  sample: [{cause: There is no service mysql on this host., action: Name it with the option service.}]
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
logins:
  description: The logins that were tried, and what became of them.
  returned: failure, when no login worked
  type: list
  elements: str
  sample: ["root over the socket: Access denied"]
health_checks:
  description: The checks that were passed before the one that failed.
  returned: failure in the phase V(health)
  type: list
  elements: str
  sample: ["process: process 4711 runs on the new data"]
undecided:
  description: That a person has to decide between the new and the old data.
  returned: failure, when that is so
  type: bool
  sample: true
run:
  description: The run that is undecided.
  returned: failure, when one is
  type: str
  sample: 20261122T101500Z-1f2e3d
step:
  description: The step of the swap at which the disk shows neither the state before nor the one after.
  returned: failure, when there is one
  type: dict
  sample: {kind: move}
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
errno:
  description: The number of the error that the server answered with.
  returned: failure, when a login was refused
  type: int
  sample: 1045
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.dba.mariabackup.plugins.module_utils.argspec import (
    SOURCE_RULES,
    job_spec,
    login_spec,
    rclone_spec,
    repository_spec,
    service_spec,
    source_spec,
    tool_spec,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.task import read_size, run_job


def main() -> None:
    """Run the module."""
    spec = {
        **job_spec(),
        **repository_spec(),
        **rclone_spec(),
        **source_spec(),
        **tool_spec(),
        **login_spec(),
        **service_spec(),
        "datadir": {"type": "path"},
        "method": {"type": "str", "default": "auto", "choices": ["auto", "copy", "move"]},
        "copier": {"type": "str", "default": "builtin", "choices": ["builtin", "mariadb-backup", "rsync"]},
        "parallel": {"type": "int", "default": 0},
        "existing_data": {"type": "str", "default": "fail", "choices": ["fail", "keep", "delete", "delete_first"]},
        "failed_data": {"type": "str", "default": "keep", "choices": ["keep", "delete"]},
        "carry_over": {"type": "list", "elements": "str", "default": []},
        "binary_logs": {"type": "str", "default": "swap", "choices": ["swap", "leave"]},
        "gtid_state": {"type": "str", "default": "new_history", "choices": ["new_history", "backup", "leave"]},
        "topology": {"type": "str", "default": "refuse", "choices": ["refuse", "allow"]},
        "start": {"type": "bool", "default": True},
        "owner": {"type": "str"},
        "group": {"type": "str"},
        "health_check": {"type": "str", "default": "normal", "choices": ["normal", "strict", "none"]},
        "restored_login_user": {"type": "str"},
        "restored_login_password": {"type": "str", "no_log": True},
        "expect_schemas": {"type": "list", "elements": "str", "default": []},
        "verify_queries": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "query": {"type": "str", "required": True},
                "expect": {"type": "str", "required": True},
            },
        },
        "upgrade": {"type": "str", "default": "auto", "choices": ["auto", "never"]},
        "post_restore_sql": {"type": "list", "elements": "str", "default": []},
        "clone": {"type": "bool", "default": False},
        "clone_server_id": {"type": "int"},
        "clone_events": {"type": "str", "default": "disable", "choices": ["disable", "keep"]},
        "clone_replication": {"type": "str", "default": "drop", "choices": ["drop", "keep"]},
        "rollback_on_failure": {"type": "bool", "default": True},
        "verify_checksums": {"type": "bool", "default": True},
        "manifest": {"type": "str", "default": "if_present", "choices": ["require", "if_present"]},
        "use_memory": {"type": "str", "default": "auto"},
        "bandwidth_limit": {"type": "str"},
        "run_id": {"type": "str"},
        "if_not_restored": {"type": "bool", "default": False},
    }
    module = AnsibleModule(
        argument_spec=spec,
        supports_check_mode=True,
        required_if=[("service_manager", "process", ["server_config_file"])],
        required_one_of=SOURCE_RULES["required_one_of"],
        mutually_exclusive=SOURCE_RULES["mutually_exclusive"],
        required_by={**SOURCE_RULES["required_by"], "restored_login_password": "restored_login_user"},
    )
    read_size(module, "bandwidth_limit")
    run_job(module, "restore", module.params["service"])


if __name__ == "__main__":
    main()
