# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the remotes of rclone are configured."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  rclone_config:
    description:
      - The configuration file of C(rclone) on the managed host, with the remotes that repositories name. It must be its owner's
        alone, mode C(0600).
      - Without it, and without O(rclone_remotes), C(rclone) looks in its own place, C(~/.config/rclone/rclone.conf) of the account
        that runs the module.
    type: path
  rclone_remotes:
    description:
      - The remotes that repositories name, instead of O(rclone_config). The key is a remote's name, the value a dictionary of its
        options, as C(rclone) has them in its configuration. Secrets in it may come from a vault. A password that C(rclone) wants
        obscured has to be what C(rclone obscure) prints.
      - They are written to a file of mode C(0600), which is removed when the job ends. They are never in an argument list or an
        environment.
      - A remote whose tokens C(rclone) renews while it works needs O(rclone_config), where it keeps them.
    type: dict
"""
