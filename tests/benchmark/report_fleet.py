# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of a fleet: what was measured beside what was promised (pure)."""

from __future__ import annotations

from collections.abc import Sequence

from tests.benchmark.fleet import FORKS, RUNS, FleetRun
from tests.benchmark.report import COLUMNS, Row, compared, markdown_table, seconds

_TIME, _EXECUTIONS = 0.2, 3


def fleet_rows(run: FleetRun) -> list[Row]:
    """Return the lines about a fleet."""
    first = min(run.sizes)
    data = f"{first} hosts"
    ours, documented = run.compared["ours"], run.compared["documented"]
    plan, rest = run.executions
    return [
        compared("playbook", data, ours["seconds"], documented["seconds"], _TIME),
        Row("module executions for each host", data, f"{rest} and {plan} of the plan", target=f"<= {_EXECUTIONS}", met=rest <= _EXECUTIONS),
        Row(
            "memory of the controller for each host", data, f"{ours['memory'] / first / 1e6:.1f} MB",
            f"{documented['memory'] / first / 1e6:.1f} MB",
        ),
        *(Row("playbook", f"{count} hosts", seconds(value)) for count, value in run.scale.items()),
        *(
            Row("memory of the controller for each host", f"{count} hosts", f"{run.memory[count] / count / 1e6:.1f} MB")
            for count in run.scale
        ),
    ]  # fmt: skip


_FLEET = """{facts}

### Results of a fleet

{table}

Hosts, controller and all servers share the processors of one machine. Each host has its own small database and its own backup,
which is prepared. Both sides run with {forks} forks and pipelining, {runs} times, one after the other; shown are medians, and
afterwards every host is asked for its data. The plain side is `tests/benchmark/documented.yml`: the documented procedure as
ordinary tasks. Ours is the playbook `restore_fleet`: a plan on every host, a canary, and all others as one batch; each restore
proves the new data, checks the server and could take itself back. The controller's memory is the proportional set size of
ansible-playbook and its workers at its largest.

Every run, in seconds: ours {ours}; plain {plain}
"""


def fleet_part(run: FleetRun, facts: Sequence[tuple[str, str]]) -> str:
    """Return the part of docs/benchmarks.md about a fleet."""

    def every(name: str) -> str:
        return ", ".join(f"{value:.1f}" for value in run.compared[name].values("seconds"))

    return _FLEET.format(
        facts=markdown_table([("", ""), *facts]),
        table=markdown_table([COLUMNS, *(row.cells() for row in fleet_rows(run))]),
        forks=FORKS,
        runs=RUNS,
        ours=every("ours"),
        plain=every("documented"),
    )
