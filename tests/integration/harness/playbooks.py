# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running playbooks with the real ansible-playbook and the collection as it is published."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_CALLBACKS = Path(__file__).parent / "callback"


@dataclass
class Play:
    """What came of a run of ansible-playbook."""

    returncode: int
    output: str
    #: one dictionary for each task and host: status, host, task, action, result
    events: list[dict[str, Any]] = field(default_factory=list)

    def results(self, action: str, host: str | None = None) -> list[dict[str, Any]]:
        """Return the results of the tasks that ran ``action`` (``backup`` or the full name) on ``host``."""
        return [
            event["result"]
            for event in self.events
            if event["action"] in (action, f"dba.mariabackup.{action}")
            and event["status"] in ("ok", "failed")
            and host in (None, event["host"])
        ]

    def result(self, action: str, host: str | None = None) -> dict[str, Any]:
        """Return the one result of ``action``."""
        found = self.results(action, host)
        assert len(found) == 1, f"{len(found)} results of {action}\n{self.output}"
        return found[0]


class Playbooks:
    """Runs playbooks against an inventory.

    Args:
        collections: the directory of collections that holds the published one.
        scratch: a directory of this worker.
        inventory: its text, when it is asked for.
    """

    def __init__(self, collections: Path, scratch: Path, inventory: str) -> None:
        self.scratch = scratch
        scratch.mkdir(parents=True, exist_ok=True)
        self.inventory = scratch / "inventory.yml"
        self.inventory.write_text(inventory, encoding="utf-8")
        self.record = scratch / "record"
        #: what the run that was started last has printed so far
        self.output = scratch / "output"
        dropped = ("PYTHONPATH", "ANSIBLE_CONFIG", "ANSIBLE_COLLECTIONS_PATH")
        self.environment = {name: value for name, value in os.environ.items() if name not in dropped}
        self.environment.update(
            ANSIBLE_COLLECTIONS_PATH=str(collections),
            ANSIBLE_CALLBACK_PLUGINS=str(_CALLBACKS),
            ANSIBLE_CALLBACKS_ENABLED="record",
            ANSIBLE_LOCAL_TEMP=str(scratch / "tmp"),
            ANSIBLE_NOCOLOR="1",
            ANSIBLE_PIPELINING="1",
            ANSIBLE_RETRY_FILES_ENABLED="0",
            LC_ALL="C.UTF-8",
            MARIABACKUP_RECORD=str(self.record),
        )

    def start(
        self, playbook: str | Sequence[Mapping[str, Any]], *arguments: str, **variables: Any
    ) -> subprocess.Popen[str]:
        """Start ansible-playbook.

        Args:
            playbook: a name such as ``dba.mariabackup.backup``, a path, or a list of plays.
            arguments: more of the command line (``--check``, ``--diff``, ``--limit``).
            variables: extra variables.
        """
        if not isinstance(playbook, str):
            path = self.scratch / "playbook.yml"
            path.write_text(json.dumps(playbook), encoding="utf-8")
            playbook = str(path)
        extra = self.scratch / "variables.json"
        extra.write_text(json.dumps(variables), encoding="utf-8")
        return self._start(["ansible-playbook", "-i", str(self.inventory), "-e", f"@{extra}", *arguments, playbook])

    def _start(self, argv: Sequence[str]) -> subprocess.Popen[str]:
        self.record.unlink(missing_ok=True)
        with open(self.output, "w", encoding="utf-8") as output:
            return subprocess.Popen(
                argv,
                cwd=self.scratch,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )

    def finish(self, process: subprocess.Popen[str], timeout: float = 300) -> Play:
        """Wait for a run and return what came of it."""
        process.wait(timeout=timeout)
        output = self.output.read_text(encoding="utf-8", errors="replace")
        lines = self.record.read_text(encoding="utf-8").splitlines() if self.record.exists() else []
        return Play(process.returncode, output, [json.loads(line) for line in lines])

    def run(self, playbook: str | Sequence[Mapping[str, Any]], *arguments: str, **variables: Any) -> Play:
        """Run ansible-playbook and return what came of it, failed or not."""
        return self.finish(self.start(playbook, *arguments, **variables))

    def succeed(self, playbook: str | Sequence[Mapping[str, Any]], *arguments: str, **variables: Any) -> Play:
        """Run a playbook that has to end well."""
        play = self.run(playbook, *arguments, **variables)
        assert play.returncode == 0, play.output
        return play

    def follow(self, command: str) -> Play:
        """Run a block of a guide in the directory of the inventory, as its reader does; it has to end well."""
        play = self.finish(self._start(["bash", "-euo", "pipefail", "-c", command]))
        assert play.returncode == 0, f"{command}\n{play.output}"
        return play
