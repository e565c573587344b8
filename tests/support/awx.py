# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What AWX makes of the data in examples/awx/configuration: which it takes, and what a job gets from it.

AWX itself is not here. These are its rules as its source has them: the checks of a survey and of its answers, the order of a
job's variables, the injectors of a credential type, what it takes for a playbook, the hosts of a slice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from jinja2 import StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "awx"

Data = Mapping[str, Any]

#: the keys that the roles of infra.aap_configuration pass on, as their documentation lists them; required ones first
KEYS: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "controller_credential_types": (
        frozenset({"name", "inputs", "injectors"}),
        frozenset({"description", "kind", "new_name", "state"}),
    ),
    "controller_credentials": (
        frozenset({"name", "credential_type"}),
        frozenset(
            {
                "copy_from",
                "description",
                "inputs",
                "new_name",
                "organization",
                "state",
                "team",
                "update_secrets",
                "user",
            }
        ),
    ),
    "controller_execution_environments": (
        frozenset({"name", "image"}),
        frozenset({"credential", "description", "new_name", "organization", "pull", "state"}),
    ),
    "controller_projects": (
        frozenset({"name", "organization"}),
        frozenset(
            """allow_override copy_from credential default_environment description local_path new_name scm_branch scm_clean
            scm_delete_on_update scm_refspec scm_track_submodules scm_type scm_update_cache_timeout scm_update_on_launch
            scm_url signature_validation_credential state timeout update_project wait""".split()
        ),
    ),
    "controller_templates": (
        frozenset({"name", "project", "playbook"}),
        frozenset(
            """allow_simultaneous ask_credential_on_launch ask_diff_mode_on_launch ask_execution_environment_on_launch
            ask_forks_on_launch ask_instance_groups_on_launch ask_inventory_on_launch ask_job_slice_count_on_launch
            ask_job_type_on_launch ask_labels_on_launch ask_limit_on_launch ask_scm_branch_on_launch ask_skip_tags_on_launch
            ask_tags_on_launch ask_timeout_on_launch ask_variables_on_launch ask_verbosity_on_launch become_enabled copy_from
            credentials description diff_mode execution_environment extra_vars force_handlers forks host_config_key
            instance_groups inventory job_slice_count job_tags job_type labels limit new_name notification_templates_error
            notification_templates_started notification_templates_success organization prevent_instance_group_fallback
            scm_branch skip_tags start_at_task state survey_enabled survey_spec timeout use_fact_cache verbosity
            webhook_credential webhook_service""".split()
        ),
    ),
    "controller_workflows": (
        frozenset({"name", "organization", "simplified_workflow_nodes"}),
        frozenset(
            """allow_simultaneous ask_inventory_on_launch ask_labels_on_launch ask_limit_on_launch ask_scm_branch_on_launch
            ask_skip_tags_on_launch ask_tags_on_launch ask_variables_on_launch copy_from description destroy_current_nodes
            extra_vars inventory job_tags labels limit new_name notification_templates_approvals
            notification_templates_error notification_templates_started notification_templates_success scm_branch skip_tags
            state survey_enabled survey_spec webhook_credential webhook_service""".split()
        ),
    ),
    "controller_schedules": (
        frozenset({"name", "unified_job_template", "rrule"}),
        frozenset(
            """credentials description diff_mode enabled execution_environment extra_data forks instance_groups inventory
            job_slice_count job_tags job_type labels limit new_name organization scm_branch skip_tags state timeout
            verbosity""".split()
        ),
    ),
}
NODE_KEYS = frozenset(
    """all_parents_must_converge always_nodes approval_node credentials diff_mode execution_environment extra_data
    failure_nodes forks identifier instance_groups inventory job_slice_count job_tags job_type labels limit
    lookup_organization organization scm_branch skip_tags state success_nodes timeout unified_job_template verbosity""".split()
)
_TYPES: dict[str, type | tuple[type, ...]] = {
    "text": str, "textarea": str, "multiplechoice": str, "multiselect": str, "integer": int, "float": float
}  # fmt: skip
# A file with such a line is a playbook to AWX, and no other is.
PLAYBOOK_LINE = re.compile(
    r"^\s*?-?\s*?(?:ansible\.builtin\.)?(?:hosts|include|import_playbook):\s*?.*?$", re.MULTILINE
)


