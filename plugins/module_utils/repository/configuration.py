# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server's configuration as it lies beside a backup: variables and option files, secrets removed (pure but for reading)."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping

NAME = "configuration.json"
REMOVED = "(removed)"

# Where every MariaDB looks (facts, section 1); what these include comes with them.
ROOTS = ("/etc/my.cnf", "/etc/mysql/my.cnf", "/etc/mysql/mariadb.cnf")
_SECRET = re.compile(r"pass|secret|_filekey$|_master_key|_token$|wsrep_sst_auth|s3_access_key")
# MariaDB takes the beginning of an option's name for it where no other begins like that: each with its shortest.
_ABBREVIATED = {
    "password": "pas",
    "wsrep_sst_auth": "wsrep_sst_a",
    "file_key_management_filekey": "file_key_management_filek",
    "hashicorp_key_management_token": "hashicorp_key_management_to",
    "aws_key_management_master_key_id": "aws_key_management_ma",
    "report_password": "report_pa",
    "s3_access_key": "s3_a",
    "s3_secret_key": "s3_se",
}
_SETTING = re.compile(r"(\s*(?:loose[-_])?)([A-Za-z0-9_.-]+)(\s*=\s*)(.*)")
_INCLUDE = re.compile(r"\s*!include(dir)?\s+(.+?)\s*")
_DEEPEST = 10


def is_secret(name: str) -> bool:
    """Tell by its name whether an option or variable can hold a secret."""
    name = name.replace("-", "_").lower()
    beginning = any(name.startswith(least) and whole.startswith(name) for whole, least in _ABBREVIATED.items())
    return beginning or _SECRET.search(name) is not None


def without_secrets(text: str) -> str:
    """Return the text of an option file with the values of secret options replaced; comments that name one go too."""
    lines = []
    for line in text.splitlines():
        comment = line.lstrip().startswith(("#", ";"))
        match = _SETTING.fullmatch(line.lstrip("#; \t") if comment else line)
        secret = match is not None and is_secret(match[2])
        if comment:
            lines.append(f"# {REMOVED}" if secret or is_secret(line) else line)
            continue
        lines.append(f"{match[1]}{match[2]}{match[3]}{REMOVED}" if match is not None and secret else line)
    return "\n".join(lines) + "\n"


def option_files(defaults_file: str | None = None, roots: tuple[str, ...] = ROOTS) -> dict[str, str]:
    """Return the text of every option file, without secrets, by path; what cannot be read is left out.

    Args:
        defaults_file: one of this server's own; the usual ones come as well, because it may be meant for the tool alone.
    """
    own = (os.path.abspath(defaults_file),) if defaults_file else ()
    return dict(_read((*own, *roots), set(), 0))


def _read(paths: tuple[str, ...], seen: set[str], depth: int) -> Iterator[tuple[str, str]]:
    for path in paths:
        real = os.path.realpath(path)
        if real in seen or depth > _DEEPEST:
            continue
        seen.add(real)
        try:
            with open(real, encoding="utf-8", errors="replace") as stream:
                text = stream.read()
        except OSError:
            continue
        yield path, without_secrets(text)
        for line in text.splitlines():
            match = _INCLUDE.fullmatch(line)
            if match is not None:
                yield from _read(_included(match[2], match[1] is not None), seen, depth + 1)


def _included(path: str, directory: bool) -> tuple[str, ...]:
    if not directory:
        return (path,)
    try:
        names = sorted(name for name in os.listdir(path) if name.endswith(".cnf"))
    except OSError:
        return ()
    return tuple(os.path.join(path, name) for name in names)


def describe(variables: Mapping[str, str], files: Mapping[str, str]) -> str:
    """Return the text of the file.

    Args:
        variables: the server's global variables; empty when it was not asked.
        files: of ``option_files``.
    """
    shown = {name: REMOVED if is_secret(name) and value else value for name, value in variables.items()}
    return json.dumps({"variables": shown, "option_files": dict(files)}, indent=1, sort_keys=True) + "\n"
