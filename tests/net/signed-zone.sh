#!/bin/sh
# SPDX-License-Identifier: ISC
# signed-zone.sh DIRECTORY PORT: makes a small signed DNS and becomes an unbound that serves and validates it. Below the signed root and
# the signed test: nsec.test and nsec3.test, signed; plain.test, unsigned; broken.test, whose DS is of another key.
set -e
cd "$1"
PATH=$PATH:/usr/sbin # where unbound is; not in the PATH of ordinary users

begin() { # ZONE
  # shellcheck disable=SC2016 # they are the zone file's
  printf '$ORIGIN %s\n$TTL 60\n@ SOA ns hm 1 2 3 400000 50\n@ NS ns\nns A 127.0.0.1\n' "$1"
}
delegate() { # NAME
  printf '%s NS ns.%s\nns.%s A 127.0.0.1\n' "$1" "$1" "$1"
}
records() {
  cat <<END
txt TXT "v=STSv1; " "id=1;"
alias CNAME txt
outside CNAME txt.plain.test.
into-broken CNAME txt.broken.test.
lost CNAME nowhere
round CNAME about
about CNAME round
*.wild TXT "wild"
big TXT "$(printf %0255d 1)" "$(printf %0255d 2)" "$(printf %0255d 3)" "$(printf %0255d 4)" "$(printf %0255d 5)" "$(printf %0255d 6)"
END
}
key() { ldns-keygen -a ECDSAP256SHA256 "$@"; }
sign() { # FILE KEY [OPTION...]
  file=$1 key=$2
  shift 2
  ldns-signzone -i 20200101000000 "$@" -e 20370101000000 -f "$file.signed" "$file" "$key"
}

begin test. > tld
for zone in nsec nsec3 plain broken; do
  { begin "$zone.test."; records; } > "$zone.test"
  delegate "$zone.test." >> tld
done
nsec=$(key -k nsec.test.)
nsec3=$(key -k nsec3.test.)
broken=$(key -k broken.test.)
other=$(key -k broken.test.)
sign nsec.test "$nsec"
sign nsec3.test "$nsec3" -n -t 0 -i "$(date -u -d '+60 seconds' +%Y%m%d%H%M%S)" # as a slow clock sees it
sign broken.test "$broken"
cp plain.test plain.test.signed
cat "$nsec.ds" "$nsec3.ds" "$other.ds" >> tld
test=$(key -k test.)
sign tld "$test"
{ begin .; delegate test.; cat "$test.ds"; } > root
root=$(key -k .)
sign root "$root"
cp "$root.key" anchor
cp "$nsec.key" island
cp "$(key -k .).key" wrong-anchor

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
  num-threads: 1
  module-config: "validator iterator"
  trust-anchor-file: "$1/anchor"
  trust-anchor-signaling: no
  local-zone: "test." nodefault
remote-control:
  control-enable: no
END
for zone in . test. nsec.test. nsec3.test. plain.test. broken.test.; do
  case $zone in
    .) file=root ;;
    test.) file=tld ;;
    *) file=${zone%.} ;;
  esac
  cat >> unbound.conf <<END
auth-zone:
  name: "$zone"
  zonefile: "$1/$file.signed"
  for-downstream: no
  for-upstream: yes
END
done
exec unbound -d -c unbound.conf
