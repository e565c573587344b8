# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The long work of the runner file: ``job <directory>``, ``repair <journal>`` and ``scheduled <description>``."""
# pylint: disable=import-outside-toplevel

from __future__ import annotations

import os
import signal
import sys
import traceback
from typing import Any

from ansible_collections.dba.mariabackup.plugins.module_utils.context import Context
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import (
    Interrupted,
    MariabackupError,
    error_of,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.files import give_up_spare, read_json, write_json
from ansible_collections.dba.mariabackup.plugins.module_utils.job import registry
from ansible_collections.dba.mariabackup.plugins.module_utils.job.operations import operation as find_operation
from ansible_collections.dba.mariabackup.plugins.module_utils.job.payload import JOB, REPAIR, SCHEDULED
from ansible_collections.dba.mariabackup.plugins.module_utils.job.secrets import secrets_in, without
from ansible_collections.dba.mariabackup.plugins.module_utils.stream import walk


def _interrupted(number: int, _frame: object) -> None:
    raise Interrupted(
        MariabackupError(
            f"The job was asked to stop ({signal.Signals(number).name}).",
            "Nothing half done is left in service; run the task again when the host may work on it.",
        )
    )


def execute(operation: str, params: dict[str, Any], ctx: Context) -> dict[str, Any]:
    """Run one operation and turn its end, good or bad, into a result that can be stored."""
    try:
        result = find_operation(operation)(params, ctx)
        outcome: dict[str, Any] = {"ok": True, "result": result}
    except (MariabackupError, Interrupted) as raised:
        error = error_of(raised)
        error.log_path = error.log_path or ctx.log_path
        ctx.log(f"failed: {error}")
        outcome = {"ok": False, "error": error.as_result()}
        if isinstance(raised, Interrupted):
            outcome["cancelled"] = True
    except Exception as defect:  # pylint: disable=broad-exception-caught
        # A defect of ours must reach the user with its place, not vanish with the unit.
        ctx.log(traceback.format_exc())
        unforeseen = MariabackupError(
            f"Unforeseen {type(defect).__name__}: {defect}",
            "Please report this with the log; running the same task again continues or undoes what was begun.",
            log_path=ctx.log_path,
            log_tail=traceback.format_exc().splitlines()[-12:],
        )
        outcome = {"ok": False, "error": unforeseen.as_result()}
    outcome["warnings"] = ctx.warnings
    return outcome


def run_job(directory: str) -> int:
    """Run the job described in ``directory`` and leave ``result.json`` there; return the process's exit code."""
    lock = registry.claim(directory)
    signal.signal(signal.SIGTERM, _interrupted)
    signal.signal(signal.SIGINT, _interrupted)
    description = read_json(os.path.join(directory, "job.json"))
    params = read_json(os.path.join(directory, "params.json"))
    ctx = Context(directory, os.path.dirname(os.path.dirname(directory)))
    outcome = without(execute(description["operation"], params, ctx), secrets_in(params))
    give_up_spare(directory)
    write_json(os.path.join(directory, "result.json"), outcome)
    os.unlink(os.path.join(directory, "params.json"))
    os.close(lock)
    return 0 if outcome["ok"] else 1


def main(argv: list[str]) -> int:
    """Dispatch the runner's command line."""
    if len(argv) == 2 and argv[0] == JOB:
        return run_job(argv[1])
    if len(argv) == 2 and argv[0] == REPAIR:
        from ansible_collections.dba.mariabackup.plugins.module_utils.restore.repair import repair

        return repair(argv[1])
    if len(argv) == 2 and argv[0] == SCHEDULED:
        from ansible_collections.dba.mariabackup.plugins.module_utils.job import scheduled

        return scheduled.run(argv[1], run_job)
    sys.stderr.write(
        f"usage: RUNNER {JOB} DIRECTORY | {REPAIR} JOURNAL | {SCHEDULED} DESCRIPTION | {walk.COMMAND} REPORT < STREAM > STREAM\n"
    )
    return 2
