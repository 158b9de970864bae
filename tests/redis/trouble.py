#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""A shared store that is lost, slow, full, locked or no Redis at all costs nothing but sharing, and its password is never shown."""
import os
import re
import shlex
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
import peers  # noqa: E402

tools = peers.tools

ONE_BY_ONE = """local mtasts = require 'mtasts'
local policies = 0
for _, domain in ipairs { 'a.test', 'b.test', 'c.test' } do
  local answer = mtasts.lookup(domain, { depth = 'policy' })
  policies = policies + (answer.mode == 'enforce' and answer.from == 'network' and 1 or 0)
end
print(policies)
"""
SECRET = "s3cr:t/w@rd"
QUOTED = "s3cr%3At%2Fw%40rd"


class Case(peers.Case):
    def write(self, name, text):
        path = super().write(name, text)
        os.chmod(path, 0o600)
        return path

    def goes_on(self, machine, url=None, said="", domain="a.test", **more):
        """The network answers, and the log says once what is wrong; returns what it said."""
        result = self.lookup(machine, domain, url=url, **more)
        self.assertEqual((result.json[0]["mode"], result.json[0]["from"]), ("enforce", "network"), result.error)
        self.assertIn(said, result.error)
        lines = result.error.splitlines()
        self.assertEqual(len(lines), len(set(line[:100] for line in lines)), result.error)
        self.assertNotIn(SECRET, result.error)
        self.assertNotIn(QUOTED, result.error)
        return result.error

    def shares(self, machine, url=None, **more):
        """Another machine's policy comes from Redis."""
        gets = self.gets()
        result = self.lookup(machine, url=url, **more)
        self.assertEqual((result.error, result.json[0]["from"], self.gets()), ("", "store", gets))


