# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Encryption with age: the host that takes backups holds public keys only, a restore needs one of the secret ones."""

from __future__ import annotations

import base64
import binascii
import os
import re
import stat
from collections.abc import Sequence

from ansible_collections.dba.mariabackup.plugins.module_utils.errors import MariabackupError
from ansible_collections.dba.mariabackup.plugins.module_utils.stream.programs import OTHER_BACKUP, Filter, find_program

SUFFIX = ".age"
_NAME = "age"
# The last part is bech32; a name before it belongs to a plugin, such as that of a hardware key.
_AGE_KEY = re.compile(r"age1(?:[a-z0-9.+_-]+1)?[02-9ac-hj-np-z]{38,}")
_SSH_KEY = re.compile(r"(ssh-ed25519|ssh-rsa) ([A-Za-z0-9+/]+={0,2})(?: .*)?")
_SECRET = re.compile(r"AGE-SECRET-KEY-|AGE-PLUGIN-|PRIVATE KEY", re.IGNORECASE)
_ERROR = re.compile(r"^(?:age: error|Error): (.*)")  # before 1.0 it did not say its name
# What age says after "age: error: ", and what that means. Collected from runs of 1.1 and from its source.
_KNOWN = (
    (
        re.compile(r"no identity matched|incorrect identity for recipient"),
        "The identity file does not fit this backup: none of its keys belongs to a recipient that the backup was "
        "encrypted for.",
        "Use the file with the secret key of one of the recipients.",
    ),
    (
        re.compile(r"could not read passphrase|/dev/tty"),
        "The identity file is protected by a passphrase, and nobody is there to type it.",
        "Use an identity file without a passphrase; the file's mode protects it.",
    ),
    (
        re.compile(r"no secret keys found|unknown identity type|malformed (secret key|SSH identity)|error at line \d+"),
        "The identity file holds no secret key that age can use.",
        "Use the file that age-keygen wrote, or an SSH private key (ed25519 or RSA).",
    ),
    (
        re.compile(r"malformed recipient|unknown recipient type|malformed SSH recipient"),
        "age refuses a recipient: {0}.",
        "Correct the public key; a letter of it may be wrong or missing.",
    ),
    (
        re.compile(r"failed to decrypt and authenticate|unexpected EOF"),
        "The encrypted backup is damaged or was cut short: {0}.",
        OTHER_BACKUP,
    ),
    (
        re.compile(r"failed to read header|unexpected intro|failed to read intro"),
        "What is stored is not a whole file of age: {0}.",
        OTHER_BACKUP,
    ),
)


def check_recipients(recipients: Sequence[str]) -> list[str]:
    """Return the public keys without comments and repetitions.

    Raises:
        MariabackupError: there is none, or one is not of a known form. It tells the place of the wrong one and never
            repeats it, because it may be a secret.
    """
    found: list[str] = []
    for number, text in enumerate(recipients, 1):
        key = text.strip()
        which_one = f"Recipient {number} of {len(recipients)}"
        if _SECRET.search(key):
            raise MariabackupError(
                f"{which_one} is a secret key.",
                "Give its public key (age-keygen -y FILE prints it), and replace the secret key if others have seen it.",
            )
        ssh = _SSH_KEY.fullmatch(key)
        if ssh and _is_ssh_key(ssh.group(1), ssh.group(2)):
            key = f"{ssh.group(1)} {ssh.group(2)}"
        elif not _AGE_KEY.fullmatch(key):
            raise MariabackupError(
                f"{which_one} is not a public key that age takes.",
                "Give a key of age (age1...) or an SSH public key of type ssh-ed25519 or ssh-rsa.",
            )
        if key not in found:
            found.append(key)
    if not found:
        raise MariabackupError(
            "There is no recipient to encrypt for.", "Give at least one public key of age (age1...)."
        )
    return found


def _is_ssh_key(kind: str, encoded: str) -> bool:
    """Say whether the encoded part begins with its own kind, as it does in every whole SSH key."""
    try:
        blob = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        return False
    name = kind.encode()
    return blob.startswith(len(name).to_bytes(4, "big") + name) and len(blob) >= 4 + len(name) + 4 + 32


def encrypt_filter(recipients: Sequence[str], program: str | None = None) -> Filter:
    """Return the program that encrypts for every one of the recipients.

    Args:
        recipients: public keys, ``age1...``, ``ssh-ed25519 ...`` or ``ssh-rsa ...``.
        program: the path of age; None to look for it on this host.

    Raises:
        MariabackupError: see ``check_recipients``; age is not installed.
    """
    keys = check_recipients(recipients)
    argv = [program or find_program(_NAME, _NAME)]
    for key in keys:
        argv += ["-r", key]
    return Filter(_NAME, tuple(argv))


def check_identity_file(identity_file: str) -> None:
    """Check that a file with secret keys is there and is its owner's alone.

    Raises:
        MariabackupError: it is not.
    """
    try:
        with open(identity_file, "rb") as stream:
            status = os.fstat(stream.fileno())
    except FileNotFoundError:
        raise MariabackupError(
            f"The identity file {identity_file} does not exist on this host.",
            "Put the file with the secret key there, with mode 0600, or correct the path.",
        ) from None
    except OSError as error:
        raise MariabackupError(
            f"The identity file {identity_file} cannot be read: {error.strerror}.",
            "Run the task as a user who may read it, or correct the path.",
        ) from error
    if not stat.S_ISREG(status.st_mode):
        raise MariabackupError(f"The identity file {identity_file} is not a file.", "Correct the path.")
    if status.st_mode & 0o077:
        raise MariabackupError(
            f"The identity file {identity_file} is open to others: its mode is {stat.S_IMODE(status.st_mode):04o}.",
            f"Close it (chmod 0600 {identity_file}), and replace the key if others may have read it.",
        )


def decrypt_filter(identity_file: str, program: str | None = None) -> Filter:
    """Return the program that decrypts with the secret keys in a file.

    Args:
        identity_file: an absolute path.
        program: the path of age; None to look for it on this host.

    Raises:
        MariabackupError: see ``check_identity_file``; age is not installed.
    """
    check_identity_file(identity_file)
    return Filter(_NAME, (program or find_program(_NAME, _NAME), "-d", "-i", identity_file))


def explain(tail: Sequence[str]) -> tuple[str, str] | None:
    """Return cause and action of a failed run of age from the last lines of its log; None when they do not tell."""
    errors = [match.group(1).strip().rstrip(".") for match in map(_ERROR.search, tail) if match]
    for pattern, cause, action in _KNOWN:
        for error in errors:
            if pattern.search(error):
                return cause.format(error), action
    if errors:
        return f"age failed: {errors[-1]}.", "Mend what it says, then run the task again."
    return None
