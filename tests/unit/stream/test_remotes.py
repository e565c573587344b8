# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remotes from variables: their text, what is refused without repeating it, and the file that lasts as long as a job."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.dba.mariabackup.plugins.module_utils import task
from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.stream.remotes import (
    config_text,
    in_file,
    lasting_config,
    secrets_of,
    words_of,
)

REMOTES: dict[str, Any] = {
    "s3": {"type": "s3", "secret_access_key": "geheim-1234", "max_upload_parts": 1000, "force_path_style": True},
    "my box": {"type": "sftp", "user": "backup-writer", "pass": "geheim-5678"},
}


def test_its_text() -> None:
    assert config_text(REMOTES) == (
        '[s3]\ntype = """s3"""\nsecret_access_key = """geheim-1234"""\nmax_upload_parts = """1000"""\n'
        'force_path_style = """true"""\n\n[my box]\ntype = """sftp"""\nuser = """backup-writer"""\npass = """geheim-5678"""\n'
    )


@pytest.mark.parametrize(
    ("remotes", "text"),
    [
        ({"a]": {"type": "s3"}}, "'a]'"),
        ({"": {"type": "s3"}}, "''"),
        ({"a ": {"type": "s3"}}, "'a '"),
        ({1: {"type": "s3"}}, "remote 1"),
        ({"a": "geheim"}, "of what type a is"),
        ({"a": {"pass": "geheim"}}, "of what type a is"),
        ({"a": {"type": "s3", "x = y": "geheim"}}, "'x = y' of a"),
        ({"a": {"type": "s3", "pass": "geheim\n[b]"}}, "option pass of a"),
        ({"a": {"type": "s3", "pass": 'geheim"""'}}, "option pass of a"),
        ({"a": {"type": "s3", "pass": "%(geheim)s"}}, "option pass of a"),
        ({"a": {"type": "s3", "pass": {"geheim": 1}}}, "option pass of a"),
        ({"a": {"type": "s3", "pass": None}}, "option pass of a"),
    ],
)
def test_what_cannot_be_written_is_refused_and_not_repeated(remotes: dict[Any, Any], text: str) -> None:
    with pytest.raises(MariabackupError) as caught:
        config_text(remotes)
    assert text in str(caught.value)
    assert "geheim" not in str(caught.value)


def test_a_file_for_a_while(tmp_path: Path) -> None:
    params = {"repository": "s3:b", "rclone_config": None, "rclone_remotes": REMOTES}
    with in_file(params, str(tmp_path)) as configured:
        path = tmp_path / "rclone.conf"
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.read_text() == config_text(REMOTES)
        assert (configured["rclone_config"], configured["rclone_remotes"]) == (str(path), None)
        assert lasting_config(configured) is None, "nobody finds it there later"
    assert os.listdir(tmp_path) == []
    with in_file({"rclone_config": "/etc/r"}, str(tmp_path)) as configured:
        assert configured == {"rclone_config": "/etc/r"}
        assert lasting_config(configured) == "/etc/r"
        assert os.listdir(tmp_path) == []


def test_results_stay_readable_and_say_no_secret() -> None:
    """Without this each ``s3`` in a path would be a row of stars."""
    assert secrets_of(REMOTES) == {"geheim-1234", "geheim-5678"}
    assert {"s3", "sftp", "1000", "backup-writer"} < words_of(REMOTES)
    spec = {"rclone_remotes": {"no_log": True}, "login_password": {"no_log": True}, "x": {}}
    module: Any = SimpleNamespace(
        argument_spec=spec,
        params={"rclone_remotes": REMOTES, "login_password": "sftp", "x": 1},
        no_log_values={"s3", "1000", "backup-writer", "geheim-1234", "geheim-5678", "sftp"},
    )
    params = task._params(module)
    assert params["rclone_remotes"] == REMOTES
    assert module.params["rclone_remotes"] == "(hidden)"
    assert module.no_log_values == {"geheim-1234", "geheim-5678", "sftp"}
