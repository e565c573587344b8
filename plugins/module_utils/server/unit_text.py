# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading and writing what systemd understands: properties, time spans, unit files. Pure."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence

from ansible_collections.dba.mariabackup.plugins.module_utils.server.base import RESTRICTIONS, Repair

HEADER = "# Written by dba.mariabackup while a restore is under way; removed when it has ended.\n"
_WRAPPERS = ("mariadbd-safe", "mysqld_safe")
_PROGRAMS = ("mariadbd", "mysqld", *_WRAPPERS)
_SPANS = {
    "us": 1e-6, "ms": 1e-3, "s": 1, "min": 60, "h": 3600, "d": 86400, "w": 604800, "month": 2629800, "y": 31557600,
}  # fmt: skip
_OWN_ARGUMENT = re.compile(r"^--wsrep[-_](start[-_]position|new[-_]cluster)\b")


def parse_show(text: str) -> dict[str, str]:
    """Read ``systemctl show``: one ``Name=value`` a line; a repeated name collects its values, one a line."""
    values: dict[str, str] = {}
    for line in text.splitlines():
        name, equal, value = line.partition("=")
        if equal and re.fullmatch(r"[A-Za-z]\w*", name):
            values[name] = f"{values[name]}\n{value}" if values.get(name) else value
    return values


def parse_span(text: str) -> float:
    """Return the seconds of a time span such as ``15min`` or ``1min 30s``; ``infinity`` is ``inf``."""
    if text.strip() in ("infinity", ""):
        return float("inf")
    return float(sum(float(number) * _SPANS[unit] for number, unit in re.findall(r"([\d.]+)\s*([a-z]+)", text)))


def parse_words(text: str) -> list[str]:
    """Split a list as ``systemctl show`` prints it: words, quoted where they hold spaces."""
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def parse_environment(text: str) -> dict[str, str]:
    """Read the property ``Environment`` or the output of ``systemctl show-environment``."""
    return dict(word.partition("=")[::2] for word in parse_words(re.sub(r"\$'", "'", text)) if "=" in word)


def parse_environment_file(text: str) -> dict[str, str]:
    """Read a file that a unit names in ``EnvironmentFile=``."""
    values: dict[str, str] = {}
    for line in re.sub(r"\\\n", "", text).splitlines():
        line = line.strip()
        if not line or line[0] in "#;" or "=" not in line:
            continue
        name, _equals, value = line.partition("=")
        words = parse_words(value)
        values[name.strip()] = " ".join(words)
    return values


def server_words(exec_start: str) -> list[str] | None:
    """Return the server program and its words from the property ``ExecStart``, variables still in it.

    The program may be called by a shell (Debian 12); None when no server program is in the command.
    """
    found = re.search(r"argv\[\]=(.*?) ; ignore_errors=", exec_start, re.DOTALL)
    words = (found.group(1) if found else exec_start).split()
    for position in range(len(words) - 1, -1, -1):
        if os.path.basename(words[position].strip("\"'")) in _PROGRAMS:
            return [word.strip("\"';") for word in words[position:]]
    return None


def expand(words: Iterable[str], environment: Mapping[str, str]) -> list[str]:
    """Replace variables as systemd does: a lone ``$NAME`` is split into words, ``${NAME}`` is not; unset is nothing."""
    result: list[str] = []
    for word in words:
        lone = re.fullmatch(r"\$(\w+)", word)
        if lone:
            result.extend(parse_words(environment.get(lone.group(1), "")))
            continue
        value = re.sub(r"\$\{(\w+)\}", lambda match: environment.get(match.group(1), ""), word)
        if value:
            result.append(value)
    return result


def own_args(args: Sequence[str]) -> list[str]:
    """Return server arguments without those that belong to one start only: ours, and Galera's position."""
    return [arg for arg in args if arg not in RESTRICTIONS and not _OWN_ARGUMENT.match(arg)]


def uses_options_variable(exec_start: str) -> bool:
    """Tell whether the command takes ``$MYSQLD_OPTS`` and splits it into words."""
    words = server_words(exec_start)
    return bool(words) and "$MYSQLD_OPTS" in words  # type: ignore[operator]


def is_plain_command(exec_start: str) -> bool:
    """Tell whether arguments can simply be added at the end of the command: it is the server, not a shell."""
    found = re.search(r"path=(\S+)", exec_start)
    return bool(found) and os.path.basename(found.group(1)) in _PROGRAMS  # type: ignore[union-attr]


