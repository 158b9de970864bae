# SPDX-License-Identifier: ISC
"""Domains, messages and processes that meet, policies that change, with a real Postfix."""
import reports
from case import NO_ANSWER, UNVERIFIED, Case
from servers.domains import MEETING, host

CROWD = 50
REUSE = "smtp_tls_connection_reuse = yes\nsmtp_connection_cache_destinations = open.test, shut.test\n"


class Together(Case):
    DOMAINS = MEETING | {
        "crowd.test": host("crowd.test"),
        "moving.test": host("moving.test") | {"mx_ttl": 2},
        "open.test": {"hosts": ["10 mx.reused.test"], "smtp_cert": {"mx.reused.test": "wrong-name"}},
        "shut.test": {"id": "1", "mx": ["mx.reused.test"]},
    }

    def that_a_host_failed_for_one_domain_is_no_reason_to_make_another_wait(self):
        self.deferred("joe@strict.test", UNVERIFIED)
        self.delivered("joe@lax.test", "mx.both.test")
        self.delivered("joe@free.test", "mx.both.test")
        self.deferred("joe@maynot.test", NO_ANSWER)
        self.delivered("joe@may.test", "mx.provider.test", "Verified")

    def a_message_to_several_domains_goes_to_those_that_may_have_it(self):
        before = {to: len(self.server.results(to)) for to in ("ann@may.test", "ann@maynot.test", "ann@maytoo.test")}
        self.server.submit(*before)
        results = [self.server.attempt(to, number + 1)[0] for to, number in before.items()]
        self.same(results, ["sent", "deferred", "sent"], "results")

    def fifty_messages_at_once_fetch_the_policy_of_a_cold_domain_once(self):
        self.world.settle()
        self.world.seen()
        for n in range(CROWD):
            self.server.submit(f"joe{n}@crowd.test")
        took = self.seconds(lambda: [self.server.attempt(f"joe{n}@crowd.test") for n in range(CROWD)])
        self.same({self.server.attempt(f"joe{n}@crowd.test")[0] for n in range(CROWD)}, {"sent"}, "results")
        self.world.settle()
        self.same(self.world.seen().get("get mta-sts.crowd.test"), 1, "fetches")
        self.notes.append(f"{CROWD} in {took:.1f} s")

    def a_policy_that_changed_is_found_when_no_host_is_permitted_any_more(self):
        """RFC 8461 5: by checking its id once more, though it was not due. What waited goes with a next attempt, once what DNS said of the
        old host is over."""
        self.delivered("joe@moving.test", "mx.moving.test")
        self.world.tell(self.DOMAINS | {"moving.test": {"id": "2", "mx": ["mx.newhome.test"], "mx_ttl": 2}})
        self.server.submit("ann@moving.test")

        def arrived():
            self.server.flush()
            return self.server.results("ann@moving.test")[-1:] and self.server.results("ann@moving.test")[-1][0] == "sent"

        self.server.wait(arrived, "mail under the new policy", step=0.5)
        self.same(self.taken("moving.test")[-1], "mx.newhome.test", "the host that took it")
        self.says(self.tls("mx.newhome.test"), "Verified")
        self.world.tell(self.DOMAINS)

    def a_connection_without_a_policy_is_not_reused_under_one(self):
        self.server.change(self.lines + REUSE, chroot=True, service="tlsproxy unix - - n - 0 tlsproxy\n")
        try:
            self.delivered("joe@open.test", "mx.reused.test", "Trusted")
            self.delivered("ann@open.test", "mx.reused.test")
            self.same(self.connected("mx.reused.test"), 1, "connections for two messages without a policy")
            self.deferred("joe@shut.test", UNVERIFIED)
        finally:
            self.server.change(self.lines, chroot=True)


class Reports(Case):
    """The attributes for Postfix's own reports, by which newer releases also match MX hosts with the policy."""
    DOMAINS = {name: host(name, **more) | {"records": [f'_smtp._tls.{name} 300 TXT "v=TLSRPTv1; rua=mailto:tls@{name}"']}
               for name, more in (("good.test", {}), ("wrong.test", {"smtp_cert": "wrong-name"}))} | {"free.test": {"hosts": ["10 mx.free.test"]}}
    POLICY = ["version: STSv1", "mode: enforce", "mx: mx.{}", "max_age: 604800"]

    def an_entry_with_them_has_the_policy_as_it_was_fetched(self):
        code, value, errors = self.asked("good.test", "policy-tlsrpt")
        self.same((code, errors), (0, ""), "exit code and errors")
        self.says(value, "secure match=mx.good.test servername=hostname policy_type=sts policy_domain=good.test policy_ttl=",
                  " mx_host_pattern=mx.good.test")
        for line in self.POLICY:
            self.says(value, "{ policy_string = " + line.format("good.test") + " }")

    def postfix_takes_them_where_it_knows_them_and_else_lets_mail_wait(self):
        self.server.change(self.lines.replace(":policy\n", ":policy-tlsrpt\n"), chroot=True)
        try:
            if self.server.version == "3.7":
                self.deferred("joe@good.test", NO_ANSWER)
                self.says(self.server.log(), 'invalid attribute name: "policy_type"')
            else:
                self.delivered("joe@good.test", "mx.good.test", "Verified")
                self.deferred("joe@wrong.test", UNVERIFIED)
            self.delivered("joe@free.test", "mx.free.test")
        finally:
            self.server.change(self.lines, chroot=True)

    def where_it_reports_it_says_which_policy_it_was(self):
        if not self.server.makes_reports:
            self.notes.append("this one was not built for it")
            return
        with reports.Collector(f"{self.server.folder}/spool/reports") as collector:
            self.server.change(self.lines + "smtp_tlsrpt_enable = yes\nsmtp_tlsrpt_socket_name = reports\n", chroot=True)
            try:
                self.delivered("ann@good.test", "mx.good.test", "Verified")
                self.deferred("ann@wrong.test", UNVERIFIED)
                for domain, failures in (("good.test", 0), ("wrong.test", 1)):
                    self.server.wait(lambda: collector.of(domain), f"what it reports of {domain}")
                    (policy,), = [seen["policies"] for seen in collector.of(domain)]
                    self.same((policy["policy-type"], policy["policy-domain"], policy["policy-string"], policy["mx-host"], policy["f"]),
                              (reports.STS, domain, [line.format(domain) for line in self.POLICY], [f"mx.{domain}"], failures), "the policy")
            finally:
                self.server.change(self.lines, chroot=True)
