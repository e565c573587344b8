# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where backups are kept, and whose they are."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  repository:
    description:
      - A directory on the managed host that holds the backups of one or many servers,
        as C(<repository>/<instance>/<backup id>/); or a remote of C(rclone), such as V(s3:bucket/backups), which holds streams.
    type: path
  instance:
    description:
      - Whose backups are meant. The default is what C(hostname) prints on the managed host. Modules with the option
        C(defaults_group_suffix) add C(@x) for C(.x).
    type: str
"""
