#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""mtasts setup opensmtpd: what it prints, where it finds the programs, what it warns of. Real releases: tests/opensmtpd/setup."""
import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True
import tools  # noqa: E402

BUILD = os.path.dirname(os.path.realpath(tools.PROGRAM))
MANUAL = os.path.realpath(f"{os.path.dirname(os.path.realpath(__file__))}/../../filters/opensmtpd")
DEBIAN = """table aliases file:/etc/aliases
listen on localhost
action "local" maildir alias <aliases>
action "relay" relay
match for local action "local"
match from local for any action "relay"
"""


def rules(fragment):
    """What is no comment, each rule in one line."""
    return [line for line in fragment.replace(" \\\n  ", " ").splitlines() if line and not line.startswith("#")]


class Setup(tools.Case):
    def setUp(self):
        super().setUp()
        self.smtpd("7.4.0-portable")
        self.ca = self.write("ca.crt", "")

    def smtpd(self, version, folder="/usr/libexec/opensmtpd", ca=None):
        """What is read of an smtpd: texts between zero bytes."""
        words = [f"version: OpenSMTPD {version}\n", f"{folder}/table-%s", ca or f"{self.folder}/ca.crt", "OpenSMTPD"]
        return self.write("smtpd", b"\x7fELF\0" + b"\0".join(word.encode() for word in words) + b"\0")

    def prints(self, *words, code=0, config="/dev/null", smtpd=None):
        """The parts of --json; the fragment must be the same as without, and the warnings on standard error."""
        ends = self.ends if code is not None else lambda _, *words: self.run_program(*words)
        words = ("setup", "opensmtpd", "--config", config, "--smtpd", smtpd or "smtpd", *words)
        found = ends(code, "--json", *words).json[0]
        plain = ends(code, *words)
        self.assertEqual(plain.out, found["fragment"])
        self.assertEqual(plain.error, "".join(f"mtasts: setup: {text}\n" for text in found["warnings"]))
        self.assertEqual(ends(code, *words, "--commands").lines, found["commands"])
        return found

    def test_every_line_fits_a_terminal_and_is_explained(self):
        fragment = self.prints()["fragment"]
        for line in fragment.splitlines():
            if not line.startswith("#   ln"):
                self.assertLessEqual(len(line), 80, line)
        for block in re.split(r"\n(?=#|$)", fragment.split("\n\n", 1)[1]):
            self.assertTrue(block.startswith("#") or not block.strip(), block)

    def test_it_is_the_example_of_both_manual_pages(self):
        found = self.prints()
        text = found["fragment"].replace(found["paths"]["filter"], "/usr/libexec/opensmtpd/filter-mtasts")
        for page in ("table-mtasts.8", "filter-mtasts.8"):
            with open(f"{MANUAL}/{page}", encoding="utf-8") as file:
                example = file.read().split(".Sh EXAMPLES")[1].split(".Bd ")[1].split("\n", 1)[1].split(".Ed")[0]
            self.assertEqual([line for line in example.splitlines() if line], rules(text), page)

    def test_the_rule_that_enforces_stands_before_the_one_that_relays(self):
        relaying = [line for line in rules(self.prints()["fragment"]) if line.startswith("match") and "for local" not in line]
        self.assertEqual(len(relaying), 2)
        self.assertIn("<stsdom>", relaying[0])

    def test_the_filter_is_on_listeners_and_relays(self):
        for line in rules(self.prints()["fragment"]):
            if line.startswith("listen") or " relay " in line:
                self.assertTrue(line.endswith('filter "sts"'), line)

    def test_as_built_the_programs_lie_beside_it(self):
        found = self.prints()
        self.assertEqual(found["paths"]["filter"], f"{BUILD}/filter-mtasts")
        self.assertIn(f"ln -sf {BUILD}/table-mtasts /usr/libexec/opensmtpd/", found["commands"])
        self.assertIn("as built, not installed", found["fragment"])

    def test_settings_stand_in_tables_filter_and_commands(self):
        found = self.prints("--settings", "/srv/mail/sts.conf")
        self.assertEqual(found["fragment"].count('"mtasts:/srv/mail/sts.conf"'), 2)
        self.assertIn("filter-mtasts /srv/mail/sts.conf\"", found["fragment"])
        self.assertIn("[ -d /srv/mail ] || install -d -m 755 /srv/mail", found["commands"])
        self.assertNotIn("/etc/mtasts", found["fragment"])
        self.assertNotIn("install", self.prints("--settings", "/sts.conf")["commands"][-3])

    def test_the_folder_of_the_store_is_that_of_the_settings(self):
        settings = self.write("sts.conf", "# store = /a/b\nlog_level = info\n store =  /srv/sts/s.db \n")
        self.assertIn("-m 2770 /srv/sts", "\n".join(self.prints("--settings", settings)["commands"]))
        self.write("sts.conf", "store = /srv/a b'c/s.db")
        self.assertIn("-m 2770 '/srv/a b'\\''c'", "\n".join(self.prints("--settings", settings)["commands"]))
        found = self.prints("--store", "/srv/given/s.db")
        self.assertIn("-m 2770 /srv/given", "\n".join(found["commands"]))
        self.assertIn("#   store = /srv/given/s.db\n", found["fragment"])
        self.assertIn("-m 2770 /var/lib/mtasts", "\n".join(self.prints()["commands"]))

    def test_only_a_folder_of_mtasts_alone_changes_its_owner(self):
        self.assertIn("chown -R opensmtpd:opensmtpd /var/lib/mtasts", "\n".join(self.prints()["commands"]).replace("_smtpd", "opensmtpd"))
        commands = self.prints("--settings", self.write("sts.conf", "store = /srv/s.db\n"))["commands"]
        self.assertNotIn("chown", "\n".join(commands))
        for line in commands:
            if "install" in line:
                self.assertTrue(line.startswith("[ -d "), line)

    def test_settings_are_a_plain_whole_path(self):
        for path in ("sts.conf", "", "/a b", "/a;b", "/a\nb", "/a'b", '/a"b', "/$HOME"):
            result = self.ends(64, "setup", "opensmtpd", "--settings", path)
            self.assertEqual((result.out, result.error.count("\n")), ("", 1))
        self.ends(64, "setup", "opensmtpd", "--store", "/a`b`")

    def test_a_wrong_server_names_the_nearest(self):
        self.assertIn("did you mean 'opensmtpd'", self.ends(64, "setup", "opensmptd").error)
        self.assertIn("there is: opensmtpd", self.ends(64, "setup", "qmail").error)
        self.assertIn("argument 'what'", self.ends(64, "setup").error)

    def test_files_that_are_not_there(self):
        self.assertIn("missing", self.ends(64, "setup", "opensmtpd", "--config", "missing").error)
        self.assertIn("missing", self.ends(64, "setup", "opensmtpd", "--smtpd", "missing").error)

    def test_what_is_compiled_into_smtpd_decides(self):
        found = self.prints()
        self.assertEqual((found["version"], found["warnings"]), ("7.4.0", []))
        self.assertIn("# Found OpenSMTPD 7.4.0: smtpd\n", found["fragment"])
        self.assertNotIn("(SNI)", found["fragment"])
        self.smtpd("7.9.0-portable", "/usr/local/libexec/smtpd")
        self.assertIn("/table-mtasts /usr/local/libexec/smtpd/", "\n".join(self.prints()["commands"]))
        self.smtpd("7.4.0-portable", BUILD)
        self.assertNotIn("ln -sf", "\n".join(self.prints()["commands"]))

    def test_old_releases_are_warned_of(self):
        self.smtpd("6.8.0p2")
        found = self.prints(code=1)
        self.assertIn("OpenSMTPD 6.8.0p2 sends no server name (SNI)", found["warnings"][0])
        self.assertIn("# WARNING: OpenSMTPD 6.8.0p2", found["fragment"])

    def test_without_a_version_the_warning_is_a_remark(self):
        for content in ("", "no text of ours", "OpenSMTPD", "\0" * 100):
            found = self.prints(smtpd=self.write("other", content), code=None)
            self.assertNotIn("version", found)
            self.assertIn("OpenSMTPD 6.8 and older send no server name (SNI)", found["fragment"])

    def test_missing_authorities_are_warned_of(self):
        self.smtpd("7.4.0-portable", ca="/nowhere/ca.crt")
        found = self.prints(code=1)
        self.assertIn("/nowhere/ca.crt is missing", found["warnings"][0])
        self.assertIn("# WARNING: /nowhere/ca.crt is missing", found["fragment"])

    def traps(self, text):
        name = self.write("smtpd.conf", text)
        found = self.prints(config=name, code=None)
        for warning in found["warnings"]:
            self.assertTrue(warning.startswith(name + ":"), warning)
        return [warning[len(name) + 1:] for warning in found["warnings"]]

    def test_no_traps(self):
        for text in ("", DEBIAN, self.prints()["fragment"], '# action "x" relay tls no-verify\n', 'table x { "no-verify" }\n', '"\\\n', "match", "action"):
            self.assertEqual(self.traps(text), [], text)

    def test_no_verify_is_a_trap(self):
        found = self.traps('listen on lo\naction x relay tls \\\n  "no-verify" # y\naction y relay tls\naction "z" lmtp "/no-verify"\n')
        self.assertEqual(len(found), 1)
        self.assertTrue(found[0].startswith("2: no-verify"), found)

    def test_a_relaying_rule_before_ours_is_a_trap(self):
        ours = [line for line in rules(self.prints()["fragment"]) if not line.startswith(("listen", 'action "local"', "match from local for local"))]
        found = self.traps(DEBIAN + "\n".join(ours))
        self.assertEqual([text for text in found if "relays before" in text], ["6: this rule relays before the one for <stsdom> in line 12 is asked"])
        self.assertEqual([text[:2] for text in found if "without the filter" in text], ["4:"])

    def test_a_domain_of_its_own_before_ours_is_none(self):
        fragment = self.prints()["fragment"].replace('match from local for local', 'match from any for domain "a.test" action "default"\nmatch for local')
        self.assertEqual(self.traps(fragment), [])


