# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who uses a server's directories and does not go away."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.usage import User, in_use
from ansible_collections.dba.mariabackup.plugins.module_utils.server.proc import is_server

PASSING_S = 10.0


def staying_users(
    paths: Collection[str], lock_files: Collection[str], ignore: Callable[[], Collection[int]] = tuple
) -> list[User]:
    """Return who uses the directories, when those who only pass by have had ``PASSING_S`` seconds to leave.

    Debian starts a check for an upgrade with every instance of a host (/etc/mysql/debian-start), and each of them looks
    into the datadir of the first one. A server does not leave by itself: it is returned at once.

    Args:
        ignore: called before each look; the pids that do not count.
    """
    deadline = time.monotonic() + PASSING_S
    while True:
        users = in_use(paths, lock_files=lock_files, ignore=ignore())
        if not users or time.monotonic() > deadline or any(user.pid <= 0 or is_server(user.pid) for user in users):
            return users
        time.sleep(0.2)
