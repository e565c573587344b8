# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Short commands (systemctl, the server's ``--help``) and what they printed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError


@dataclass(frozen=True)
class Completed:
    """A finished command: its argument list, return code and output."""

    argv: tuple[str, ...]
    rc: int
    out: str
    err: str

    def tail(self, lines: int = 10) -> list[str]:
        """Return the last lines that it printed, standard output first."""
        return [line for line in (self.out + "\n" + self.err).splitlines() if line.strip()][-lines:]

    def failure(self, cause: str, action: str) -> MariabackupError:
        """Return an error that carries the command and its output."""
        return MariabackupError(cause, action, cmd=self.argv, rc=self.rc, log_tail=self.tail())


def plain_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return our environment with messages in English and without a pager."""
    environment = dict(os.environ)
    environment.update(LC_ALL="C", SYSTEMD_PAGER="", SYSTEMD_COLORS="0")
    environment.update(extra or {})
    return environment


def run(argv: Sequence[str], *, timeout: float = 60, stdin: str | None = None) -> Completed:
    """Run a short command and return what it printed; a failed one is returned too, not raised.

    Args:
        argv: the command; never holds a secret.
        timeout: seconds after which the command is killed.
        stdin: text for its standard input; empty without.

    Raises:
        MariabackupError: the program is missing, or it did not end in time.
    """
    try:
        done = subprocess.run(
            list(argv),
            input=stdin if stdin is not None else "",
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            env=plain_environment(),
            check=False,
        )
    except FileNotFoundError:
        raise MariabackupError(f"The program {argv[0]} was not found.", "Install it on this host.", cmd=argv) from None
    except PermissionError as error:
        raise MariabackupError(f"{argv[0]} cannot be run: {error.strerror}.", "Run as root.", cmd=argv) from None
    except subprocess.TimeoutExpired:
        raise MariabackupError(
            f"{argv[0]} did not end within {timeout:g} s.",
            "Run the command by hand to see what it waits for.",
            cmd=argv,
        ) from None
    return Completed(tuple(argv), done.returncode, done.stdout, done.stderr)


@contextmanager
def file_errors() -> Iterator[None]:
    """Turn the failure to write a file into an error with a way on; also works as a decorator."""
    try:
        yield
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        raise MariabackupError(
            f"A file of the service cannot be changed:{where}: {error.strerror or error}.",
            "Run as root (become), on a file system that is writable and has space.",
        ) from None
