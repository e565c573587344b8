#!/usr/bin/python

# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take backups at set times, without a controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: schedule
short_description: Take backups at set times, without a controller
description:
  - Installs a systemd timer and service which take a backup into O(repository), copy it to a second repository, and prune, with
    the very code of the modules M(dba.mariabackup.backup), M(dba.mariabackup.copy_backup) and M(dba.mariabackup.prune). Neither
    Ansible nor a controller is needed for it.
  - Each step is an ordinary job below O(state_dir), with its log and its result. The first step that fails ends the run, and the
    service fails, so that C(systemctl) shows it and O(on_failure) is started.
  - The schedules of one server never run at once. One that is due while another runs, or while somebody takes a backup or restores
    by hand, waits for the end of that.
  - What came of the runs is in RV(dba.mariabackup.backup_info#module:scheduled_runs), in the journal of the service, and in a text
    file for the node exporter of Prometheus.
  - The files are C(/etc/systemd/system/mariabackup-<name>.timer) and C(.service), and C(/etc/mariabackup/schedules/<name>.json)
    with mode C(0600), which holds all options of the steps, and a password if there is one; with O(rclone_remotes) also
    C(/etc/mariabackup/schedules/<name>.rclone.conf), mode C(0600), which holds these.
extends_documentation_fragment:
  - dba.mariabackup.attributes
  - dba.mariabackup.attributes.actiongroup
  - dba.mariabackup.login
  - dba.mariabackup.repository
  - dba.mariabackup.rclone
  - dba.mariabackup.tool
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
    details:
      - Another version of the collection changes the service, which then runs that version's code.
options:
  name:
    description:
      - The name of the schedule, a part of the names of its units.
    type: str
    required: true
  state:
    description:
      - Whether there is to be such a schedule. With V(absent) nothing of it is left but its backups and the records of its jobs. A run
        that is under way is ended, and leaves no backup.
    type: str
    default: present
    choices: [present, absent]
  on_calendar:
    description:
      - When to run, written as the manual page C(systemd.time) says, such as V(*-*-* 02:30) or V(Sun 03:00). Needed, together with
        O(repository), unless O(state=absent).
    type: str
  randomized_delay:
    description:
      - Each run begins up to so much later, by chance, so that a fleet does not begin at once.
    type: str
    default: "0"
  persistent:
    description:
      - Whether a run that was due while the host was down is made up for when it is up again.
    type: bool
    default: true
  on_failure:
    description:
      - A unit that systemd starts when a run has failed, such as V(alarm@%n.service).
    type: str
  wait_timeout:
    description:
      - How many seconds a run waits for others before it fails.
    type: int
    default: 21600
  metrics_dir:
    description:
      - The directory that the node exporter reads text files from. Without it, C(/var/lib/prometheus/node-exporter) where that
        exists.
    type: path
  backup_options:
    description:
      - More options of the module M(dba.mariabackup.backup), by their names, checked as that module would check them.
      - What is an option of this module, such as O(repository) and O(login_password), does not belong here.
    type: dict
  retention:
    description:
      - The rules by which O(repository) is pruned after the backup, as in the module M(dba.mariabackup.prune). Without it nothing
        is removed.
    type: dict
    suboptions: &rules
      keep_last:
        description: Keeps so many of the newest backups.
        type: int
        default: 0
      keep_within:
        description: Keeps every backup that is not older than this, such as V(14d).
        type: str
      keep_daily:
        description: Keeps the newest backup of each of the last so many days that have one.
        type: int
        default: 0
      keep_weekly:
        description: Keeps the newest backup of each of the last so many weeks that have one.
        type: int
        default: 0
      keep_monthly:
        description: Keeps the newest backup of each of the last so many months that have one.
        type: int
        default: 0
      keep_yearly:
        description: Keeps the newest backup of each of the last so many years that have one.
        type: int
        default: 0
  copy_to:
    description:
      - Another repository, to which each backup is copied before anything is pruned, as by M(dba.mariabackup.copy_backup). Remote storage
        takes streams only.
    type: path
  copy_retention:
    description:
      - The rules by which O(copy_to) is pruned.
    type: dict
    suboptions: *rules
requirements:
  - systemd on the managed host
seealso:
  - module: dba.mariabackup.backup
  - module: dba.mariabackup.prune
  - module: dba.mariabackup.copy_backup
  - module: dba.mariabackup.backup_info
author:
  - dba.mariabackup contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Take a backup each night, keep a week, and tell somebody when it fails
  dba.mariabackup.schedule:
    name: nightly
    on_calendar: "*-*-* 02:30"
    randomized_delay: 30m
    on_failure: alarm@%n.service
    repository: /srv/repository
    config_file: /etc/mariabackup.cnf
    backup_options:
      parallel: 4
    retention:
      keep_daily: 7

- name: Take another on Sundays, with a second copy that is kept for a year
  dba.mariabackup.schedule:
    name: weekly
    on_calendar: Sun 04:00
    repository: /srv/repository
    config_file: /etc/mariabackup.cnf
    copy_to: /mnt/second/repository
    copy_retention:
      keep_weekly: 52

- name: Do without that one
  dba.mariabackup.schedule:
    name: weekly
    state: absent
"""

RETURN = r"""
name:
  description: The name of the schedule.
  returned: success
  type: str
  sample: nightly
timer:
  description: The timer's unit.
  returned: success
  type: str
  sample: mariabackup-nightly.timer
service:
  description: The service's unit, for C(systemctl start), C(systemctl status) and C(journalctl -u).
  returned: success
  type: str
  sample: mariabackup-nightly.service
description:
  description: The file with all that a run needs to know.
  returned: success
  type: str
  sample: /etc/mariabackup/schedules/nightly.json
actions:
  description: What was done, or would be, in this order.
  returned: success
  type: list
  elements: str
  sample: [write /etc/systemd/system/mariabackup-nightly.timer, start mariabackup-nightly.timer]
log_path:
  description: The log of the job on the host.
  returned: when the job has begun
  type: str
  sample: /var/lib/mariabackup/jobs/20261122T101500Z-1f2e3d/log
failed_phase:
  description: The phase in which it failed.
  returned: failure
  type: str
  sample: plan
cause:
  description: What went wrong, with the names and numbers that were found.
  returned: failure
  type: str
  sample: on_calendar is 'nightly', which systemd does not understand.
action:
  description: What to do next.
  returned: failure
  type: str
  sample: See systemd.time(7).
cmd:
  description: The command that failed.
  returned: failure, when a program failed
  type: list
  elements: str
  sample: [systemd-analyze, calendar, nightly]
rc:
  description: The return code of RV(cmd), or 128 and the number of the signal that stopped the job.
  returned: failure, when a program failed
  type: int
  sample: 1
log_tail:
  description: The last lines that it printed, or of the log.
  returned: failure, when a program failed
  type: list
  elements: str
  sample: ["Failed to parse calendar specification 'nightly': Invalid argument"]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.dba.mariabackup.plugins.module_utils.argspec import (
    RCLONE_RULE,
    login_spec,
    rclone_spec,
    repository_spec,
    retention_spec,
    tool_spec,
)
from ansible_collections.dba.mariabackup.plugins.module_utils.task import read_backup_options, run_job


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "default": "present", "choices": ["present", "absent"]},
            "on_calendar": {"type": "str"},
            "randomized_delay": {"type": "str", "default": "0"},
            "persistent": {"type": "bool", "default": True},
            "on_failure": {"type": "str"},
            "wait_timeout": {"type": "int", "default": 21600},
            "metrics_dir": {"type": "path"},
            "backup_options": {"type": "dict"},
            "retention": {"type": "dict", "options": retention_spec()},
            "copy_to": {"type": "path"},
            "copy_retention": {"type": "dict", "options": retention_spec()},
            **repository_spec(),
            **rclone_spec(),
            **tool_spec(),
            **login_spec(),
        },
        supports_check_mode=True,
        required_if=[("state", "present", ["on_calendar", "repository"])],
        required_by={"copy_retention": "copy_to"},
        mutually_exclusive=[RCLONE_RULE],
    )
    if module.params["state"] == "present":
        read_backup_options(module, "backup_options")
    run_job(module, "schedule", module.params["name"])


if __name__ == "__main__":
    main()
