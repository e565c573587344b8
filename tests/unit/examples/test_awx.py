# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The data in examples/awx is what infra.aap_configuration loads, AWX takes, and our playbooks understand."""

from __future__ import annotations

import copy
import json
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.awx import (
    EXAMPLE,
    KEYS,
    NODE_KEYS,
    PLAYBOOK_LINE,
    ROOT,
    answer_faults,
    by_name,
    inject,
    job_variables,
    key_faults,
    known_variables,
    load,
    parents,
    question_faults,
    questions_of,
    slice_of,
    survey_faults,
)

DATA = load()
TEMPLATES = DATA["controller_templates"]
PROJECT = EXAMPLE / "project"
# These exist at the user's, not in our data.
THEIRS = {"Database hosts"}
SECRET = re.compile(r"password|secret|identity|token|passphrase|rclone_(config|remotes)", re.IGNORECASE)


def surveys() -> list[Mapping[str, Any]]:
    """Return everything that has a survey."""
    return [entry for entry in [*TEMPLATES, *DATA.get("controller_workflows", [])] if entry.get("survey_enabled")]


def test_the_lists_have_the_names_and_keys_that_the_roles_read() -> None:
    """A key that a role does not know is passed over without a word, so none may be misspelt."""
    assert set(DATA) <= set(KEYS)
    assert [fault for name, entries in DATA.items() for entry in entries for fault in key_faults(name, entry)] == []
    for name, entries in DATA.items():
        assert len({entry["name"] for entry in entries}) == len(entries), f"a name twice in {name}"
    assert key_faults("controller_projects", {"name": "x", "scm": "git"}) == [
        "x: organization is missing", "x: scm is not known"
    ]  # fmt: skip


def test_every_reference_leads_somewhere() -> None:
    """Projects, environments, credentials, their types, templates: all of them are in the data."""
    names = {variable: {entry["name"] for entry in entries} for variable, entries in DATA.items()}
    for template in TEMPLATES:
        assert template["project"] in names["controller_projects"]
        assert template["execution_environment"] in names["controller_execution_environments"]
        assert set(template["credentials"]) <= names["controller_credentials"] | THEIRS
        # AWX takes one credential of a kind at most.
        assert len(set(template["credentials"])) == len(template["credentials"])
    for credential in DATA["controller_credentials"]:
        kind = by_name(DATA["controller_credential_types"], credential["credential_type"])
        assert set(credential["inputs"]) == {entry["id"] for entry in kind["inputs"]["fields"]}
        # In the data there is only where the vault has them.
        assert all(re.fullmatch(r"{{ vault_\w+ }}", value) for value in credential["inputs"].values())


def test_every_playbook_is_one_that_awx_finds() -> None:
    """A template's playbook is in the project, and AWX takes it for one; so are all that the project has."""
    for template in TEMPLATES:
        text = (PROJECT / template["playbook"]).read_text(encoding="utf-8")
        assert PLAYBOOK_LINE.search(text), template["playbook"]
    wrapped = {path.name for path in PROJECT.glob("*.yml") if "dba.mariabackup." in path.read_text(encoding="utf-8")}
    assert wrapped == {template["playbook"] for template in TEMPLATES}


@pytest.mark.parametrize("entry", surveys(), ids=lambda entry: str(entry["name"]))
def test_surveys(entry: Mapping[str, Any]) -> None:
    """AWX takes each survey, and asks for no secret."""
    assert survey_faults(entry["survey_spec"]) == []
    for question in entry["survey_spec"]["spec"]:
        assert question["type"] != "password"
        assert not SECRET.search(question["variable"] + question["question_name"])


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: str(template["name"]))
def test_answers_reach_the_playbook(template: Mapping[str, Any]) -> None:
    """Each question's variable is read by the playbook, and each choice is one of the role's."""
    known = known_variables(template["playbook"])
    questions = template["survey_spec"]["spec"]
    assert [fault for question in questions for fault in question_faults(question, known)] == []
    assert {"variable": "mariabackup_hosts", "required": True}.items() <= questions[0].items()
    for name in template.get("extra_vars", {}):
        assert name in known