def exec_start_line(unit_text: str) -> str | None:
    """Return the last ``ExecStart=`` in force of unit files read in their order, continuation lines joined."""
    line = None
    for entry in re.sub(r"\\\n", " ", unit_text).splitlines():
        found = re.match(r"\s*ExecStart\s*=\s*(.*)$", entry)
        if found:
            line = found.group(1).strip() or None
    return line


def quote(text: str, *, command: bool = False) -> str:
    """Quote one word for a unit file; in a command a dollar sign is kept too."""
    text = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    if command:
        text = text.replace("$", "$$")
    return f'"{text}"'


def hold_assertion(hold_file: str) -> str:
    """Return the line by which a start fails while the hold file exists."""
    return f"AssertPathExists=!{hold_file.replace('%', '%%')}"


def hold_text(hold_file: str, reason: str, repair_unit: str | None) -> str:
    """Return the drop-in that makes a start fail while the hold file exists.

    An assertion, because a failed condition makes ``systemctl start`` return 0 and kills a socket unit. The mount is
    required, because on a host that has not mounted it the hold file would seem to be gone.
    """
    lines = [
        HEADER + f"# {' '.join(reason.split())}",
        "[Unit]",
        f"RequiresMountsFor={quote(os.path.dirname(hold_file))}",
        hold_assertion(hold_file),
    ]
    if repair_unit:
        lines += [f"Wants={repair_unit}", f"After={repair_unit}"]
    return "\n".join(lines) + "\n"


def stop_text(own_timeout: float) -> str:
    """Return the drop-in under which systemd never kills a server that stops slowly, nor starts it again.

    It keeps the unit's own limit in a comment, for a run that was resumed.
    """
    return (
        HEADER
        + f"# TimeoutStopSec was {own_timeout:g}\n[Service]\nTimeoutStopSec=infinity\nSendSIGKILL=no\nRestart=no\n"
    )


def triggers_text(triggers: Sequence[str]) -> str:
    """Return the drop-in with which the service starts together with its sockets, in one transaction.

    Started one after the other, the first socket's first client starts the service, and the other socket then refuses
    ("Socket service already active", seen with two sockets and a client that never rests).
    """
    return HEADER + f"[Unit]\nWants={' '.join(triggers)}\nAfter={' '.join(triggers)}\n"


def own_stop_timeout(text: str) -> float | None:
    """Return the limit that `stop_text` noted."""
    found = re.search(r"^# TimeoutStopSec was (\S+)$", text, re.MULTILINE)
    return float(found.group(1)) if found else None


def restricted_text(environment_file: str | None, exec_start: str | None) -> str:
    """Return the drop-in of a restricted start. Who waits for the server sets the limit, so systemd has none."""
    lines = [HEADER + "[Service]", "Restart=no", "TimeoutStartSec=infinity"]
    if environment_file:
        lines.append(f"EnvironmentFile={environment_file}")
    if exec_start:
        lines += ["ExecStart=", f"ExecStart={exec_start} {' '.join(RESTRICTIONS)}"]
    return "\n".join(lines) + "\n"


def options_environment(value: str) -> str:
    """Return an environment file that adds the restrictions to the ``MYSQLD_OPTS`` that the unit had."""
    text = " ".join(own_args(parse_words(value))) if not re.search(r"[\"'\\]", value) else value
    joined = f"{text} {' '.join(RESTRICTIONS)}".strip().replace("\\", "\\\\").replace('"', '\\"')
    return f'MYSQLD_OPTS="{joined}"\n'


def repair_text(service: str, triggers: Sequence[str], hold_file: str, repair: Repair) -> str:
    """Return the boot-time unit.

    Without default dependencies, because with them it would come after ``sockets.target``, and the service's sockets
    are to wait for it. It is not ordered after the network: it needs local directories alone.
    """
    mounts = [*repair.paths, os.path.dirname(hold_file)]
    return "\n".join(
        [
            HEADER + "[Unit]",
            f"Description=Finish or undo the interrupted restore of {service}",
            "DefaultDependencies=no",
            "After=local-fs.target systemd-tmpfiles-setup.service",
            f"Before={' '.join([service, *triggers])} shutdown.target",
            "Conflicts=shutdown.target",
            f"RequiresMountsFor={' '.join(quote(path) for path in mounts)}",
            f"ConditionPathExists={hold_file.replace('%', '%%')}",
            "",
            "[Service]",
            "Type=oneshot",
            f"ExecStart={' '.join(quote(word, command=True) for word in repair.argv)}",
            "TimeoutStartSec=infinity",
            "StandardOutput=journal",
            "",
            "[Install]",
            "WantedBy=multi-user.target",
            "",
        ]
    )
