# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts commands and modules inside of a host.

python3 launcher.py SOCKET

Entering a host's namespaces takes five programs, and Ansible starts a Python for each task, which imports the same things each
time: three quarters of what a module takes until its own first line. Here a command is one new process, and a module is forked
from a process that has made these imports.

Whoever connects sends a JSON object, together with the descriptors for standard input, output and errors:
``{"argv": [...]}`` or ``{"module": NAME, "arguments": FILE}``. The answer is a line with the process id, and in the end a line
with the return code, negative for a signal.
"""

from __future__ import annotations

import gc
import json
import os
import selectors
import signal
import socket
import sys
from collections.abc import Sequence

TOP = os.path.dirname(os.path.abspath(__file__)) + "/payload"
PACKAGE = "ansible_collections.dba.mariabackup.plugins.modules"
LONGEST_REQUEST = 1 << 20


def _import_ansible() -> None:
    # Every payload has these; which of them they come from makes no difference.
    sys.path[0] = f"{TOP}/restore"
    import ansible.module_utils._internal._ansiballz._loader
    import ansible.module_utils.basic  # noqa: F401


def _spawn(argv: Sequence[str], streams: Sequence[int]) -> int:
    actions = [(os.POSIX_SPAWN_DUP2, stream, number) for number, stream in enumerate(streams)]
    try:
        # Python itself ignores it.
        defaults = [signal.SIGPIPE]
        return os.posix_spawnp(argv[0], argv, os.environ, file_actions=actions, setsid=True, setsigdef=defaults)
    except OSError as error:
        os.write(streams[2], f"{argv[0]}: {error.strerror}\n".encode())
        return os.posix_spawnp("sh", ["sh", "-c", "exit 127"], os.environ)


class Launcher:
    """Takes requests, and tells each one's end."""

    def __init__(self, path: str) -> None:
        if os.path.lexists(path):
            os.unlink(path)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen(16)
        self._waiting = selectors.DefaultSelector()
        self._waiting.register(self._listener, selectors.EVENT_READ)

    def serve(self) -> tuple[str, str]:
        """Go on for ever; return in the process of a module, with its name and the file of its arguments."""
        while True:
            for key, _events in self._waiting.select():
                if key.fileobj is not self._listener:
                    self._ended(key)
                    continue
                module = self._take()
                if module:
                    return module

    def _take(self) -> tuple[str, str] | None:
        connection = self._listener.accept()[0]
        text, streams, _flags, _address = socket.recv_fds(connection, LONGEST_REQUEST, 3)
        for stream in streams:
            os.set_inheritable(stream, False)
        while text and not text.endswith(b"\n"):
            text += connection.recv(LONGEST_REQUEST)
        if len(streams) != 3:
            connection.close()
            return None
        request = json.loads(text)
        pid = _spawn(request["argv"], streams) if "argv" in request else os.fork()
        if pid == 0:
            os.setsid()
            for number, stream in enumerate(streams):
                os.dup2(stream, number)
                os.close(stream)
            connection.close()
            self._leave()
            return request["module"], request["arguments"]
        for stream in streams:
            os.close(stream)
        self._say(connection, pid)
        self._waiting.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, connection))
        return None

    def _leave(self) -> None:
        """Close, in a new process, what belongs to the launcher."""
        for key in list(self._waiting.get_map().values()):
            if key.data is not None:
                os.close(key.fd)
                key.data[1].close()
        self._waiting.close()
        self._listener.close()

    def _ended(self, key: selectors.SelectorKey) -> None:
        pid, connection = key.data
        self._waiting.unregister(key.fd)
        os.close(key.fd)
        self._say(connection, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        connection.close()

    @staticmethod
    def _say(connection: socket.socket, number: int) -> None:
        try:
            connection.sendall(b"%d\n" % number)
        except OSError:
            # Whoever asked does not wait any more.
            pass


def _run(module: str, arguments: str) -> None:
    """Run a module as Ansible's own loader does. Its payload alone serves imports from here on: what it lacks is missed."""
    payload = f"{TOP}/{module}"
    sys.path[0] = payload
    for package, loaded in list(sys.modules.items()):
        if package.partition(".")[0] == "ansible" and hasattr(loaded, "__path__"):
            loaded.__path__ = [f"{payload}/{package.replace('.', '/')}"]
    sys.argv[:] = [module]
    # For those who look at the host's processes.
    with open("/proc/self/comm", "w", encoding="ascii") as name:
        name.write(module)
    from ansible.module_utils._internal._ansiballz import _loader

    with open(arguments, "rb") as stream:
        text = stream.read()
    _loader.run_module(
        json_params=text, profile="legacy", module_fqn=f"{PACKAGE}.{module}", modlib_path=payload, extensions={}
    )


def main(path: str) -> None:
    """Serve, and in each child run a module."""
    _import_ansible()
    launcher = Launcher(path)
    # What is there from the start is never collected, so its pages stay shared.
    gc.freeze()
    _run(*launcher.serve())


if __name__ == "__main__":
    main(sys.argv[1])