def test_what_replaces_data_is_confirmed() -> None:
    """Every template that can replace data asks for the name twice, and its playbook compares; a plan need not."""
    for template in TEMPLATES:
        asked = {question["variable"] for question in template["survey_spec"]["spec"]}
        compares = "import_playbook: confirm.yml" in (PROJECT / template["playbook"]).read_text(encoding="utf-8")
        replaces = "mariabackup_existing_data" in asked
        assert compares or not replaces, template["name"]
        assert ("confirmed_hosts" in asked) == (compares and template.get("job_type") != "check"), template["name"]


def test_workflows_ask_what_their_jobs_need() -> None:
    """Each node leads somewhere, and each question of its template is asked once, in the same words."""
    for workflow in DATA["controller_workflows"]:
        asked = {question["variable"]: question for question in questions_of(workflow)}
        nodes = {node["identifier"]: node for node in workflow["simplified_workflow_nodes"]}
        needed = {}
        for node in nodes.values():
            assert set(node) <= NODE_KEYS
            assert ("approval_node" in node) != ("unified_job_template" in node)
            assert {
                following for key in ("success", "failure", "always") for following in node.get(f"{key}_nodes", [])
            } <= set(nodes)
            if "unified_job_template" in node:
                template = by_name(TEMPLATES, node["unified_job_template"])
                needed.update({question["variable"]: question for question in questions_of(template)})
        assert asked == needed


def test_nothing_is_restored_without_an_approval() -> None:
    """The one way to the restore is from the approval, and the one way to the approval from a plan that went well."""
    (workflow,) = DATA["controller_workflows"]
    assert parents(workflow, "restore") == {("approve", "success")}
    assert parents(workflow, "approve") == {("plan", "success")}
    assert parents(workflow, "report") == {("restore", "always")}
    assert by_name(TEMPLATES, "MariaDB: plan a fleet")["job_type"] == "check"


def test_schedules_answer_the_survey() -> None:
    """AWX takes each rule, and each schedule answers what its template asks."""
    rule = re.compile(
        r"DTSTART(;TZID=\w+/\w+:\d{8}T\d{6}|:\d{8}T\d{6}Z) RRULE:FREQ=(HOURLY|DAILY|WEEKLY|MONTHLY);INTERVAL=\d+.*"
    )
    for schedule in DATA["controller_schedules"]:
        assert rule.fullmatch(schedule["rrule"])
        template = by_name(TEMPLATES, schedule["unified_job_template"])
        assert job_variables(template, schedule["extra_data"]).items() >= schedule["extra_data"].items()
        # A schedule replaces no data.
        assert "confirmed_hosts" not in schedule["extra_data"]


def test_the_checks_find_what_is_wrong() -> None:
    """Each rule refuses something."""
    survey = copy.deepcopy(dict(by_name(TEMPLATES, "MariaDB: restore a host")["survey_spec"]))
    known = known_variables("restore.yml")
    choice = next(question for question in survey["spec"] if question["type"] == "multiplechoice")
    for change in (
        {"default": "perhaps"}, {"choices": []}, {"type": "number"}, {"type": "text"}, {"variable": "mariabackup_hosts"}
    ):  # fmt: skip
        wrong = {**survey, "spec": [*survey["spec"], {**choice, "variable": "another", **change}]}
        assert survey_faults(wrong), change
    assert question_faults({**choice, "choices": ["keep", "burn"]}, known)
    assert question_faults({**choice, "variable": "mariabackup_exsiting_data"}, known)
    assert question_faults({**choice, "variable": "mariabackup_parallel"}, known)
    number = {"variable": "n", "type": "integer", "required": True, "min": 1, "max": 3}
    assert [bool(answer_faults(number, {"n": value})) for value in (0, 1, 3, 4, "2", True)] == [
        True, False, False, True, True, True
    ]  # fmt: skip


