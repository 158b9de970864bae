# SPDX-License-Identifier: ISC
"""mtasts exim: what Exim is told, through the module that Exim loads. A store is filled first; no network."""
import base64
import os
import shutil
import socket
import sqlite3
import struct
import subprocess
import threading
import time
import unittest

import tools

FILL = """
local mtasts = require 'mtasts'
local world = mtasts.fake { now = os.time() - arg[2] }
mtasts.configure { store = arg[1], log = 'none' }
local function publish(domain, mode, id, mx)
  world:dns('_mta-sts.' .. domain .. ' TXT', { 'v=STSv1; id=' .. id .. ';', ttl = 3600 })
  world:https('mta-sts.' .. domain, 'version: STSv1\\nmode: ' .. mode .. '\\n' .. mx .. 'max_age: 604800\\n')
  assert(mtasts.lookup(domain, { depth = 'policy' }))
end
"""
RULES = """
local exim = require 'mtasts.exim'
exim.provide('hello', function(...) return 'hello ' .. table.concat({ ... }, ',') end)
exim.provide('later', function() return exim.defer 'not\\nnow' end)
exim.provide('weather', function() return nil, 'bad weather' end)
exim.provide('nothing', function() end)
exim.provide('yes', function() return true end)
exim.provide('boom', function() error 'boom' end)
exim.provide('loop', function() while true do end end)
exim.provide('memory', function() local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1000) .. i end end)
exim.provide('exit', function() os.exit(3) end)
exim.provide('die', function() os.execute('kill -SEGV ' .. io.open('/proc/self/stat'):read 'a':match '%d+') end)
exim.provide('print', function() print 'printed' io.write 'written' return 'result' end)
local count = 0
exim.provide('count', function() count = count + 1 return count end)
"""


