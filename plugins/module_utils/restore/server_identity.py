# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server id of a clone: which one it gets, and the option file that says so."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.files import fsync_path, path_key, write_atomic
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.host import Host
from ansible_collections.dba.mariabackup.plugins.module_utils.restore.journal import Journal
from ansible_collections.dba.mariabackup.plugins.module_utils.server.gtid import parse_list
from ansible_collections.dba.mariabackup.plugins.module_utils.server.options import option_files, read_options

HIGHEST = (1 << 32) - 1
# What a server has that nobody gave a number, so it tells nothing of who it is.
UNSET = 1
# Numbers that people give are small; those that are derived lie above them all.
_DERIVED = 1 << 31
_MACHINE_ID = "/etc/machine-id"
_SUFFIX = "--defaults-group-suffix="


@dataclass(frozen=True)
class Choice:
    """The server id of a clone.

    Attributes:
        number: the id.
        configured: whether the host's option files say so already.
        problem: why it cannot be used; None when it can.
    """

    number: int
    configured: bool
    problem: str | None = None


def choose(asked: int | None, configured: int, used: Collection[int], seed: str) -> Choice:
    """Choose the server id (pure).

    What the host's option files say is kept where it is a number of its own, and known not to be the source's. Else it is
    derived, so that the same host always gets the same one.

    Args:
        asked: what the caller wants; None leaves it to us.
        configured: what the host's option files say.
        used: the ids that the backup tells of: its server's, and those in its GTIDs. Empty where it tells of none.
        seed: what tells this server from every other one.
    """
    if asked is not None:
        if asked in used:
            return Choice(asked, asked == configured, f"the server of the backup has the server_id {asked} as well")
        if not 1 <= asked <= HIGHEST:
            return Choice(asked, False, f"clone_server_id is {asked}, and has to be between 1 and {HIGHEST}")
        return Choice(asked, asked == configured)
    if configured != UNSET and used and configured not in used:
        return Choice(configured, True)
    number = next(found for found in _derived(seed) if found not in used)
    return Choice(number, number == configured)


def _derived(seed: str) -> Iterator[int]:
    for attempt in itertools.count():
        digest = hashlib.sha256(f"{seed} {attempt}".encode()).digest()
        yield _DERIVED | int.from_bytes(digest[:4], "big")


def ids_in(own: int | None, gtid: str) -> tuple[int, ...]:
    """Return the server ids that a backup tells of: its server's, and those in its GTID position (pure)."""
    return tuple(
        dict.fromkeys([*([] if own is None else [own]), *(found.server_id for found in parse_list(gtid or ""))])
    )


def seed_of(host: Host) -> str:
    """Return what tells the host's server from every other one: the machine, and the datadir on it."""
    try:
        with open(_MACHINE_ID, encoding="ascii") as stream:
            machine = stream.read().strip()
    except OSError:
        machine = os.uname().nodename
    return f"{machine} {host.layout.datadir}"


def configured_id(options: Mapping[str, str]) -> int:
    """Return the server id that option files lead to."""
    return int(options.get("server_id") or UNSET)


def included_directory(texts: Sequence[str]) -> str | None:
    """Return the directory whose option files the server reads last (pure).

    Args:
        texts: the option files in the order in which the server reads them.
    """
    found = [
        words[1].strip()
        for text in texts
        for words in (line.split(None, 1) for line in text.splitlines())
        if len(words) == 2 and words[0] == "!includedir"
    ]
    return found[-1] if found else None


def option_file(host: Host) -> str | None:
    """Return the path of the option file that holds a clone's server id; None where the server reads no such directory."""
    texts = []
    for path in option_files(host.binary, host.args):
        with open(path, encoding="utf-8", errors="replace") as stream:
            texts.append(stream.read())
    directory = included_directory(texts)
    if directory is None or not os.path.isdir(directory):
        return None
    # The last of its directory, and one for each server of the host.
    return os.path.join(directory, f"zz-mariabackup-clone-{path_key(host.layout.datadir)}.cnf")


def option_text(number: int, suffix: str) -> str:
    """Return the option file's text (pure).

    Args:
        number: the server id.
        suffix: of the server's groups, where a host has several servers.
    """
    return (
        "# Written by dba.mariabackup: this server was made of another server's backup, and has an id of its own.\n"
        f"[mariadbd{suffix}]\nserver_id = {number}\n"
    )


def put_in_force(journal: Journal, host: Host, ctx: Context) -> None:
    """Write the chosen server id where the server reads it at its next start, and prove that it does.

    The old server may start with it, too: nothing was ever written under that number.

    Raises:
        MariabackupError: another option overrides it.
    """
    clone = journal["situation"]["clone"]
    if clone["configured"]:
        return
    path, number = clone["file"], clone["server_id"]
    if journal.get("server_id_file") is None:
        try:
            with open(path, encoding="utf-8") as stream:
                before: str | None = stream.read()
        except FileNotFoundError:
            before = None
        journal.write(server_id_file={"path": path, "before": before})
    suffixes = [arg[len(_SUFFIX) :] for arg in host.args if arg.startswith(_SUFFIX)]
    write_atomic(path, option_text(number, suffixes[-1] if suffixes else ""), 0o644)
    found = configured_id(read_options(host.binary, host.args))
    if found != number:
        raise MariabackupError(
            f"{path} says server_id = {number}, and the server would start with {found}: an option that is read after it,"
            " or on its command line, overrides it.",
            "Take server_id out there, or give the host a number of its own in its option files.",
        )
    ctx.log(f"server_id {number} in {path}")


def with_id(host: Host, number: int) -> Host:
    """Return the host with the server id that it has from the next start on: its GTIDs are given out under that number."""
    return replace(host, options={**host.options, "server_id": str(number)})


def take_back(journal: Journal) -> bool:
    """Make the option file what it was before the run; the old data is served with the id that it had.

    Returns:
        whether there was something to take back: what was read of the option files before is not true any more.
    """
    written: Mapping[str, Any] | None = journal.get("server_id_file")
    if written is None:
        return False
    path = written["path"]
    if written["before"] is not None:
        write_atomic(path, written["before"], 0o644)
    elif os.path.lexists(path):
        os.unlink(path)
        fsync_path(os.path.dirname(path))
    journal.write(server_id_file=None)
    return True
