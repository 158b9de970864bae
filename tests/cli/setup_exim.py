#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""mtasts setup exim: what it prints, what it asks an Exim, what it warns of. Exim is a script here; real ones: tests/exim."""
import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True
import printing  # noqa: E402
import tools  # noqa: E402
from printing import code  # noqa: E402

BUILD = os.path.dirname(os.path.realpath(tools.PROGRAM))
MODULE = f"{BUILD}/exim-mtasts.so"
MANUAL = os.path.realpath(f"{os.path.dirname(os.path.realpath(__file__))}/../../filters/exim/exim-mtasts.8")
HEAVY = "crypteq iconv() IPv6 Perl Expand_dlfunc GnuTLS DANE DKIM DNSSEC Event I18N"
LIGHT = HEAVY.replace(" Expand_dlfunc", "")
REMOTE = {"driver": "smtp", "event_action": "", "hosts_avoid_tls": "", "hosts_try_dane": "*", "multi_domain": True}
OURS = {"driver": "smtp", "event_action": "${dlfunc{x}{mtasts_event}}", "hosts_avoid_tls": "", "hosts_require_tls": "*", "tls_sni": "$host",
        "hosts_try_dane": "*", "multi_domain": False, "connection_max_messages": "1", "tls_tempfail_tryclear": False,
        "tls_verify_certificates": "system", "tls_verify_hosts": "*", "tls_verify_cert_hostnames": "*"}
DNSLOOKUP = {"driver": "dnslookup", "transport": "remote_smtp", "address_data": "", "domains": "! +local_domains"}


def printed(kind, name, options):
    """What exim -bP says of a router or transport."""
    lines = [f"{option} = {value}" if isinstance(value, str) else option if value else f"no_{option}" for option, value in options.items()]
    return "\n".join(["", f"{name} {kind}:", *lines, ""])


