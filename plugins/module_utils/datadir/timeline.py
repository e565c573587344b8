# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which history a datadir is in: a word that is another one after every restore and every replacement of the data.

InnoDB's LSNs cannot tell: a server that was restored passes the same numbers again with other pages behind them, and an
increment on a base of another history destroys tables. So the word is made of what no other set of data shares:

- the id that each restore writes into the new set, as the file ``mariabackup_timeline``. It lies in the datadir and not in
  the state directory, because it then changes hands with the data, in the same step: the swap, the way back, the repair at
  boot and ``previous_datadir`` need not know of it, and no power cut can come between the data and its id. The tool does not
  back it up, and its name has no dot, so that whoever empties a datadir by hand removes it too;
- the identity of the schema directory ``mysql``, which every set has, wherever its InnoDB files lie: the kernel's file handle,
  which outlives reboots and is given to no later directory. A datadir that was copied, or restored by hand, has another;
- the UUID in ``aria_log_control``, which ``mariadb-install-db`` draws: a datadir that was made anew has another, also on file
  systems without file handles, where inode numbers come back. Where Aria's log lies elsewhere this part is missing;
- the machine's id: a clone of the whole disk is another server.

A word that changes for no good reason costs one full backup; one that stays the same could cost the data.
"""

from __future__ import annotations

import hashlib
import os
import secrets

from ansible_collections.dba.mariabackup.plugins.module_utils.datadir.exchange import Identity, identify
from ansible_collections.dba.mariabackup.plugins.module_utils.files import write_atomic

NAME = "mariabackup_timeline"
_ALWAYS_THERE = "mysql"
_ARIA_CONTROL = "aria_log_control"
# Behind the magic number (3 bytes) and the version (1 byte).
_ARIA_UUID = slice(4, 20)
_MACHINE_ID = "/etc/machine-id"


def timeline_of(datadir: str) -> str | None:
    """Return the word for the history that the data in ``datadir`` is in; None where there is no server's data."""
    identity = identify(os.path.join(datadir, _ALWAYS_THERE))
    if identity is None:
        return None
    return combine(
        _read(os.path.join(datadir, NAME)).decode("ascii", "replace").strip(),
        identity,
        _read(os.path.join(datadir, _ARIA_CONTROL))[_ARIA_UUID],
        _read(_MACHINE_ID).strip(),
    )


def combine(written: str, identity: Identity, aria_uuid: bytes, machine: bytes) -> str:
    """Make the word out of its parts (pure)."""
    place = identity.handle or str(identity.inode)
    text = "\n".join([written, place, aria_uuid.hex(), machine.hex()])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def begin_timeline(directory: str) -> str:
    """Write a new id into a set that is not in service yet, durably, and return it.

    Raises:
        OSError: it cannot be written.
    """
    identity = secrets.token_hex(16)
    write_atomic(os.path.join(directory, NAME), identity + "\n", 0o660)
    return identity


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as stream:
            return stream.read(64)
    except OSError:
        return b""
