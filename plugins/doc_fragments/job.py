# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a task waits for its work, which is a job of the host."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  wait:
    description:
      - Whether the task ends with the work. The work is a job of the host and goes on whatever becomes of the connection, of the
        controller and of an AWX job; the same task attaches to the job that still runs. When it has ended well in the
        last 15 minutes and nobody has got its result, the same task returns that and does not begin anew.
      - With V(false) the task ends when the job has begun, and returns its RV(job_id).
        The module M(dba.mariabackup.job) fetches the result, or cancels the job.
      - It has no meaning in check mode. Where the job runs already, check mode says so in RV(ignore:plan), and tells no more.
    type: bool
    default: true
  progress:
    description:
      - Whether lines on the controller tell how far the work is, with the phase, the bytes, the rate and the time that is left.
    type: bool
    default: true
  reconnect_timeout:
    description:
      - For how many seconds the task tries to get back to its job when the connection is lost. Then the host counts as unreachable,
        and the job still goes on.
    type: int
    default: 120
attributes:
  async:
    description: Supports being used with the C(async) keyword.
    support: none
    details:
      - The work outlives the connection without it. See O(wait).
  action:
    description: Indicates this has a corresponding action plugin so some parts of the options can be executed on the controller.
    support: full
"""
