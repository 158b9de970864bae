#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""mtasts publish --output: what it writes, what it leaves alone, and what is left when something goes wrong on the way."""
import json
import os
import random
import signal
import stat
import subprocess
import sys
import time

sys.dont_write_bytecode = True
import publishing  # noqa: E402
import tools  # noqa: E402

POLICY = ".well-known/mta-sts.txt"
OWN = ".mtasts-publish.json"
WRITTEN = {POLICY, OWN, "a.test.zone", "nginx.conf", "Caddyfile", "apache.conf"}


class Case(publishing.Case):
    def setUp(self):
        super().setUp()
        self.domain()
        self.out = os.path.join(self.folder, "out")

    def read(self, name):
        with open(os.path.join(self.out, name), "rb") as file:
            return file.read()

    def files(self):
        return {os.path.relpath(os.path.join(folder, name), self.out) for folder, _, names in os.walk(self.out) for name in names}

    def put(self, name, content=b"mine\n"):
        path = os.path.join(self.out, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)
        return path

    def write_out(self, code=0, *words):
        return self.made(code, "a.test", "--output", "out", *words)


class Written(Case):
    def test_files_are_as_printed(self):
        made = self.write_out()
        self.assertEqual(self.files(), WRITTEN)
        self.assertEqual(set(made["files"]), {f"out/{name}" for name in WRITTEN - {OWN}})
        self.assertEqual(self.read(POLICY).decode(), made["policy"])
        self.assertEqual(self.read("a.test.zone").decode(), made["zone"])
        self.assertEqual(self.read("nginx.conf").decode(), made["servers"]["nginx"])
        self.assertEqual(self.ends(0, "parse", "policy", f"out/{POLICY}").error, "")
        self.all_strict(made)

    def test_the_server_serves_that_folder(self):
        made = self.write_out()
        for snippet in made["servers"].values():
            self.assertIn(os.path.realpath(self.out), snippet)
        for name in ("a b", "a$b", 'a"b', "a{b"):
            snippets = self.made(0, "a.test", "--output", name)["servers"].values()
            for snippet in snippets:
                self.assertIn("/var/www/mta-sts.a.test", snippet)

    def test_only_what_is_chosen(self):
        self.write_out(0, "--server", "caddy")
        self.assertEqual(self.files(), {POLICY, OWN, "a.test.zone", "Caddyfile"})

    def test_again(self):
        ids = [self.write_out()["id"] for _ in range(3)]
        self.assertEqual(len(set(ids)), 3)
        made = self.write_out(0, "--mode", "enforce", "--server", "none")
        self.assertEqual(self.read(POLICY).decode(), made["policy"])
        history = json.loads(self.read(OWN))["history"]
        self.assertEqual([entry["id"] for entry in history], ids + [made["id"]])
        self.assertIn("was in use", self.publish(2, "a.test", "--output", "out", "--id", ids[0]).error)

    def test_the_notes_do_not_grow_without_end(self):
        history = [{"id": f"old{i}", "mode": "testing", "max_age": 1, "at": i} for i in range(200)]
        self.put(OWN, json.dumps({"domain": "a.test", "files": {}, "pending": {}, "history": history}).encode())
        made = self.write_out()
        kept = [entry["id"] for entry in json.loads(self.read(OWN))["history"]]
        self.assertEqual((len(kept), kept[0], kept[-1]), (200, "old1", made["id"]))

    def test_others_can_read_it_whatever_the_umask(self):
        for umask in (0o077, 0o777, 0):
            self.out = os.path.join(self.folder, f"out{umask}")
            told = self.write("told.json", json.dumps(self.world))
            done = subprocess.run(self.command("publish", "--rules", publishing.WORLD, "a.test", "--output", self.out), cwd=self.folder, umask=umask,
                                  env={**self.environment, "TOLD": told}, capture_output=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            for name in WRITTEN:
                self.assertEqual(stat.S_IMODE(os.stat(f"{self.out}/{name}").st_mode), 0o644, name)
            for name in (".", ".well-known"):
                self.assertEqual(stat.S_IMODE(os.stat(f"{self.out}/{name}").st_mode), 0o755, name)

    def test_a_folder_that_is_there_keeps_its_rights(self):
        os.mkdir(self.out, 0o700)
        self.write_out()
        self.assertEqual(stat.S_IMODE(os.stat(self.out).st_mode), 0o700)


class OfOthers(Case):
    def untouched(self, path, *words, content=b"mine\n"):
        before = self.files()
        error = self.publish(2, "a.test", "--output", "out", *words).error
        self.assertIn("--force", error)
        with open(path, "rb") as file:
            self.assertEqual(file.read(), content)
        self.assertEqual(self.files() - {OWN}, before - {OWN})

    def test_a_file_that_is_there_stays(self):
        for name in (POLICY, "a.test.zone", "nginx.conf"):
            path = self.put(name)
            self.untouched(path)
            os.remove(path)
        self.write_out()

    def test_a_file_that_was_changed_since_stays(self):
        self.write_out()
        path = self.put(POLICY, self.read(POLICY) + b"x: y\n")
        self.untouched(path, content=self.read(POLICY))

    def test_force_replaces_them(self):
        self.put(POLICY)
        made = self.write_out(0, "--force")
        self.assertEqual(self.read(POLICY).decode(), made["policy"])
        self.write_out()

    def test_the_folder_of_another_domain_stays(self):
        self.write_out()
        before = self.read(POLICY)
        self.domain("b.test")
        self.assertIn("it has the policy of a.test", self.publish(2, "b.test", "--output", "out").error)
        self.assertEqual(self.read(POLICY), before)
        self.made(0, "b.test", "--output", "out", "--force")

    def test_notes_that_are_damaged_are_not_believed(self):
        for content in (b"", b"{", b"[]", b'{"files":{"x":1},"pending":{},"history":[]}',
                        b'{"files":{},"pending":{},"history":[{"id":1}]}', b"null", b"\xff" * 9, b"1" * (2 << 20)):
            self.put(OWN, content)
            self.assertIn("--force", self.publish(2, "a.test", "--output", "out").error)
            self.assertEqual(self.read(OWN), content)
            self.assertEqual(self.files(), {OWN})
        self.write_out(0, "--force")

    def test_symbolic_links_are_not_followed(self):
        victim = self.write("victim", "mine\n")
        os.makedirs(f"{self.out}/.well-known")
        os.symlink(victim, f"{self.out}/{POLICY}")
        self.untouched(victim)
        os.symlink(victim, f"{self.out}/.well-known/.mta-sts.txt.new")
        os.symlink(victim, f"{self.out}/.{OWN}.new")
        self.write_out(0, "--force")
        self.assertEqual(self.read(POLICY)[:7], b"version")
        self.assertFalse(os.path.islink(f"{self.out}/{POLICY}"))
        with open(victim, "rb") as file:
            self.assertEqual(file.read(), b"mine\n")

    def test_a_folder_that_is_a_link_is_not_entered(self):
        elsewhere = os.path.join(self.folder, "elsewhere")
        os.makedirs(elsewhere)
        os.makedirs(self.out)
        os.symlink(elsewhere, f"{self.out}/.well-known")
        for words in ((), ("--force",)):
            self.assertIn("--output", self.publish(2, "a.test", "--output", "out", *words).error)
            self.assertEqual(os.listdir(elsewhere), [])

    def test_a_refusal_leaves_nothing(self):
        self.publish(2, "a.test", "--output", "out", "--mx", "192.0.2.1")
        self.publish(1, "a.test", "--output", "out", "--next", "--mode", "testing", "--mx", "mx1.a.test")
        self.assertTrue(os.path.exists(self.out))
        self.publish(2, "b.test", "--output", "out2")
        self.assertFalse(os.path.exists(f"{self.folder}/out2"))

    def test_things_in_the_way(self):
        os.makedirs(f"{self.out}/{POLICY}")
        for words in ((), ("--force",)):
            self.assertIn("--output", self.publish(2, "a.test", "--output", "out", *words).error)
        os.rmdir(f"{self.out}/{POLICY}")
        os.mkfifo(f"{self.out}/{POLICY}")
        self.publish(2, "a.test", "--output", "out")
        self.write_out(0, "--force")
        self.write("file", "")
        self.assertIn("Not a directory", self.publish(2, "a.test", "--output", "file").error)
        self.assertIn("No such file", self.publish(2, "a.test", "--output", "no/where").error)
        self.publish(64, "a.test", "--output", "")


class GoesWrong(Case):
    def whole(self):
        """The policy is one that was made, and what is beside it is no half either."""
        if POLICY in self.files():
            self.strict("policy", self.read(POLICY).decode())
            self.assertTrue(self.read(POLICY).endswith(b"max_age: 86400\r\n"))
        if OWN in self.files():
            json.loads(self.read(OWN))

    def test_no_right_to_write(self):
        if os.getuid() == 0 and not os.path.exists("/usr/bin/setpriv"):
            self.skipTest("root needs setpriv to have no rights")
        self.write_out()
        before = {name: self.read(name) for name in WRITTEN}
        for folder in (self.out, f"{self.out}/.well-known"):
            os.chmod(folder, 0o555)
        os.chmod(self.folder, 0o755)
        told = self.write("told.json", json.dumps(self.world))
        os.chmod(told, 0o644)
        words = self.command("publish", "--rules", publishing.WORLD, "a.test", "--output", self.out)
        if os.getuid() == 0:
            words = ["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all"] + words
        done = subprocess.run(words, cwd="/", env={**self.environment, "TOLD": told}, capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
        self.assertIn("Permission denied", done.stderr)
        for folder in (self.out, f"{self.out}/.well-known"):
            os.chmod(folder, 0o755)
        self.assertEqual({name: self.read(name) for name in self.files()}, before)

    def test_a_full_disk(self):
        script = """mount -t tmpfs -o size=%dk none out && "$@"; echo "code $?"; find out -type f -size +0 | sort; cat out/.well-known/mta-sts.txt"""
        if subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode != 0:
            self.skipTest("namespaces are not permitted here")
        os.mkdir(self.out)
        told = self.write("told.json", json.dumps(self.world))
        codes = set()
        for size in (4, 8, 12, 16, 20, 24, 28, 32, 64):
            done = subprocess.run(["unshare", "-rm", "sh", "-c", script % size, "sh", *self.command("publish", "--rules", publishing.WORLD, "a.test",
                                  "--output", "out")], cwd=self.folder, env={**self.environment, "TOLD": told}, capture_output=True, text=True)
            policy = done.stdout.partition("version: ")[1:]
            code = int(done.stdout.split("code ")[1].split()[0])
            codes.add(code)
            self.assertNotIn(".new", done.stdout)
            if any(policy) or code == 0:  # whole or not there
                self.assertTrue("".join(policy).endswith("max_age: 86400\n"), done.stdout)
            if code == 0:
                continue
            self.assertEqual(code, 2, done.stdout + done.stderr)
            self.assertIn("No space left on device", done.stderr)
        self.assertEqual(codes, {0, 2})

    def test_killed_on_the_way(self):
        """Whenever it is killed, each file is whole, and the next run goes on."""
        self.write_out()
        told = self.write("told.json", json.dumps(self.world))
        words = self.command("publish", "--rules", publishing.WORLD, "a.test", "--output", "out")
        start = time.monotonic()
        subprocess.run(words, cwd=self.folder, env={**self.environment, "TOLD": told}, capture_output=True, check=True)
        usual = time.monotonic() - start
        random.seed(1)
        killed = 0
        for _ in range(60):
            process = subprocess.Popen(words, cwd=self.folder, env={**self.environment, "TOLD": told}, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
            time.sleep(random.uniform(usual * 0.3, usual * 1.1))
            process.send_signal(signal.SIGKILL)
            killed += process.wait() == -signal.SIGKILL
            self.whole()
        self.assertGreater(killed, 5)
        made = self.write_out()
        self.assertEqual(self.read(POLICY).decode(), made["policy"])
        self.assertEqual(self.files(), WRITTEN)

    def test_two_at_once(self):
        told = self.write("told.json", json.dumps(self.world))
        words = self.command("publish", "--rules", publishing.WORLD, "a.test", "--output", "out")
        many = [subprocess.Popen(words, cwd=self.folder, env={**self.environment, "TOLD": told}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                 text=True) for _ in range(6)]
        ended = [(process.communicate()[1], process.returncode) for process in many]
        for error, code in ended:
            self.assertTrue(code == 0 or code == 2 and "another mtasts is writing there now" in error, (code, error))
        good = sum(code == 0 for _, code in ended)
        self.assertGreaterEqual(good, 1)
        self.assertEqual(len(json.loads(self.read(OWN))["history"]), good)

    def test_standard_output_that_is_full(self):
        told = self.write("told.json", json.dumps(self.world))
        with open("/dev/full", "wb") as full:
            done = subprocess.run(self.command("publish", "--rules", publishing.WORLD, "a.test"), cwd=self.folder, stdout=full,
                                  stderr=subprocess.PIPE, env={**self.environment, "TOLD": told}, text=True)
        self.assertEqual(done.returncode, 70)
        self.assertIn("cannot be written", done.stderr)


if __name__ == "__main__":
    tools.main()
