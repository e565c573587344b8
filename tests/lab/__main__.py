# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Command line of the lab: python3 -m tests.lab, as root, from the root of the checkout."""

from __future__ import annotations

import argparse
import os
import sys
import time

from .config import Settings
from .inventory import inventory
from .lab import Lab
from .shell import LabError
from .spec import HostSpec
from .suites import SUITES


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line says."""
    options = _parser().parse_args(arguments)
    if os.geteuid() != 0:
        print("the lab needs root: it mounts, and starts containers", file=sys.stderr)
        return 2
    try:
        return int(options.do(Lab(Settings.from_environment(options.lab)), options) or 0)
    except LabError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m tests.lab", description=__doc__)
    parser.add_argument("--lab", metavar="ID", help="lab id (default: MARIABACKUP_LAB_ID, else lab)")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("build", help="make the bases of these suites (default: all), if they are missing")
    command.add_argument("suites", nargs="*", metavar="SUITE")
    command.add_argument("--flavour", choices=("mariadb", "plain"), default="mariadb")
    command.set_defaults(do=_build)

    command = commands.add_parser("up", help="make fresh hosts and boot them")
    command.add_argument(
        "hosts", nargs="+", metavar="NAME=SUITE[,OPTION]..", help="options: plain, no-redirect, disk=SIZE"
    )
    command.set_defaults(do=_up)

    command = commands.add_parser("down", help="destroy hosts")
    command.add_argument("names", nargs="*", metavar="NAME")
    command.add_argument("--all", action="store_true", help="everything of this lab, bridge and key included")
    command.add_argument("--every-lab", action="store_true", help="everything of all labs in the state folder")
    command.set_defaults(do=_down)

    command = commands.add_parser("list", help="hosts: name, suite, address, on or off")
    command.set_defaults(do=_list)

    command = commands.add_parser("inventory", help="an Ansible inventory of all hosts, in YAML")
    command.set_defaults(do=_inventory)

    command = commands.add_parser("ssh", help="a shell in a host through its sshd, or one command")
    command.add_argument("name", metavar="NAME")
    command.add_argument("words", nargs=argparse.REMAINDER, metavar="CMD")
    command.set_defaults(do=_ssh)

    power = {"powercut": "take the power away", "poweroff": "shut down in order", "boot": "start again"}
    for name, text in power.items():
        command = commands.add_parser(name, help=text)
        command.add_argument("names", nargs="+", metavar="NAME")
        command.set_defaults(do=_power, what=name)
    return parser


def _build(lab: Lab, options: argparse.Namespace) -> None:
    for suite, root in lab.build(options.suites or list(SUITES), options.flavour).items():
        print(f"{suite} {root}")


def _up(lab: Lab, options: argparse.Namespace) -> None:
    wanted: dict[str, HostSpec] = {}
    for text in options.hosts:
        name, equals, rest = text.partition("=")
        if not equals:
            raise LabError(f"NAME=SUITE, not {text!r}")
        suite, *words = rest.split(",")
        spec: dict[str, object] = {"suite": suite}
        for word in words:
            if word == "plain":
                spec["flavour"] = "plain"
            elif word == "no-redirect":
                spec["redirect_dir"] = False
            elif word.startswith("disk="):
                spec["disk"] = word[len("disk=") :]
            else:
                raise LabError(f"no such option of a host: {word!r}")
        wanted[name] = HostSpec(**spec)  # type: ignore[arg-type]
    started = time.monotonic()
    lab.up(wanted)
    print(f"{len(wanted)} up in {time.monotonic() - started:.1f} s", file=sys.stderr)
    _list(lab, options)


def _down(lab: Lab, options: argparse.Namespace) -> None:
    if options.every_lab:
        for folder in sorted(lab.settings.state.iterdir()):
            if (folder / "hosts").is_dir():
                Lab(Settings.from_environment(folder.name)).down()
    elif options.all:
        lab.down()
    elif options.names:
        lab.down(options.names)
    else:
        raise LabError("name hosts, or say --all")


def _list(lab: Lab, _options: argparse.Namespace) -> None:
    for host in lab.hosts():
        print(f"{host.name:16} {host.suite:10} {host.address:15} {'on' if host.running() else 'off'}")


def _inventory(lab: Lab, _options: argparse.Namespace) -> None:
    print(inventory(lab), end="")


def _ssh(lab: Lab, options: argparse.Namespace) -> int:
    argv = lab.host(options.name).ssh_command(" ".join(options.words))
    sys.stdout.flush()
    os.execvp(argv[0], argv)


def _power(lab: Lab, options: argparse.Namespace) -> None:
    for name in options.names:
        host = lab.host(name)
        {"powercut": host.power_cut, "poweroff": host.power_off, "boot": host.boot}[options.what]()


if __name__ == "__main__":
    sys.exit(main())
