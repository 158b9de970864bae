# SPDX-License-Identifier: ISC
"""A certificate authority of its own, by the openssl command. One EC key serves all certificates: they are about names and times."""
import datetime
import os
import re
import shutil
import subprocess

KINDS = """good expired future cn-only cn-and-other wrong-name provider wildcard partial-wildcard self-signed untrusted""".split()

CONFIG = """
[ca]
default_ca = world
[world]
database = {d}/{ca}.index
new_certs_dir = {d}/issued
certificate = {d}/{ca}.pem
private_key = {d}/{ca}.key
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = optional
organizationName = optional
"""


def stamp(days):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)).strftime("%Y%m%d%H%M%SZ")


class Authority:
    def __init__(self, folder):
        self.folder = folder
        self.shown = os.path.join(folder, "shown")  # what servers present: NAME.pem by server name
        os.makedirs(self.shown)
        os.makedirs(os.path.join(folder, "issued"))
        self.made = {}
        self.key = os.path.join(folder, "leaf.key")
        self.openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out leaf.key")
        for ca in ("ca", "other-ca"):
            self.openssl("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -sha256", "-subj", f"/O=mtasts {ca}",
                         "-keyout", f"{ca}.key", "-out", f"{ca}.pem", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
            with open(os.path.join(folder, f"{ca}.cnf"), "w", encoding="ascii") as out:
                out.write(CONFIG.format(d=folder, ca=ca))
            open(os.path.join(folder, f"{ca}.index"), "w").close()
        self.file = os.path.join(folder, "ca.pem")

    def openssl(self, words, *more):
        done = subprocess.run(["openssl"] + words.split() + list(more), cwd=self.folder, capture_output=True)
        if done.returncode != 0:
            raise RuntimeError(f"openssl {words} {more}: {done.stderr.decode()}")
        return done.stdout

    def show(self, name, kind):
        """Servers present a certificate of this kind for this server name from now on."""
        shutil.copyfile(self.certificate(name, kind), os.path.join(self.shown, name + ".new"))
        os.replace(os.path.join(self.shown, name + ".new"), os.path.join(self.shown, name + ".pem"))

    def certificate(self, name, kind):
        """The PEM file (certificate, then key)."""
        if (name, kind) not in self.made:
            self.made[name, kind] = self.make(name, kind)
        return self.made[name, kind]

    def make(self, name, kind):
        path = os.path.join(self.folder, f"{len(self.made)}")
        begin, end, subject, ca = -10, 3650 - 30, "/O=mtasts test world", "ca"
        parent = name.split(".", 1)[1]
        names = [name]
        until = re.fullmatch(r"until \+(\d+)d", kind)
        if until:
            end = int(until[1])
        elif kind == "expired":
            begin, end = -40, -1
        elif kind == "future":
            begin = 1000
        elif kind == "cn-only":
            names, subject = [], f"/CN={name}"
        elif kind == "cn-and-other":
            names, subject = ["other.test"], f"/CN={name}"
        elif kind == "wrong-name":
            names = ["other.test"]
        elif kind == "provider":
            names = ["mta-sts.provider.test"]
        elif kind == "wildcard":
            names = ["*." + parent]
        elif kind == "partial-wildcard":
            names = [name[:4] + "*." + parent]
        elif kind == "untrusted":
            ca = "other-ca"
        elif kind not in ("good", "self-signed"):
            raise ValueError(f"no kind of certificate is called {kind!r}; there are {', '.join(KINDS)} and 'until +Nd'")
        with open(path + ".ext", "w", encoding="ascii") as out:
            out.write("basicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n")
            if names:
                out.write("subjectAltName=" + ",".join("DNS:" + n for n in names) + "\n")
        if kind == "self-signed":
            self.openssl("req -x509 -new -key leaf.key -days 1000 -sha256", "-subj", subject, "-addext", f"subjectAltName=DNS:{name}",
                         "-out", path + ".crt")
        else:
            self.openssl("req -new -key leaf.key -sha256", "-subj", subject, "-out", path + ".csr")
            self.openssl(f"ca -config {ca}.cnf -batch -notext -startdate {stamp(begin)} -enddate {stamp(end)}", "-in", path + ".csr",
                         "-out", path + ".crt", "-extfile", path + ".ext")
        with open(path + ".pem", "wb") as out:
            for part in (path + ".crt", self.key):
                with open(part, "rb") as source:
                    out.write(source.read())
        return path + ".pem"

    def spki(self):
        """SHA-256 of the public key of every certificate but the authorities': what a TLSA record 3 1 1 holds."""
        self.openssl("pkey -in leaf.key -pubout -outform DER -out leaf.spki")
        return self.openssl("dgst -sha256 -r leaf.spki").decode().split()[0]
