# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a service manager has to do for a restore, whichever it is."""

from __future__ import annotations

import abc
import contextlib
import grp
import os
import pwd
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.server import proc

# While these are in force nobody but an administrator of the server can write to the new data.
RESTRICTIONS = ("--read-only=1", "--skip-slave-start", "--event-scheduler=OFF")


@dataclass(frozen=True)
class Trigger:
    """A unit that starts the service on its own: a socket, a path or a timer."""

    name: str
    active: bool
    enabled: bool


@dataclass(frozen=True)
class Survey:
    """How the service was found. Journal it before the first change, so that a resumed run knows what to start."""

    manager: str
    name: str
    was_active: bool
    was_enabled: bool
    triggers: list[str] = field(default_factory=list)
    stop_timeout: float = 900.0

    def as_json(self) -> dict[str, Any]:
        """Return the survey as a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Survey:
        """Read what `as_json` wrote."""
        return cls(**value)


@dataclass(frozen=True)
class Repair:
    """The boot-time unit of a persistent hold.

    Args:
        argv: its command, an absolute program first. It must take the lock of the operation before it acts,
            because starting the service runs it too, also while the operation is alive.
        paths: directories whose mounts it needs.
    """

    argv: Sequence[str]
    paths: Sequence[str] = ()


class Service(abc.ABC):
    """A database service. Reading methods change nothing; all raise MariabackupError.

    Attributes:
        name: the service's own name, resolved (``mariadb.service``).
        hold_file: exists while the server must not start; its text says why.
        manages: False where the caller starts and stops the server.
        survives_reboot: True where a persistent hold also holds the server after a boot.
    """

    manager = ""
    manages = True
    survives_reboot = False

    def __init__(self, name: str, *, state_dir: str, key: str) -> None:
        self.name = name
        self.state_dir = state_dir
        self.key = key
        self.hold_file = os.path.join(state_dir, "hold", key)

    def at_once(self) -> contextlib.AbstractContextManager[None]:
        """Within it the manager is asked once, for readings that belong together; what changes the service forgets them."""
        return contextlib.nullcontext()

    @abc.abstractmethod
    def exists(self) -> bool:
        """Tell whether the host has this service."""

    @abc.abstractmethod
    def state(self) -> str:
        """Return ``active``, ``activating``, ``deactivating``, ``inactive`` or ``failed``."""

    def active(self) -> bool:
        """Tell whether the service runs, or is on its way up or down."""
        return self.state() not in ("inactive", "failed")

    @abc.abstractmethod
    def main_pid(self) -> int | None:
        """Return the process id of the server program itself, or None."""

    @abc.abstractmethod
    def unit_user(self) -> str:
        """Return the user that the manager switches to before the server starts; empty when the server does that."""

    def unit_group(self) -> str:
        """Return the group, likewise."""
        return ""

    @abc.abstractmethod
    def command_args(self) -> list[str]:
        """Return the arguments the server gets, restrictions of ours left out; option file arguments come first."""

    @abc.abstractmethod
    def enabled(self) -> bool:
        """Tell whether the service starts at boot."""

    def sockets(self) -> list[Trigger]:
        """Return the units that would wake the service."""
        return []

    @abc.abstractmethod
    def stop_timeout(self) -> float:
        """Return how many seconds the service itself allows for a stop; ``inf`` for no limit."""

    def survey(self) -> Survey:
        """Return how the service stands now."""
        with self.at_once():
            return Survey(
                manager=self.manager,
                name=self.name,
                was_active=self.state() in ("active", "activating"),
                was_enabled=self.enabled(),
                triggers=[trigger.name for trigger in self.sockets() if trigger.active],
                stop_timeout=self.stop_timeout(),
            )

    def restriction_problem(self) -> str | None:
        """Return why the server cannot be started with `RESTRICTIONS`, or None when it can."""
        return None

    @abc.abstractmethod
    def hold(self, reason: str, *, persistent: bool = False, repair: Repair | None = None) -> None:
        """Make every start of the server fail, and stop what would start it; may be called again to make it persistent.

        Args:
            reason: one line for the administrator who wonders.
            persistent: it must hold after a reboot too; everything is synced before this returns.
            repair: the boot-time unit; only with ``persistent``.
        """

    def held(self) -> bool:
        """Tell whether a hold is in force."""
        return os.path.exists(self.hold_file)

    @abc.abstractmethod
    def release(self) -> None:
        """Take the hold away, persistent or not, synced; starts nothing, and may be called without a hold."""

    @abc.abstractmethod
    def stop(self, timeout: float, *, kill: bool = False) -> None:
        """Stop the server and wait until no process of it is left.

        Args:
            timeout: seconds. After them this raises, and the server, which cannot be told to stay, goes on stopping.
            kill: end it with signal 9 then; only for a server whose data is going to be thrown away.
        """

    @abc.abstractmethod
    def start(self, timeout: float, *, restricted: bool = False, triggers: Sequence[str] = ()) -> None:
        """Lift the hold, start the triggers, then the server, and wait until it is up.

        Args:
            timeout: seconds for the server to come up.
            restricted: start with `RESTRICTIONS`; else restrictions of an earlier start are removed.
            triggers: `Survey.triggers`.
        """

    def start_when_stopped(self, triggers: Sequence[str] = ()) -> str:
        """After a stop that took too long: lift the hold and have everything started as soon as the server is down.

        Returns:
            what will happen, one sentence for the message of the failed task.
        """
        del triggers
        self.release()
        return "The server goes on stopping; start it when it is down."

    def restart(self, timeout: float) -> None:
        """Stop and start the server in one go, its triggers untouched; raises when it is not up in time."""
        self.stop(timeout)
        self.start(timeout)

    def pids(self) -> list[int]:
        """Return the processes that belong to the service, as far as the manager knows them."""
        pid = self.main_pid()
        return [pid] if pid else []

    @abc.abstractmethod
    def remove_restrictions(self) -> None:
        """Make the next start an ordinary one; the running server keeps what it was started with."""

    @abc.abstractmethod
    def restricted(self) -> bool:
        """Tell whether the running server is restricted; when none runs, whether the next start would be."""

    def log_lines(self, limit: int = 200) -> list[str]:
        """Return what the manager has of the messages of the current or last run of the server."""
        del limit
        return []


def running_datadir(service: Service) -> tuple[int, int] | None:
    """Return device and inode of the datadir of the running server, without any login (its working directory)."""
    pid = service.main_pid()
    return proc.cwd_identity(pid) if pid else None


def account_of(service: Service, options: Mapping[str, str]) -> tuple[str, str]:
    """Return user and group names that the server's files must belong to.

    The manager's own setting comes first, then the server's option ``user``, then who runs the process.

    Raises:
        MariabackupError: the user does not exist.
    """
    user = service.unit_user() or options.get("user", "")
    if not user:
        pid = service.main_pid()
        user = str(proc.uid_of(pid)) if pid else str(os.geteuid())
    try:
        entry = pwd.getpwuid(int(user)) if user.isdigit() else pwd.getpwnam(user)
    except KeyError:
        raise MariabackupError(
            f"The server runs as user {user}, whom this host does not have.",
            "Install the server's packages, which create the user, or set owner and group.",
        ) from None
    group = service.unit_group()
    if group.isdigit():
        group = ""
    try:
        return entry.pw_name, group or grp.getgrgid(entry.pw_gid).gr_name
    except KeyError:
        return entry.pw_name, str(entry.pw_gid)
