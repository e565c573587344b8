# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Launching job templates as AWX does: ansible-runner in a private directory that is made from the template's data.

What AWX would write into that directory is written here: the project's copy, the inventory as a script that prints it, the
variables as a file in which every text is marked unsafe, the files of credentials, the key of the machine credential for an
ssh-agent, the command line. What AWX would read is read: the events and the artifacts below ``artifacts``.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ansible_runner
import yaml

from tests.integration.harness.server import Server, wait_for
from tests.lab.host import SSH_OPTIONS
from tests.support.awx import by_name, inject, job_variables, load, slice_of

_DATA = load()


class _Dumper(yaml.SafeDumper):
    """YAML in which every text is unsafe: nobody's answer is ever a template."""


_Dumper.add_representer(str, lambda dumper, text: dumper.represent_scalar("!unsafe", text, style="'"))


def template(name: str) -> Mapping[str, Any]:
    """Return a job template of the example."""
    return by_name(_DATA["controller_templates"], name)


def workflow(name: str) -> Mapping[str, Any]:
    """Return a workflow of the example."""
    return by_name(_DATA["controller_workflows"], name)


@dataclass
class Job:
    """A job that was launched."""

    template: str
    directory: Path
    runner: Any
    thread: threading.Thread
    cancelling: threading.Event = field(default_factory=threading.Event)

    def wait(self, timeout: float = 300) -> Job:
        """Wait for its end."""
        self.thread.join(timeout)
        assert not self.thread.is_alive(), f"still running after {timeout} s\n{self.output}"
        return self

    def cancel(self) -> Job:
        """Cancel it, as somebody does on its page, and wait until it is."""
        self.cancelling.set()
        return self.wait(60)

    @property
    def status(self) -> str:
        """``successful``, ``failed``, ``canceled``, ..."""
        return str(self.runner.status)

    @property
    def output(self) -> str:
        """What the job's page shows."""
        return "".join(path.read_text(encoding="utf-8") for path in self.directory.glob("artifacts/*/stdout"))

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events in the directory of artifacts, in their order."""
        paths = self.directory.glob("artifacts/*/job_events/*.json")
        # A partial one is no event yet; the program joins what it knows to it.
        found = [json.loads(path.read_text(encoding="utf-8")) for path in paths if "partial" not in path.name]
        return sorted(found, key=lambda event: int(event["counter"]))

    @property
    def artifacts(self) -> dict[str, Any]:
        """What ``set_stats`` has set: shown on the job's page, and given to the next jobs of a workflow."""
        found = [event["event_data"].get("artifact_data", {}) for event in self.events if "stats" in event["event"]]
        assert len(found) == 1, f"{len(found)} events with statistics\n{self.output}"
        return dict(found[0])

    def results(self, module: str, host: str | None = None) -> dict[str, dict[str, Any]]:
        """Return the results of a module of ours by host, from the events; the last one of each host."""
        return {
            event["event_data"]["host"]: event["event_data"]["res"]
            for event in self.events
            if event["event"] in ("runner_on_ok", "runner_on_failed")
            and event["event_data"]["resolved_action"] == f"dba.mariabackup.{module}"
            and host in (None, event["event_data"]["host"])
        }

    def told(self) -> str:
        """Return everything of the job that AWX keeps or shows."""
        return self.output + json.dumps(self.events)

    def wait_for_event(self, text: str, timeout: float = 60) -> None:
        """Wait until an event shows a text."""
        wait_for(lambda: any(text in event["stdout"] for event in self.events), f"an event with {text!r}", timeout, 0.1)

    def succeeded(self) -> Job:
        """Wait for it, and assert that it ended well."""
        self.wait()
        assert self.status == "successful", self.output
        return self


