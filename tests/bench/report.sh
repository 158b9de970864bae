#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# What TLS reports cost: to count a session, to write those of a day, to read others'.
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
exec "$here/report.py" "${MTASTS_BUILD:-$here/../../build}"
