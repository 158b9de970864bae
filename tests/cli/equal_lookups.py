#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Equal lookups in one process share what they ask DNS about mail hosts."""
import os
import sys
import time
from collections import Counter

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [f"{HERE}/../serve"]
import serving  # noqa: E402

HOSTS = ("mx1.enforce.test", "mx2.enforce.test")
RECORDS = {("enforce.test", "MX"): [f"10 {HOSTS[0]}", f"20 {HOSTS[1]}"], **{(host, "A"): ["192.0.2.1"] for host in HOSTS},
           (f"_25._tcp.{HOSTS[0]}", "TLSA"): ["3 1 1 " + "ab" * 32]}
MANY = """local mtasts = require 'mtasts'
local calls = {}
for i = 1, 100 do calls[i] = function() return mtasts.lookup('enforce.test', { depth = 'hosts' }) end end
for _, result in ipairs(mtasts.all(calls)) do
  local one, two = table.unpack(result[1].hosts)
  assert(one.guard == 'dane' and two.permitted and two.addresses[1] == '192.0.2.1' and two.guard ~= 'dane')
end
"""


class Equal(serving.Folder):
    def test_a_hundred_equal_lookups_of_hosts_at_once_ask_each_question_of_DNS_once(self):
        store = os.path.join(self.folder, "store.db")
        self.ends(0, "lookup", "--rules", f"{HERE}/world.lua", "--store", store, "enforce.test", NOW=str(int(time.time())))
        dns = serving.Dns(RECORDS, [name for name, _ in RECORDS])
        self.addCleanup(dns.close)
        self.ends(0, "run", "--rules", "none", "--store", store, "--nameserver", dns.address, self.write("many.lua", MANY))
        wanted = [("enforce.test", "MX"), *((host, kind) for host in HOSTS for kind in ("A", "AAAA")), *((f"_25._tcp.{host}", "TLSA") for host in HOSTS)]
        self.assertEqual(Counter(asked for asked in dns.asked if asked[1] != "TXT"), Counter(wanted))
        self.assertLessEqual(dns.asked.count(("_mta-sts.enforce.test", "TXT")), 1)


if __name__ == "__main__":
    serving.main()
