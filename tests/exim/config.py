# SPDX-License-Identifier: ISC
"""The configuration that enforces, and what ours needs around it."""
import grp
import os
import pwd
import shutil

import exim as real

SETTINGS = "/etc/mtasts/mtasts.conf"
# As much of exim-mtasts.so as Exim's configuration knows.
POLICY = "${dlfunc{SO}{mtasts_policy}{$domain}}"
EVENT = ("${dlfunc{SO}{mtasts_event}{$event_name}{$event_data}{$event_defer_errno}{$domain}{$host}{$host_address}"
         "{dane=$tls_out_dane cv=$tls_out_certificate_verified cipher=$tls_out_cipher source=$sending_ip_address "
         "cert=${if eq{$event_name}{tls:cert}{${base64:$tls_out_peercert}}} ${address_data}}}")
NO_MX = "${dlfunc{SO}{mtasts_event}{sts:no-mx}{}{}{$domain}{}{}{$address_data}}"
# RFC 8461 4.2 wants the name in the subjectAltName; without one, GnuTLS is content with the subject's.
NAMELESS = ("${if and{{eq{$event_name}{tls:cert}}{eq{$event_data}{0}}{eq{}{${certextract{subj_altname,dns}{$tls_out_peercert}{$value}{}}}}}"
            "{the certificate names no host}}")
ENFORCES = "condition = ${if eq{${extract{mode}{$address_data}}}{enforce}}"
ROUTERS = f"""
mtasts_lookup:
  driver = redirect
  domains = ! +local_domains
  no_verify
  address_data = {POLICY}
  data =
mtasts_enforce:
  driver = dnslookup
  domains = ! +local_domains
  no_verify
  {ENFORCES}
  ignore_target_hosts = ${{extract{{ignore}}{{$address_data}}{{$value}}{{*}}}}
  dnssec_request_domains = *
  transport = remote_smtp_mtasts
mtasts_no_mx:
  driver = redirect
  domains = ! +local_domains
  no_verify
  {ENFORCES}
  allow_defer
  data = {NO_MX}:defer: MTA-STS: the policy of $domain permits none of its mail hosts
mtasts_testing:
  driver = dnslookup
  domains = ! +local_domains
  no_verify
  condition = ${{if eq{{${{extract{{mode}}{{$address_data}}}}}}{{testing}}}}
  dnssec_request_domains = *
  transport = remote_smtp
remote:
  driver = dnslookup
  domains = ! +local_domains
  dnssec_request_domains = *
  transport = remote_smtp
  no_more
"""
TRANSPORTS = f"""
remote_smtp_mtasts:
  driver = smtp
  multi_domain = false
  connection_max_messages = 1
  interface = <; 0.0.0.0 ; ::0
  hosts_require_tls = *
  hosts_avoid_tls =
  tls_tempfail_tryclear = false
  tls_verify_certificates = system
  tls_verify_hosts = *
  tls_verify_cert_hostnames = *
  tls_sni = $host
  hosts_try_dane = *
  event_action = {EVENT}{NAMELESS}
remote_smtp:
  driver = smtp
  multi_domain = false
  tls_verify_certificates = system
  tls_try_verify_hosts = *
  tls_verify_cert_hostnames = *
  tls_sni = $host
  hosts_try_dane = *
  event_action = {EVENT}
"""
# Mail for these goes to a smart host, whose own policy counts.
RELAYED = """
smart_lookup:
  driver = redirect
  domains = relayed.test : strayed.test
  address_data = ${dlfunc{SO}{mtasts_policy}{[${if eq{$domain}{relayed.test}{smart.test}{stray.test}}]}}
  data =
smart:
  driver = manualroute
  domains = relayed.test : strayed.test
  route_list = relayed.test smart.test ; strayed.test stray.test
  ignore_target_hosts = ${extract{ignore}{$address_data}{$value}{}}
  transport = ${if eq{${extract{mode}{$address_data}}}{enforce}{remote_smtp_mtasts}{remote_smtp}}
  no_more
"""
# What the operator's rules are asked: by a router, and by an ACL.
RULED = """
ruled:
  driver = redirect
  domains = ruled.test
  condition = ${if eq{${dlfunc{SO}{mtasts_call}{held}{$local_part}{$domain}}}{yes}}
  allow_defer
  data = :defer: held by a rule
"""
RULED_ACL = """
  deny condition = ${if !eq{${dlfunc{SO}{mtasts_call}{refused}{$sender_address}{$local_part@$domain}}}{}}
       message = ${dlfunc{SO}{mtasts_call}{refused}{$sender_address}{$local_part@$domain}}
"""
VERIFIED_ACL = """
  deny domains = *.verified.test
     ! verify = recipient
"""


def module(build):
    """The file, or None."""
    return next((path for path in (f"{build}/exim-mtasts.so", f"{build}/lib/exim-mtasts.so") if os.path.exists(path)), None)


def install(folder, build):
    """A copy that each user may read, with what it loads. Returns its path."""
    place = f"{folder}/mtasts"
    os.makedirs(f"{place}/lib")
    shutil.copy(module(build), place)
    shutil.copy(f"{build}/lib/mtasts-net.so", f"{place}/lib")
    shutil.copytree(f"{build}/share", f"{place}/share")
    return f"{place}/exim-mtasts.so"


def enforcing(so):
    """Parts of a configuration, for exim.Exim."""
    return {"main": f"SO = {so}\n", "routers": RELAYED + RULED + ROUTERS, "transports": TRANSPORTS, "acl": RULED_ACL}


def verifying(so):
    """RCPT asks the routers, ours among them."""
    return enforcing(so) | {"routers": ROUTERS.replace("  no_verify\n", ""), "acl": VERIFIED_ACL}


class Settings:
    """Of ours: the file, and the store it names."""

    def __init__(self, folder, rules):
        self.folder, self.number, self.now = folder, 0, {}
        self.rules = shutil.copy(rules, folder)
        os.chmod(self.rules, 0o644)
        self.fresh()

    def write(self, text):
        with open(f"{SETTINGS}.new", "w", encoding="utf-8") as out:
            out.write(text)
        os.replace(f"{SETTINGS}.new", SETTINGS)

    def set(self, **changes):
        """Until the next call of fresh."""
        self.now |= changes
        self.write("".join(f"{name} = {value}\n" for name, value in self.now.items()))

    def fresh(self, ruled=False):
        """A store where nothing is known, in a folder as "mtasts setup exim" makes it; and settings as ever. ruled: with the rules."""
        self.number += 1
        self.place = f"{self.folder}/store{self.number}"
        os.makedirs(self.place)
        os.chown(self.place, pwd.getpwnam(real.USER).pw_uid, grp.getgrnam(real.USER).gr_gid)
        os.chmod(self.place, 0o750)
        self.store = f"{self.place}/mtasts.db"
        self.now = {}
        self.set(store=self.store, nameservers="127.0.0.1", log_level="info")
        if ruled:
            self.set(rules=self.rules)