class Awx:
    """An AWX with one project, one inventory and one machine credential.

    Args:
        project: the directory of the project.
        collections: where the project's update has installed what its requirements name.
        scratch: a directory for the jobs.
        servers: the hosts of the inventory; they are in the group ``databases``.
        variables: the variables of that group.
    """

    _numbers = itertools.count(1)

    def __init__(
        self, project: Path, collections: Path, scratch: Path, servers: Sequence[Server], variables: Mapping[str, Any]
    ) -> None:
        self.project = project
        self.collections = collections
        self.scratch = scratch
        self.servers = {server.name: server for server in servers}
        self.variables = {"ansible_python_interpreter": "/usr/bin/python3", **variables}
        #: all that was launched, in its order
        self.jobs: list[Job] = []
        #: what is in the credentials that templates name, by their names
        self.credentials: dict[str, Mapping[str, str]] = {}

    def _inventory(self, number: int, count: int) -> str:
        hosts = slice_of(list(self.servers), number, count)
        inventory = {
            "all": {"children": ["databases"]},
            "databases": {"hosts": hosts, "vars": self.variables},
            "_meta": {
                "hostvars": {
                    name: {"ansible_host": self.servers[name].host.address, "ansible_ssh_common_args": SSH_OPTIONS}
                    for name in hosts
                }
            },
        }
        return f"#! /usr/bin/env python3\n# -*- coding: utf-8 -*-\nprint({json.dumps(inventory)!r})\n"

    def _credentials(self, names: Sequence[str], folder: Path) -> tuple[list[str], dict[str, str]]:
        """Put what the credentials bring into ``folder``; return the files of variables, and the environment."""
        files, environment = [], {}
        for name in names:
            if name not in self.credentials:
                continue
            credential = by_name(_DATA["controller_credentials"], name)
            kind = by_name(_DATA["controller_credential_types"], credential["credential_type"])
            injected = inject(kind, self.credentials[name], folder)
            environment.update(injected.environment)
            path = folder / f"variables-of-{name.replace(' ', '-')}"
            path.write_text(yaml.dump(injected.variables, Dumper=_Dumper), encoding="utf-8")
            path.chmod(0o600)
            files.append(str(path))
        return files, environment

    def launch(
        self,
        name: str,
        answers: Mapping[str, Any],
        *arguments: str,
        workflow_variables: Mapping[str, Any] | None = None,
        job_slice: tuple[int, int] = (1, 1),
    ) -> Job:
        """Launch a job template.

        Args:
            name: the template's.
            answers: to its survey; for a job of a workflow they come with ``workflow_variables``.
            arguments: more of the command line: what a prompt on launch adds.
            workflow_variables: the artifacts of the jobs before it, and the workflow's own variables.
            job_slice: the number of the slice, from 1, and their count.
        """
        about = template(name)
        # A workflow passes on all it has, asked or not.
        questions = {question["variable"] for question in about["survey_spec"]["spec"]}
        passed = dict(workflow_variables or {})
        asked = {**{key: value for key, value in passed.items() if key in questions}, **answers}
        variables = {**job_variables(about, asked), **passed}

        directory = self.scratch / f"job{next(self._numbers)}"
        folder = directory / "env"
        folder.mkdir(parents=True, mode=0o700)
        shutil.copytree(self.project, directory / "project", ignore=shutil.ignore_patterns(".git", "*.tar.gz"))
        script = directory / "inventory" / "hosts"
        script.parent.mkdir()
        script.write_text(self._inventory(*job_slice), encoding="utf-8")
        script.chmod(0o700)
        (folder / "extravars").write_text(yaml.dump(variables, Dumper=_Dumper), encoding="utf-8")
        files, environment = self._credentials(about["credentials"], folder)
        line = ["-u", "root", f"--forks={about['forks']}", *(part for path in files for part in ("-e", f"@{path}"))]
        line += ["--check"] if about.get("job_type") == "check" else []
        line += ["--tags", about["job_tags"]] if about.get("job_tags") else []
        server = next(iter(self.servers.values()))
        cancelling = threading.Event()
        thread, runner = ansible_runner.run_async(
            private_data_dir=str(directory),
            playbook=about["playbook"],
            ident=directory.name,
            cmdline=" ".join([*line, *arguments]),
            ssh_key=server.host.settings.key.read_text(encoding="utf-8"),
            settings={"suppress_ansible_output": True},
            envvars={
                **environment,
                "ANSIBLE_COLLECTIONS_PATH": str(self.collections),
                "ANSIBLE_FORCE_COLOR": "True",
                "ANSIBLE_HOST_KEY_CHECKING": "False",
                "ANSIBLE_INVENTORY_UNPARSED_FAILED": "True",
                "ANSIBLE_LOCAL_TEMP": str(directory / "tmp"),
                "ANSIBLE_RETRY_FILES_ENABLED": "False",
                "ANSIBLE_SSH_CONTROL_PATH_DIR": self._sockets(),
                "LC_ALL": "C.UTF-8",
                # of the checkout, whose collection is not the one that is installed
                "PYTHONPATH": "",
            },
            cancel_callback=cancelling.is_set,
            quiet=True,
        )
        self.jobs.append(Job(name, directory, runner, thread, cancelling))
        return self.jobs[-1]

    def _sockets(self) -> str:
        # The path of a socket must be short.
        path = Path("/tmp", f"test-awx-{os.getpid()}")
        path.mkdir(mode=0o700, exist_ok=True)
        return str(path)

    def close(self) -> None:
        """End the connections that wait for the next job: the project's configuration keeps them for a quarter of an hour."""
        for path in Path(self._sockets()).iterdir():
            subprocess.run(
                ["ssh", "-O", "exit", "-o", f"ControlPath={path}", "host"], stderr=subprocess.DEVNULL, check=False
            )
        shutil.rmtree(self._sockets(), ignore_errors=True)
