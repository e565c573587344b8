#!/bin/sh
# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# launch.sh GROUP OWN-FOLDER COMMAND [ARGUMENT..]: run systemd-nspawn, again whenever its host reboots.
# It is started in a mount namespace of its own; GROUP is the control group for the host.
#
# systemd-nspawn keeps a hidden copy of the mount table it is started in for as long as its container lives. It would
# keep every other host's file systems from ever going away. So drop what looks like a host's and is not this one's.
set -eu
group=$1
own=$2
shift 2
awk -v own="$own/" '
    $2 == "/" || index($2 "/", own) == 1 || index(own, $2 "/") == 1 { next }
    $1 ~ "^/dev/loop" || $3 == "overlay" { print $2 }
' /proc/self/mounts |
    while read -r point; do
        umount --lazy "$point" 2>/dev/null || true # gone with the one above it
    done
while :; do
    status=0
    sh -c 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"' sh "$group" "$@" || status=$?
    # what systemd-nspawn --keep-unit says when its container wants to be started again
    [ "$status" -eq 133 ] || exit "$status"
done
