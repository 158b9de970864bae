# SPDX-License-Identifier: ISC
"""Ways that are not just a domain's MX, and what the table says to who asks it by hand, with a real Postfix."""
from case import UNVERIFIED, Case
from servers.domains import host


class Routed(Case):
    DOMAINS = {
        "smart.test": {"id": "1", "mx": ["smart.test"], "hosts": [], "records": ["smart.test 300 A 198.51.100.1"]},
        "carrier.test": {"hosts": ["10 smart.test", "20 stray.test"], "smtp_cert": {"stray.test": "wrong-name"}},
        "stray.test": {"id": "1", "mx": ["stray.test"], "hosts": []},
        "relayed.test": host("relayed.test"),
        "ported.test": host("ported.test"),
        "strayed.test": {"hosts": ["10 mx.strayed.test"]},
        "direct.test": {"hosts": ["10 mx.direct.test"]},
        "outport.test": {"id": "1", "mx": ["mx.outport.test"], "hosts": ["10 mx.attacker.test"]},
        "xn--bcher-kva.test": host("xn--bcher-kva.test"),
    }

    def a_smart_host_in_brackets_is_its_own_policy_domain(self):
        self.delivered("joe@relayed.test", "smart.test", "Verified")
        self.same(self.connected("mx.relayed.test"), 0, "connections to the domain's own host")

    def also_with_a_port(self):
        self.delivered("joe@ported.test", "smart.test", "Verified")

    def and_its_policy_is_enforced(self):
        self.deferred("joe@strayed.test", UNVERIFIED)

    def a_port_behind_a_domain_does_not_make_it_another(self):
        self.deferred("joe@outport.test")
        self.same(self.taken("outport.test"), [], "hosts that took it")

    def an_address_has_no_policy(self):
        kind, line = self.sent("joe@direct.test")
        self.same(kind, "sent", line)

    def postmap_gets_what_postfix_gets(self):
        self.same(self.asked("relayed.test"), (0, "secure match=mx.relayed.test servername=hostname", ""), "of a domain that enforces")
        self.same(self.asked("xn--bcher-kva.test")[1], "secure match=mx.xn--bcher-kva.test servername=hostname", "of one with its A-label")
        self.same(self.asked("bücher.test")[1], "secure match=mx.xn--bcher-kva.test servername=hostname", "and with its U-label")
        self.same(self.asked("[smart.test]:25")[1], "secure match=smart.test servername=hostname", "of a smart host")
        for key in ("carrier.test", ".test", ".relayed.test", "[198.51.100.1]", "[IPv6:2001:db8::25]", "a..b"):
            self.same(self.asked(key), (1, "", ""), f"of {key}, which has none")

    def and_the_reason_where_no_host_is_permitted(self):
        code, value, errors = self.asked("outport.test")
        self.same((code, value), (1, ""), "exit code and value")
        self.says(errors, "temporary error", "outport.test")

    def many_keys_on_one_connection_are_answered_in_their_order(self):
        keys = ["relayed.test", "carrier.test", "stray.test"] * 20
        out = self.server.command("postmap", "-q", "-", f"socketmap:unix:{self.resolver.socket}:policy", text="".join(f"{key}\n" for key in keys))
        self.same([line.split("\t")[0] for line in out.splitlines()], [key for key in keys if key != "carrier.test"], "keys that have an entry")


class Unsure(Case):
    """DNS fails for now, and nothing is cached. The resolver asks 127.0.0.53."""
    DOMAINS = {"fails.test": host("fails.test"), "known.test": host("known.test"), "silent.test": host("silent.test")}
    FAULTS = {"TXT _mta-sts.fails.test": "servfail", "TXT _mta-sts.silent.test": "silent"}
    SETTINGS = {"nameservers": "127.0.0.53", "mail_deadline_ms": "3000"}

    def mail_goes_without_a_policy_when_none_is_known_and_dns_fails(self):
        self.delivered("joe@fails.test", "mx.fails.test", "Trusted")

    def a_resolver_that_does_not_answer_holds_it_no_longer_than_the_deadline(self):
        took = self.seconds(lambda: self.delivered("joe@silent.test", "mx.silent.test", "Trusted"))
        self.same(took < 20, True, f"in time, after {took:.1f} s")
        self.notes.append(f"{took:.1f} s")

    def mail_waits_then_where_the_settings_say_so(self):
        self.resolver.stop()
        self.resolver.fresh(**self.SETTINGS, on_dns_failure="defer")
        self.resolver.start()
        self.deferred("ann@fails.test")
        self.says(self.asked("fails.test")[2], "temporary error")

    def a_cached_policy_holds_while_dns_fails(self):
        self.delivered("joe@known.test", "mx.known.test", "Verified")
        self.world.tell(self.DOMAINS, {"TXT _mta-sts.known.test": "servfail"})
        self.delivered("ann@known.test", "mx.known.test", "Verified")
        self.world.tell(self.DOMAINS, self.FAULTS)


class Dead(Case):
    """Nobody answers a question of DNS any more."""
    DOMAINS = {"kept.test": host("kept.test"), "free.test": {"hosts": ["10 mx.free.test"]}}
    SETTINGS = {"mail_deadline_ms": "3000"}

    def a_cached_policy_holds_when_dns_is_dead_and_mail_goes_when_it_is_back(self):
        entry = "secure match=mx.kept.test servername=hostname"
        self.same(self.asked("kept.test"), (0, entry, ""), "the entry, while DNS answers")
        self.world.unbound.pause()
        try:
            self.same(self.asked("kept.test"), (0, entry, ""), "the entry, from memory")
            self.resolver.stop()
            self.resolver.start()
            code, value, errors = self.asked("kept.test")
            if (code, value) != (0, entry):
                self.says(errors, "temporary error")
            self.server.submit("joe@kept.test")
        finally:
            self.world.unbound.go_on()
        self.server.wait(lambda: self.server.flush() or not self.server.waiting(), "the mail to go", step=0.5)
        self.same(self.taken("kept.test"), ["mx.kept.test"], "the host that took it")
        self.says(self.tls("mx.kept.test"), "Verified")
