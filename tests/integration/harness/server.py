# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab host as the tests use it: a MariaDB server with known data that can be had anew in a second."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.integration.harness.documentation import undocumented
from tests.integration.harness.launches import LAUNCHER, Launched, connect
from tests.integration.harness.layouts import DATADIR, PLAIN, Layout
from tests.integration.harness.modules import Result, Running, Started, end
from tests.integration.harness.seeds import OPTION_FILE, ROOT, STORE, TOOLS, install_seed
from tests.lab import Host, LabError
from tests.support.compare import diff

STATE_DIR = "/var/lib/mariabackup"
_LAUNCHES = "launches.sock"
# The modules that make a runner; the others write nothing below the state directory.
_WITH_JOBS = {"backup", "copy_backup", "import_tables", "prepare", "previous_datadir", "prune", "restore", "schedule"}
TEST_OPTIONS = "/etc/mysql/mariadb.conf.d/99-test.cnf"

# What a test may have changed is put back from copies taken when the host was new.
_KEEP = """
set -e
cd /
mkdir -p {tools}/pristine
cp -a /etc /root {tools}/pristine/
(cd /var/lib/mysql && ls debian-*.flag) > {tools}/pristine/flag
systemctl list-units --plain --no-legend --state=active 'mariadb*.socket' | cut -d' ' -f1 > {tools}/pristine/sockets
"""
# Each start of a server asks whether it is a node of Galera, in forty processes, a fifth of what the start takes. Where no
# option file says so the answer is known; where one does, the distribution's script is asked.
_ASK_FOR_GALERA = r"""
set -e
mv /usr/bin/galera_recovery /usr/bin/galera_recovery.distribution
cat > /usr/bin/galera_recovery <<'END'
#!/bin/sh
grep -rqsiE '^[[:space:]]*(loose[-_])?wsrep' /etc/mysql || exit 0
exec /usr/bin/galera_recovery.distribution "$@"
END
chmod 0755 /usr/bin/galera_recovery
"""
# Debian's check of all tables after a start takes as much processor time as the start itself. The hosts of the older suites
# keep it, for the starts of the collection; on the newest it is for the tests that ask for it.
_CHECK = "/etc/mysql/debian-start"
_NO_CHECK = f"mv {_CHECK} {_CHECK}.distribution; ln -s /bin/true {_CHECK}"
# The old server's data is thrown away, so nothing is gained by stopping it in order.
_KILL = r"""
cd /
units=$(systemctl list-units --all --plain --no-legend 'dba-mariabackup-*' 'mariadb*' 'mysql*' 'mariabackup*' 'test-*' \
  | grep -Eo '^[^ ]+[.](service|socket|timer|path)' || true)
systemctl stop --no-block $units mariadb.service 2>/dev/null || true
for unit in $units; do
  systemctl kill --signal=KILL "$unit" 2>/dev/null || true
done
for unit in $units mariadb.service; do
  systemctl stop "$unit" 2>/dev/null || true
done
pkill -KILL -x 'mariadbd|mysqld|mariadb-backup|mariabackup' || true
"""
# A gigabyte on each of a dozen hosts, most of them idle, is more memory than the machine has.
_EMPTY = """
chattr -R -i -a {datadir} 2>/dev/null || true
for place in {datadir} /srv /mnt; do find $place -xdev -mindepth 1 -delete 2>/dev/null; done
rm -rf /var/lib/mysql?* /var/lib/.mysql* 2>/dev/null
true
"""
_CLEAR = """
chattr -R -i -a {datadir} 2>/dev/null || true
changed=$(rsync -ai --delete --exclude=/hosts --exclude=/mtab {tools}/pristine/etc/ /etc/ | grep systemd || true)
rsync -a --delete {tools}/pristine/root/ /root/
changed=$changed$(find /run/systemd/system /run/systemd/system.control /run/systemd/transient -mindepth 1 2>/dev/null || true)
rm -rf /run/systemd/system/* /run/systemd/system.control/* /run/systemd/transient/* /run/mysqld/*
mkdir -p {tools}/runner
mv /var/lib/mariabackup/runner/*.pyz {tools}/runner/ 2>/dev/null || true
rm -rf /var/lib/mysql* /var/lib/.mysql* /var/lib/mariabackup* /srv/* /var/tmp/test-* /tmp/test-* {tools}/args-*
rm -rf /var/lib/systemd/timers/stamp-mariabackup-* /var/lib/prometheus
for hidden in {tools}/hidden/*; do [ -e "$hidden" ] && mv "$hidden" /usr/bin/; done
for place in /mnt/*; do mountpoint -q "$place" || rm -rf "$place"; done
[ -z "$changed" ] || systemctl daemon-reload
systemctl reset-failed
"""
# Debian's check of all tables after a start costs more than all the rest, and what a test starts with was checked when it
# was made. The starts of the collection run it as always.
_START = """
cd /etc/mysql
mv debian-start debian-start.off && ln -s /bin/true debian-start
{sockets}
systemctl start {service}
status=$?
mv debian-start.off debian-start
exit $status
"""


