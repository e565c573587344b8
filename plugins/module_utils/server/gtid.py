# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GTIDs and the ``<log_bin_basename>.state`` file. Pure.

Seen on 10.5, 10.11 and 11.8: a server that finds this file and no binary log (no index, or an empty one) takes it as
its ``gtid_binlog_state`` and removes it. The last line of a domain is its current position; the next number of a
domain is one above the highest of all its lines. A last line without its newline is ignored without a word, and a file
that the server may not read ends its start.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError

# Added where the end of the old history is not known: more transactions than happen between a backup and a restore.
BLIND_MARGIN = 1_000_000_000
_HIGHEST = 2**64 - 1


class Gtid(NamedTuple):
    """One global transaction id."""

    domain_id: int
    server_id: int
    sequence: int

    def __str__(self) -> str:
        return f"{self.domain_id}-{self.server_id}-{self.sequence}"


def parse_list(text: str) -> list[Gtid]:
    """Read GTIDs as variables, metadata files and state files hold them: commas or newlines between them.

    Raises:
        MariabackupError: something else is in the text.
    """
    result = []
    for word in re.split(r"[,\s]+", text.strip().strip("'\"")):
        if not word:
            continue
        found = re.fullmatch(r"(\d+)-(\d+)-(\d+)", word)
        if not found:
            raise MariabackupError(
                f"{word!r} is not a GTID (domain-server-sequence).", "Check where the GTID comes from."
            )
        result.append(Gtid(*(int(part) for part in found.groups())))
    return result


def merge(states: Iterable[Iterable[Gtid]]) -> list[Gtid]:
    """Return the highest sequence number of each domain and server that any state holds, lowest first in a domain."""
    highest: dict[tuple[int, int], int] = {}
    for state in states:
        for gtid in state:
            pair = (gtid.domain_id, gtid.server_id)
            highest[pair] = max(gtid.sequence, highest.get(pair, 0))
    merged = [Gtid(domain, server, sequence) for (domain, server), sequence in highest.items()]
    return sorted(merged, key=lambda gtid: (gtid.domain_id, gtid.sequence))


def covers(known: Iterable[Gtid], earlier: Iterable[Gtid]) -> bool:
    """Whether what is known of a history reaches past an earlier point of it, so that it tells where the history ends.

    An empty host, or one that was installed anew, has logs that are whole and know nothing of what the lost server gave
    out after its backup. Numbers alone would not do: the short history of another server may be past them by chance. An
    earlier point without a number proves nothing.
    """
    highest = {(gtid.domain_id, gtid.server_id): gtid.sequence for gtid in merge([known])}
    points = list(earlier)
    return bool(points) and all(highest.get(point[:2], -1) >= point.sequence for point in points)


def format_state(state: Iterable[Gtid]) -> str:
    """Return the text of a ``.state`` file; empty when there is no GTID."""
    return "".join(f"{gtid}\n" for gtid in state)


def new_history(states: Iterable[Iterable[Gtid]], server_id: int, margin: int = 1) -> list[Gtid]:
    """Return a state in which every domain ends with a number that nobody has used, given out by this server.

    A replica that stands anywhere in the old history then finds its position missing from the binary logs and stops
    (error 1236). Equal numbers would not do: it would go on. The other servers' entries stay, because a replica is
    accepted where its domain is unknown.

    Args:
        states: everything that is known: the old server's state, the backup's, replication positions.
        server_id: of the restored server.
        margin: how far above; `BLIND_MARGIN` where the end of the old history is not known.

    Raises:
        MariabackupError: the numbers would pass 64 bits.
    """
    merged = merge(states)
    result: list[Gtid] = []
    for domain in sorted({gtid.domain_id for gtid in merged}):
        in_domain = [gtid for gtid in merged if gtid.domain_id == domain]
        top = max(gtid.sequence for gtid in in_domain) + margin
        if top >= _HIGHEST:
            raise MariabackupError(
                f"The sequence numbers of GTID domain {domain} are used up ({top - margin}).",
                "Choose gtid_state: backup, and set up the replicas anew.",
            )
        result += [gtid for gtid in in_domain if gtid.server_id != server_id]
        result.append(Gtid(domain, server_id, top))
    return result


def new_history_state(states: Iterable[str], server_id: int, domain_id: int = 0, margin: int = 1) -> str:
    """Return the ``.state`` file of a new history (see `new_history`), from states as text.

    Args:
        states: GTID lists or state files; empty ones do not count.
        server_id: of the restored server.
        domain_id: its ``gtid_domain_id``, which gets an entry even where no state names it, so that a replica of
            a history that nobody knew of is stopped too.
        margin: see `new_history`.
    """
    lists = [parse_list(text) for text in states]
    if not any(gtid.domain_id == domain_id for state in lists for gtid in state):
        lists.append([Gtid(domain_id, server_id, 0)])
    return format_state(new_history(lists, server_id, margin))