class Trouble(Case):
    def test_without_redis_each_machine_asks_the_network_itself(self):
        self.redis.stop(signal.SIGKILL)
        self.goes_on("one", said="nothing is shared with other machines until it answers")
        self.redis.start()
        self.goes_on("two")
        self.shares("three")

    def test_what_hangs_costs_its_time_once(self):
        script = self.write("one-by-one.lua", ONE_BY_ONE)
        self.redis.process.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        self.assertEqual(self.start("one", "run", script).communicate(timeout=60)[0], b"3\n")
        self.assertLess(time.monotonic() - began, 2 * 2)  # of shared_timeout_ms
        self.redis.process.send_signal(signal.SIGCONT)

    def test_a_program_notices_when_redis_is_there_again(self):
        script = self.write("later.lua", """local mtasts = require 'mtasts'
            mtasts.lookup('a.test', { depth = 'policy' })
            io.stdout:write 'lost\\n':flush()
            local ends = os.time() + 60
            repeat mtasts.lookup('b.test', { depth = 'policy', freshness = 'always' })
            until io.open(arg[1]) or os.time() > ends
        """)
        self.redis.stop()
        mark = os.path.join(self.folder, "mark")
        process = self.start("one", "run", script, mark)
        self.assertEqual(process.stdout.readline(), b"lost\n")
        self.redis.start()
        self.waits(lambda: self.redis.ask("EXISTS", "mtasts:1:domain:b.test"))
        open(mark, "w", encoding="ascii").close()
        process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0)

    def test_a_full_redis_is_still_read(self):
        self.lookup("one")
        self.redis.ask("CONFIG", "SET", "maxmemory", "1")
        self.shares("two")
        self.goes_on("two", said="OOM", domain="b.test")
        self.redis.ask("CONFIG", "SET", "maxmemory", "0")
        self.assertEqual(self.redis.ask("KEYS", "mtasts:1:lease:*"), [])

    def test_a_password_comes_from_the_url_or_a_file(self):
        self.redis.ask("CONFIG", "SET", "requirepass", SECRET)
        host = f"127.0.0.1:{self.redis.port}"
        self.goes_on("none", said="NOAUTH")
        self.goes_on("wrong", f"redis://:{QUOTED}x@{host}", said="WRONGPASS")
        file = self.write("password", SECRET + "\nanother line\n")
        self.goes_on("nobody", f"redis://nobody:{QUOTED}@{host}", said="WRONGPASS")
        self.goes_on("no-file", said="no password that can be read", shared_password_file=file + "x")
        self.goes_on("empty", said="no password that can be read", shared_password_file=self.write("empty", "\n"))
        self.goes_on("folder", said="no password that can be read", shared_password_file=self.folder)
        self.goes_on("endless", said="no password that can be read", shared_password_file="/dev/zero")
        self.goes_on("one", f"redis://:{QUOTED}@{host}")
        self.shares("two", shared_password_file=file)
        self.shares("three", f"redis://{host}", shared_password_file=self.write("dos", SECRET + "\r\n"))

    def test_the_settings_are_shown_without_the_password(self):
        url = f"redis://:{QUOTED}@127.0.0.1:{self.redis.port}"
        shown = self.ends(0, "repl", "--set", "shared_store=" + url, "--set", f"store=redis://u:{QUOTED}@h", "-e", ":settings", stdin=b"")
        self.assertNotIn(QUOTED, shown.out + shown.error)
        self.assertIn("redis://:***@127.0.0.1", shown.out)
        wrong = self.run_program("lookup", "--set", f"shared_store=redis://u:{QUOTED}@h:x", "a.test")
        self.assertNotIn(QUOTED, wrong.out + wrong.error)
        self.assertIn("its port is not a number", wrong.error)

    def test_the_rights_that_the_manual_names_suffice(self):
        with open(f"{peers.HERE}/../../lua/mtasts.1", encoding="utf-8") as page:
            lines = re.search(r"^ACL SETUSER mtasts .*?(?=^\.Ed)", page.read(), re.M | re.S)[0]
        words = shlex.split(lines.replace("\\e\n", " ").replace("\\e", "").replace("PASSWORD", SECRET).replace(">", "'>'"))
        self.assertEqual(self.redis.ask(*words), "OK")
        url = f"redis://mtasts:{QUOTED}@127.0.0.1:{self.redis.port}"
        self.goes_on("one", url)
        self.shares("two", url)
        for action in ("write", "send"):
            self.ends(3 if action == "write" else 0, "report", *self.settings("one", url), action, "--organization", "Example Org", "--contact", "a@b.example")
        for words in (["a.test"], ["--all"]):
            self.assertEqual(self.ends(0, "store", *self.settings("one", url), "flush", *words).error, "")
        self.goes_on("one", url)
        file = self.write("password", SECRET)
        self.shares("three", f"redis://mtasts@127.0.0.1:{self.redis.port}", shared_password_file=file)
        with self.assertRaises(AssertionError):
            self.redis.ask("GET", "other", auth=("mtasts", SECRET))

    def test_a_unix_socket_and_a_database(self):
        self.goes_on("one", f"unix://{self.redis.path}?db=3")
        self.shares("two", f"redis://localhost:{self.redis.port}/3")
        self.goes_on("three", f"unix://{self.redis.path}")
        self.goes_on("four", f"unix://{self.redis.path}x", said="No such file")
        self.goes_on("five", f"unix://{self.redis.path}?db=999", said="it does not let us in")

    def test_the_host_may_be_a_name_in_dns(self):
        self.dns.a["redis.test"] = ["127.0.0.9", "127.0.0.1"]
        self.goes_on("one", f"redis://redis.test:{self.redis.port}")
        self.shares("two", f"redis://redis.test:{self.redis.port}")
        self.goes_on("three", f"redis://nowhere.test:{self.redis.port}", said="no address of its host")

    def test_while_it_hangs_one_process_waits_for_it_and_the_next_ones_do_not(self):
        self.redis.process.send_signal(signal.SIGSTOP)
        self.assertIn("no answer within", self.lookup("one", shared_timeout_ms=1500).error)
        noted = time.monotonic()
        for domain in ("b.test", "c.test"):
            found = self.lookup("one", domain, shared_timeout_ms=1500)
            self.assertEqual(found.json[0]["from"], "network")
            if time.monotonic() - noted < 5:  # it is left alone for so long
                self.assertEqual(found.error, "", domain)
        # Another machine finds out for itself.
        self.assertIn("no answer within", self.lookup("two", shared_timeout_ms=300).error)
        self.redis.process.send_signal(signal.SIGCONT)
        self.waits(lambda: self.lookup("one", words=("--no-cache",)).error == "" and self.redis.ask("EXISTS", "mtasts:1:domain:a.test"))

    def test_what_talks_nonsense_is_left_alone(self):
        item = b"$1\r\n1\r\n"
        nonsense = {
            "text": b"hello\r\n", "http": b"HTTP/1.1 400 Bad Request\r\n\r\n", "zeros": bytes(5000), "negative": b"*-5\r\n", "many": b"*2000000000\r\n",
            "long": b"$9999999999\r\n" + b"x" * 100000, "nested": b"*1\r\n" * 20, "deep": b"*1\r\n*1\r\n" + item, "error within": b"*1\r\n-ERR x\r\n",
            "endless line": b"+" + b"y" * 300000, "unasked": item * 50, "wrong length": b"$5\r\nab\r\ncd\r\nxx",
            "tls": b"\x15\x03\x01\x00\x02\x02\x46", "empty": b"", "escape": b"-ERR \x1b[31m\x07red\r\n", "too few": b"*1\r\n" + item, "nothing": b"$-1\r\n",
        }
        for number, (name, answer) in enumerate(nonsense.items()):
            with self.subTest(name):
                def act(connection, answer=answer):
                    connection.recv(1000)
                    connection.sendall(answer)
                    connection.recv(1000) if answer else None
                fake = peers.Fake(act)
                said = self.goes_on(f"m{number}", fake.url, shared_timeout_ms=500)
                self.assertNotIn("\x1b", said)
                self.assertGreater(fake.met, 0)
                fake.stop()

    def test_a_server_that_repeats_what_it_was_told_does_not_bring_the_password_into_the_log(self):
        def act(connection):
            told = connection.recv(1000)
            connection.sendall(b"-ERR unknown command, with args beginning with: " + told.replace(b"\r\n", b" ") + b"\r\n")
            connection.recv(1000)

        fake = peers.Fake(act)
        self.addCleanup(fake.stop)
        self.goes_on("one", fake.url.replace("//", f"//user:{QUOTED}@"), said="it does not let us in: ERR;")

    def test_a_password_file_that_all_can_read_is_named(self):
        self.redis.ask("CONFIG", "SET", "requirepass", SECRET)
        file = self.write("password", SECRET)
        os.chmod(file, 0o604)
        self.goes_on("one", said="every user of this machine can read it", shared_password_file=file)
        os.chmod(file, 0o640)
        self.shares("two", shared_password_file=file)

    def test_a_key_of_another_kind_is_left_alone(self):
        self.redis.ask("SET", "mtasts:1:domain:a.test", "x")
        self.goes_on("one", said="WRONGTYPE")
        self.assertEqual(self.redis.ask("KEYS", "*"), ["mtasts:1:domain:a.test"])

    def test_an_answer_byte_by_byte_is_an_answer(self):
        now = int(time.time())
        fields = ["1", peers.POLICY.format("a.test"), "7", str(now), str(now + 9000), f"{now} {now + 600} 0 0 0 0 0 ok -\n"]
        answer = b"*6\r\n" + b"".join(b"$%d\r\n%s\r\n" % (len(field), field.encode()) for field in fields)

        def act(connection):
            connection.recv(10000)
            for i in range(len(answer)):
                connection.sendall(answer[i:i + 1])
            connection.recv(10000)
            connection.sendall(b"+OK\r\n")
            connection.recv(1)

        fake = peers.Fake(act)
        self.addCleanup(fake.stop)
        got = self.lookup("one", url=fake.url).json[0]
        self.assertEqual((got["id"], got["from"]), ("7", "store"))


