# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every module wants to know about the program mariadb-backup and about the server's option files."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  mariadb_backup:
    description:
      - The program C(mariadb-backup) on the managed host.
      - Without it, C(mariadb-backup) is looked for on the path, and then C(mariabackup), its old name.
    type: path
  defaults_file:
    description:
      - The one option file of the server, in place of the usual ones.
      - It decides which server is meant. Preparing a backup never reads it, because the tool would then take the
        option file's layout for the backup's.
    type: path
  defaults_group_suffix:
    description:
      - The suffix of the option groups that belong to this server, where a host runs several.
      - For the service C(mariadb@x) it is V(.x), and groups such as C([mariadbd.x]) are read as well.
    type: str
  open_files_limit:
    description:
      - How many files the tool may have open at once. It needs one for every tablespace.
      - Without it, the tool's own limit holds.
    type: int
  extra_args:
    description:
      - More options for the tool, appended to those of the module, one list entry each.
      - Refused are passwords, options that the module owns, and options that change what a run means.
    type: list
    elements: str
    default: []
  state_dir:
    description:
      - The directory on the managed host for journals, jobs and locks, with mode C(0700).
    type: path
    default: /var/lib/mariabackup
requirements:
  - C(mariadb-backup) of the server's major version on the managed host
"""
