# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts of one worker: booted when first needed, then used by one test after another."""

from __future__ import annotations

from pathlib import Path

from tests.integration.harness.layouts import PLAIN, Layout
from tests.integration.harness.server import STATE_DIR, Server
from tests.lab import HostSpec, Lab, LabError
from tests.lab.inventory import inventory


class Pool:
    """The hosts of one lab.

    Args:
        lab: the lab of this worker.
        payload: the directory of module payloads.
        keep: whether hosts that an earlier run left are taken.
    """

    def __init__(self, lab: Lab, payload: Path, keep: bool = False) -> None:
        self.lab = lab
        self.used: list[Server] = []
        self._payload = payload
        self._keep = keep
        self._idle: dict[str, Server] = {}
        self._fresh: list[Server] = []

    def take(self, suite: str, layout: Layout = PLAIN, start: bool = True, data: bool = True, **options: str) -> Server:
        """Return a reset server that no other fixture of this test has; the arguments are those of ``Server.reset``."""
        number = 1 + sum(1 for server in self.used if server.suite == suite and server not in self._fresh)
        name = f"{suite}{number}"
        server = self._idle.get(name)
        if server is None or server.spoilt or not server.host.running():
            server = self._idle[name] = self._boot(name, suite)
        self.used.append(server)
        try:
            server.reset(layout, start, data, **options)
        except BaseException:
            server.spoilt = True
            raise
        return server

    def fresh(
        self,
        suite: str,
        layout: Layout = PLAIN,
        start: bool = True,
        data: bool = True,
        disk: str | None = None,
        redirect_dir: bool = True,
        **options: str,
    ) -> Server:
        """Return a server on a new host, which is destroyed after the test."""
        name = f"fresh{len(self._fresh) + 1}"
        host = self.lab.up({name: HostSpec(suite, redirect_dir=redirect_dir, disk=disk)})[name]
        server = Server(host, self._payload)
        self._fresh.append(server)
        self.used.append(server)
        server.reset(layout, start, data, **options)
        return server

    def stand(self, name: str, suite: str) -> Server:
        """Return a host that no test resets, of its own name; it goes with the lab."""
        return self._boot(name, suite)

    def _boot(self, name: str, suite: str) -> Server:
        if self._keep:
            try:
                host = self.lab.host(name)
                if host.suite == suite and host.running():
                    return Server(host, self._payload)
            except LabError:
                pass
        return Server(self.lab.up({name: suite})[name], self._payload)

    def give_back(self) -> None:
        """End the test's use of its hosts; the fresh ones are destroyed."""
        if self._fresh:
            self.lab.down([server.name for server in self._fresh])
            self._fresh.clear()
        for server in self.used:
            if not server.spoilt and server.name in self._idle:
                server.rest(self._keep)

    def inventory(self) -> str:
        """Return an inventory of all hosts of the lab, a group for each suite."""
        return inventory(self.lab)

    def describe(self, server: Server) -> str:
        """Return what a host says about a test that failed: logs of the server and of the jobs, the directories."""
        try:
            if not server.host.running():
                return f"off\n{server.host.console()}"
            text = server.error_log(lines=25)
            text += server.run(
                f'cd {STATE_DIR}/jobs 2>/dev/null && for job in $(ls -t | head -3); do echo "--- job $job";'
                " tail -n 25 $job/log; done; ls -la /var/lib/ | grep -E 'mysql|mariabackup';"
                " systemctl list-units --plain --no-legend --all 'mariadb*' 'dba-mariabackup*'",
                check=False,
            ).stdout
        except (LabError, OSError) as error:
            return f"cannot be asked: {error}"
        return text
