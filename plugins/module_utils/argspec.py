# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Argument specifications that several modules share; the documentation fragments describe the same options."""

from __future__ import annotations

from typing import Any

Spec = dict[str, dict[str, Any]]


def tool_spec() -> Spec:
    """Return the options about the program mariadb-backup (fragment ``tool``)."""
    return {
        "mariadb_backup": {"type": "path"},
        "defaults_file": {"type": "path"},
        "defaults_group_suffix": {"type": "str"},
        "open_files_limit": {"type": "int"},
        "extra_args": {"type": "list", "elements": "str", "default": []},
        "state_dir": {"type": "path", "default": "/var/lib/mariabackup"},
    }


def job_spec() -> Spec:
    """Return the options about waiting for a job (fragment ``job``); the action plugins act on them."""
    return {
        "wait": {"type": "bool", "default": True},
        "progress": {"type": "bool", "default": True},
        "reconnect_timeout": {"type": "int", "default": 120},
    }


def login_spec() -> Spec:
    """Return the options that log in to the server (fragment ``login``)."""
    return {
        "login_user": {"type": "str"},
        "login_password": {"type": "str", "no_log": True},
        "login_host": {"type": "str"},
        "login_port": {"type": "int"},
        "login_unix_socket": {"type": "path"},
        "config_file": {"type": "path", "default": "~/.my.cnf"},
        "ca_cert": {"type": "path", "aliases": ["ssl_ca"]},
        "client_cert": {"type": "path", "aliases": ["ssl_cert"]},
        "client_key": {"type": "path", "aliases": ["ssl_key"]},
        "check_hostname": {"type": "bool"},
        "connect_timeout": {"type": "int", "default": 30},
    }


def rclone_spec() -> Spec:
    """Return the options that configure rclone (fragment ``rclone``)."""
    return {"rclone_config": {"type": "path"}, "rclone_remotes": {"type": "dict", "no_log": True}}


#: how these go together, for AnsibleModule
RCLONE_RULE = ("rclone_config", "rclone_remotes")


def repository_spec() -> Spec:
    """Return the options that name the backups of an instance in a repository (fragment ``repository``)."""
    return {"repository": {"type": "path"}, "instance": {"type": "str"}}


def source_spec() -> Spec:
    """Return the options that name a backup, in a directory or in a repository (fragment ``source``)."""
    return {
        "target_dir": {"type": "path"},
        "backup_id": {"type": "str"},
        "before": {"type": "str"},
        "identity_file": {"type": "path"},
    }


#: how the options of ``repository_spec`` and ``source_spec`` go together, for AnsibleModule
SOURCE_RULES: dict[str, Any] = {
    "required_one_of": [("target_dir", "repository")],
    "mutually_exclusive": [("target_dir", "repository"), ("backup_id", "before"), RCLONE_RULE],
    "required_by": {"instance": "repository", "backup_id": "repository", "before": "repository"},
}


def service_spec() -> Spec:
    """Return the options that name the server's service (fragment ``service``)."""
    return {
        "service": {"type": "str", "default": "mariadb"},
        "service_manager": {
            "type": "str",
            "default": "auto",
            "choices": ["auto", "systemd", "sysvinit", "process", "none"],
        },
        "server_command": {"type": "path"},
        "server_config_file": {"type": "path"},
        "server_user": {"type": "str"},
        "stop_timeout": {"type": "int"},
        "start_timeout": {"type": "int", "default": 600},
    }


def backup_spec() -> Spec:
    """Return the options of the module ``backup``; the module ``schedule`` takes them as well."""
    return {
        "target_dir": {"type": "path"},
        **repository_spec(),
        **rclone_spec(),
        **tool_spec(),
        **login_spec(),
        "type": {"type": "str", "default": "full", "choices": ["full", "incremental", "auto"]},
        "base": {"type": "str"},
        "full_every": {"type": "str"},
        "parallel": {"type": "int", "default": 1},
        "throttle": {"type": "int", "default": 0},
        "checksum": {"type": "str", "default": "sha256", "choices": ["sha256", "none"]},
        "prepare": {"type": "bool", "default": False},
        "use_memory": {"type": "str", "default": "auto"},
        "galera_info": {"type": "bool", "default": False},
        "slave_info": {"type": "bool", "default": False},
        "safe_slave_backup": {"type": "bool", "default": False},
        "safe_slave_backup_timeout": {"type": "int"},
        "skip_if_newer_than": {"type": "int"},
        "label": {"type": "str"},
        "format": {"type": "str", "default": "directory", "choices": ["directory", "stream"]},
        "compression": {"type": "str", "default": "none", "choices": ["none", "zstd", "lz4", "gzip"]},
        "compression_level": {"type": "int"},
        "compression_threads": {"type": "int"},
        "encryption_recipients": {"type": "list", "elements": "str", "default": []},
        "databases": {"type": "list", "elements": "str"},
        "tables": {"type": "list", "elements": "str"},
        "databases_exclude": {"type": "list", "elements": "str"},
        "tables_exclude": {"type": "list", "elements": "str"},
    }


#: how the options of ``backup_spec`` go together, for AnsibleModule
BACKUP_RULES: dict[str, Any] = {
    "required_one_of": [("target_dir", "repository")],
    "mutually_exclusive": [("target_dir", "repository"), RCLONE_RULE],
    "required_by": {
        "safe_slave_backup_timeout": "safe_slave_backup",
        "instance": "repository",
        "base": "repository",
        "full_every": "repository",
    },
}


def retention_spec() -> Spec:
    """Return the rules of the module ``prune``; the module ``schedule`` takes them as well."""
    return {
        "keep_last": {"type": "int", "default": 0},
        "keep_within": {"type": "str"},
        "keep_daily": {"type": "int", "default": 0},
        "keep_weekly": {"type": "int", "default": 0},
        "keep_monthly": {"type": "int", "default": 0},
        "keep_yearly": {"type": "int", "default": 0},
    }
