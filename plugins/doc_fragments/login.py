# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the modules log in to the server; the names are those of the ansible.mariadb collection."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  login_user:
    description:
      - The account that logs in to the server.
      - Without it, the option file O(config_file) decides, and then the account that runs the task
        (C(unix_socket) authentication).
    type: str
  login_password:
    description:
      - The password of O(login_user).
      - It reaches the programs in a private option file, never in an argument list or in the environment.
    type: str
  login_host:
    description:
      - Where the server listens.
      - V(localhost) means the server's socket.
      - Without it, the option file O(config_file) decides, and then V(localhost).
    type: str
  login_port:
    description:
      - The server's TCP port, for an O(login_host) other than V(localhost).
      - Without it, the option files decide, and then V(3306).
    type: int
  login_unix_socket:
    description:
      - The server's socket file.
      - Without it, the option files of the server decide.
    type: path
  config_file:
    description:
      - An option file on the managed host whose C([client]) group holds what the other login options leave out.
      - A file that does not exist is ignored when it is the default, and an error otherwise.
    type: path
    default: ~/.my.cnf
  ca_cert:
    description:
      - File with the certificates of the authorities that are trusted, in PEM format. It turns on TLS.
    type: path
    aliases: [ssl_ca]
  client_cert:
    description:
      - File with the client's certificate, in PEM format.
    type: path
    aliases: [ssl_cert]
  client_key:
    description:
      - File with the key of O(client_cert).
    type: path
    aliases: [ssl_key]
  check_hostname:
    description:
      - Whether the server's certificate must carry the name O(login_host).
      - Without it, the name is checked whenever O(ca_cert) is given.
    type: bool
  connect_timeout:
    description:
      - Seconds to wait for a connection.
    type: int
    default: 30
requirements:
  - PyMySQL on the managed host (C(python3-pymysql)), for logging in to the server
"""
