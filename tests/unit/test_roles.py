# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The roles agree with the modules that they call: every option is a variable, with the module's type and default."""

from __future__ import annotations

import importlib
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "ansible_collections.dba.mariabackup.plugins"
ROLES = ["install", "backup", "restore", "schedule", "report"]
ACCOUNT = {"name": "account_name", "host": "account_host", "password": "account_password"}
# The backup account logs in where the administrator does, with its own name and password.
OF_THE_ADMINISTRATOR = {"login_user", "login_password", "config_file"}
# A role shows what came of its work, so it waits for it.
WAIT = {"wait"}
CALLS = [
    # role, task file, module, options that have another variable, options that are no variable
    ("install", "account", "backup_account", ACCOUNT, {"create"}),
    ("backup", "main", "backup", {}, OF_THE_ADMINISTRATOR | WAIT),
    ("restore", "restore", "restore", {}, WAIT),
    (
        "schedule",
        "main",
        "schedule",
        {},
        {"name", "state", "on_calendar", *OF_THE_ADMINISTRATOR},
    ),
    (
        "report",
        "main",
        "backup_info",
        {"verify": "report_verify"},
        # The report judges all hosts by the same measure, on the controller.
        {"type", "label", "after", "before", "backup_id", "max_age", "size_drift", "violation", "adopt", "checksum"},
    ),
    ("report", "main", "restore_info", {}, {"datadir", "last"}),
]


def load(role: str, path: str) -> Any:
    return yaml.safe_load((ROOT / "roles" / role / path).read_text())


def spec(role: str, entry: str = "main") -> dict[str, Any]:
    options: dict[str, Any] = load(role, "meta/argument_specs.yml")["argument_specs"][entry]["options"]
    return options


def every_spec(role: str) -> dict[str, Any]:
    """Return the options of all entry points; where several have one, that of ``main``."""
    entries = load(role, "meta/argument_specs.yml")["argument_specs"]
    return {name: option for entry in reversed(list(entries)) for name, option in entries[entry]["options"].items()}


@lru_cache
def module_options(module: str) -> dict[str, Any]:
    """Return the documented options of a module and of its fragments; that they are the true ones is sanity's to say."""
    documentation = yaml.safe_load(importlib.import_module(f"{PACKAGE}.modules.{module}").DOCUMENTATION)
    options: dict[str, Any] = dict(documentation["options"])
    for fragment in documentation["extends_documentation_fragment"]:
        name, *part = fragment.split(".")[2:]
        home = importlib.import_module(f"{PACKAGE}.doc_fragments.{name}").ModuleDocFragment
        text = getattr(home, part[0].upper() if part else "DOCUMENTATION")
        options.update({key: value for key, value in yaml.safe_load(text)["options"].items() if key not in options})
    return options


