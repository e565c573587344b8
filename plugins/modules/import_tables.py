#!/usr/bin/python

# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring single tables of a backup into a running server."""

from __future__ import annotations

DOCUMENTATION = r"""
module: import_tables
short_description: Bring single tables of a backup into a running server
description:
  - Imports InnoDB tables from a backup into the server of this host, which goes on running. The backup may be full, partial or
    incremental, prepared or not, a directory or a stream, here or in remote storage; it stays as it is.
  - What the tables need is copied beside the datadir and prepared there. Of a stream, and of an increment, that is the whole backup
    with its chain, because only a whole one can be unpacked and prepared; there has to be room for it.
  - A scratch server without network and accounts is started on the copy. It rolls back what was not committed, tells the
    definitions and checksums, and exports the tables.
  - Each table is imported into a schema of its own, where its checksum is compared with the backup's, its definition too,
    and C(CHECK TABLE) is run. When all tables are proven, one C(RENAME TABLE) puts all of them in place. Until then no other
    table is touched; afterwards foreign keys are added, and rows without a parent are counted.
  - Partitioned tables, generated columns, FULLTEXT indexes, all row formats and system-versioned tables are imported. Views,
    sequences and tables of other engines are refused, and so is a table whose definition on the server differs.
  - It can be killed anywhere. The same task again finishes the import, or removes what was made and begins anew.
  - Nothing is written to the binary log, because a replica has not got the files. Take a backup afterwards if you replay
    binary logs.
extends_documentation_fragment:
  - dba.mariabackup.attributes
  - dba.mariabackup.attributes.actiongroup
  - dba.mariabackup.job
  - dba.mariabackup.login
  - dba.mariabackup.repository
  - dba.mariabackup.rclone
  - dba.mariabackup.source
  - dba.mariabackup.tool
attributes:
  check_mode:
    support: full
    details:
      - The definitions are compared in a real run only, before anything is changed, because it takes a server to read them.
      - Of a stream, and of an increment, the names of the files have to do. That a name is a view's is found when it is unpacked.
  diff_mode:
    support: full
  idempotent:
    support: none
    details:
      - Each run imports the tables anew. With O(existing=fail) the second one is refused.
options:
  tables:
    description:
      - The tables, as C(schema.table), or C(schema.*) for all InnoDB tables that the backup holds of a schema. Where a name holds a
        dot it is written with backquotes, as C(`my.shop`.`orders`).
      - Tables that refer to each other by foreign keys belong into one task.
    type: list
    elements: str
    required: true
  existing:
    description:
      - What becomes of a table that the server has already.
      - V(fail) refuses.
      - V(replace) drops it when the imported one is in place. What was written to it since the backup is lost.
      - V(keep) keeps it as C(<table>_previous_<time>), without its foreign keys.
      - A table with triggers is refused, because they would stay with the old table.
    type: str
    default: fail
    choices: [fail, keep, replace]
  topology:
    description:
      - Whether to import into a server that has replicas or is a replica. The import is not replicated.
    type: str
    default: refuse
    choices: [refuse, allow]
  verify_checksums:
    description:
      - Whether to compare every file that is copied with the checksum in the manifest.
    type: bool
    default: true
  use_memory:
    description:
      - Memory for applying the log and for the scratch server, such as V(2G). V(auto) is at most a quarter of what is free.
    type: str
    default: auto
  start_timeout:
    description:
      - Seconds that the scratch server may take to start, and again to roll back what was not committed.
    type: int
    default: 600
  lock_wait_timeout:
    description:
      - Seconds that a statement waits for sessions that use one of the tables. After that the task fails, and nothing has been changed.
    type: int
    default: 60
seealso:
  - module: dba.mariabackup.backup
  - module: dba.mariabackup.restore
author:
  - dba.mariabackup contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: See what an import would do
  dba.mariabackup.import_tables:
    target_dir: /srv/backup/tuesday
    tables:
      - shop.orders
    existing: keep
  check_mode: true

- name: Go back to Tuesday with one table, and keep the present one beside it
  dba.mariabackup.import_tables:
    target_dir: /srv/backup/tuesday
    tables:
      - shop.orders
    existing: keep

- name: Bring all tables of a schema back from the newest backup
  dba.mariabackup.import_tables:
    repository: /srv/repository
    tables:
      - shop.*
    existing: replace

- name: Import from a partial backup
  dba.mariabackup.import_tables:
    target_dir: /srv/backup/orders
    tables:
      - shop.orders
    existing: replace
"""

