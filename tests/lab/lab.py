# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab: a bridge, a key, and hosts that find each other by name."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import re
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Callable, TypeVar

from . import base, mounts
from .cgroup import Group, hierarchy
from .config import Settings
from .host import Host
from .shell import LabError, execute, locked, output
from .spec import HostSpec
from .storage import Storage

# Beyond a dozen hosts systemd runs out of inotify instances, and the servers out of asynchronous I/O.
_SYSCTLS = {"fs.inotify.max_user_instances": 8192, "fs.inotify.max_user_watches": 524288, "fs.aio-max-nr": 1048576}


_Item = TypeVar("_Item")


class Lab:
    """All hosts of one lab id. Labs with different ids do not meet: each has a bridge and a subnet of its own."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings.from_environment()

    # Bases

    def build(self, suites: Iterable[str], flavour: str = "mariadb") -> dict[str, Path]:
        """Make the bases of these suites, if they are not in the cache."""
        built = base.build(self.settings, [(suite, flavour) for suite in suites])
        return {suite: root for (suite, _flavour), root in built.items()}

    # Hosts

    def host(self, name: str) -> Host:
        """A host by its name.

        :raises LabError: there is none
        """
        return Host(self.settings, name)

    def hosts(self) -> list[Host]:
        """All hosts, on or off, by name."""
        found = []
        for record in sorted(self.settings.hosts.glob("*/host.json")):
            with contextlib.suppress(LabError):
                found.append(Host(self.settings, record.parent.name))
        return found

    def up(self, wanted: Mapping[str, str | HostSpec], wait: bool = True) -> dict[str, Host]:
        """Make fresh hosts and boot them, all at the same time. A host of the same name is destroyed first.

        :param wanted: name -> suite or HostSpec
        :raises LabError: a host did not come up; the others are left as they are
        """
        specs = {name: HostSpec(what) if isinstance(what, str) else what for name, what in wanted.items()}
        for name in specs:
            if not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", name):
                raise LabError(f"not a host name for the lab: {name!r}")
        roots = base.build(self.settings, [(spec.suite, spec.flavour) for spec in specs.values()])
        for name in specs:
            self._destroy(name)
        with locked(self.settings.state / f"{self.settings.lab_id}.lock"):
            self._prepare()
            hosts = {
                name: Host.create(self.settings, name, spec, self._free_address(), roots[spec.suite, spec.flavour])
                for name, spec in specs.items()
            }
        _parallel(self._first_boot, hosts.values())
        self._write_names()
        if wait:
            _parallel(Host.wait, hosts.values())
        return hosts

    def down(self, names: Iterable[str] | None = None) -> None:
        """Destroy these hosts; without names, everything this lab has on the machine, whatever state it is in."""
        if names is not None:
            _parallel(self._destroy, list(names))
            self._write_names()
            return
        settings = self.settings
        with locked(settings.state / f"{settings.lab_id}.lock"):
            Group(hierarchy(settings.state / "cgroup2") / settings.cgroup).kill()
            for folder in settings.hosts.glob("*"):
                Storage(folder).release()
                with contextlib.suppress(OSError):
                    os.rmdir(f"/run/systemd/nspawn/propagate/{settings.tag[:5]}-{folder.name}")
            base.remove_tree(settings.directory)
            if Path(f"/sys/class/net/{settings.bridge}").exists():
                execute(["ip", "link", "delete", settings.bridge])
            own_hierarchy = settings.state / "cgroup2"
            if not list(own_hierarchy.glob("mariabackup-lab-*")):
                mounts.unmount_below(own_hierarchy)
            (settings.state / f"{settings.lab_id}.lock").unlink()

    def _destroy(self, name: str) -> None:
        try:
            host = Host(self.settings, name)
        except LabError:
            base.remove_tree(self.settings.hosts / name)
            return
        host.destroy()

    # The lab around them

    def _first_boot(self, host: Host) -> None:
        host.prepare(self.settings.key.with_suffix(".pub").read_text(encoding="utf-8"), self.network().prefixlen)
        host.boot(wait=False)

    def network(self) -> ipaddress.IPv4Network:
        """The subnet of this lab; its first address is the machine's."""
        data = json.loads((self.settings.directory / "lab.json").read_text(encoding="utf-8"))
        return ipaddress.IPv4Network(data["subnet"])

    def _prepare(self) -> None:
        """Make what all hosts share, as far as it is missing. The caller holds the lock of the lab."""
        settings = self.settings
        settings.hosts.mkdir(parents=True, exist_ok=True)
        os.chmod(settings.directory, 0o700)
        for name, value in _SYSCTLS.items():
            path = Path("/proc/sys") / name.replace(".", "/")
            if path.exists() and int(path.read_text(encoding="ascii")) < value:
                path.write_text(str(value), encoding="ascii")
        if not settings.key.exists():
            execute(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", str(settings.key)])
        if not Path(f"/sys/class/net/{settings.bridge}").exists():
            self._make_bridge()

    def _make_bridge(self) -> None:
        settings = self.settings
        # One lock for all state folders of the machine: subnets are the machine's.
        with locked(Path("/run/dba-mariabackup-lab.lock")):
            taken = output(["ip", "-4", "-o", "address", "show"]) + output(["ip", "-4", "route", "show"])
            for number in range(256):
                if f" 10.99.{number}." not in f" {taken}" and f"\n10.99.{number}." not in f"\n{taken}":
                    break
            else:
                raise LabError("all subnets 10.99.x.0/24 are taken")
            (settings.directory / "lab.json").write_text(
                json.dumps({"subnet": f"10.99.{number}.0/24"}), encoding="utf-8"
            )
            bridge = settings.bridge
            execute(["ip", "link", "add", bridge, "type", "bridge"])
            execute(["ip", "address", "add", f"10.99.{number}.1/24", "dev", bridge])
            execute(["ip", "link", "set", bridge, "up"])

    def _free_address(self) -> str:
        taken = {host.address for host in self.hosts()}
        for address in list(self.network().hosts())[10:]:
            if str(address) not in taken:
                return str(address)
        raise LabError("all addresses of the lab are taken")

    def _write_names(self) -> None:
        """Tell all hosts each other's names."""
        with locked(self.settings.state / f"{self.settings.lab_id}.lock"):
            hosts = self.hosts()
            lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost", *(f"{h.address} {h.name}" for h in hosts)]
            text = "\n".join(lines) + "\n"
            for host in hosts:
                with contextlib.suppress(LabError):
                    host.put(text, "/etc/hosts")


def _parallel(function: Callable[[_Item], None], items: Iterable[_Item]) -> None:
    """Do something to all items at the same time; all are finished when the first error is raised."""
    todo = list(items)
    with ThreadPoolExecutor(max_workers=max(1, len(todo))) as pool:
        for future in [pool.submit(function, item) for item in todo]:
            future.result()
