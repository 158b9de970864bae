#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# What one expansion costs in a real Exim. Sees tests/exim.
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
exec "$here/exim.py" "${MTASTS_BUILD:-$here/../../build}"