RETURN = r"""
job_id:
  description: The job that has begun.
  returned: success and O(wait=false), outside of check mode
  type: str
  sample: 20261122T101500Z-1f2e3d
backup_id:
  description: The id of the backup, or the tool's UUID where there is no manifest.
  returned: success
  type: str
  sample: 20261122T101500Z-1f2e3d
source:
  description: Where the backup was read from.
  returned: success
  type: str
  sample: /srv/backup/monday
server_version:
  description: The version of the server.
  returned: success
  type: str
  sample: 10.11.14-MariaDB
tables:
  description: The tables. After a failure, those that are in place; none of them is when the list is empty.
  returned: success, and failure after the tables were staged
  type: list
  elements: dict
  contains:
    name:
      description: Schema and table.
      type: str
    action:
      description: V(create), or V(replace) where the server had the table.
      type: str
    bytes:
      description: The size of its files in the backup. In check mode it is not known of an increment.
      type: int
    previous:
      description: The name under which the old table is kept.
      type: str
    checksum:
      description: C(CHECKSUM TABLE EXTENDED), the same in the backup and on the server; of a table with virtual columns the number of
        rows and two sums over them.
      type: str
    state:
      description: V(imported), or V(planned) in check mode.
      type: str
  sample:
    - name: shop.orders
      action: replace
      bytes: 9437184
      previous: shop.orders_previous_20261122T101500Z
      checksum: "2747438263"
      state: imported
foreign_keys:
  description: The foreign keys of the imported tables, and those of other tables that refer to them.
  returned: success and not in check mode
  type: list
  elements: dict
  contains:
    table:
      description: The table that has it.
      type: str
    name:
      description: Its name.
      type: str
    references:
      description: The table that it refers to.
      type: str
    orphans:
      description: How many rows refer to a row that is not there.
      type: int
  sample: []
duration_seconds:
  description: The whole import.
  returned: success and not in check mode
  type: float
  sample: 4.2
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
plan:
  description: What the import would do.
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
      action: copy what the tables need (24.0 MiB)
      detail: /var/lib/mysql.import-20261122T101500Z-1f2e3d
failed_phase:
  description: The phase in which the import failed.
  returned: failure
  type: str
  sample: plan
log_path:
  description: The log of the job on the host.
  returned: when the job has begun
  type: str
  sample: /var/lib/mariabackup/jobs/20261122T101500Z-1f2e3d/log
cause:
  description: What went wrong, with the names and numbers that were found.
  returned: failure
  type: str
  sample: Tables are in the way. The server has shop.orders already.
action:
  description: What to do next.
  returned: failure
  type: str
  sample: Set existing to keep or replace, or drop or rename the tables. Nothing has been changed.
problems:
  description: Everything that speaks against the import, or against the backup.
  returned: failure, when there is such a list
  type: list
  elements: str
  sample: [The server has shop.orders already.]
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
      The names that the message is about: files that are missing, or changed.
  returned: failure, when it is about files
  type: list
  elements: str
  sample: [ibdata1]
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
logins:
  description: The logins that were tried, and what became of them.
  returned: failure, when no login worked
  type: list
  elements: str
  sample: ["root over the socket: Access denied"]
errno:
  description: The server's number of the error.
  returned: failure, when the server refused a statement
  type: int
  sample: 1205
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.dba.mariabackup.plugins.module_utils.argspec import (
    SOURCE_RULES,
    job_spec,
    login_spec,
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
            **login_spec(),
            "tables": {"type": "list", "elements": "str", "required": True},
            "existing": {"type": "str", "default": "fail", "choices": ["fail", "keep", "replace"]},
            "topology": {"type": "str", "default": "refuse", "choices": ["refuse", "allow"]},
            "verify_checksums": {"type": "bool", "default": True},
            "use_memory": {"type": "str", "default": "auto"},
            "start_timeout": {"type": "int", "default": 600},
            "lock_wait_timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
        **SOURCE_RULES,
    )
    suffix = module.params["defaults_group_suffix"]
    run_job(module, "import_tables", "mariadb" + (suffix.replace(".", "@", 1) if suffix else ""))


if __name__ == "__main__":
    main()
