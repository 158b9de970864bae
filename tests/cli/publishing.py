# SPDX-License-Identifier: ISC
"""What the tests of mtasts publish share: told worlds, and the door a user goes through."""
import json
import os
import re

import tools

WORLD = os.path.join(os.path.dirname(os.path.realpath(__file__)), "publish_world.lua")
NOW = "2026-06-01T00:00:00Z"
DAY = 86400


def policy(mode, *mx, age=86400):
    return f"version: STSv1\nmode: {mode}\n" + "".join(f"mx: {name}\n" for name in mx) + f"max_age: {age}\n"


class Case(tools.Case):
    def setUp(self):
        super().setUp()
        self.world = {"dns": {}, "https": {}, "smtp": {}, "now": NOW}

    def domain(self, name="a.test", mx=("mx1.a.test", "mx2.a.test"), live=None, id="live1", smtp="ok"):
        """Tells of a domain; live: the policy that it serves."""
        self.world["dns"][f"{name} MX"] = [f"{10 + i} {host}" for i, host in enumerate(mx)]
        for host in mx:
            self.world["smtp"].setdefault(host, smtp)
        if live:
            self.world["dns"][f"_mta-sts.{name} TXT"] = [f"v=STSv1; id={id};"]
            self.world["https"][f"mta-sts.{name}"] = live

    def publish(self, code, *words, **more):
        told = self.write("told.json", json.dumps(self.world))
        result = self.ends(code, "publish", "--rules", WORLD, *words, TOLD=told, **more)
        for text in (result.raw, result.raw_error):
            self.assertEqual([byte for byte in text if byte < 32 and byte != 10 or byte == 127], [], "control characters")
        return result

    def made(self, code, *words, **more):
        return self.publish(code, "--json", *words, **more).json[0]

    def refused(self, code, *words):
        """Why, and what to do instead; nothing else is printed."""
        result = self.publish(code, *words)
        self.assertEqual(result.out, "")
        self.assertNotIn("nil", result.error)
        lines = result.error.splitlines()
        self.assertTrue(lines[-1].startswith("mtasts: publish: instead: "), result.error)
        found = self.made(code, *words)
        self.assertEqual("mtasts: publish: " + found["refused"].replace("\n", "?"), lines[-2])
        self.assertEqual(set(found), {"domain", "refused", "todo", "warnings"})
        return result.error

    def strict(self, kind, text):
        """mtasts parse takes it to the letter of the RFC."""
        return self.ends(0, "parse", "--json", kind, stdin=text.encode()).json[0]

    def all_strict(self, made):
        judged = self.strict("policy", made["policy"])
        self.assertEqual((judged["mode"], judged["max_age"], judged["mx"]), (made["mode"], made["max_age"], made["mx"]))
        for record in made["records"]:
            texts = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', record["line"]))
            self.assertEqual(texts, record["text"])
            judged = self.strict("record" if record["name"].startswith("_mta-sts.") else "tlsrpt", record["text"])
        self.assertEqual(self.strict("record", made["records"][0]["text"])["id"], made["id"])