class Installed(tools.Case):
    def install(self, name, **environment):
        prefix = environment.pop("prefix", None)
        done = subprocess.run(["cmake", "--install", BUILD, *(["--prefix", prefix] if prefix else [])], capture_output=True, text=True,
                              timeout=60, env={**os.environ, **environment})
        self.assertEqual(done.returncode, 0, done.stderr)
        for folder, _, names in os.walk(os.path.join(self.folder, name)):
            if "mtasts" in names and folder.endswith("/bin"):
                self.program = os.path.join(folder, "mtasts")

    def command(self, *words):
        return [self.program, *words]

    def check(self, root):
        found = self.run_program("setup", "opensmtpd", "--json", "--config", "/dev/null").json[0]
        folder = f"{os.path.realpath(root)}/libexec/opensmtpd"
        self.assertEqual((found["paths"]["table"], found["paths"]["filter"]), (f"{folder}/table-mtasts", f"{folder}/filter-mtasts"))
        self.assertTrue(os.access(found["paths"]["table"], os.X_OK))
        self.assertNotIn("as built", found["fragment"])
        self.assertNotIn("table-mtasts is missing", "".join(found["warnings"]))

    def test_below_a_prefix(self):
        self.install("here", prefix=f"{self.folder}/here")
        self.check(f"{self.folder}/here")

    def test_below_destdir_and_moved(self):
        self.install("package", prefix="/opt/sts", DESTDIR=f"{self.folder}/package")
        self.check(f"{self.folder}/package/opt/sts")

    def test_what_is_missing_is_named_and_the_rest_still_printed(self):
        self.install("here", prefix=f"{self.folder}/here")
        os.unlink(f"{self.folder}/here/libexec/opensmtpd/filter-mtasts")
        result = self.ends(1, "setup", "opensmtpd", "--config", "/dev/null")
        self.assertIn("filter-mtasts is missing", result.error)
        self.assertIn("filter-mtasts is missing", " ".join(result.out.split("\n# ")))
        self.assertIn("\nmatch from local for any", result.out)


if __name__ == "__main__":
    tools.main()
