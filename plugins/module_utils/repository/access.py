# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens a repository, wherever it is."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.local import Repository
from ansible_collections.dba.mariabackup.plugins.module_utils.repository.remote import RemoteRepository
from ansible_collections.dba.mariabackup.plugins.module_utils.stream.rclone import from_params, is_remote


def open_repository(params: Mapping[str, Any], ctx: Context) -> Repository:
    """Return the repository that the options of a module name; nothing is made or read.

    In check mode what is fetched from remote storage goes into the job's own directory, and vanishes with it. What the runs of this
    host share is read then: what they have fetched, and who holds which lock.

    Raises:
        MariabackupError: rclone or its configuration is missing.
    """
    name = str(params["repository"])
    if not is_remote(name):
        return Repository(name)
    shared = os.path.join(ctx.state_dir, "remotes")
    mirror = os.path.join(ctx.job_dir, "remotes") if ctx.check_mode else shared
    return RemoteRepository(name, from_params(params), mirror, shared)
