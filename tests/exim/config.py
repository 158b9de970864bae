# SPDX-License-Identifier: ISC
"""The configuration that enforces, and what ours needs around it."""
import glob
import grp
import json
import os
import pwd
import re
import shutil
import subprocess

import exim as real
from servers.covered import PREFIX

SETTINGS = "/etc/mtasts/mtasts.conf"
EXAMPLE = os.path.realpath(f"{os.path.dirname(os.path.realpath(__file__))}/../../examples/exim.lua")
# Mail for these goes to a smart host, whose own policy counts.
RELAYED = """
smart_lookup:
  driver = redirect
  domains = relayed.test : strayed.test
  address_data = {policy}
  data =
smart:
  driver = manualroute
  domains = relayed.test : strayed.test
  route_list = relayed.test smart.test ; strayed.test stray.test
  ignore_target_hosts = ${{extract{{ignore}}{{$address_data}}{{$value}}{{}}}}
  transport = ${{if eq{{${{extract{{mode}}{{$address_data}}}}}}{{enforce}}{{remote_smtp_mtasts}}{{remote_smtp}}}}
  no_more
"""
# What the operator's rules are asked: by a router, and by an ACL.
RULED = """
ruled:
  driver = redirect
  domains = ruled.test
  condition = ${{if eq{{{held}}}{{yes}}}}
  allow_defer
  data = :defer: held by a rule
judge:
  driver = redirect
  domains = *judged.test
  no_verify
  allow_fail
  data = {judge}
"""
# What is made of certificates that hosts show.
WATCHED = """
watched:
  driver = dnslookup
  domains = *.watched.test
  transport = watched
  no_more
"""
WATCHED_TRANSPORT = """
watched:
  driver = smtp
  multi_domain = false
  tls_sni = $host
  event_action = ${{if eq{{$event_name}}{{tls:cert}}{{{cert}}}}}
"""
RULED_ACL = """
  deny condition = ${{if !eq{{{refused}}}{{}}}}
       message = {refused}
  deny message = this domain does not promise TLS, and this mail needs it
       domains = *judged.test
       condition = {lacks}
"""
VERIFIED_ACL = """
  deny domains = *.verified.test
     ! verify = recipient
"""
REMOTE = """
remote:
  driver = dnslookup
  domains = ! +local_domains
  dnssec_request_domains = *
  transport = remote_smtp
  no_more
"""


def sanitizer():
    """The library that the installed module needs to be there before all others, or None."""
    found = glob.glob(f"{PREFIX}/lib/**/exim-mtasts.so", recursive=True)
    done = subprocess.run(["ldd", *found], capture_output=True, text=True, check=True)
    return (re.findall(r"libasan\S* => (\S+)", done.stdout) + [None])[0]


class Printed:
    """What "mtasts setup exim" prints for this Exim."""

    def __init__(self, program, config="/dev/null", words=()):
        done = subprocess.run([f"{PREFIX}/bin/mtasts", "setup", "exim", "--json", "--exim", program, "--config", config, *words],
                              capture_output=True, text=True, timeout=20)
        if not done.stdout:
            raise RuntimeError(f"mtasts setup exim: {done.stderr}")
        self.all = json.loads(done.stdout)
        self.parts = dict(self.all["parts"])

    def call(self, function, *arguments):
        """How an expansion calls ours."""
        if self.all["light"]:
            words = " ".join(f"'{argument}'" for argument in arguments)
            return f"${{run{{{PREFIX}/bin/mtasts exim -- {function} {words}}}{{$value}}fail}}"
        return f"${{dlfunc{{{self.all['paths']['module']}}}{{mtasts_{function}}}{''.join(f'{{{argument}}}' for argument in arguments)}}}"

    def enforcing(self):
        """Parts of a configuration, for exim.Exim."""
        words = {"policy": self.call("policy", "[${if eq{$domain}{relayed.test}{smart.test}{stray.test}}]"),
                 "held": self.call("call", "held", "$local_part", "$domain"),
                 "cert": self.call("cert", "$event_data", "${base64:$tls_out_peercert}", "$host"),
                 "judge": self.call("call", "judge", "$sender_address", "$domain"),
                 "lacks": self.call("call", "lacks_tls", "$sender_address", "$domain"),
                 "refused": self.call("call", "refused", "$sender_address", "$local_part@$domain")}
        routers = (RELAYED + RULED).format(**words) + self.parts["routers"] + WATCHED + REMOTE
        return {"main": self.parts["main"], "routers": routers, "acl": RULED_ACL.format(**words),
                "transports": f"{WATCHED_TRANSPORT.format(**words)}{self.parts['transports']}\nremote_smtp:\n  driver = smtp\n{self.parts['remote_smtp']}"}

    def verifying(self):
        """RCPT asks the routers, ours among them."""
        routers = self.parts["routers"].replace("  no_verify\n", "") + REMOTE
        return self.enforcing() | {"routers": routers, "acl": VERIFIED_ACL}


class Settings:
    """Of ours: the file, and the store it names."""

    def __init__(self, folder, rules):
        self.folder, self.number, self.now = folder, 0, {}
        self.rules = shutil.copy(rules, folder)
        os.chmod(shutil.copy(EXAMPLE, f"{folder}/example.lua"), 0o644)  # which the rules load
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
            self.set(rules=self.rules, rules_allow="execute")
