# SPDX-License-Identifier: ISC
"""Ways that are not a domain's MX, with a real Exim: smart hosts, and what the operator's rules say."""
import os

from case import Case
from enforced import NOT_TRUSTED
from servers.domains import host


class Smarthost(Case):
    DOMAINS = {
        "smart.test": {"id": "1", "mx": ["smart.test"], "hosts": [], "records": ["smart.test 300 A 198.51.100.1"]},
        "carrier.test": {"hosts": ["10 smart.test", "20 stray.test"], "smtp_cert": {"stray.test": "wrong-name"}},
        "stray.test": {"id": "1", "mx": ["stray.test"], "hosts": []},
        "relayed.test": {"id": "1", "mx": ["mx.relayed.test"]},
        "strayed.test": {"hosts": ["10 mx.strayed.test"]},
    }

    def a_smart_host_in_brackets_is_its_own_policy_domain(self):
        self.delivered("joe@relayed.test", "smart.test", "CV=yes")
        self.same(self.connected("mx.relayed.test"), 0, "connections to the domain's own host")

    def and_its_policy_is_enforced(self):
        self.deferred("joe@strayed.test", NOT_TRUSTED)


class Watched(Case):
    """mtasts_cert"""
    KINDS = {"good": "ok", "wildcard": "ok", "expired": "certificate-expired", "wrong-name": "certificate-host-mismatch",
             "cn-only": "certificate-host-mismatch", "untrusted": "certificate-not-trusted", "self-signed": "certificate-not-trusted"}
    DOMAINS = {f"{kind}.watched.test": {"hosts": [f"10 mx.{kind}.watched.test"], "smtp_cert": {f"mx.{kind}.watched.test": kind}} for kind in KINDS}

    def of_each_certificate_it_can_be_told_what_is_wrong_with_it(self):
        """The word refuses the certificate, so the log has it."""
        for kind, word in self.KINDS.items():
            self.sent(f"joe@{kind}.watched.test")
            told = [line for line in self.server.log().splitlines() if "SSL verify denied by event-action: depth=0" in line][-1]
            self.same(told.split(": ")[-1].strip(), word, f"what is told of a certificate that is {kind}")


class Ruled(Case):
    RULED = True
    DOMAINS = {
        "ruled.test": host("ruled.test"),
        "excepted.test": {"id": "1", "mx": ["mx.excepted.test"], "hosts": ["10 mx.moved.test"]},
        "judged.test": host("judged.test"),
        "unjudged.test": {"hosts": ["10 mx.unjudged.test"]},
    }

    def the_example_keeps_confidential_mail_from_who_does_not_promise_tls(self):
        self.server.start()
        try:
            replies = self.server.submit("joe@judged.test", "joe@unjudged.test", sender="payroll@a.example")
            self.same(replies[1], (550, b"this domain does not promise TLS, and this mail needs it"), "RCPT where none is promised")
            self.same(replies[0][0], 250, "RCPT where it is")
            self.same(self.server.attempt("joe@judged.test")[0], "=>", "result")
        finally:
            self.server.stop()

    def and_so_does_its_router_for_what_passes_no_acl(self):
        (kind, line), = [results[-1] for results in self.server.send("ann@unjudged.test", sender="payroll@a.example")]
        self.same(kind, "**", line)
        self.says(line, "unjudged.test does not promise TLS, and this mail needs it")
        self.delivered("joe@unjudged.test", "mx.unjudged.test")

    def a_router_may_ask_a_function_of_the_rules(self):
        self.deferred("held@ruled.test", "held by a rule")
        self.delivered("joe@ruled.test", "mx.ruled.test", "CV=yes")

    def an_acl_may_ask_one_and_refuse_with_its_words(self):
        self.server.start()
        try:
            replies = self.server.submit("joe@ruled.test", sender="refused@client.test")
            self.same(replies, [(550, b"no mail for joe@ruled.test from you")], "RCPT")
            self.same([code for code, _ in self.server.submit("ann@ruled.test")], [250], "RCPT of another sender")
            self.same(self.server.attempt("ann@ruled.test")[0], "=>", "result")
        finally:
            self.server.stop()

    def an_exception_of_the_rules_counts(self):
        self.delivered("joe@excepted.test", "mx.moved.test")

    def a_function_may_look_a_domain_up(self):
        self.same(self.expanded("call", "mode", "ruled.test"), "enforce", "mode")

    def a_function_that_fails_loops_is_none_or_defers_makes_the_expansion_fail_and_says_why(self):
        for name, text in (("fails", "oh dear"), ("loops", "it ran more than 50 million instructions"), ("heldd", "did you mean 'held'?"),
                           ("later", "not now"), ("crashes", "the rules' process died")):
            said = self.expanded("call", name, "x")
            self.says(said, "Failed: ", *([] if self.printed.all["light"] else [text]))  # Exim drops what programs say of their errors
        self.says(self.syslog.text(), "oh dear", "a rule was stopped")

    def what_a_function_returns_is_as_tainted_as_the_argument_it_repeats(self):
        if self.printed.all["light"]:
            return  # what a program prints Exim judges itself
        message = f"{self.server.folder}/message"
        with open(message, "w", encoding="ascii") as out:
            out.write("From: joe@client.test\nSubject: /etc/mtasts/mtasts.conf\nX-Name: ruled.test\nX-File: no_such\n\nhello\n")
        os.chmod("/etc/mtasts/mtasts.conf", 0o644)

        def read(*arguments):
            return self.server.expand_for(message, "${readfile{" + self.printed.call("call", "echo", *arguments) + "}}")
        self.says(read("/etc/mtasts/mtasts.conf"), "nameservers")  # as it stands in the configuration
        self.says(read("$h_subject:"), "Failed: ")
        self.says(read("/etc/mtasts/", "$h_x-file:"), "Permission denied")  # one of two is enough
        self.says(read("$h_x-name:"), "No such file")  # a plain name can be no path out of anywhere

    def what_the_store_has_is_answered_without_the_network_part(self):
        if self.printed.all["light"]:
            return
        self.settings.fresh()
        self.expanded("policy", "ruled.test")
        policy = self.printed.call("policy", "ruled.test")
        loaded = "${if match{${readfile{/proc/self/maps}}}{mtasts-net|libcurl|libgetdns}{loaded}{not loaded}}"
        self.same(self.server.expand(f"{policy} {loaded}").split(" ")[-2:], ["not", "loaded"], "the network part")