class _Loader(yaml.SafeLoader):
    """YAML as Ansible reads it: ``!unsafe`` marks a text that is not a template."""


_Loader.add_constructor("!unsafe", lambda loader, node: loader.construct_scalar(node))  # type: ignore[arg-type]


def load() -> dict[str, list[dict[str, Any]]]:
    """Return the lists of all files in examples/awx/configuration by the names of their variables."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path in sorted((EXAMPLE / "configuration").glob("*.yml")):
        found.update(yaml.load(path.read_text(encoding="utf-8"), _Loader))
    return found


def questions_of(entry: Data) -> list[Data]:
    """Return the questions of a template's or workflow's survey, none where it is switched off."""
    return list(entry["survey_spec"]["spec"]) if entry.get("survey_enabled") else []


def by_name(entries: Iterable[Data], name: str) -> Data:
    """Return the entry of that name; raises KeyError without one."""
    for entry in entries:
        if entry["name"] == name:
            return entry
    raise KeyError(name)


def key_faults(variable: str, entry: Data) -> list[str]:
    """Return what the role for ``variable`` would miss in an entry, or not know."""
    required, optional = KEYS[variable]
    missing = [f"{entry.get('name')}: {key} is missing" for key in sorted(required - set(entry))]
    return missing + [f"{entry.get('name')}: {key} is not known" for key in sorted(set(entry) - required - optional)]


def survey_faults(survey: Data) -> list[str]:
    """Return what AWX refuses in a survey, and what it does not say but a form shows wrong."""
    faults = [f"the survey's {key} is missing" for key in ("name", "description", "spec") if key not in survey]
    seen: set[str] = set()
    for question in survey.get("spec", []):
        name = question.get("variable", "?")
        faults += [f"{name}: {key} is missing" for key in ("question_name", "type", "required") if key not in question]
        if name in seen:
            faults.append(f"{name} is asked twice")
        seen.add(name)
        kind = question.get("type")
        if kind not in _TYPES:
            faults.append(f"{name}: no survey asks for {kind} here")
            continue
        default, choices = question.get("default"), question.get("choices")
        if kind.startswith("multi") != bool(choices):
            faults.append(f"{name}: choices and {kind} do not belong together")
        if default not in (None, "") and not isinstance(default, _TYPES[kind]):
            faults.append(f"{name}: the default is no {kind}")
        if default not in (None, ""):
            faults += answer_faults(question, {name: default})
        if kind in ("text", "integer") and not {"min", "max"} <= set(question):
            faults.append(f"{name}: an answer needs limits")
        if any(not isinstance(question[limit], int) for limit in ("min", "max") if limit in question):
            faults.append(f"{name}: a limit is no integer")
    return faults


def answer_faults(question: Data, answers: Data) -> list[str]:
    """Return why AWX would not launch a job with this answer."""
    name = question["variable"]
    if name not in answers:
        return [f"{name} is missing"] if question["required"] else []
    answer: Any = answers[name]
    if question["type"] == "multiplechoice":
        return [] if answer in question["choices"] else [f"{name}: {answer!r} is not one of {question['choices']}"]
    if not isinstance(answer, _TYPES[question["type"]]) or isinstance(answer, bool):
        return [f"{name}: {answer!r} is no {question['type']}"]
    size = answer if isinstance(answer, (int, float)) else len(str(answer))
    if not question.get("min", size) <= size <= question.get("max", size):
        return [f"{name}: {answer!r} is not within its limits"]
    return []


def job_variables(template: Data, answers: Data) -> dict[str, Any]:
    """Return the extra variables of a job: the template's, then the survey's defaults, then the answers.

    Raises ValueError when AWX would refuse the launch.
    """
    questions = questions_of(template)
    known = {question["variable"] for question in questions}
    faults = [fault for question in questions for fault in answer_faults(question, answers)]
    if not template.get("ask_variables_on_launch"):
        faults += [f"{name} is not asked" for name in sorted(set(answers) - known)]
    if faults:
        raise ValueError(f"{template['name']}: {'; '.join(faults)}")
    defaults = {
        question["variable"]: question["default"]
        for question in questions
        if question.get("default") is not None
        and not answer_faults(question, {question["variable"]: question["default"]})
    }
    return {**template.get("extra_vars", {}), **defaults, **answers}


@dataclass
class Injected:
    """What a credential puts into a job."""

    variables: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)


def inject(kind: Data, inputs: Mapping[str, str], folder: Path) -> Injected:
    """Render the injectors of a credential type; its file goes to ``folder``.

    Raises KeyError for an input that is required and missing.
    """
    for name in kind["inputs"]["required"]:
        inputs[name]
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True)
    injectors, namespace = kind["injectors"], dict[str, Any](inputs)
    for key, template in injectors.get("file", {}).items():
        assert key == "template", "one file, so it has no name of its own"
        path = folder / kind["name"].replace(" ", "_")
        path.write_text(environment.from_string(template).render(**namespace), encoding="utf-8")
        path.chmod(0o600)
        namespace["tower"] = {"filename": str(path)}
    render = {
        target: {
            name: environment.from_string(text).render(**namespace) for name, text in injectors.get(target, {}).items()
        }
        for target in ("extra_vars", "env")
    }
    return Injected(render["extra_vars"], render["env"])


def parents(workflow: Data, identifier: str) -> set[tuple[str, str]]:
    """Return the nodes that lead to a node of a workflow, each with the outcome: success, failure or always."""
    return {
        (node["identifier"], outcome)
        for node in workflow["simplified_workflow_nodes"]
        for outcome in ("success", "failure", "always")
        if identifier in node.get(f"{outcome}_nodes", [])
    }


def slice_of(hosts: Sequence[str], number: int, count: int) -> list[str]:
    """Return the hosts that slice ``number`` (from 1) of ``count`` gets: every count-th of them by name."""
    return sorted(hosts)[number - 1 :: count]


# What our playbooks know


def playbook_text(name: str) -> str:
    """Return the text of a project's playbook and of all the playbooks that it imports."""
    text = (EXAMPLE / "project" / name).read_text(encoding="utf-8")
    for imported in re.findall(r"import_playbook: (\S+)", text):
        if imported.startswith("dba.mariabackup."):
            text += (ROOT / "playbooks" / f"{imported.rpartition('.')[2]}.yml").read_text(encoding="utf-8")
        else:
            text += playbook_text(imported)
    return text