def tasks(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found = []
    for item in items:
        for part in ("block", "rescue", "always"):
            found += tasks(item.get(part, []))
        found.append(item)
    return found


def facts(option: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": option["type"],
        "elements": option.get("elements"),
        "default": option.get("default"),
        "required": option.get("required", False),
        "choices": sorted(option.get("choices") or ()),
        "options": {
            name: facts(value) for name, value in (option.get("suboptions") or option.get("options") or {}).items()
        },
    }


@pytest.mark.parametrize(("role", "file", "module", "renamed", "left_out"), CALLS, ids=[call[0] for call in CALLS])
def test_every_option_of_the_module_is_a_variable(
    role: str, file: str, module: str, renamed: dict[str, str], left_out: set[str]
) -> None:
    options = module_options(module)
    (call,) = [
        task[f"dba.mariabackup.{module}"]
        for task in tasks(load(role, f"tasks/{file}.yml"))
        if f"dba.mariabackup.{module}" in task
    ]
    variables = spec(role)
    assert set(options) - set(call) <= left_out
    assert set(call) <= set(options)
    for name in sorted(set(options) - left_out):
        variable = f"mariabackup_{renamed.get(name, name)}"
        assert variable in call[name], f"{module}: {name} is not set from {variable}"
        expected, found = facts(options[name]), facts(variables[variable])
        assert found == expected, variable


def test_a_schedule_takes_the_options_of_its_module() -> None:
    options = module_options("schedule")
    entry = spec("schedule")["mariabackup_schedules"]["options"]
    variables = spec("schedule")
    for name, option in entry.items():
        module_name = "config_file" if name == "credentials_file" else name
        expected = {**facts(options[module_name]), "default": None}
        assert facts(option) == expected, name
        # Whatever one schedule can say can be said for all of them.
        if name not in {"name", "state", "on_calendar"}:
            assert {**facts(variables[f"mariabackup_{name}"]), "default": None} == expected, name


@pytest.mark.parametrize("role", ROLES)
def test_defaults_are_those_of_the_argument_specification(role: str) -> None:
    documented = {name: option["default"] for name, option in every_spec(role).items() if "default" in option}
    # The role restore hands the account over to the role install, whose defaults hold there.
    account = set(spec("install", "account")) if role == "restore" else set[str]()
    defaults = load(role, "defaults/main.yml")
    assert set(defaults) <= set(documented)
    assert set(documented) - set(defaults) <= account
    assert defaults == {name: documented[name] for name in defaults}


@pytest.mark.parametrize("role", ROLES)
def test_variables_are_documented_and_secrets_are_marked(role: str) -> None:
    used: set[str] = set()
    for path in (ROOT / "roles" / role).rglob("*"):
        if path.suffix in (".yml", ".j2") and path.parent.name in ("tasks", "templates", "vars"):
            used |= set(re.findall(r"(?<!_)\bmariabackup_\w+", path.read_text()))
    options = every_spec(role)
    # Register names begin with two underscores; the last two are artifacts.
    modules = {f"mariabackup_{name}" for name in ("backup", "restore", "restore_fleet", "report")}
    assert used - modules <= set(options)
    for name, option in options.items():
        assert bool(option.get("no_log")) == name.endswith(("_password", "_rclone_remotes")), name


def test_the_account_alone_takes_the_same_variables() -> None:
    main, account = spec("install"), spec("install", "account")
    assert {name: main[name] for name in account} == account


@pytest.mark.parametrize("playbook", [*ROLES, "clone"])
def test_playbook_never_guesses_its_hosts(playbook: str) -> None:
    refuse, *plays = yaml.safe_load((ROOT / "playbooks" / f"{playbook}.yml").read_text())
    assert refuse["ansible.builtin.import_playbook"] == "hosts.yml"
    for play in plays:
        assert "mariabackup_hosts | mandatory" in play["hosts"]
        assert play["gather_facts"] is False
        # A play that only says what became of the others does nothing on its hosts.
        assert play.get("become") is True or play["name"] == "Report"


@pytest.mark.parametrize("playbook", [*ROLES, "clone"])
def test_playbook_runs_its_role(playbook: str) -> None:
    plays = yaml.safe_load((ROOT / "playbooks" / f"{playbook}.yml").read_text())
    called = [role["role"] for play in plays for role in play.get("roles", [])]
    called += [
        task["ansible.builtin.import_role"]["name"]
        for play in plays
        for task in tasks(play.get("tasks", []))
        if "ansible.builtin.import_role" in task
    ]
    assert called == [f"dba.mariabackup.{'restore' if playbook == 'clone' else playbook}"]


def test_a_fleet_never_guesses_its_hosts_nor_goes_on_by_itself() -> None:
    refuse, plan, restore, report = yaml.safe_load((ROOT / "playbooks" / "restore_fleet.yml").read_text())
    assert refuse["ansible.builtin.import_playbook"] == "hosts.yml"
    assert "mariabackup_hosts | mandatory" in plan["hosts"]
    assert {play["hosts"] for play in (restore, report)} == {"{{ mariabackup_hosts }}"}
    # The other strategies know no batches that wait for each other.
    assert (restore["strategy"], restore["max_fail_percentage"]) == ("ansible.builtin.linear", 0)
    assert all(play["gather_facts"] is False for play in (plan, restore, report))


def test_hosts_are_counted_whatever_the_limit_and_the_tags() -> None:
    (play,) = yaml.safe_load((ROOT / "playbooks" / "hosts.yml").read_text())
    # With --limit there is no localhost.
    assert play["hosts"] == "localhost,all"
    assert play["tags"] == ["always"]
    assert play["gather_facts"] is False