def silent_dns():
    """A server that never answers."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    return server


class Exim(tools.Case):
    def setUp(self):
        super().setUp()
        self.dns = silent_dns()
        self.addCleanup(self.dns.close)
        self.settings()

    def settings(self, *lines, rules=None):
        lines = [f"store = {self.folder}/store.db", "log = stderr", f"nameservers = 127.0.0.1:{self.dns.getsockname()[1]}",
                 "dns_deadline_ms = 300", "mail_deadline_ms = 3000", *lines]
        if rules is not None:
            lines += [f"rules = {self.write('rules.lua', rules)}", "rules_allow = execute"]
        else:
            lines.append("rules = none")  # not those of this machine
        self.file = self.write("mtasts.conf", "\n".join(lines) + "\n")

    def exim(self, code, *words, **more):
        return self.ends(code, "exim", "--settings", self.file, *words, **more)

    def fill(self, *domains, ago_s=0):
        """(domain, mode, id, mx lines) into the store, out of a told world of that time."""
        text = FILL + "".join(f"publish({d!r}, {m!r}, {i!r}, {x!r})\n" for d, m, i, x in domains)
        self.ends(0, "run", self.write("fill.lua", text), f"{self.folder}/store.db", str(ago_s))

    def text(self, *words, **more):
        return self.exim(0, *words, **more).out.rstrip("\n")


class Policy(Exim):
    def test_a_policy_of_the_store_is_told_as_a_router_reads_it(self):
        self.fill(("enforce.test", "enforce", "e1", "mx: mx.enforce.test\nmx: *.mail.test\n"),
                  ("testing.test", "testing", "t1", "mx: mx.testing.test\n"), ("none.test", "none", "n1", ""))
        began = time.monotonic()
        self.assertEqual(self.text("policy", "enforce.test"),
                         r"mode=enforce id=e1 ignore=!^(?i)mx\.enforce\.test$:!^(?i)[^.]+\.mail\.test$:*")
        self.assertEqual(self.text("policy", "ENFORCE.test."), self.text("policy", "enforce.test"))
        self.assertEqual(self.text("policy", "testing.test"), "mode=testing id=t1")
        self.assertEqual(self.text("policy", "none.test"), "mode=none id=n1")
        self.assertLess(time.monotonic() - began, 3)

    def test_what_is_no_domain_has_no_policy_and_nothing_of_it_is_told(self):
        for word in ("[192.0.2.1]", "a b.test", "$(id).test", "${run{id}}", "..", "a" * 300, "\N{SNOWMAN}\n.test", "-", "--", ""):
            self.assertEqual(self.text("policy", "--", word), "mode=none", word)

    def test_when_dns_is_silent_mail_goes_on_or_waits_as_the_settings_say(self):
        result = self.exim(0, "policy", "new.test")
        self.assertEqual(result.out, "mode=none")
        self.assertIn("new.test: dns-timeout", result.error)
        self.settings("on_dns_failure = defer")
        result = self.exim(4, "policy", "other.test")
        self.assertEqual(result.out, "mode=defer")
        self.assertIn("mtasts: MTA-STS: whether other.test has a policy is not known: no name server answered in time", result.error)

    def test_a_cached_policy_holds_whatever_dns_says(self):
        self.fill(("enforce.test", "enforce", "e1", "mx: mx.enforce.test\n"), ago_s=2 * 86400)
        self.settings("on_dns_failure = defer")
        began = time.monotonic()
        self.assertTrue(self.text("policy", "enforce.test").startswith("mode=enforce id=e1"))
        self.assertLess(time.monotonic() - began, 0.3)  # the check that is due goes on behind it
        self.dns.settimeout(10)
        self.assertIn(b"_mta-sts", self.dns.recv(512))

    def test_a_check_that_is_due_is_left_out_when_the_settings_say_so(self):
        self.fill(("enforce.test", "enforce", "e1", "mx: mx.enforce.test\n"), ago_s=2 * 86400)
        self.settings("background = no")
        self.text("policy", "enforce.test")
        self.dns.settimeout(1)
        self.assertRaises(TimeoutError, self.dns.recv, 512)

    def test_wrong_settings_make_mail_wait_and_say_the_line(self):
        self.settings("stor = x")
        result = self.exim(4, "policy", "a.test")
        self.assertEqual(result.out, "mode=defer")
        self.assertIn("mtasts.conf:6: ", result.error)
        self.assertIn("store", result.error)  # the nearest known name
        self.assertIn("cannot be opened", self.ends(4, "exim", "--settings", "/nowhere/x", "policy", "a.test").error)

    def test_a_store_that_cannot_be_used_does_not_stop_mail(self):
        self.settings(f"store = {self.folder}/missing/store.db")
        result = self.exim(0, "policy", "a.test")
        self.assertEqual(result.out, "mode=none")
        self.assertIn("store", result.error)

    def test_rules_are_asked_also_for_what_the_store_has(self):
        self.fill(("enforce.test", "enforce", "e1", "mx: mx.enforce.test\n"))
        self.settings(rules="local mtasts = require 'mtasts'\n"
                            "mtasts.on('policy', function(a) return mtasts.treat_as('testing', 'moving ' .. a.domain) end)\n")
        self.assertEqual(self.text("policy", "enforce.test"), "mode=testing id=e1")
        self.settings(rules="local mtasts = require 'mtasts'\n"
                            "mtasts.on('verdict', function() return mtasts.treat_as('enforce', 'always') end)\n")
        self.assertEqual(self.text("policy", "bare.test"), "mode=enforce ignore=")

    def test_rules_that_fail_or_die_leave_the_published_policy(self):
        self.fill(("enforce.test", "enforce", "e1", "mx: mx.enforce.test\n"))
        for rules, why in (("error 'at once'", "at once"), ("syntax error(", "rules.lua:1:"),
                           ("require 'mtasts'.on('policy', function() error 'later' end)", "later"),
                           ("require 'mtasts'.on('policy', function() while true do end end)", "50 million instructions"),
                           ("os.execute('kill -SEGV ' .. io.open('/proc/self/stat'):read 'a':match '%d+')", "its process died"),
                           ("os.exit(0)", "os.exit is off here")):
            self.settings(rules=rules)
            result = self.exim(0, "policy", "enforce.test", allow_traceback=True)
            self.assertTrue(result.out.startswith("mode=enforce id=e1"), f"{rules}\n{result.out}{result.error}")
            self.assertIn(why, result.error)

    def test_mail_waits_where_the_process_dies_and_nothing_is_known(self):
        self.settings(rules="os.execute('kill -SEGV ' .. io.open('/proc/self/stat'):read 'a':match '%d+')")
        result = self.exim(4, "policy", "new.test")
        self.assertEqual(result.out, "mode=defer")
        self.assertIn("whether new.test has a policy is not known: its process died", result.error)

    @unittest.skipUnless(os.geteuid() == 0, "wants root")
    def test_who_owns_the_store_cannot_make_root_remove_files(self):
        """A hot journal names another, which SQLite removes in the end."""
        self.fill(("enforce.test", "enforce", "e1", "mx: mx.enforce.test\n"))
        victim = self.write("victim", "root's own").encode()
        place = f"{self.folder}/place"
        os.mkdir(place)
        with sqlite3.connect(f"{self.folder}/store.db") as old:
            old.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        old.close()
        shutil.copy(f"{self.folder}/store.db", f"{place}/store.db")
        os.chmod(self.folder, 0o755)
        magic = bytes.fromhex("d9d505f920a163d7")
        header = magic + struct.pack(">5I", 0, 1, os.path.getsize(f"{place}/store.db") // 4096, 512, 4096)
        with open(f"{place}/store.db-journal", "wb") as journal:
            journal.write(header.ljust(512, b"\0") + struct.pack(">I", 0x40000000 // 4096 + 1) + victim
                          + struct.pack(">II", len(victim), sum(victim)) + magic)
        for name in (place, f"{place}/store.db", f"{place}/store.db-journal"):
            os.chown(name, 54321, 54321)
        self.settings(f"store = {place}/store.db")
        self.text("policy", "enforce.test")
        self.assertTrue(os.path.exists(victim))

    def test_rules_load_nothing_out_of_the_working_directory(self):
        self.settings(rules="print(package.path, package.cpath)")
        for entry in self.exim(0, "policy", "a.test").error.replace("\t", ";").split(";"):
            self.assertNotEqual(entry[:1], ".")

    def test_many_at_once_for_one_domain(self):
        results = []
        def ask():
            done = subprocess.run(self.command("exim", "--settings", self.file, "policy", "cold.test"), capture_output=True, text=True)
            results.append((done.returncode, done.stdout))
        threads = [threading.Thread(target=ask) for _ in range(32)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(set(results), {(0, "mode=none")})


class Call(Exim):
    def setUp(self):
        super().setUp()
        self.settings(rules=RULES)

    def test_what_a_function_returns(self):
        self.assertEqual(self.text("call", "hello", "a", "", "-x", "${run{id}}"), "hello a,,-x,${run{id}}")
        self.assertEqual(self.text("call", "nothing"), "")
        self.assertEqual(self.text("call", "yes"), "true")
        self.assertEqual(self.exim(4, "call", "later").error, r"mtasts: not\x0anow" + "\n")
        self.assertEqual(self.exim(4, "call", "weather").error, "mtasts: bad weather\n")

    def test_a_function_that_fails_loops_or_dies_fails_the_expansion_and_the_log_says_why(self):
        for name, why in (("boom", "rules.lua:8: boom"), ("loop", "50 million instructions"), ("memory", "memory"),
                          ("exit", "os.exit is off here"), ("die", "the rules' process died"),
                          ("helo", "did you mean 'hello'?")):
            result = self.exim(4, "call", name, allow_traceback=True)
            self.assertEqual(result.out, "")
            self.assertIn(why, result.error, name)

    def test_what_it_prints_is_not_the_result(self):
        result = self.exim(0, "call", "print")
        self.assertEqual(result.out, "result")
        self.assertIn("printed\n", result.error)

    def test_each_call_begins_anew(self):
        self.assertEqual([self.text("call", "count") for _ in range(2)], ["1", "1"])

    def test_without_rules_it_says_so(self):
        self.settings()
        self.assertIn("the setting rules names no file", self.exim(4, "call", "hello").error)


class Events(Exim):
    INFO = "dane=no cv=1 cipher=TLS1.3:X cert= source=192.0.2.1 mode=enforce id=e1"

    def session(self, *events):
        """One after the other as Exim without dlfunc runs them: all are children of the same process."""
        for name, data, info in events:
            result = self.exim(0, "event", name, data, "0", "enforce.test", "mx.enforce.test", "192.0.2.7", info)
            self.assertEqual(result.out, "")

    def counted(self):
        return self.ends(0, "store", "--store", f"{self.folder}/store.db", "sessions", "--json").json

    def test_the_events_of_a_session_are_counted_once(self):
        self.fill(("enforce.test", "enforce", "e1", "mx: mx.enforce.test\n"))
        bare = self.INFO.replace("cipher=TLS1.3:X", "cipher=").replace("cv=1", "cv=0")
        self.session(("tcp:connect", "25", bare), ("smtp:ehlo", "mx.enforce.test\nSTARTTLS", bare),
                     ("smtp:ehlo", "mx.enforce.test", self.INFO), ("tcp:close", "", self.INFO))
        self.session(("tcp:connect", "25", bare), ("smtp:ehlo", "mx.enforce.test\nSIZE", bare), ("tcp:close", "", bare))
        self.session(("msg:delivery", "", self.INFO), ("tcp:close", "", self.INFO), ("", "", ""))
        rows = {row.get("result", "ok"): row for row in self.counted()}
        self.assertEqual(set(rows), {"ok", "starttls-not-supported"})
        self.assertEqual([row["count"] for row in rows.values()], [1, 1])
        self.assertEqual(rows["starttls-not-supported"]["source"], "192.0.2.1")
        self.assertEqual([name for name in os.listdir(self.folder) if name.startswith("exim-")], [])

    def test_a_hook_of_the_rules_is_told_after_a_session_was_counted(self):
        told = os.path.join(self.folder, "told")
        hook = f"""
        require('mtasts').on('session', function(s)
          local file = io.open({told!r}, 'a')
          file:write(('%s %s %s %s %s %s %s\\n'):format(s.domain, s.policy_type, s.mode, s.ok, s.result, s.mx, s.address))
          file:close()
        end)"""
        self.settings(rules=hook)
        self.fill(("enforce.test", "enforce", "e1", "mx: mx.enforce.test\n"))
        bare = self.INFO.replace("cipher=TLS1.3:X", "cipher=").replace("cv=1", "cv=0")
        self.session(("tcp:connect", "25", bare), ("smtp:ehlo", "mx.enforce.test\nSIZE", bare), ("tcp:close", "", bare))
        end = time.monotonic() + 10  # nobody waits for it
        while not os.path.exists(told) or not os.path.getsize(told):
            self.assertLess(time.monotonic(), end, "the hook was not told")
            time.sleep(0.02)
        with open(told, encoding="ascii") as file:
            self.assertEqual(file.read(), "enforce.test sts enforce false starttls-not-supported mx.enforce.test 192.0.2.7\n")

    def test_that_no_mx_was_permitted_is_counted(self):
        self.fill(("enforce.test", "enforce", "e1", "mx: mx.enforce.test\n"))
        self.session(("sts:no-mx", "", "mode=enforce id=e1"))
        row = self.counted()[0]
        self.assertEqual((row["result"], row["domain"], row["count"]), ("validation-failure", "enforce.test", 1))

    def test_they_never_fail(self):
        self.settings("stor = x")
        self.session(("tcp:connect", "25", "garbage"), ("tcp:close", "", "= = cv= cipher"))


class Certificates(Exim):
    """Made by openssl: an authority, and what it signs."""

    def openssl(self, *words):
        subprocess.run(["openssl", *words], cwd=self.folder, check=True, capture_output=True, timeout=30)

    def make(self, name, host, days, issuer="ca"):
        """Base64 of DER, as Exim has it."""
        key, request, made = f"{name}.key", f"{name}.csr", f"{name}.der"
        self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", request, "-subj", "/CN=x")
        names = self.write(f"{name}.ext", f"subjectAltName=DNS:{host}\n")
        self.openssl("x509", "-req", "-in", request, "-CA", f"{issuer}.pem", "-CAkey", f"{issuer}.key", "-CAcreateserial", "-days", str(days),
                     "-extfile", names, "-outform", "DER", "-out", made)
        with open(f"{self.folder}/{made}", "rb") as der:
            return base64.b64encode(der.read()).decode()

    def setUp(self):
        super().setUp()
        for name in ("ca", "foreign"):
            self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key", "-out",
                         f"{name}.pem", "-subj", f"/CN={name}", "-days", "30")
        self.settings(f"ca_file = {self.folder}/ca.pem")

    def test_good_expired_wrong_name_and_untrusted_are_told_apart(self):
        good = self.make("good", "mx.good.test", 10)
        self.assertEqual(self.text("cert", "0", good, "mx.good.test"), "ok")
        self.assertEqual(self.text("cert", "0", good, "MX.good.test."), "ok")
        self.assertEqual(self.text("cert", "0", good, "mx.other.test"), "certificate-host-mismatch")
        self.assertEqual(self.text("cert", "0", self.make("old", "mx.good.test", -1), "mx.good.test"), "certificate-expired")
        self.assertEqual(self.text("cert", "0", self.make("alien", "mx.good.test", 10, "foreign"), "mx.good.test"), "certificate-not-trusted")
        self.assertEqual(self.text("cert", "0", good[:-4], "mx.good.test"), "unknown")

    def test_sessions_of_a_testing_domain_are_counted_with_what_is_wrong_with_the_certificate(self):
        self.fill(("testing.test", "testing", "t1", "mx: mx.testing.test\n"))
        shown = {"certificate-host-mismatch": self.make("other", "mx.other.test", 10), "certificate-expired": self.make("old", "mx.testing.test", -1),
                 "certificate-not-trusted": self.make("alien", "mx.testing.test", 10, "foreign"), None: self.make("good", "mx.testing.test", 10)}
        bare, tls = "dane=no cv=0 cipher= mode=testing cert=", "dane=no cv=0 cipher=TLS1.3:X mode=testing cert="
        for certificate in shown.values():
            for name, data, info in (("tcp:connect", "25", bare), ("smtp:ehlo", "x\nSTARTTLS", bare), ("tls:cert", "0", bare + certificate),
                                     ("smtp:ehlo", "x", tls), ("tcp:close", "", tls)):
                self.exim(0, "event", name, data, "0", "testing.test", "mx.testing.test", "192.0.2.7", info)
        rows = self.ends(0, "store", "--store", f"{self.folder}/store.db", "sessions", "--json").json
        self.assertEqual({row.get("result") for row in rows}, set(shown))


class Usage(Exim):
    def test_wrong_words_are_refused_in_one_line(self):
        for words, why in ((["polcy", "a.test"], "did you mean 'policy'"), (["policy"], "policy wants 1 argument, not 0"),
                           (["policy", "a.test", "b.test"], "not 2"), (["cert", "0"], "cert wants 3 arguments"),
                           (["call"], "call wants 1 to 7 arguments"), (["--setings", "x"], "did you mean '--settings'"), ([], "which function")):
            result = self.ends(64, "exim", *words)
            self.assertIn(why, result.error)
            self.assertEqual(len(result.error.splitlines()), 1)

    def test_json(self):
        self.settings(rules=RULES)
        self.assertEqual(self.ends(0, "exim", "--json", "--settings", self.file, "call", "hello", "w").json, [{"ok": True, "text": "hello w"}])
        self.assertEqual(self.ends(4, "exim", "--json", "--settings", self.file, "call", "weather").json,
                         [{"ok": False, "text": "bad weather"}])

    def test_a_certificate_that_is_none_is_unknown(self):
        self.assertEqual(self.exim(0, "cert", "0", "garbage", "mx.test").out, "unknown")
        self.assertEqual(self.exim(0, "cert", "1", "garbage", "mx.test").out, "")
        self.assertIn("the depth is no number", self.exim(4, "cert", "x", "garbage", "mx.test").error)


if __name__ == "__main__":
    tools.main()