def known_variables(playbook: str) -> dict[str, Data]:
    """Return the variables that a project's playbook reads, each with its entry in the roles' argument specifications.

    One that no role specifies has an empty entry: a play alone reads it.
    """
    text = playbook_text(playbook)
    known: dict[str, Data] = {name: {} for name in re.findall(r"\b(?:mariabackup|confirmed)_\w+", text)}
    for role in (ROOT / "roles").iterdir():
        if f"dba.mariabackup.{role.name}" in text:
            specification = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
            for entry_point in specification["argument_specs"].values():
                known.update(entry_point["options"])
    return known


def question_faults(question: Data, known: Mapping[str, Data]) -> list[str]:
    """Return why the answer to a question would not reach a playbook, or be refused by it."""
    name = question["variable"]
    if name not in known:
        return [f"{name}: the playbook does not know it"]
    about = known[name]
    choices = [str(choice) for choice in about.get("choices", ["true", "false"] if about.get("type") == "bool" else [])]
    if choices and not set(question.get("choices", [])) <= set(choices):
        return [f"{name}: the role wants one of {choices}"]
    if choices and question["type"] != "multiplechoice":
        return [f"{name}: the role has choices, so the survey must"]
    if about.get("type") == "int" and question["type"] != "integer":
        return [f"{name}: the role wants a number"]
    return []
