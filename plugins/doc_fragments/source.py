# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which backup a module works on."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  target_dir:
    description:
      - The directory of the backup on the managed host. Either this or O(repository) is needed.
    type: path
  backup_id:
    description:
      - The id of the backup in O(repository). Without it, and without O(before), it is the newest one.
    type: str
  before:
    description:
      - Takes the newest backup in O(repository) whose data is not from after this time, such as V(2026-11-22T10:15:00Z).
        A time without a zone is UTC.
    type: str
  identity_file:
    description:
      - The file on the managed host with the secret key (C(age-keygen), or an SSH key without a passphrase) for a backup that is
        encrypted. It must be its owner's alone, mode C(0600).
    type: path
"""
