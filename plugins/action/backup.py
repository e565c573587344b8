# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Follows the job of the module backup."""

from __future__ import annotations

from ansible_collections.dba.mariabackup.plugins.plugin_utils.long_job import LongJob


class ActionModule(LongJob):
    """See the module."""
