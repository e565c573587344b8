#!/usr/bin/python

# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep the account that takes backups."""

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_account
short_description: Keep the account that takes backups of a MariaDB server
description:
  - Makes an account with the least privileges that C(mariadb-backup) needs on this version of the server, and an option
    file with its name and password that the other modules take as O(config_file).
  - The option file is what counts. When the account does not agree with it, because the data of another host was
    restored for example, the account is put right.
  - The account belongs to this module. Whatever else it may do on the server, or another way for it to log in, is taken away.
  - The password is compared and set by its hash. A server that wants to judge passwords gets it in clear, over the
    same connection and with the general log switched off for it.
  - In a Galera cluster all nodes share their accounts. Set O(password) there, the same for every node.
extends_documentation_fragment:
  - dba.mariabackup.attributes
  - dba.mariabackup.attributes.actiongroup
  - dba.mariabackup.login
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  name:
    description:
      - The account's name.
    type: str
    default: mariabackup
  host:
    description:
      - Where the account may log in from. Backups run on the server's own host.
    type: str
    default: localhost
  password:
    description:
      - The password. Without it, the one in O(credentials_file) stays, and on the first run one is made by chance on the
        managed host.
    type: str
  credentials_file:
    description:
      - The option file for the account's name and password. It is written with mode C(0600) and belongs to the user that
        the task runs as.
    type: path
    default: /etc/mariabackup.cnf
  create:
    description:
      - Whether to make the account and the option file where there is no O(credentials_file). Without, such a host is left
        as it is.
    type: bool
    default: true
  slave_info:
    description:
      - Whether the account takes backups with C(slave_info), which needs C(SLAVE MONITOR).
    type: bool
    default: false
  safe_slave_backup:
    description:
      - Whether the account takes backups with C(safe_slave_backup), which needs C(SLAVE MONITOR) and
        C(REPLICATION SLAVE ADMIN).
    type: bool
    default: false
  galera_info:
    description:
      - Whether the account takes backups with C(galera_info), which needs C(SLAVE MONITOR).
    type: bool
    default: false
  extra_privileges:
    description:
      - More global privileges, for example C(SUPER) for a server with MyRocks tables.
    type: list
    elements: str
    default: []
  sql_log_bin:
    description:
      - Whether the statements go into the binary log.
      - Without, the account is the host's own. A replica gets no transaction of its own from it, and each host of a
        replication keeps the password of its own O(credentials_file).
    type: bool
    default: false
  defaults_file:
    description:
      - The one option file of the server, in place of the usual ones. It tells where the server's socket is.
    type: path
  defaults_group_suffix:
    description:
      - The suffix of the option groups that belong to this server, where a host runs several.
    type: str
notes:
  - When the login options are refused, root is tried over the socket.
seealso:
  - module: dba.mariabackup.backup
  - module: dba.mariabackup.restore
author:
  - dba.mariabackup contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Make the backup account, or put it right
  dba.mariabackup.backup_account:

- name: Take a backup with it
  dba.mariabackup.backup:
    target_dir: /srv/backup/monday
    config_file: /etc/mariabackup.cnf

- name: The account of a replica whose backups shall seed other replicas
  dba.mariabackup.backup_account:
    slave_info: true
    safe_slave_backup: true

- name: The account of one of several instances
  dba.mariabackup.backup_account:
    defaults_group_suffix: .x
    credentials_file: /etc/mariabackup-x.cnf
"""

RETURN = r"""
name:
  description: The account's name.
  returned: success
  type: str
  sample: mariabackup
host:
  description: Where the account may log in from.
  returned: success
  type: str
  sample: localhost
credentials_file:
  description: The option file with the account's name and password.
  returned: success
  type: str
  sample: /etc/mariabackup.cnf
present:
  description: Whether the host has the account now; false only without O(create).
  returned: success
  type: bool
  sample: true
privileges:
  description: The global privileges that the account has now.
  returned: success
  type: list
  elements: str
  sample: [RELOAD, PROCESS, BINLOG MONITOR]
actions:
  description: What was done, or would be done in check mode. Secrets are left out.
  returned: success
  type: list
  elements: str
  sample:
    - write /etc/mariabackup.cnf
    - CREATE USER 'mariabackup'@'localhost' IDENTIFIED BY <secret> PASSWORD EXPIRE NEVER
    - GRANT RELOAD, PROCESS, BINLOG MONITOR ON *.* TO 'mariabackup'@'localhost'
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

from ansible_collections.dba.mariabackup.plugins.module_utils.argspec import login_spec
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.server.backup_account import put_right


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **login_spec(),
            "name": {"type": "str", "default": "mariabackup"},
            "host": {"type": "str", "default": "localhost"},
            "password": {"type": "str", "no_log": True},
            "credentials_file": {"type": "path", "default": "/etc/mariabackup.cnf"},
            "create": {"type": "bool", "default": True},
            "slave_info": {"type": "bool", "default": False},
            "safe_slave_backup": {"type": "bool", "default": False},
            "galera_info": {"type": "bool", "default": False},
            "extra_privileges": {"type": "list", "elements": "str", "default": []},
            "sql_log_bin": {"type": "bool", "default": False},
            "defaults_file": {"type": "path"},
            "defaults_group_suffix": {"type": "str"},
        },
        supports_check_mode=True,
    )
    try:
        result, warnings = put_right(module.params, check_mode=module.check_mode)
    except MariabackupError as error:
        module.fail_json(**error.as_result())
    for warning in warnings:
        module.warn(warning)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