class SetupExim(printing.Case):
    def setUp(self):
        super().setUp()
        self.debian = os.path.join(self.folder, "exim4")
        self.exim()

    def exim(self, version="4.96", support=HEAVY, config="", parts="", main="dns_dnssec_ok = -1", status=0, says="", name="exim"):
        """A program that answers -bV and -bP as an Exim does, and notes how it was called."""
        path = self.write(config or "exim.conf", config and f"{self.folder}/{config}") if config else None
        self.write("printed", parts + main + "\n")
        script = f"""#!/bin/sh
echo "$*" >>{self.folder}/called
case $* in
*-bV)
  cat <<'END'
Exim version {version} #2 built 27-May-2026 16:52:26
Support for: {support}
Lookups (built-in): lsearch
Configuration file is {path or "/nowhere/exim.conf"}
{says}
END
  exit {status} ;;
*-bP*) cat {self.folder}/printed ;;
esac
"""
        program = self.write(name, script)
        os.chmod(program, 0o755)
        return program

    def prints(self, *words):
        machine = (f"{MODULE} is missing", "/var/lib/mtasts is owned by")
        return self.printed("exim", "--exim", f"{self.folder}/exim", *words, of_this_machine=machine)

    def warns(self, *words):
        return self.prints(*words)["warnings"]

    # ---- what is printed ----

    def test_every_line_fits_a_terminal(self):
        for words in ((), ("--light",), ("--split",), ("--split", "--light")):
            for line in self.prints(*words)["fragment"].splitlines():
                if BUILD not in line:
                    self.assertLessEqual(len(line), 80, line)

    def test_no_comment_stands_behind_something(self):
        for words in ((), ("--split", "--light")):
            for line in code(self.prints(*words)["fragment"]):
                self.assertNotRegex(line, r"\s#", line)

    def test_the_parts_are_what_is_printed(self):
        found = self.prints()
        for part in found["parts"].values():
            self.assertIn(part.rstrip("\n"), found["fragment"])
        self.assertEqual(set(found["parts"]), {"main", "routers", "transports", "remote_smtp"})
        self.assertFalse(found["light"])

    def test_the_module_is_called_as_agreed(self):
        text = " ".join("\n".join(code(self.prints()["fragment"])).replace("\\\n", "").split())
        self.assertIn(f"MTASTS_MODULE = {MODULE} ", text)
        self.assertIn("address_data = ${dlfunc{MTASTS_MODULE}{mtasts_policy}{$domain}}", text)
        event = re.search(r"MTASTS_EVENT = (\S.*?) \.endif", text).group(1).replace(" ", "")
        self.assertEqual(event, "${dlfunc{MTASTS_MODULE}{mtasts_event}{$event_name}{$event_data}{$event_defer_errno}{$domain}{$host}{$host_address}"
                         "{dane=$tls_out_danecv=$tls_out_certificate_verifiedcipher=$tls_out_cipher"
                         "cert=${ifeq{$event_name}{tls:cert}{${base64:$tls_out_peercert}}}source=$sending_ip_addresssender=${if!match{$sender_address}{\\N\\s\\N}{$sender_address}}mode=${extract{mode}{$address_data}}}}")
        self.assertIn("{mtasts_event}{sts:no-mx}{}{}{$domain} {}{}{sender=${if !match{$sender_address}{\\N\\s\\N}{$sender_address}}}} :defer: ", text)

    def test_nothing_that_enforces_depends_on_an_expansion_that_may_fail(self):
        for words in ((), ("--split",), ("--light",)):
            for line in "\n".join(code(self.prints(*words)["parts"]["transports"])).replace("\\\n", "").splitlines():
                if "event_action" not in line:
                    self.assertNotIn("${", line)

    def test_who_looks_up_comes_first_and_who_defers_follows_who_enforces(self):
        for words, wanted in (((), ["mtasts_lookup", "mtasts_enforce", "mtasts_no_mx", "mtasts_testing"]),
                              (("--light",), ["mtasts_lookup", "mtasts_wait", "mtasts_enforce", "mtasts_no_mx", "mtasts_testing"])):
            routers = self.prints(*words)["parts"]["routers"]
            self.assertEqual(re.findall(r"^(\w+):$", routers, re.M), wanted)
            self.assertEqual(routers.count("  no_verify\n"), len(wanted))
            self.assertEqual(routers.count("  domains = MTASTS_DOMAINS\n"), len(wanted))

    def test_only_the_policy_says_which_hosts_are_ignored_where_it_is_enforced(self):
        self.assertIn("\n  ignore_target_hosts = ${extract{ignore}{$address_data}{$value}{*}}\n", self.prints()["parts"]["routers"])

    def test_no_macro_is_part_of_another(self):
        names = re.findall(r"^(MTASTS_\w+) = ", self.prints()["parts"]["main"], re.M)
        self.assertEqual(names, ["MTASTS_MODULE", "MTASTS_DOMAINS", "MTASTS_IGNORE", "MTASTS_EVENT"])

    def test_it_is_the_example_of_the_manual_page(self):
        with open(MANUAL, encoding="utf-8") as file:
            example = file.read().split(".Sh EXAMPLES")[1].split(".Bd ")[1].split("\n", 1)[1].split(".Ed")[0].replace("\\e", "\\")
        parts = self.prints()["parts"]
        parts["remote_smtp"] = "remote_smtp:\n  driver = smtp\n" + parts["remote_smtp"]
        wanted = [line.replace(MODULE, "/usr/local/lib/mtasts/exim-mtasts.so") for name in ("main", "routers", "transports", "remote_smtp")
                  for line in code(parts[name]) if not line.startswith((".ifndef", ".endif"))]
        self.assertEqual([line for line in code(example) if line not in ("begin routers", "begin transports")], wanted)

    def test_routers_without_the_macros_are_no_configuration(self):
        """Exim would take the name of a macro for that of a domain, and go by no policy."""
        files = {file["path"].rsplit("/", 2)[1]: code(file["content"]) for file in self.prints("--split")["files"] if "/main/" not in file["path"]}
        self.assertEqual(set(files), {"router", "transport"})
        for lines in files.values():
            self.assertEqual(lines[:3], [".ifndef MTASTS_EVENT", "MTA-STS: main/005_mtasts is missing", ".endif"])
        self.assertIn("\nMTA-STS: the macros are missing", self.run_program("setup", "exim", "--exim", f"{self.folder}/exim").out)

    def test_without_dlfunc_programs_are_run(self):
        self.exim(support=LIGHT)
        found = self.prints("--light")
        self.assertEqual((found["warnings"], found["light"]), ([], True))
        text = "".join(found["parts"].values()).replace("\\\n", "")
        self.assertNotIn("dlfunc{", text)
        self.assertNotIn("MTASTS_MODULE", text)
        self.assertIn(f"${{run{{{BUILD}/mtasts exim policy -- $domain}}", text)
        self.assertIn(r"{${if match{$value}{\N^mode=.*$\N}{$value}{mode=defer}}}    {mode=defer}}", text)
        call = " ".join(re.search(r"exim event -- *('\$event_name'.*?)\}\{\}\{\}", text).group(1).split())
        self.assertEqual(re.findall(r"'([^']*)'", call)[:6], ["$event_name", "$event_data", "$event_defer_errno", "$domain", "$host",
                                                              "$host_address"])
        self.assertEqual(call.count("'"), 14)

    def test_an_exim_without_dlfunc_gets_what_it_can_do_and_is_told(self):
        self.exim(support=LIGHT)
        found = self.prints()
        self.assertTrue(found["light"])
        self.assertIn("has no ${dlfunc", found["warnings"][0])
        self.assertIn("exim policy", found["fragment"])

    def test_without_dane_there_is_no_word_of_it(self):
        self.exim(support=HEAVY.replace(" DANE", ""))
        found = self.prints()
        self.assertIn("does no DANE", found["warnings"][0])
        text = "".join(found["parts"].values())
        self.assertNotIn("hosts_try_dane", text)
        self.assertNotIn("tls_out_dane", text)
        self.assertIn("dane=no cv=", text)

    # ---- commands ----

    def test_the_store_belongs_to_exim(self):
        commands = "\n".join(self.prints()["commands"])
        self.assertRegex(commands, r"\ninstall -d -o (\S+) -g \1 -m 0750 /var/lib/mtasts\nchown -R (\S+):\2 /var/lib/mtasts\n")
        self.assertNotIn("--store", commands)
        found = self.prints("--store", "/srv/sts/s.db")
        commands = "\n".join(found["commands"])
        self.assertIn("[ -d /srv/sts ] || install -d -o ", commands)
        self.assertNotIn("chown", commands)
        self.assertIn("store refresh --store /srv/sts/s.db", commands)
        self.assertIn("store = /srv/sts/s.db", found["fragment"])

    def test_settings_that_stop_mail_are_told(self):
        os.mkdir(f"{self.folder}/etc")
        self.write("etc/mtasts.conf", f"store = {self.folder}/s.db\nlog_levl = info\n")
        self.assertIn(f"{self.folder}/etc/mtasts.conf:2: ", self.warns()[0])
        self.assertIn("all mail waits", self.warns()[0])

    def test_a_store_that_is_missing_or_belongs_to_another_is_told(self):
        os.mkdir(f"{self.folder}/etc")
        owner = subprocess.run(["id", "-un"], capture_output=True, check=True, text=True).stdout.strip()
        self.write("etc/mtasts.conf", f"store = {self.folder}/s.db\n")
        found = self.prints()
        self.assertEqual(found["warnings"], [f"{self.folder} is owned by {owner}, and Exim runs as {found['user']}: it could keep no "
                                             f"policies; as root: chown -R {found['user']}: {self.folder}"])
        self.write("etc/mtasts.conf", f"store = {self.folder}/none/s.db\n")
        self.assertIn(f"{self.folder}/none is missing: ", self.warns()[0])

    def test_commands_are_what_a_shell_takes(self):
        for words in ((), ("--split", "--folder", self.debian), ("--light", "--split")):
            text = "\n".join(self.prints(*words)["commands"])
            done = subprocess.run(["sh", "-n"], input=text.encode(), capture_output=True, check=False)
            self.assertEqual((done.returncode, done.stderr), (0, b""))

    def written(self, *words):
        """Runs the part of the commands that writes Debian's files."""
        commands = self.prints("--split", "--folder", self.debian, *words)["commands"]
        start = next(i for i, line in enumerate(commands) if line.startswith("# Debian's split"))
        subprocess.run(["sh", "-eu"], input="\n".join(commands[start:]).encode(), check=True)

    def test_split_files_are_written_but_never_over_others(self):
        for name in ("main", "router", "transport"):
            os.makedirs(f"{self.debian}/conf.d/{name}")
        theirs = f"{self.debian}/conf.d/router/190_mtasts"
        with open(theirs, "w", encoding="ascii") as out:
            out.write("mine\n")
        self.written()
        found = self.prints("--split", "--folder", self.debian)
        self.assertEqual(found["warnings"], [f"{theirs} is there, and differs: it is left as it is; for what is printed here "
                                            "remove it first"])
        for file in found["files"]:
            with open(file["path"], encoding="utf-8") as source:
                self.assertEqual(source.read(), "mine\n" if file["path"] == theirs else file["content"])
        os.unlink(theirs)
        self.written()
        self.assertEqual(self.warns("--split", "--folder", self.debian), [])

    def test_split_files_come_in_debians_order(self):
        names = [file["path"][len(self.debian) + 8:] for file in self.prints("--split", "--folder", self.debian)["files"]]
        self.assertEqual(names, ["main/005_mtasts", "router/190_mtasts", "transport/30_exim4-config_remote_smtp-mtasts",
                                 "transport/31_mtasts"])
        for name in names:  # as update-exim4.conf wants it
            self.assertRegex(name.split("/")[1], r"^[A-Za-z0-9_-]+$")
        for before, ours, behind in (("000_localmacros", "005_mtasts", "01_exim4-config_listmacrosdefs"),
                                     ("150_exim4-config_hubbed_hosts", "190_mtasts", "200_exim4-config_primary"),
                                     ("30_exim4-config_remote_smtp", "30_exim4-config_remote_smtp-mtasts",
                                      "30_exim4-config_remote_smtp_smarthost")):
            self.assertEqual(sorted([behind, ours, before]), [before, ours, behind])

    def test_split_routers_are_for_hosts_that_send_by_themselves(self):
        routers = code(self.prints("--split")["parts"]["routers"])
        self.assertEqual((routers[0], routers[-1]), (".ifdef DCconfig_internet", ".endif"))

    def test_split_looks_at_debians_settings(self):
        os.makedirs(self.debian)
        for kind, split, wanted in (("internet", "true", 0), ("smarthost", "true", 1), ("internet", "false", 1), ("local", "false", 2)):
            self.write("exim4/update-exim4.conf.conf", f"# x\ndc_eximconfig_configtype='{kind}'\ndc_use_split_config='{split}'\n")
            self.assertEqual(len(self.warns("--split", "--folder", self.debian)), wanted, (kind, split))

    # ---- what Exim is asked ----

    def test_exim_reads_its_own_configuration(self):
        self.prints()
        with open(f"{self.folder}/called", encoding="ascii") as file:
            self.assertEqual(set(file.read().splitlines()), {"-bV", "-bP routers transports dns_dnssec_ok"})

    def test_or_the_one_that_is_named(self):
        self.write("called", "")
        found = self.prints("--config", self.write("a b.conf", ""))
        with open(f"{self.folder}/called", encoding="ascii") as file:
            self.assertIn(f"-C {self.folder}/a b.conf -bV", file.read())
        self.assertEqual(found["paths"]["config"], f"{self.folder}/a b.conf")

    def test_the_version_is_told(self):
        found = self.prints()
        self.assertEqual((found["version"], found["warnings"], found["paths"]["exim"]), ("4.96", [], f"{self.folder}/exim"))
        self.assertIn("# Found Exim 4.96: ", found["fragment"])
        for version, old in (("4.93", True), ("4.94.2", False), ("4.100.1", False), ("5.0", False), ("3.36", True)):
            self.exim(version)
            self.assertEqual(["too old" in text for text in self.warns()], [True] * old, version)

    def test_run_splits_arguments_well_from_4_96_on(self):
        for version, wanted in (("4.95", 1), ("4.96", 0)):
            self.exim(version, support=LIGHT)
            self.assertEqual(len(self.warns("--light")), wanted)

    def test_a_build_without_events_is_warned_of(self):
        self.exim(support=HEAVY.replace(" Event", ""))
        self.assertIn("no events", self.warns()[0])

    def test_what_is_no_exim(self):
        for script in ("#!/bin/sh\necho hello\n", "#!/bin/sh\nexit 1\n", "no program"):
            os.chmod(self.write("exim", script), 0o755)
            self.assertIn("this is no Exim", self.warns()[0])

    def test_a_configuration_that_exim_refuses(self):
        self.exim(status=1, says="2026-11-28 07:14:30 Exim configuration error in line 3 of /x:\n  router y: cannot find router driver")
        self.assertEqual(self.warns(), ["Exim cannot read its configuration: Exim configuration error in line 3 of /x: router y: cannot find "
                                        "router driver"])

    # ---- traps ----

    def traps(self, *parts, main="dns_dnssec_ok = -1"):
        self.exim(parts="".join(printed(*part) for part in parts), main=main)
        return self.warns()

    def test_no_traps(self):
        self.assertEqual(self.traps(("router", "remote", DNSLOOKUP), ("transport", "remote_smtp", REMOTE)), [])
        counted = REMOTE | {"event_action": "${dlfunc{x}{mtasts_event}}", "multi_domain": False}
        enforce = DNSLOOKUP | {"transport": "remote_smtp_mtasts"}
        lookup = {"driver": "redirect", "address_data": "${dlfunc}"}
        self.assertEqual(self.traps(("router", "mtasts_lookup", lookup), ("router", "mtasts_enforce", enforce), ("router", "mtasts_no_mx", {}),
                                    ("router", "mtasts_testing", DNSLOOKUP), ("router", "remote", DNSLOOKUP),
                                    ("transport", "remote_smtp_mtasts", OURS), ("transport", "remote_smtp", counted)), [])

    def test_what_stands_in_the_way_of_an_ordinary_transport(self):
        for change, wanted in (({"hosts_avoid_tls": "*"}, "hosts_avoid_tls = *"), ({"event_action": "${acl{x}}"}, "event_action already"),
                               ({"hosts_try_dane": ""}, "hosts_try_dane"), ({"event_action": "{mtasts_event}"}, "multi_domain")):
            found = self.traps(("router", "remote", DNSLOOKUP), ("transport", "remote_smtp", REMOTE | change))
            self.assertEqual([wanted in text for text in found], [True], found)
            self.assertEqual(self.traps(("transport", "other", REMOTE | change)), [], "no router sends to others with it")

    def test_a_transport_of_ours_that_was_changed(self):
        for change in ({"hosts_require_tls": ""}, {"hosts_avoid_tls": "a.test"}, {"tls_tempfail_tryclear": True}, {"tls_verify_hosts": "b"},
                       {"tls_verify_cert_hostnames": ""}, {"multi_domain": True}, {"connection_max_messages": "500"},
                       {"tls_verify_certificates": ""}, {"tls_sni": ""}):
            found = self.traps(("transport", "remote_smtp_mtasts", OURS | change))
            self.assertEqual([next(iter(change)) in text for text in found], [True], found)

    def test_routers_that_are_missing_or_stand_in_a_wrong_place(self):
        lookup, remote = ("router", "mtasts_lookup", {"address_data": "x"}), ("router", "remote", DNSLOOKUP)
        enforce, smtp = ("router", "mtasts_enforce", DNSLOOKUP), ("transport", "remote_smtp", REMOTE | {"event_action": "mtasts", "multi_domain": False})
        no_mx = ("router", "mtasts_no_mx", {})
        self.assertIn("no mtasts_no_mx", self.traps(lookup, enforce, remote, smtp)[0])
        self.assertIn("remote stands before", self.traps(remote, lookup, enforce, no_mx, smtp)[0])
        self.assertIn("sets address_data", self.traps(lookup, enforce, no_mx, ("router", "r", DNSLOOKUP | {"address_data": "y"}), smtp)[0])

    def test_a_smart_host_has_the_say(self):
        smart = {"driver": "manualroute", "transport": "remote_smtp", "domains": "! +local_domains"}
        smtp = ("transport", "remote_smtp", REMOTE)
        self.assertIn("smart hands all mail to another host", self.traps(("router", "smart", smart), smtp)[0])
        self.assertEqual(self.traps(("router", "some", smart | {"domains": "+hubbed"}), smtp), [])
        self.assertEqual(self.traps(("router", "smart", smart), ("router", "remote", DNSLOOKUP), smtp), [])

    def test_dnssec_that_is_off(self):
        self.assertIn("dns_dnssec_ok = 0", self.traps(("router", "remote", DNSLOOKUP), ("transport", "remote_smtp", REMOTE), main="dns_dnssec_ok = 0")[0])

    def test_cutthrough_goes_past_it(self):
        for text, wanted in (("warn control = cutthrough_delivery/defer=pass\n", 1), ("  # control = cutthrough_delivery\n", 0)):
            self.assertEqual(len(self.warns("--config", self.write("c.conf", text))), wanted, text)

    # ---- refusals ----

    def test_options_of_one_server_are_no_business_of_the_other(self):
        self.write("x", "")
        for words in (("exim", "--smtpd", "x"), ("exim", "--settings", "/x"), ("opensmtpd", "--split"), ("opensmtpd", "--light"),
                      ("opensmtpd", "--exim", "/bin/sh"), ("exim", "--folder", "/x"), ("opensmtpd", "--folder", "/x")):
            result = self.ends(64, "setup", *words)
            self.assertEqual((result.out, result.error.count("\n")), ("", 1))
            self.assertIn("alone", result.error)

    def test_paths_are_plain_and_whole(self):
        for words in (("--exim", "exim"), ("--exim", "/a b"), ("--split", "--folder", "exim4"), ("--split", "--folder", "/a;b"),
                      ("--store", "/a`b`"), ("--exim", "/nowhere/exim"), ("--config", "missing")):
            self.assertEqual(self.ends(64, "setup", "exim", *words).out, "")

    def test_where_there_is_none_debians_is_printed(self):
        if os.path.exists("/usr/sbin/exim4") or os.path.exists("/usr/sbin/exim"):
            self.skipTest("there is one")
        result = self.ends(1, "setup", "exim")
        self.assertIn("no Exim was found here", result.error)
        self.assertIn("mtasts_policy", result.out)


class Installed(tools.Case):
    def command(self, *words):
        return [f"{self.folder}/here/bin/mtasts", *words]

    def test_the_module_lies_below_the_prefix(self):
        done = subprocess.run(["cmake", "--install", BUILD, "--prefix", f"{self.folder}/here"], capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        network = [os.path.join(at, name) for at, _, names in os.walk(f"{self.folder}/here") for name in names if name == "mtasts-net.so"]
        found = self.run_program("setup", "exim", "--json").json[0]
        self.assertEqual(found["paths"]["module"], f"{os.path.realpath(os.path.dirname(network[0]))}/exim-mtasts.so")
        self.assertEqual(found["paths"]["program"], f"{os.path.realpath(self.folder)}/here/bin/mtasts")
        self.assertNotIn("as built", found["fragment"])


if __name__ == "__main__":
    tools.main()
