# SPDX-License-Identifier: ISC
"""Domains that the scenarios of several mail servers send to; their policies and mail hosts are what the world is told (world.py)."""

BROKEN = f"3 1 1 {'ab' * 32}"  # the TLSA record of another key


def host(domain, **more):
    """One host, inside the policy."""
    return {"id": "1", "mx": [f"mx.{domain}"]} | {key: {f"mx.{domain}": value} for key, value in more.items()}


def signed(domain, **more):
    """A host without a policy, whose certificate its TLSA record knows."""
    return {"hosts": [f"10 mx.{domain}"], "tlsa": {f"mx.{domain}": ["3 1 1 SPKI"]}} | {key: {f"mx.{domain}": value} for key, value in more.items()}


# Who gets the mail under a policy.
ENFORCED = {
    "good.test": host("good.test"),
    "wrong.test": host("wrong.test", smtp_cert="wrong-name"),
    "forged.test": host("forged.test", smtp_cert="untrusted"),
    "old.test": host("old.test", smtp_cert="expired"),
    "clear.test": host("clear.test", smtp="no-starttls"),
    "refusing.test": host("refusing.test", smtp="refuse-starttls"),
    "outside.test": {"id": "1", "mx": ["mx.outside.test"], "hosts": ["10 mx.attacker.test"]},
    "hidden.test": {"id": "1", "mx": ["mx.hidden.test"], "hosts": ["10 evil.hidden.test"],
                    "records": ["mx.hidden.test 300 A 198.51.100.40"], "smtp_address": {"evil.hidden.test": ["198.51.100.40"]}},
    "second.test": {"id": "1", "mx": ["mx2.second.test"], "hosts": ["10 mx1.second.test", "20 mx2.second.test"]},
    "next.test": {"id": "1", "mx": ["mx1.next.test", "mx2.next.test"], "smtp_cert": {"mx1.next.test": "expired"}},
    "wild.test": {"id": "1", "mx": ["*.wild.test"], "hosts": ["10 a.b.wild.test", "20 c.wild.test"]},
    "case.test": {"id": "1", "mx": ["mX.caSe.test"], "hosts": ["10 Mx.Case.TesT"]},
    "gone.test": {"id": "1", "mx": ["mx.gone.test"]},
    "off.test": {"id": "1", "mode": "none", "mx": ["mx.off.test"], "hosts": ["10 mx.elsewhere.test"],
                 "smtp_cert": {"mx.elsewhere.test": "expired"}},
    "nothing.test": {"hosts": ["10 mx.nothing.test"], "smtp_cert": {"mx.nothing.test": "self-signed"}},
}

# Who gets it where DANE has a say.
SIGNED = {
    "fine.signed.test": signed("fine.signed.test", smtp_cert="untrusted"),
    "both.signed.test": signed("both.signed.test", smtp_cert="untrusted") | host("both.signed.test"),
    "name.signed.test": signed("name.signed.test", smtp_cert="wrong-name") | host("name.signed.test"),
    "bad.signed.test": {"hosts": ["10 mx.bad.signed.test"], "tlsa": {"mx.bad.signed.test": [BROKEN]}},
    "worse.signed.test": {"id": "1", "mx": ["mx.worse.signed.test"], "tlsa": {"mx.worse.signed.test": [BROKEN]}},
    "clear.signed.test": signed("clear.signed.test", smtp="no-starttls"),
}

# Domains that share hosts, which not all of them may use.
MEETING = {
    "strict.test": {"id": "1", "mx": ["mx.both.test"], "smtp_cert": {"mx.both.test": "wrong-name"}},
    "lax.test": {"id": "1", "mode": "testing", "mx": ["mx.both.test"]},
    "free.test": {"hosts": ["10 mx.both.test"]},
    "may.test": {"id": "1", "mx": ["mx.provider.test"]},
    "maynot.test": {"id": "1", "mx": ["mx.maynot.test"], "hosts": ["10 mx.provider.test"]},
    "maytoo.test": {"id": "1", "mx": ["*.provider.test"], "hosts": ["10 mx.provider.test"]},
}
