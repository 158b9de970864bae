#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""mtasts setup postfix: what it prints, what it asks postconf, what it warns of. postconf is a script here; real ones: tests/postfix."""
import os
import re
import sys

sys.dont_write_bytecode = True
import printing  # noqa: E402
import tools  # noqa: E402
from printing import code  # noqa: E402

MANUAL = os.path.realpath(f"{os.path.dirname(os.path.realpath(__file__))}/../../docs/postfix-mtasts.8")
MAIN = {"mail_owner": "postfix", "config_directory": "/etc/postfix", "smtp_tls_security_level": "may", "smtp_dns_support_level": "",
        "smtp_host_lookup": "dns", "smtp_tls_CAfile": "", "smtp_tls_CApath": "", "smtp_fallback_relay": "", "relayhost": "",
        "smtp_tls_policy_maps": "", "smtp_tls_per_site": "", "proxy_read_maps": "$relay_domains $smtp_tls_policy_maps"}
MAP = "socketmap:unix:/run/mtasts/socketmap:policy"


class SetupPostfix(printing.Case):
    def setUp(self):
        super().setUp()
        self.etc = os.path.join(self.folder, "etc")
        os.makedirs(self.etc)
        self.postfix()

    def postfix(self, version="3.7.11", chroot="y", services="", overrides="", status=0, **main):
        """A program that answers as postconf does, and notes how it was called."""
        names = MAIN | main
        said = "".join(f"[ $name != {name} ] || echo '{name} = {value}'\n" for name, value in names.items())
        script = f"""#!/bin/sh
echo "$*" >>{self.folder}/called
case " $*" in
*" -d "*) echo 'mail_version = {version}'; exit 0 ;;
esac
[ {status} = 0 ] || exit {status}
case " $*" in
*" -M"*) cat <<'END'
smtp       inet  n       -       y       -       -       smtpd
smtp       unix  -       -       {chroot}       -       -       smtp
local      unix  -       n       n       -       -       local
{services}
END
;;
*" -P"*) cat <<'END'
{overrides}
END
;;
*) for name; do
{said}
:
done ;;
esac
"""
        os.chmod(self.write("postconf", script), 0o755)

    def prints(self, *words):
        machine = ("/etc/resolv.conf: ", "/etc/ssl/certs/ca-certificates.crt is missing", "/var/lib/mtasts is owned by")
        return self.printed("postfix", "--postconf", f"{self.folder}/postconf", *words, of_this_machine=machine)

    def line(self, name, *words):
        found = re.findall(rf"^{name} = (.*)$", self.prints(*words)["parts"]["main"], re.M)
        return found[0] if found else None

    def warns(self, text):
        warnings = self.prints()["warnings"]
        self.assertEqual([text in warning for warning in warnings], [True], f"{text!r} in {warnings}")

    # ---- what is printed ----

    def test_a_configuration_as_debian_has_it_needs_four_lines_and_is_warned_of_nothing(self):
        found = self.prints()
        self.assertEqual(found["warnings"], [])
        self.assertEqual(code(found["fragment"]), [
            f"smtp_tls_policy_maps = proxy:{MAP}", "smtp_tls_security_level = dane", "smtp_dns_support_level = dnssec",
            "smtp_tls_CAfile = /etc/ssl/certs/ca-certificates.crt"])
        self.assertEqual(found["version"], "3.7.11")

    def test_they_are_those_of_the_manual_page(self):
        with open(MANUAL, encoding="utf-8") as file:
            page = file.read().split(".Bd -literal -compact\n")[1].split(".Ed")[0]
        self.assertEqual(page, self.prints()["parts"]["main"])

    def test_the_parts_are_what_is_printed(self):
        found = self.prints()
        self.assertEqual(code(found["fragment"]), found["parts"]["main"].splitlines())

    def test_every_line_fits_a_terminal_and_is_explained(self):
        fragment = self.prints()["fragment"]
        for line in fragment.splitlines():
            self.assertLessEqual(len(line), 80, line)
        for block in re.split(r"\n(?=#|$)", fragment.split("\n\n", 1)[1]):
            self.assertTrue(block.startswith("#") or not block.strip(), block)

    def test_no_comment_stands_behind_something(self):
        for line in code(self.prints()["fragment"]):
            self.assertNotRegex(line, r"\s#", line)

    def test_without_a_chroot_the_socket_is_asked_directly(self):
        self.postfix(chroot="n")
        self.assertEqual(self.line("smtp_tls_policy_maps"), MAP)

    def test_one_service_in_a_chroot_is_enough_to_ask_through_proxymap(self):
        self.postfix(chroot="n", services="relay unix - - y - - smtp -o syslog_name=postfix/$service_name")
        self.assertEqual(self.line("smtp_tls_policy_maps"), f"proxy:{MAP}")

    def test_the_socket_is_the_one_of_the_settings(self):
        for value, wanted in (("unix:/run/other/map unix:/run/second", "proxy:socketmap:unix:/run/other/map:policy"),
                              ("inet:127.0.0.1:8461", "socketmap:inet:127.0.0.1:8461:policy")):
            self.write("etc/mtasts.conf", f"serve_socketmap = {value}\n")
            self.assertEqual(self.line("smtp_tls_policy_maps"), wanted)

    def test_tables_that_are_there_stay_where_they_are(self):
        self.postfix(smtp_tls_policy_maps="inline:{ a.test=encrypt, b.test=none }, hash:$config_directory/tls")
        self.assertEqual(self.line("smtp_tls_policy_maps"),
                         f"inline:{{ a.test=encrypt, b.test=none }}, hash:$config_directory/tls, proxy:{MAP}")
        self.postfix(smtp_tls_policy_maps=f"{MAP} hash:/etc/postfix/tls")
        self.assertEqual(self.line("smtp_tls_policy_maps"), f"proxy:{MAP}, hash:/etc/postfix/tls")

    def test_a_level_that_asks_for_more_stays(self):
        for level in ("encrypt", "secure", "verify", "fingerprint", "dane-only"):
            self.postfix(smtp_tls_security_level=level)
            self.assertEqual(self.line("smtp_tls_security_level"), level)
        for level in ("", "none", "may", "dane"):
            self.postfix(smtp_tls_security_level=level)
            self.assertEqual(self.line("smtp_tls_security_level"), "dane")

    def test_authorities_that_are_there_stay(self):
        file = self.write("ca.crt", "")
        self.postfix(smtp_tls_CAfile=file)
        self.assertEqual(self.line("smtp_tls_CAfile"), file)
        self.postfix(smtp_tls_CApath="/etc/ssl/certs")
        self.assertIsNone(self.line("smtp_tls_CAfile"))

    def test_attributes_for_reports_only_where_postfix_makes_use_of_them(self):
        libraries = os.path.dirname(self.write("smtp", b"\x7fELF\0libtlsrpt.so.0\0"))
        for main, wanted in (({"smtp_tls_enforce_sts_mx_patterns": "yes"}, "policy-tlsrpt"), ({"smtp_tls_enforce_sts_mx_patterns": "no"}, "policy"),
                             ({"smtp_tlsrpt_enable": "yes", "daemon_directory": libraries}, "policy-tlsrpt"),
                             ({"smtp_tlsrpt_enable": "no", "daemon_directory": libraries}, "policy"),
                             ({"smtp_tlsrpt_enable": "yes", "daemon_directory": "/nowhere"}, "policy")):
            self.postfix(**main)
            self.assertEqual(self.line("smtp_tls_policy_maps").rsplit(":", 1)[1], wanted, main)

    def test_the_folder_of_the_configuration_is_handed_on(self):
        for name in (self.etc, f"{self.etc}/main.cf"):
            self.write("etc/main.cf", "")
            self.write("called", "")
            self.prints("--config", name)
            with open(f"{self.folder}/called", encoding="utf-8") as called:
                self.assertEqual({tuple(line.split()[:2]) for line in called if not line.startswith("-d")}, {("-c", self.etc)})

    def test_nothing_but_questions_is_asked_of_postconf(self):
        self.prints()
        with open(f"{self.folder}/called", encoding="utf-8") as called:
            self.assertEqual({line.split()[0] for line in called if line.startswith("-")}, {"-d", "-x", "-M", "-P"})

    def test_the_commands_name_the_owner_of_the_mail_system(self):
        self.postfix(mail_owner="mailer")
        self.assertIn("usermod -a -G mtasts mailer", self.prints()["commands"])

    # ---- warnings ----

    def test_traps_are_named(self):
        for main, text in (({"relayhost": "[smart.test]"}, "relayhost = [smart.test] takes all mail"),
                           ({"smtp_fallback_relay": "[smart.test]"}, "smtp_fallback_relay = [smart.test] gets mail"),
                           ({"smtp_host_lookup": "native"}, "smtp_host_lookup = native: without dns there is no DANE"),
                           ({"smtp_tls_CAfile": "/nowhere/ca.crt"}, "/nowhere/ca.crt is missing"),
                           ({"smtp_tls_per_site": "hash:/etc/tls"}, "smtp_tls_per_site is obsolete"),
                           ({"proxy_read_maps": "$relay_domains"}, "proxy_read_maps is without $smtp_tls_policy_maps"),
                           ({"smtp_tls_policy_maps": "socketmap:inet:127.0.0.1:8461:postfix"}, "127.0.0.1:8461:postfix answers, too"),
                           ({"overrides": "smtp/unix/smtp_tls_security_level = none"}, "service smtp has -o smtp_tls_security_level=none"),
                           ({"version": "3.3.1"}, "Postfix 3.3.1 is too old")):
            with self.subTest(text):
                self.postfix(**main)
                self.warns(text)

    def test_what_concerns_other_services_or_other_settings_is_no_trap(self):
        self.postfix(overrides="relay/unix/syslog_name = postfix/relay\nlocal/unix/smtp_tls_policy_maps =\nsmtp/unix/smtp_helo_timeout = 5")
        self.assertEqual(self.prints()["warnings"], [])

    def test_a_server_that_does_not_answer_is_said_where_postfix_asks_it(self):
        os.chmod(self.write("postmap", f"""#!/bin/sh
echo "$*" >>{self.folder}/called
echo 'postmap: warning: /etc/postfix/main.cf, line 1: overriding earlier entry' >&2
echo 'postmap: warning: connect to /run/mtasts/socketmap: No such file or directory' >&2
echo 'postmap: fatal: table {MAP}: query error: No such file or directory' >&2
exit 1
"""), 0o755)
        self.assertEqual(self.prints()["warnings"], [])
        self.postfix(smtp_tls_policy_maps=f"proxy:{MAP}")
        self.warns("ALL mail waits now, for mtasts serve does not answer at unix:/run/mtasts/socketmap: connect to /run/mtasts/socketmap: No such")
        with open(f"{self.folder}/called", encoding="utf-8") as called:
            self.assertIn(f"-q .mtasts {MAP}\n", called.readlines())
        os.chmod(self.write("postmap", "#!/bin/sh\necho 'postmap: warning: overriding earlier entry' >&2\nexit 1\n"), 0o755)
        self.assertEqual(self.prints()["warnings"], [])

    def test_without_a_chroot_proxy_read_maps_does_not_matter(self):
        self.postfix(chroot="n", proxy_read_maps="")
        self.assertEqual(self.prints()["warnings"], [])

    def test_a_configuration_that_cannot_be_read_is_said_and_lines_are_printed_all_the_same(self):
        self.postfix(status=1)
        self.warns("Postfix: it cannot read its configuration")
        self.assertEqual(self.line("smtp_tls_policy_maps"), f"proxy:{MAP}")

    def test_what_is_no_postconf_is_said(self):
        os.chmod(self.write("postconf", "#!/bin/sh\nexit 1\n"), 0o755)
        self.warns("this is no postconf of Postfix, or it cannot be run")

    def test_settings_that_are_wrong_are_said(self):
        self.write("etc/mtasts.conf", "nonsense = 1\n")
        self.warns("mtasts serve does not start until that is mended")

    def test_a_store_of_somebody_else_is_named(self):
        if os.getuid() != 0:
            self.skipTest("only root gives folders away")
        os.chown(self.folder, 1, 1)
        self.write("etc/mtasts.conf", f"store = {self.folder}/mtasts.db\n")
        self.warns(f"{self.folder} is owned by ")
        self.assertEqual([line for line in self.prints()["commands"] if self.folder in line and not line.startswith("getent")],
                         [f"[ -d {self.folder} ]"])

    # ---- refusals ----

    def test_options_of_other_servers_are_refused(self):
        for words in (("postfix", "--split"), ("postfix", "--smtpd", "/dev/null"), ("exim", "--postconf", "/dev/null")):
            self.assertIn("alone", self.ends(64, "setup", *words).error)

    def test_a_program_that_a_shell_would_read_otherwise_is_refused(self):
        self.assertIn("shells read it", self.ends(64, "setup", "postfix", "--postconf", "/tmp/a b").error)


if __name__ == "__main__":
    tools.main()
