# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remote storage: what names it, how large the parts of an upload are, and what rclone's words mean."""

from __future__ import annotations

import pytest

from ansible_collections.dba.mariabackup.plugins.module_utils.repository.remote import join
from ansible_collections.dba.mariabackup.plugins.module_utils.stream.rclone import (
    failure,
    is_remote,
    most_parts,
    part_options,
    part_size,
)

MIB, GIB = 1 << 20, 1 << 30


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("/srv/repository", False),
        ("/srv/with:colon", False),
        ("srv/relative", False),
        ("s3:bucket/backups", True),
        ("my-remote_1:", True),
        ("sftp:/srv/backups", True),
        ("./s3:bucket", False),
    ],
)
def test_what_is_remote(name: str, expected: bool) -> None:
    assert is_remote(name) is expected


@pytest.mark.parametrize("size", [0, 1, 40 * GIB, 48 * GIB, 500 * GIB, 5000 * GIB])
def test_parts_fit_into_their_number(size: int) -> None:
    """S3 takes 10,000 parts of at least 5 MiB, and a stream may come out longer than the data was."""
    part = part_size(size)
    assert part >= 5 << 20
    assert part % (1 << 20) == 0
    assert size * 1.2 / part <= 9000
    if size > 100 * GIB:
        assert size * 1.2 / part > 8900, "parts cost memory"


@pytest.mark.parametrize("most", [1, 10, 1000])
def test_parts_fit_into_a_smaller_number(most: int) -> None:
    """Of some storage; a tenth is left where there are ten."""
    assert 80 * MIB / part_size(80 * MIB, most) <= max(1, most * 0.9)


def test_options_of_an_upload() -> None:
    """For each storage that takes a stream in parts, what its service allows."""
    sizes = {}
    for option in part_options(2000 * GIB)[:3]:
        name, _equals, size = option.partition("=")
        sizes[name] = int(size[:-1])
    assert sizes["--s3-chunk-size"] == part_size(2000 * GIB) == sizes["--b2-chunk-size"]
    assert 2000 * GIB / sizes["--azureblob-chunk-size"] <= 45_000
    assert part_options(0)[:3] == (
        f"--s3-chunk-size={5 * MIB}B", f"--b2-chunk-size={96 * MIB}B", f"--azureblob-chunk-size={4 * MIB}B"
    )  # fmt: skip
    assert f"--azureblob-chunk-size={100 * MIB}B" in part_options(10_000 * GIB), "rclone 1.53 refuses more"
    assert f"--s3-chunk-size={part_size(GIB, 100)}B" in part_options(GIB, 100)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("plain:bucket", 10_000),
        ("few:bucket", 1000),
        ("crypt:", 1000),
        ("wrong:bucket", 10_000),
        ("many:bucket", 10_000),
        ("ring:", 10_000),
        ("nowhere:", 10_000),
    ],
)
def test_how_many_parts_a_remote_takes(where: str, expected: int) -> None:
    remotes = {
        "plain": {"type": "s3"},
        "few": {"type": "s3", "max_upload_parts": "1000"},
        "many": {"type": "s3", "max_upload_parts": "50000"},
        "wrong": {"type": "s3", "max_upload_parts": "few"},
        "crypt": {"type": "crypt", "remote": "name:backups"},
        "name": {"type": "alias", "remote": "few:bucket"},
        "ring": {"type": "alias", "remote": "ring:"},
    }
    assert most_parts(remotes, where) == expected


def test_paths_of_a_remote() -> None:
    assert join("s3:", "db1") == "s3:db1"
    assert join("s3:bucket", "db1") == "s3:bucket/db1"
    assert join("sftp:/srv/", "db1") == "sftp:/srv/db1"


@pytest.mark.parametrize(
    ("stderr", "cause", "action"),
    [
        (
            '2026/11/25 04:00:00 Failed to create file system for "x:": didn\'t find section in config file\n',
            "didn't find section",
            "Correct repository",
        ),
        (
            "2026/11/25 04:00:00 ERROR : error listing: dial tcp 10.0.0.1:9000: connect: connection refused\n",
            "connection refused",
            "answers from this host",
        ),
        (
            "2026/11/25 04:00:00 ERROR : AccessDenied: Access Denied\n\tstatus code: 403\n",
            "AccessDenied",
            "credentials",
        ),
        (
            "ERROR : InvalidArgument: Part number must be an integer between 1 and 10\n",
            "Part number",
            "max_upload_parts",
        ),
        ("ERROR : NoSuchBucket: The specified bucket does not exist\n", "NoSuchBucket", "Make the bucket"),
        ("ERROR : write /srv/x: no space left on device\n", "no space left", "Make room"),
        ("", "it said nothing", "Mend what it says"),
    ],
)
def test_its_words(stderr: str, cause: str, action: str) -> None:
    error = failure(["rclone", "lsjson"], 1, stderr)
    assert cause in error.cause
    assert "2026/11/25" not in error.cause
    assert action in error.action