class Tls(Case):
    """With a certificate for redis.test and 127.0.0.1."""

    def setUp(self):
        tools.Case.setUp(self)
        self.made = os.path.join(self.folder, "tls")
        os.makedirs(self.made)
        for name, names in (("good", "DNS:redis.test,IP:127.0.0.1"), ("other", "DNS:other.test")):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                            "/CN=redis.test", "-addext", "subjectAltName=" + names, "-keyout", f"{self.made}/{name}.key", "-out",
                            f"{self.made}/{name}.crt"], check=True, capture_output=True)
        self.options = self.tls("good")
        super().setUp()
        self.redis.port = int(self.options[1])

    def tls(self, name, clients="no"):
        return ["--tls-port", str(peers.free_port()), "--port", "0", "--tls-cert-file", f"{self.made}/{name}.crt", "--tls-key-file",
                f"{self.made}/{name}.key", "--tls-ca-cert-file", f"{self.made}/good.crt", "--tls-auth-clients", clients]

    def url(self, host="127.0.0.1", scheme="rediss"):
        return f"{scheme}://{host}:{self.redis.port}"

    def test_the_server_is_verified_before_it_is_told_anything(self):
        trusted = f"{self.made}/good.crt"
        self.dns.a["redis.test"] = self.dns.a["wrong.test"] = ["127.0.0.1"]
        self.goes_on("one", self.url(), shared_ca_file=trusted)
        self.shares("two", self.url("redis.test"), shared_ca_file=trusted)
        self.goes_on("three", self.url("wrong.test"), said="its certificate: hostname mismatch", shared_ca_file=trusted)
        self.goes_on("four", self.url("localhost"), said="its certificate: hostname mismatch", shared_ca_file=trusted)
        self.goes_on("five", self.url(), said="its certificate: self-signed certificate", shared_ca_file=f"{self.made}/other.crt")
        self.goes_on("six", self.url(), said="its certificate: self-signed certificate")
        self.goes_on("seven", self.url(), said="shared_ca_file", shared_ca_file=trusted + "x")
        self.goes_on("eight", self.url(scheme="redis"), said="shared store")
        self.assertEqual(sorted(self.redis.ask("KEYS", "*")), ["mtasts:1:domain:a.test"])

    def test_rediss_with_a_server_that_speaks_no_tls(self):
        plain = peers.Redis(self.folder_of_server + "/plain").start()
        self.addCleanup(lambda: plain.stop(signal.SIGKILL))
        self.goes_on("one", plain.url.replace("redis:", "rediss:"), said="shared store", shared_ca_file=f"{self.made}/good.crt")

    def test_a_certificate_is_shown_to_a_server_that_wants_one(self):
        self.redis.stop()
        trusted, mine = f"{self.made}/good.crt", f"{self.made}/mine.pem"
        with open(mine, "wb") as out:
            for name in ("good.crt", "good.key"):
                with open(f"{self.made}/{name}", "rb") as part:
                    out.write(part.read())
        self.redis.options = self.tls("good", "yes")
        self.redis.port = int(self.redis.options[1])
        self.redis.start()
        self.goes_on("one", self.url(), said="shared store", shared_ca_file=trusted)
        self.goes_on("two", self.url(), shared_ca_file=trusted, shared_cert_file=mine)
        self.shares("three", self.url(), shared_ca_file=trusted, shared_cert_file=mine)
        self.goes_on("four", self.url(), said="shared_cert_file", shared_ca_file=trusted, shared_cert_file=trusted)


if __name__ == "__main__":
    tools.main()
