#!/bin/sh
# SPDX-License-Identifier: ISC
# signed-zone.sh DIRECTORY PORT: signs a root zone in the directory and becomes an unbound that serves and validates it.
set -e
cd "$1"
cat > zone <<END
\$ORIGIN .
\$TTL 60
@ SOA ns.test. hm.test. 1 2 3 400000 50
@ NS ns.test.
ns.test. A 127.0.0.1
txt.test. TXT "v=STSv1; " "id=1;"
END
key=$(ldns-keygen -a ECDSAP256SHA256 -k .)
ldns-signzone -n -e 20370101000000 -f zone.signed zone "$key"
cp "$key.key" anchor
ldns-keygen -a ECDSAP256SHA256 -k . > other
cp "$(cat other).key" wrong-anchor
cat > unbound.conf <<END
server:
  interface: 127.0.0.1@$2
  port: $2
  do-daemonize: no
  chroot: ""
  username: ""
  directory: "$1"
  pidfile: ""
  use-syslog: no
  logfile: "$1/log"
  module-config: "validator iterator"
  trust-anchor-file: "$1/anchor"
  local-zone: "test." nodefault
remote-control:
  control-enable: no
auth-zone:
  name: "."
  zonefile: "$1/zone.signed"
  for-downstream: no
  for-upstream: yes
END
exec unbound -d -c unbound.conf
