# SPDX-License-Identifier: ISC
"""Who gets the mail of domains that enforce, with a real Exim."""
from case import Case
from servers.domains import ENFORCED, SIGNED, host

NO_MX = "MTA-STS: the policy of {} permits none of its mail hosts"
NOT_TRUSTED = "certificate verification failed"
NO_TLS = "a TLS session is required, but the server did not offer TLS support"


class Enforced(Case):
    DOMAINS = ENFORCED | {
        "cn.test": host("cn.test", smtp_cert="cn-only"),
        "self.test": host("self.test", smtp_cert="self-signed"),
        "dots.test": {"id": "1", "mx": ["mx.dots.test"],
                      "hosts": ["10 mxxdots.test", "20 mx.dots.test.attacker.test", "30 a.mx.dots.test"]},
        "moving.test": host("moving.test"),
    }

    def a_permitted_host_with_a_good_certificate_gets_the_mail(self):
        self.delivered("joe@good.test", "mx.good.test", "CV=yes")

    def a_certificate_for_another_name_defers(self):
        self.deferred("joe@wrong.test", NOT_TRUSTED)

    def a_certificate_whose_name_stands_in_its_subject_only_defers(self):
        self.deferred("joe@cn.test", "Error in the certificate")

    def a_certificate_that_nobody_trusts_defers(self):
        self.deferred("joe@self.test", NOT_TRUSTED)
        self.deferred("joe@forged.test", NOT_TRUSTED)

    def an_expired_certificate_defers(self):
        self.deferred("joe@old.test", NOT_TRUSTED)

    def no_starttls_defers(self):
        self.deferred("joe@clear.test", NO_TLS)

    def a_host_that_refuses_starttls_for_now_defers(self):
        self.deferred("joe@refusing.test", "454 4.7.0 TLS not available")

    def a_host_outside_the_policy_is_not_even_connected_to(self):
        self.deferred("joe@outside.test", NO_MX.format("outside.test"))
        self.same(self.connected("mx.attacker.test"), 0, "connections")

    def nor_is_one_that_has_the_address_of_a_host_inside(self):
        self.deferred("joe@hidden.test", NO_MX.format("hidden.test"))
        self.same(self.connected("evil.hidden.test"), 0, "connections")

    def the_second_host_is_used_when_only_it_is_permitted(self):
        self.delivered("joe@second.test", "mx2.second.test", "CV=yes")
        self.same(self.connected("mx1.second.test"), 0, "connections to the first")

    def the_next_permitted_host_is_used_when_the_first_has_a_bad_certificate(self):
        self.delivered("joe@next.test", "mx2.next.test", "CV=yes")
        self.same(self.connected("mx1.next.test"), 1, "connections to the first")

    def a_wildcard_stands_for_one_label_and_not_for_two(self):
        self.delivered("joe@wild.test", "c.wild.test", "CV=yes")
        self.same(self.connected("a.b.wild.test"), 0, "connections to the host with two")

    def a_name_in_the_policy_is_no_expression_and_no_part_of_a_name(self):
        self.deferred("joe@dots.test", NO_MX.format("dots.test"))

    def upper_and_lower_case_of_a_host_do_not_matter(self):
        self.delivered("joe@case.test", "mx.case.test", "CV=yes")

    def a_cached_policy_is_enforced_when_record_and_policy_host_are_gone(self):
        self.delivered("joe@gone.test", "mx.gone.test", "CV=yes")
        gone = dict(self.DOMAINS["gone.test"], https="down", hosts=["10 mx.attacker.test"])
        del gone["id"]
        self.world.mail.seen()
        self.world.tell(self.DOMAINS | {"gone.test": gone})
        self.deferred("ann@gone.test", NO_MX.format("gone.test"))
        self.same(self.connected("mx.attacker.test"), 0, "connections")
        self.world.tell(self.DOMAINS)

    def a_policy_that_changed_is_found_when_no_host_is_permitted_any_more(self):
        """RFC 8461 5: by checking its id once more, though it was not due. What waited goes with the next attempt."""
        self.delivered("joe@moving.test", "mx.moving.test", "CV=yes")
        self.world.mail.seen()
        self.world.tell(self.DOMAINS | {"moving.test": {"id": "2", "mx": ["mx.newhome.test"]}})
        self.deferred("ann@moving.test", NO_MX.format("moving.test"))
        self.server.wait(lambda: "moving.test: policy 2 fetched" in self.syslog.text(), "the new policy")
        self.server.forget()
        self.server.run("-qff")
        self.same([kind for kind, _ in self.server.results("ann@moving.test")], ["==", "=>"], "results")
        self.same(self.taken("moving.test"), ["mx.newhome.test"], "the host that took it")
        self.world.tell(self.DOMAINS)

    def mode_none_and_no_policy_are_delivered_as_before(self):
        self.delivered("joe@off.test", "mx.elsewhere.test", "CV=no")
        self.delivered("joe@nothing.test", "mx.nothing.test", "CV=no")


class Dane(Case):
    """Exim's own. DANE comes first, and MTA-STS never rescues what it refuses."""
    DOMAINS = SIGNED | {
        "cn.signed.test": {"id": "1", "mx": ["mx.cn.signed.test"], "smtp_cert": {"mx.cn.signed.test": "cn-only"},
                           "tlsa": {"mx.cn.signed.test": ["3 1 1 SPKI"]}},
    }

    def a_tlsa_record_that_fits_delivers_to_a_private_authority(self):
        self.delivered("joe@fine.signed.test", "mx.fine.signed.test", "CV=dane")

    def even_where_the_policy_would_refuse_the_certificate(self):
        self.delivered("joe@both.signed.test", "mx.both.signed.test", "CV=dane")

    def a_tlsa_record_of_the_hosts_own_key_makes_its_name_a_matter_of_no_account(self):
        """RFC 7672 3.1.1"""
        self.delivered("joe@name.signed.test", "mx.name.signed.test", "CV=dane")

    def nor_does_it_matter_that_no_name_stands_where_it_should(self):
        self.delivered("joe@cn.signed.test", "mx.cn.signed.test", "CV=dane")

    def a_tlsa_record_that_does_not_fit_defers(self):
        self.deferred("joe@bad.signed.test")

    def and_a_policy_never_rescues_it(self):
        self.deferred("joe@worse.signed.test")

    def tlsa_records_and_no_starttls_defer(self):
        self.deferred("joe@clear.signed.test")
