# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which service runs the server, and how it is stopped and started."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  service:
    description:
      - The name of the server's service, V(mariadb@x) for one of several on a host.
    type: str
    default: mariadb
  service_manager:
    description:
      - What stops and starts the server.
    type: str
    default: auto
    choices:
      auto: V(systemd) where it runs the host, else V(sysvinit).
      systemd: The unit O(service), together with the units that would wake it.
      sysvinit: The script of O(service) below C(/etc/init.d).
      process: >-
        The module itself, with O(server_command). This is for containers, drills and demonstrations. What starts the
        server besides the module is not held back.
      none: Nothing. The caller stops and starts the server, and a server that still uses the directories is an error.
  server_command:
    description:
      - The server program, for O(service_manager=process).
      - Without it, C(mariadbd) is looked for on the path and in C(/usr/sbin), and then C(mysqld), its old name.
    type: path
  server_config_file:
    description:
      - The option file that O(server_command) is started with, for O(service_manager=process).
    type: path
  server_user:
    description:
      - The account that the server runs as, for O(service_manager=process).
      - Without it, the option file decides.
    type: str
  stop_timeout:
    description:
      - Seconds that the server may take to stop. After that it is left as it is and the task fails. A server is never
        killed.
      - Without it, the limit of the service's own unit holds.
    type: int
  start_timeout:
    description:
      - Seconds that the server may take until it answers. The first start on restored data rolls back what was not
        committed, which can take long.
    type: int
    default: 600
"""
