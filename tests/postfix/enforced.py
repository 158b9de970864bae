# SPDX-License-Identifier: ISC
"""Who gets the mail of domains that enforce, with a real Postfix."""
from case import NO_ANSWER, UNVERIFIED, Case
from servers.domains import BROKEN, ENFORCED, SIGNED

NO_TLS = "TLS is required, but was not offered"


class Enforced(Case):
    DOMAINS = ENFORCED | {
        "swapped.test": {"id": "1", "mx": ["mx.swapped.test", "other.test"], "hosts": ["10 mx.swapped.test"],
                         "smtp_cert": {"mx.swapped.test": "wrong-name"}},
        "first.test": {"id": "1", "mx": ["mx1.first.test"], "hosts": ["10 mx1.first.test", "20 mx2.first.test"],
                       "smtp": {"mx1.first.test": "down"}},
        "deep.test": {"id": "1", "mx": ["*.deep.test"], "hosts": ["10 a.b.deep.test"]},
        "trial.test": {"id": "1", "mode": "testing", "mx": ["mx.trial.test"], "hosts": ["10 mx.trialhost.test"],
                       "smtp_cert": {"mx.trialhost.test": "wrong-name"}},
        "plain.test": {"hosts": ["10 mx.plain.test"], "smtp": {"mx.plain.test": "no-starttls"}},
    }

    def a_permitted_host_with_a_good_certificate_gets_the_mail(self):
        self.delivered("joe@good.test", "mx.good.test", "Verified")

    def and_is_told_its_name(self):
        self.same(self.sni("mx.good.test"), ["mx.good.test"], "server names that it was sent")

    def upper_case_in_an_address_does_not_matter(self):
        self.delivered("joe@GOOD.Test", "mx.good.test")

    def a_certificate_for_another_name_defers(self):
        self.deferred("joe@wrong.test", UNVERIFIED)

    def a_certificate_that_nobody_trusts_defers(self):
        self.deferred("joe@forged.test", UNVERIFIED)

    def a_certificate_of_another_permitted_host_is_taken_only_where_postfix_cannot_do_better(self):
        if self.server.matches_hosts:
            self.deferred("joe@swapped.test", UNVERIFIED)
        else:
            self.delivered("joe@swapped.test", "mx.swapped.test", "Verified")

    def an_expired_certificate_defers(self):
        self.deferred("joe@old.test", UNVERIFIED)

    def no_starttls_defers(self):
        self.deferred("joe@clear.test", NO_TLS)

    def a_host_that_refuses_starttls_for_now_defers(self):
        self.deferred("joe@refusing.test", "refused to start TLS")

    def a_host_outside_the_policy_gets_no_mail(self):
        self.deferred("joe@outside.test", NO_ANSWER)
        self.same(self.connected("mx.attacker.test"), 0, "connections")

    def nor_does_one_that_has_the_address_of_a_host_inside(self):
        self.deferred("joe@hidden.test", NO_ANSWER)

    def the_second_host_gets_it_when_only_it_is_permitted(self):
        self.delivered("joe@second.test", "mx2.second.test", "Verified")

    def a_host_outside_gets_none_even_when_no_other_is_there(self):
        self.deferred("joe@first.test")
        self.same(self.connected("mx2.first.test"), 0 if self.server.matches_hosts else 1, "connections to the host outside")

    def the_next_permitted_host_gets_it_when_the_first_has_a_bad_certificate(self):
        self.delivered("joe@next.test", "mx2.next.test", "Verified")

    def a_wildcard_stands_for_one_label_and_not_for_two(self):
        self.delivered("joe@wild.test", "c.wild.test", "Verified")

    def no_host_with_two_labels_gets_mail_under_a_wildcard(self):
        self.deferred("joe@deep.test", NO_ANSWER)

    def upper_and_lower_case_of_a_host_do_not_matter(self):
        self.delivered("joe@case.test", "mx.case.test", "Verified")

    def a_cached_policy_is_enforced_when_record_and_policy_host_are_gone(self):
        self.delivered("joe@gone.test", "mx.gone.test", "Verified")
        gone = dict(self.DOMAINS["gone.test"], https="down", hosts=["10 mx.attacker.test"])
        del gone["id"]
        self.world.tell(self.DOMAINS | {"gone.test": gone})
        self.deferred("ann@gone.test")
        self.same(self.taken("gone.test"), ["mx.gone.test"], "hosts that took mail")
        self.world.tell(self.DOMAINS)

    def mode_testing_none_and_no_policy_are_delivered_as_before(self):
        self.delivered("joe@trial.test", "mx.trialhost.test", "Trusted")
        self.delivered("joe@off.test", "mx.elsewhere.test", "Untrusted")
        self.delivered("joe@nothing.test", "mx.nothing.test", "Untrusted")
        self.delivered("joe@plain.test", "mx.plain.test")


