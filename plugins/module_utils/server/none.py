# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that the caller stops and starts: ours only looks, and refuses while a server uses the datadir."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.server.base import Repair, Service
from ansible_collections.dba.mariabackup.plugins.module_utils.server.options import option_file_args


class NoService(Service):
    """Whether a server runs is told by the locks on its files, which the caller of this class reads."""

    manager = "none"
    manages = False

    def __init__(
        self,
        name: str,
        *,
        state_dir: str,
        key: str,
        defaults_file: str | None = None,
        defaults_group_suffix: str | None = None,
    ) -> None:
        super().__init__(name, state_dir=state_dir, key=key)
        self._args = option_file_args(defaults_file, defaults_group_suffix)

    def exists(self) -> bool:
        return True

    def state(self) -> str:
        return "inactive"

    def main_pid(self) -> int | None:
        return None

    def unit_user(self) -> str:
        return ""

    def command_args(self) -> list[str]:
        return list(self._args)

    def enabled(self) -> bool:
        return False

    def stop_timeout(self) -> float:
        return 0.0

    def hold(self, reason: str, *, persistent: bool = False, repair: Repair | None = None) -> None:
        """Nobody but the caller starts this server."""

    def release(self) -> None:
        """There is no hold."""

    def stop(self, timeout: float, *, kill: bool = False) -> None:
        """The caller has stopped it."""

    def start(self, timeout: float, *, restricted: bool = False, triggers: Sequence[str] = ()) -> None:
        raise MariabackupError(
            "service_manager is none, so the server is not started here.", "Start it when the restore has ended."
        )

    def remove_restrictions(self) -> None:
        """There are none."""

    def restricted(self) -> bool:
        return False
