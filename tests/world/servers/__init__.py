# SPDX-License-Identifier: ISC
"""The servers of the test world: a namespace, a certificate authority, DNS, policy hosts and mail hosts."""
