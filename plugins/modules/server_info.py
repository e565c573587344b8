#!/usr/bin/python

# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell where a MariaDB server stands among others."""

from __future__ import annotations

DOCUMENTATION = r"""
module: server_info
short_description: Tell the role of a MariaDB server, and how its replication and its cluster are
description:
  - Says whether the server answers, whether it is a primary, a replica or a member of a Galera cluster, and how far behind it is.
  - It only reads. A server that is down, or that refuses the login, is a result and no failure.
  - Replication is read with C(SLAVE MONITOR) (before 10.5.9 C(REPLICATION SLAVE ADMIN)), the replicas with C(PROCESS) and
    C(REPLICATION MASTER ADMIN). What the account may not see is named in RV(unknown).
extends_documentation_fragment:
  - dba.mariabackup.attributes
  - dba.mariabackup.attributes.actiongroup
  - dba.mariabackup.login
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - There is nothing to show.
  idempotent:
    support: full
options:
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
  - plugin: dba.mariabackup.choose_members
    plugin_type: filter
author:
  - dba.mariabackup contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Look at the server
  dba.mariabackup.server_info:
  register: server

- name: Refuse to go on while replication is broken
  ansible.builtin.assert:
    that:
      - server.reachable
      - server.connections | rejectattr('sql_running', 'equalto', 'Yes') | length == 0
"""

RETURN = r"""
reachable:
  description: Whether the server answers and lets the account in.
  returned: success
  type: bool
  sample: true
problem:
  description: Why it could not be asked; none when it could.
  returned: success
  type: str
  sample: "No server answers at /run/mysqld/mysqld.sock."
version:
  description: The version of the server.
  returned: success
  type: str
  sample: 11.8.6-MariaDB
server_id:
  description: Its C(server_id).
  returned: success
  type: int
  sample: 12
role:
  description:
    - V(galera) for a member of a cluster, else V(replica) if it has a connection to a primary, running or not, else V(primary) if
      replicas are connected, else V(standalone). None when its connections could not be read.
  returned: success
  type: str
  sample: replica
read_only:
  description: Whether it is read-only.
  returned: success
  type: bool
  sample: true
replicas:
  description: The replicas that are connected to it.
  returned: success
  type: list
  elements: str
  sample: ["db2 (server id 12)"]
connections:
  description: Its connections to primaries; none when they could not be read.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The connection's name; empty for the default one.
      type: str
    primary:
      description: Host and port of the primary.
      type: str
    primary_server_id:
      description: The primary's C(server_id), if it has ever been reached.
      type: int
    io_running:
      description: The state of the thread that fetches, V(Yes), V(No), V(Connecting) or V(Preparing).
      type: str
    sql_running:
      description: The state of the thread that applies, V(Yes) or V(No).
      type: str
    lag_seconds:
      description: How far behind it is; none when that is not known.
      type: int
    delay_seconds:
      description: How far behind it is on purpose (C(MASTER_DELAY)).
      type: int
    error:
      description: The last error of either thread.
      type: str
  sample:
    - name: ""
      primary: db1:3306
      primary_server_id: 11
      io_running: "Yes"
      sql_running: "Yes"
      lag_seconds: 0
      delay_seconds: 0
      error: null
galera:
  description: Its place in a Galera cluster; none without.
  returned: success
  type: dict
  contains:
    cluster:
      description: The cluster's name.
      type: str
    size:
      description: The number of members that this one sees.
      type: int
    cluster_status:
      description: V(Primary) when this part of the cluster may go on.
      type: str
    state:
      description: The node's state, such as V(Synced), V(Joined) or V(Donor/Desynced).
      type: str
    ready:
      description: Whether it takes queries.
      type: bool
    connected:
      description: Whether it is connected to the cluster.
      type: bool
    desync:
      description: Whether it was taken out of flow control.
      type: bool
    receive_queue:
      description: The number of write sets that wait to be applied.
      type: int
  sample: null
gtid_current_pos:
  description: The GTID of the last transaction that it has applied.
  returned: success
  type: str
  sample: 0-11-4711
unknown:
  description: What could not be read, and for want of which privilege.
  returned: success
  type: list
  elements: str
  sample: []
failed_phase:
  description: The phase in which it failed.
  returned: failure
  type: str
  sample: plan
cause:
  description: What went wrong, with the names and numbers that were found.
  returned: failure
  type: str
  sample: The Python library PyMySQL is not installed on this host.
action:
  description: What to do next.
  returned: failure
  type: str
  sample: Install the package python3-pymysql.
cmd:
  description: The command that failed, passwords masked.
  returned: failure, when a program failed
  type: list
  elements: str
  sample: [/usr/sbin/mariadbd, --print-defaults]
rc:
  description: The return code of RV(cmd).
  returned: failure, when a program failed
  type: int
  sample: 1
log_tail:
  description: The last lines that it printed.
  returned: failure, when a program failed
  type: list
  elements: str
  sample: ["unknown variable 'x=1'"]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.dba.mariabackup.plugins.module_utils.argspec import login_spec
from ansible_collections.dba.mariabackup.plugins.module_utils.server.state import look
from ansible_collections.dba.mariabackup.plugins.module_utils.task import run_here


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **login_spec(),
            "defaults_file": {"type": "path"},
            "defaults_group_suffix": {"type": "str"},
        },
        supports_check_mode=True,
    )
    run_here(module, look)


if __name__ == "__main__":
    main()
