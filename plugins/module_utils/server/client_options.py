# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Client option files: who logs in, and how. PyMySQL's own reader fails at ``!includedir`` before a group."""

from __future__ import annotations

import os
import re

GROUPS = ("client", "client-server", "client-mariadb")
_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "r": "\r", "s": " ", '"': '"', "'": "'", "\\": "\\"}


def _without_comment(text: str) -> str:
    """Cut an end comment: a ``#`` outside of quotes; inside of them a backslash protects the next character."""
    quote, protected = "", False
    for place, char in enumerate(text):
        if char in "'\"" and not protected and quote in ("", char):
            quote = "" if quote else char
        if char == "#" and not quote:
            return text[:place]
        protected = bool(quote) and char == "\\" and not protected
    return text


def _value(text: str) -> str:
    """Return a value without its comment, quotes and escapes, by the rules of the server's my_default.c."""
    text = _without_comment(text).strip()
    if len(text) > 1 and text[0] in "'\"" and text[-1] == text[0]:
        text = text[1:-1]
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match.group(1), match.group(0)), text)


def parse_options(text: str, groups: tuple[str, ...] = GROUPS) -> dict[str, str]:
    """Return the options of these groups, names with underscores; the last one of a name wins."""
    values: dict[str, str] = {}
    group = ""
    for line in text.splitlines():
        line = line.strip()
        if not line or line[0] in "#;!":
            continue
        header = re.match(r"\[([^\]]+)\]", line)
        if header:
            group = header.group(1).strip()
        elif group in groups:
            name, equal, value = line.partition("=")
            values[name.strip().replace("-", "_")] = _value(value) if equal else ""
    return values


def read_client_options(path: str) -> dict[str, str]:
    """Return the client options of one file and of what it includes.

    Raises:
        OSError: the file cannot be read.
    """
    with open(os.path.expanduser(path), encoding="utf-8", errors="replace") as stream:
        text = stream.read()
    values: dict[str, str] = {}
    for word, target in re.findall(r"^(!include|!includedir)\s+(.+?)\s*$", text, re.MULTILINE):
        if word == "!include" and os.path.isfile(target):
            values.update(read_client_options(target))
        elif word == "!includedir" and os.path.isdir(target):
            for name in sorted(os.listdir(target)):
                if name.endswith(".cnf"):
                    values.update(read_client_options(os.path.join(target, name)))
    return {**values, **parse_options(text)}