def test_variables_of_a_job() -> None:
    """The survey's defaults reach the job, empty ones too, and what is not asked does not."""
    template = by_name(TEMPLATES, "MariaDB: restore a host")
    given = {"mariabackup_hosts": "db1", "confirmed_hosts": "db1", "mariabackup_existing_data": "delete",
             "mariabackup_topology": "refuse"}  # fmt: skip
    assert job_variables(template, given) == {**given, "mariabackup_before": "", "mariabackup_backup_id": ""}
    for wrong in ({"mariabackup_parallel": 4}, {"mariabackup_existing_data": "delete_first"}, {"confirmed_hosts": ""}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            job_variables(template, {**given, **wrong})


def test_credentials_reach_the_job(tmp_path: Path) -> None:
    """Each injector renders from the inputs of its type; the files' names are known to the playbooks that lend them."""
    lends = (PROJECT / "lend_secrets.yml").read_text(encoding="utf-8")
    roles = {**known_variables("restore.yml"), **known_variables("install.yml")}
    for kind in DATA["controller_credential_types"]:
        assert kind["kind"] in ("cloud", "net")
        fields = kind["inputs"]["fields"]
        assert [entry["id"] for entry in fields] == kind["inputs"]["required"]
        inputs = {entry["id"]: f"value of {entry['id']}" for entry in fields}
        injected = inject(kind, inputs, tmp_path)
        for name, value in injected.variables.items():
            assert name in roles or name in lends, name
            if name.startswith("secret_"):
                assert Path(value).read_text(encoding="utf-8") == f"{next(iter(inputs.values()))}\n"


def test_ansible_reads_the_data(tmp_path: Path) -> None:
    """Ansible takes from the files what our checks took, with the secrets from a vault, and leaves AWX's templates alone."""
    secrets = {f"vault_{name}": f"the {name}" for name in ("mariadb_username", "mariadb_password", "age_identity")}
    tasks = [
        {"ansible.builtin.include_vars": {"dir": str(EXAMPLE / "configuration")}},
        {"ansible.builtin.copy": {"dest": str(tmp_path / "seen"), "content": "{{ read | to_json }}", "mode": "0600"}},
    ]
    read = {name: f"{{{{ {name} }}}}" for name in DATA}
    variables = {**secrets, "vault_rclone_configuration": "[store]\ntype = alias"}
    known = {"read": read, "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "vars": known, "tasks": tasks}
    (tmp_path / "load.yml").write_text(json.dumps([play]), encoding="utf-8")
    command = ["ansible-playbook", "-i", "localhost,", "-e", json.dumps(variables), str(tmp_path / "load.yml")]
    subprocess.run(command, env={**os.environ, "ANSIBLE_HOME": str(tmp_path)}, check=True, capture_output=True)
    seen = json.loads((tmp_path / "seen").read_text(encoding="utf-8"))
    inputs = [value for credential in seen["controller_credentials"] for value in credential.pop("inputs").values()]
    assert sorted(inputs) == sorted(variables.values())
    expected = copy.deepcopy(DATA)
    for credential in expected["controller_credentials"]:
        del credential["inputs"]
    assert seen == expected


def test_slices() -> None:
    """Every host is in one slice."""
    assert [slice_of(["c", "a", "b"], number, 2) for number in (1, 2)] == [["a", "c"], ["b"]]


def test_requirements_name_this_version() -> None:
    """The archive that the project's requirements name is the one that a build makes."""
    (entry,) = yaml.safe_load((PROJECT / "collections" / "requirements.yml").read_text(encoding="utf-8"))["collections"]
    galaxy = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))
    assert entry["name"] == f"collections/dba-mariabackup-{galaxy['version']}.tar.gz"


def test_ansible_knows_the_project_s_configuration(tmp_path: Path) -> None:
    """Pipelining, a connection that notices its end, and one that stays while others work."""
    env = {**os.environ, "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"), "ANSIBLE_HOME": str(tmp_path)}
    dump = ["ansible-config", "dump", "--only-changed", "--format", "json", "-t"]
    found: dict[str, Any] = {}
    for kind in ("base", "connection"):
        done = subprocess.run([*dump, kind], env=env, check=True, capture_output=True, text=True)
        (entries,) = [json.loads(done.stdout)] if kind == "base" else [json.loads(done.stdout)[0]["ssh"]]
        found.update({entry["name"]: entry["value"] for entry in entries if "name" in entry})
    assert (found["DEFAULT_FORKS"], found["DEFAULT_GATHERING"], found["pipelining"]) == (50, "explicit", True)
    assert all(f"-o {option}" in found["ssh_args"] for option in ("ControlPersist=15m", "ServerAliveInterval=15"))