class Dane(Case):
    """Postfix's own. DANE comes first, and MTA-STS never rescues what it refuses."""
    DOMAINS = SIGNED | {
        "bogus.signed.test": {"id": "1", "mx": ["mx.bogus.signed.test"], "tlsa": {"mx.bogus.signed.test": ["3 1 1 SPKI"]},
                              "bogus": ["TLSA _25._tcp.mx.bogus.signed.test"]},
        "mixed.signed.test": {"id": "1", "mx": ["mx1.mixed.signed.test", "mx2.mixed.signed.test"], "tlsa": {"mx2.mixed.signed.test": ["3 1 1 SPKI"]}},
        "half.signed.test": {"id": "1", "mx": ["mx1.half.signed.test", "mx2.half.signed.test"], "tlsa": {"mx1.half.signed.test": [BROKEN]}},
        "odd.signed.test": {"id": "1", "mx": ["mx.odd.signed.test"], "tlsa": {"mx.odd.signed.test": [f"9 9 9 {'ab' * 32}"]}},
        "signed.signed.test": {"id": "1", "mx": ["mx.signed.signed.test"], "smtp_cert": {"mx.signed.signed.test": "untrusted"}},
        # The MX record is not signed, its host is.
        "unsure.test": {"id": "1", "mx": ["mx.unsure.signed.test"], "tlsa": {"mx.unsure.signed.test": ["3 1 1 SPKI"]}},
    }

    def a_tlsa_record_that_fits_delivers_to_a_private_authority(self):
        self.delivered("joe@fine.signed.test", "mx.fine.signed.test", "Verified")

    def even_where_the_policy_would_refuse_the_certificate(self):
        self.delivered("joe@both.signed.test", "mx.both.signed.test", "Verified")

    def a_tlsa_record_of_the_hosts_own_key_makes_its_name_a_matter_of_no_account(self):
        """RFC 7672 3.1.1"""
        self.delivered("joe@name.signed.test", "mx.name.signed.test", "Verified")

    def a_tlsa_record_that_does_not_fit_defers(self):
        self.deferred("joe@bad.signed.test", UNVERIFIED)

    def and_a_policy_never_rescues_it(self):
        self.deferred("joe@worse.signed.test", UNVERIFIED)

    def nor_does_it_where_nobody_can_say_whether_there_is_one(self):
        self.deferred("joe@bogus.signed.test")

    def tlsa_records_and_no_starttls_defer(self):
        self.deferred("joe@clear.signed.test")

    def of_several_hosts_those_with_tlsa_records_get_the_mail(self):
        self.delivered("joe@mixed.signed.test", "mx2.mixed.signed.test", "Verified")

    def a_host_without_does_not_stand_in_for_one_whose_records_do_not_fit(self):
        self.deferred("joe@half.signed.test")

    def tlsa_records_that_nobody_can_use_leave_it_to_the_policy(self):
        self.delivered("joe@odd.signed.test", "mx.odd.signed.test", "Verified")

    def so_does_a_signed_domain_without_any(self):
        self.deferred("joe@signed.signed.test", UNVERIFIED)

    def tlsa_records_behind_an_mx_record_that_is_not_signed_do_not_keep_mail_waiting(self):
        self.delivered("joe@unsure.test", "mx.unsure.signed.test", "Verified")
