# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the runner file begins. It imports no more than a command needs: nothing flows through a stream before its walker is up.

``walk <report>`` stands in the pipe of a stream; all other commands are those of ``job/runner.py``.
"""

from __future__ import annotations

from ansible_collections.dba.mariabackup.plugins.module_utils.backup.metadata import METADATA_FILES
from ansible_collections.dba.mariabackup.plugins.module_utils.stream import walk


def main(argv: list[str]) -> int:
    """Dispatch the runner's command line; returns the exit code."""
    if len(argv) == 2 and argv[0] == walk.COMMAND:
        return walk.main(argv[1], METADATA_FILES)
    # A tenth of a second of imports.
    from ansible_collections.dba.mariabackup.plugins.module_utils.job import runner  # pylint: disable=import-outside-toplevel

    return runner.main(argv)