class Server:
    """A host with a MariaDB server.

    Args:
        host: the lab's host, fresh from its base.
        payload: the directory of payloads made by ``payload.py``.
    """

    _numbers = itertools.count()

    def __init__(self, host: Host, payload: Path) -> None:
        self.host = host
        self.name = host.name
        self.suite = host.suite
        self.layout = PLAIN
        #: set by a test that leaves the host in a state which ``reset`` cannot mend: it is then destroyed
        self.spoilt = False
        #: the snapshot of the data that every test starts with
        self.seeded: dict[str, Any] = {}
        self._payload = payload
        self._started: list[Started] = []
        if not self.path(f"{TOOLS}/pristine/sockets").exists():
            host.run(_ASK_FOR_GALERA)
            if self.suite == "trixie":
                host.run(_NO_CHECK)
            host.run(_KEEP.format(tools=TOOLS))
        for old in ("payload", "runner"):
            shutil.rmtree(self.path(f"{TOOLS}/{old}"), ignore_errors=True)
        shutil.copytree(payload, self.path(f"{TOOLS}/payload"))
        for path in (*(ROOT / "tests" / "support").glob("*.py"), *(ROOT / "tests" / "data").glob("*.sql")):
            shutil.copy(path, self.path(f"{TOOLS}/{path.name}"))
        shutil.copy(LAUNCHER, self.path(f"{TOOLS}/{LAUNCHER.name}"))
        self.path(f"{TOOLS}/{_LAUNCHES}").unlink(missing_ok=True)

    @property
    def datadir(self) -> str:
        """The datadir of the server under test."""
        return self.layout.datadir

    # The host

    def run(
        self,
        command: str | list[str],
        check: bool = True,
        input: str | bytes = b"",  # pylint: disable=redefined-builtin
        timeout: float = 120,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as root, as ``Host.run`` does, which takes four times as much of the processor."""
        argv = ["bash", "-c", command] if isinstance(command, str) else command
        launched = self._launch({"argv": argv}, input.encode() if isinstance(input, str) else input)
        try:
            out, err = (part.decode(errors="replace") for part in launched.communicate(timeout))
        except subprocess.TimeoutExpired:
            launched.end()
            raise LabError(f"{self.name}: {argv} took more than {timeout:g} s") from None
        code = launched.poll()
        assert code is not None
        if check and code != 0:
            raise LabError(
                f"{self.name}: {' '.join(argv)[:500]} ended with {code}\n{out.strip()[-4000:]}\n{err.strip()[-4000:]}"
            )
        return subprocess.CompletedProcess(argv, code, out, err)

    def _launch(self, request: Mapping[str, Any], stdin: bytes = b"") -> Launched:
        """Have the host's launcher start something; a host that is new or was booted has none yet."""
        connection = connect(self.path(TOOLS), _LAUNCHES)
        if connection is None:
            self.host.start(["python3", f"{TOOLS}/{LAUNCHER.name}", f"{TOOLS}/{_LAUNCHES}"])
            connection = wait_for(lambda: connect(self.path(TOOLS), _LAUNCHES), f"{self.name}: its launcher")
            assert isinstance(connection, socket.socket)
        kill = ["kill", "-KILL", "--"]
        return Launched(connection, request, stdin, lambda group: self.host.run([*kill, f"-{group}"], check=False))

    def out(self, command: str | list[str], **options: Any) -> str:
        """Run a command as root and return what it printed, without the last newline."""
        return self.run(command, **options).stdout.rstrip("\n")

    def sql(self, text: str, *options: str) -> str:
        """Run statements as root over the socket; rows as lines, columns apart by tabs, no last newline."""
        client = ["mariadb", "--batch", "--skip-column-names", f"--socket={self.layout.socket}", *options]
        return self.out(client, input=text)

    def start(self, command: str | list[str]) -> subprocess.Popen[bytes]:
        """Start a command in the background; it is killed when the test is over."""
        process = self.host.start(command)
        self._started.append(process)
        return process

    def path(self, path: str) -> Path:
        """Return where a file of the host is on this machine. Not for loop file systems, /run, /tmp, /proc."""
        return self.host.root / path.lstrip("/")

    def exists(self, path: str) -> bool:
        """Tell whether a path exists in the host (a broken link does)."""
        return self.run(["test", "-e", path, "-o", "-L", path], check=False).returncode == 0

    def listing(self, *paths: str) -> list[str]:
        """Return all below ``paths``: type, mode, owner, size, modification time and name. Equal means untouched."""
        out = self.out(["find", *paths, "-printf", r"%y %m %u:%g %s %T@ %p %l\n"])
        return sorted(out.splitlines())

    def checksums(self, path: str) -> dict[str, str]:
        """Return the SHA-256 of every regular file below ``path`` by its path in it."""
        script = 'cd "$1" && find . -type f -printf "%P\\0" | xargs -0r sha256sum --zero | tr "\\0" "\\n"'
        lines = self.out(["bash", "-c", script, "bash", path]).splitlines()
        return {line[66:]: line[:64] for line in lines}

    # The server

    def reset(self, layout: Layout = PLAIN, start: bool = True, data: bool = True, **options: str) -> None:
        """Throw away all that tests have left and start from the stored data, in ``layout``.

        Args:
            layout: where the directories lie.
            start: whether to start the server.
            data: whether to place the data set; without it the datadir is empty.
            options: more server options (``log_bin="x"``); an empty text is an option without a value.
        """
        self._end_started()
        self.run(_KILL + _CLEAR.format(tools=TOOLS, datadir=DATADIR))
        for disk in self.host.disks:
            self.host.remove_fs(disk.mountpoint)
        self.layout = layout
        self.seeded = install_seed(self.host, layout)
        # Making the seed has started the server and may have left its files.
        self.run(f"cd /; rm -rf /var/lib/mysql*; cp {TOOLS}/pristine/etc/mysql/mariadb.conf.d/* "
                 "/etc/mysql/mariadb.conf.d/")  # fmt: skip
        self._place(layout, data)
        self.host.put(layout.option_file(), OPTION_FILE)
        if options:
            self.configure(**options)
        if start:
            self.start_server()
        if self.host.spec.disk:
            # What a test starts with must survive the power cut that the test is about.
            self.run("sync")

    def rest(self, keep: bool = False) -> None:
        """Kill what a test has left running, and remove its data, so that it costs nothing until the next reset.

        Args:
            keep: leave the data for somebody who wants to look at it.
        """
        self._end_started()
        self.run(_KILL, check=False)
        if not keep:
            self.run(_EMPTY.format(datadir=DATADIR), check=False)
            for disk in self.host.disks:
                # Whoever is still in it is killed by the next reset, which tries again.
                with contextlib.suppress(LabError):
                    self.host.remove_fs(disk.mountpoint)

    def _end_started(self) -> None:
        for process in self._started:
            end(process)
        self._started.clear()

    def _place(self, layout: Layout, data: bool) -> None:
        seed = f"{STORE}/{layout.seed}"
        if layout.mount:
            size = {"ext4": "600M", "xfs": "800M", "btrfs": "800M"}[layout.mount]
            # Few inodes, so that a test that uses them up is through in a second.
            self.mount(layout.mount, size, DATADIR, mkfs=("-N", "4096") if layout.mount == "ext4" else ())
        if layout.link:
            self.run(f"mkdir -p {layout.link} && chown mysql:mysql {layout.link} && ln -s {layout.link} {DATADIR}")
        directories = [DATADIR, *layout.elsewhere, *([layout.datadir] if layout.instance else [])]
        self.run(f"mkdir -p {' '.join(directories)} && chown mysql:mysql {' '.join(d + '/.' for d in directories)}")
        if data:
            self.run(f"cd {seed}/var/lib && for d in *; do cp -a $d/. /var/lib/$d/; done")
            if layout.instance:
                self.run(f"cp -a {seed}{DATADIR}/. {layout.datadir}")
        else:
            self.run(f"chmod 0755 {DATADIR}")

    def mount(self, fstype: str, size: str, place: str, owner: str | None = "mysql:mysql", **options: Any) -> None:
        """Mount a new loop file system of ``size`` until the next reset."""
        self.host.loop_fs(fstype, size, place, owner=owner, **options)

    def start_server(self, service: str = "") -> None:
        """Start the server's sockets, as they were on the new host, and the server; wait until it is up."""
        service = service or self.layout.service
        sockets = f"xargs -r systemctl start < {TOOLS}/pristine/sockets" if service == "mariadb" else "true"
        done = self.run(_START.format(sockets=sockets, service=service), check=False)
        assert done.returncode == 0, f"{self.name}: {service} does not start\n{self.error_log(service)}"

    def as_distributed(self) -> None:
        """Let the collection's starts of the server run the distribution's check, until the next reset."""
        self.run(f"! [ -e {_CHECK}.distribution ] || mv {_CHECK}.distribution {_CHECK}")

    def stop_server(self, service: str = "") -> None:
        """Stop the sockets and the server in order."""
        service = service or self.layout.service
        if service == "mariadb":
            self.run(f"xargs -r systemctl stop < {TOOLS}/pristine/sockets")
        self.run(["systemctl", "stop", service])

    def restart_server(self, service: str = "") -> None:
        """Stop and start."""
        self.stop_server(service)
        self.start_server(service)

    def server_runs(self, service: str = "") -> bool:
        """Tell whether the service is active."""
        return (
            self.run(["systemctl", "is-active", "--quiet", service or self.layout.service], check=False).returncode == 0
        )

    def server_pid(self, service: str = "") -> int:
        """Return the process id of the server in the host, 0 when it is down."""
        return int(self.out(["systemctl", "show", "--property=MainPID", "--value", service or self.layout.service]))

    def error_log(self, service: str = "", lines: int = 60) -> str:
        """Return the last lines of the service's journal."""
        argv = ["journalctl", "--no-pager", "-o", "cat", "-n", str(lines), "-u", service or self.layout.service]
        return self.run(argv, check=False).stdout

    def configure(self, group: str = "mysqld", file: str = TEST_OPTIONS, **options: str) -> None:
        """Write an option file that holds these options in ``group``; the server reads it at its next start."""
        lines = [f"{name} = {value}" if value != "" else name for name, value in options.items()]
        self.host.put("\n".join([f"[{group}]", *lines, ""]), file)

    # Its data

    def snapshot(self, check: bool = False, **login: str) -> dict[str, Any]:
        """Return what the server holds: definitions, accounts, checksums of every table (0.3 s).

        Args:
            check: also CHECK TABLE EXTENDED of everything.
            login: ``socket``, ``user`` or ``defaults_file`` of another instance.
        """
        login = {"socket": self.layout.socket, **login}
        options = [f"--{name.replace('_', '-')}={value}" for name, value in login.items()]
        script = [f"{TOOLS}/compare.py", "snapshot", *options, *(["--check"] if check else [])]
        return dict(json.loads(self.run(["python3", "-B", *script]).stdout))

    def bank(self, command: str, *options: str, check: bool = True) -> str:
        """Run tests/support/bank.py in the host (setup, start, stop, check); return what it printed."""
        argv = ["python3", "-B", f"{TOOLS}/bank.py", command, f"--socket={self.layout.socket}", *options]
        done = self.run(argv, check=False)
        assert done.returncode == 0 or not check, f"{self.name}: bank {command}\n{done.stdout}{done.stderr}"
        return done.stdout.strip()

    def dataset(self, *arguments: str) -> str:
        """Run tests/support/dataset.py in the host (load NAME, change, probe); return what it printed."""
        return self.out(["python3", "-B", f"{TOOLS}/dataset.py", *arguments, f"--socket={self.layout.socket}"])

    def hide(self, *programs: str) -> None:
        """Take programs out of /usr/bin until the next reset."""
        self.run(["mkdir", "-p", f"{TOOLS}/hidden"])
        self.run(["mv", *(f"/usr/bin/{program}" for program in programs), f"{TOOLS}/hidden/"])

    def assert_seeded(self, **options: Any) -> None:
        """Fail unless the server holds exactly the data that every test starts with."""
        assert_same(self.seeded, self.snapshot(check=True, **options))

    # Modules

    def start_module(self, module: str, check: bool = False, diff_mode: bool = False, **args: Any) -> Running:
        """Run a module of the collection on the host and do not wait for it."""
        error = self._payload / f"{module}.error"
        assert not error.exists(), error.read_text(encoding="utf-8")
        arguments = {name: value for name, value in args.items() if value is not None}
        arguments.update(_ansible_check_mode=check, _ansible_diff=diff_mode)
        if module in _WITH_JOBS and not check:
            self._place_runner()
        place = f"{TOOLS}/args-{next(self._numbers)}.json"
        target = self.path(place)
        target.touch(mode=0o600)
        target.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": arguments}), encoding="utf-8")
        launched = self._launch({"module": module, "arguments": place})
        self._started.append(launched)
        return Running(launched, f"{self.name}: {module}")

    def _place_runner(self) -> None:
        """Give a host that was reset the runner that it had: making one compiles the whole collection."""
        runners, kept = self.path(f"{STATE_DIR}/runner"), self.path(f"{TOOLS}/runner")
        if not kept.is_dir() or runners.parent.exists():
            return
        for directory in (runners.parent, runners):
            directory.mkdir(mode=0o700)
        for runner in kept.iterdir():
            os.link(runner, runners / runner.name)

    def run_module(self, module: str, check: bool = False, diff_mode: bool = False, **args: Any) -> Result:
        """Run a module of the collection on the host and return its result, failed or not."""
        return self.start_module(module, check, diff_mode, **args).result()

    def succeed(self, module: str, **args: Any) -> Result:
        """Run a module that has to succeed."""
        result = self.run_module(module, **args)
        assert not result.get("failed"), f"{self.name}: {module} failed\n{show(result)}"
        return result

    def fail(self, module: str, *texts: str, **args: Any) -> Result:
        """Run a module that has to fail, with every one of ``texts`` in its message, and nothing that is not documented."""
        result = self.run_module(module, **args)
        assert result.get("failed"), f"{self.name}: {module} should have failed\n{show(result)}"
        missing = [text for text in texts if text.lower() not in str(result.get("msg", "")).lower()]
        assert not missing, f"{self.name}: {module}: the message lacks {missing}\n{show(result)}"
        unknown = undocumented(module, result)
        assert not unknown, f"{self.name}: {module}: RETURN does not describe {unknown}\n{show(result)}"
        return result

    # Jobs

    def job_pids(self) -> list[int]:
        """Return the processes of the transient units, as this machine numbers them."""
        found: list[int] = []
        for procs in self.host.group.path.glob("box/payload/system.slice/dba-mariabackup-*/cgroup.procs"):
            # The group of a unit that ends meanwhile is gone (ENOENT) or going (ENODEV).
            with contextlib.suppress(OSError):
                found += [int(word) for word in procs.read_text(encoding="ascii").split()]
        return found


def show(result: Mapping[str, Any]) -> str:
    """Return a result in a form for people."""
    return json.dumps({name: value for name, value in result.items() if name != "invocation"}, indent=1)


def assert_same(before: Mapping[str, Any], after: Mapping[str, Any], **ignore: Any) -> None:
    """Fail with one line for each difference of two snapshots, or for each problem that CHECK TABLE found."""
    lines = diff(dict(before), dict(after), **ignore) + [f"problem: {text}" for text in after.get("problems", ())]
    assert not lines, "\n".join(lines[:40])


def wait_for(condition: Callable[[], Any], what: str, timeout: float = 30.0, pause: float = 0.02) -> Any:
    """Wait until ``condition`` returns something true and return it; fail after ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {timeout:.0f} s: {what}"
        time.sleep(pause)


__all__ = ["STATE_DIR", "TEST_OPTIONS", "Server", "assert_same", "show", "wait_for"]
