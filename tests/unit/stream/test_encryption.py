# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Encryption: which keys are taken, which files are refused, and what the words of age mean."""

from __future__ import annotations

import base64
import shutil
from pathlib import Path

import pytest

from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.stream.encryption import (
    check_recipients,
    decrypt_filter,
    encrypt_filter,
    explain,
)

AGE = "/usr/bin/age"
KEY = "age155yw0ql0khdrvcpustxymzekcp3dy970kem572jtx7jlnvd4v40sw8ppf9"
OTHER = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
PLUGIN = "age1yubikey1q2w7u3vpya839jxxuq8g0sedh3d740d4xvn639sqhr95ejj8vu3hyfumptt"


def ssh_key(kind: str, length: int, named: str | None = None) -> str:
    name = (named or kind).encode()
    blob = len(name).to_bytes(4, "big") + name + length.to_bytes(4, "big") + bytes(range(length % 256)) + bytes(256)
    return f"{kind} {base64.b64encode(blob).decode()}"


ED25519 = ssh_key("ssh-ed25519", 32)
RSA = ssh_key("ssh-rsa", 3)


def test_encrypt() -> None:
    assert encrypt_filter([KEY], AGE).argv == (AGE, "-r", KEY)
    found = encrypt_filter([f" {KEY}\n", f"{ED25519} dba@host with words", RSA, OTHER, PLUGIN, KEY], AGE)
    assert found.name == "age"
    assert found.argv == (AGE, "-r", KEY, "-r", ED25519, "-r", RSA, "-r", OTHER, "-r", PLUGIN)


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "age1",
        KEY.upper(),
        KEY[:20],
        KEY.replace("y", "b"),
        f"{KEY} {OTHER}",
        f"{KEY}\n{OTHER}",
        f"-r{KEY}",
        "-",
        "hunter2hunter2",
        "github:somebody",
        "ssh-ed25519",
        "ssh-ed25519 AAAA",
        "ssh-ed25519 not/base64!",
        ssh_key("ssh-ed25519", 32, "ssh-rsa"),
        ssh_key("ecdsa-sha2-nistp256", 32),
    ],
)
def test_wrong_recipients(wrong: str) -> None:
    with pytest.raises(MariabackupError, match="Recipient 2 of 2 is not a public key") as caught:
        encrypt_filter([KEY, wrong], AGE)
    assert len(wrong) < 12 or wrong not in str(caught.value)


@pytest.mark.parametrize(
    "secret",
    [
        "AGE-SECRET-KEY-1QQPZRY9X8GF2TVDW0S3JN54KHCE6MUA7LQQPZRY9X8GF2TVDW0S3JN54KHCE",
        "age-secret-key-1qqpzry9x8gf2tvdw0s3jn54khce6mua7lqqpzry9x8gf2tvdw0s3jn54khce",
        "# public key\nAGE-SECRET-KEY-1QQPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA",
    ],
)
def test_secret_keys_are_refused_and_not_repeated(secret: str) -> None:
    with pytest.raises(MariabackupError, match="Recipient 1 of 1 is a secret key") as caught:
        encrypt_filter([secret], AGE)
    assert secret[-20:] not in str(caught.value)
    assert "SECRET-KEY-1" not in str(caught.value).upper()


def test_no_recipient() -> None:
    with pytest.raises(MariabackupError, match="no recipient"):
        check_recipients([])


def test_decrypt(tmp_path: Path) -> None:
    path = tmp_path / "identity"
    path.write_text("AGE-SECRET-KEY-1...\n")
    path.chmod(0o600)
    assert decrypt_filter(str(path), AGE).argv == (AGE, "-d", "-i", str(path))
    path.chmod(0o400)
    assert decrypt_filter(str(path), AGE).name == "age"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644, 0o610])
def test_an_identity_file_that_others_can_open(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "identity"
    path.write_text("x")
    path.chmod(mode)
    with pytest.raises(MariabackupError, match=f"its mode is {mode:04o}.*chmod 0600"):
        decrypt_filter(str(path), AGE)


def test_an_identity_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(MariabackupError, match="none does not exist on this host"):
        decrypt_filter(str(tmp_path / "none"), AGE)
    with pytest.raises(MariabackupError, match="cannot be read: Is a directory"):
        decrypt_filter(str(tmp_path), AGE)
    with pytest.raises(MariabackupError, match="/dev/null is not a file"):
        decrypt_filter("/dev/null", AGE)


def test_age_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name, path: None)
    with pytest.raises(MariabackupError, match=r"age is not installed on this host. Install the package age\."):
        encrypt_filter([KEY])


REPORT = "age: report unexpected or unhelpful errors at https://filippo.io/age/report"


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("no identity matched any of the recipients", "does not fit this backup"),
        ("failed to read header: failed to parse header: failed to read line: EOF", "not a whole file of age"),
        ('failed to read header: parsing age header: unexpected intro: "garbage\\n"', "not a whole file of age"),
        ("failed to decrypt and authenticate payload chunk", "damaged or was cut short"),
        ('reading "k": failed to read "k": error at line 1: unknown identity type', "no secret key that age can use"),
        ('reading "k": failed to read "k": no secret keys found', "no secret key that age can use"),
        (
            'failed to obtain passphrase: could not read passphrase for "k": standard input is not a terminal, and '
            "/dev/tty is not available: open /dev/tty: no such device or address",
            "protected by a passphrase",
        ),
        (f'malformed recipient "{KEY}": invalid checksum', "age refuses a recipient"),
        ("the moon is full", "age failed: the moon is full."),
    ],
)
def test_explain(line: str, cause: str) -> None:
    found = explain(["zstd: /*stdin*\\: unexpected end of file", f"age: error: {line}", REPORT])
    assert found is not None
    assert cause in found[0]
    assert all(text.endswith(".") for text in found)


def test_explain_knows_only_age() -> None:
    assert explain([]) is None
    assert explain(["zstd: failed to read header", REPORT]) is None
