# SPDX-License-Identifier: ISC
"""The whole world: told domains by domain (see README.md), it sets DNS, policies, certificates and behaviours; it counts what is asked."""
import copy
import os
import shutil
import time

from . import authority, dns, mailhosts, policyhosts, reporthost

PROXY = dns.PROXY_ADDRESS
# Addresses of policy hosts that are no behaviour of a server.
HTTPS_DOWN = "203.0.113.200"
HTTPS_UNREACHABLE = "203.0.113.250"

DOMAIN_KEYS = """id txt txt_ttl policy mode mx max_age pad https cert address hosts mx_ttl smtp smtp_cert smtp_address records tlsa
negative_ttl bogus sts_host""".split()


def policy_text(domain):
    lines = ["version: STSv1", f"mode: {domain.get('mode', 'enforce')}"]
    lines += [f"mx: {pattern}" for pattern in domain.get("mx", [])]
    return "".join(line + "\r\n" for line in lines + [f"max_age: {domain.get('max_age', 604800)}"])


class World:
    def __init__(self, folder, mail=mailhosts.MailHosts):
        self.folder = folder
        self.authority = authority.Authority(self.make("ca"))
        self.ca_file = self.authority.file
        self.proxy = dns.Proxy()
        self.unbound = dns.Unbound(self.make("dns"))
        self.mail = mail(folder)
        self.odd = policyhosts.Misbehaver(folder)
        self.nginx = policyhosts.Nginx(folder)
        self.tunnel = policyhosts.Tunnel()
        self.reports = reporthost.ReportHost()
        self.spki = self.authority.spki()
        self.domains = {}

    def make(self, name):
        path = os.path.join(self.folder, name)
        os.makedirs(path)
        return path

    def stop(self):
        self.nginx.stop()
        self.unbound.stop()

    # ---- telling ----

    def tell(self, domains, faults=None):
        """Replaces what the world says. domains: name -> table; faults: "TYPE name" -> fault, for those who ask 127.0.0.53."""
        self.domains = copy.deepcopy(domains)
        records, bogus, negative = [], set(), [30]
        self.odd.behaviours, self.mail.behaviours = {}, {}
        for folder in os.listdir(f"{self.folder}/www"):
            shutil.rmtree(f"{self.folder}/www/{folder}")
        for name in os.listdir(self.authority.shown):
            os.unlink(f"{self.authority.shown}/{name}")
        known = set()
        for name, domain in self.domains.items():
            unknown = set(domain) - set(DOMAIN_KEYS)
            if unknown:
                raise ValueError(f"domain {name}: unknown {', '.join(sorted(unknown))}; known are {', '.join(DOMAIN_KEYS)}")
            records += self.tell_record(name, domain)
            records += self.tell_policy(name, domain)
            records += self.tell_mail(name, domain, known)
            negative.append(domain.get("negative_ttl", 30))
            for line in domain.get("records", []):
                owner, ttl, kind, data = line.split(None, 3)
                records.append((owner, int(ttl), kind, data.replace("SPKI", self.spki)))  # TXT: in quotes, string by string
            bogus |= {tuple(reversed(line.split())) for line in domain.get("bogus", [])}
        self.unbound.load(records, max(negative), bogus)
        self.proxy.faults = {}
        for question, fault in (faults or {}).items():
            kind, owner = question.split()
            self.proxy.faults[owner, kind] = fault

    def tell_record(self, name, domain):
        texts = domain.get("txt", [f"v=STSv1; id={domain['id']};"] if "id" in domain else [])
        return [(f"_mta-sts.{name}", domain.get("txt_ttl", 300), "TXT", dns.quote(text)) for text in texts]

    def tell_policy(self, name, domain):
        if not {"https", "policy", "mode", "mx", "id"} & set(domain):
            return []
        host = domain.get("sts_host", f"mta-sts.{name}")
        folder = f"{self.folder}/www/{host}"
        text = domain.get("policy", policy_text(domain)).encode("utf-8")
        for path in (f"{folder}/.well-known/mta-sts.txt", f"{folder}/moved.txt"):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as out:
                out.write(text.ljust(domain.get("pad", 0), b"\n"))
        self.authority.show(host, domain.get("cert", "good"))
        addresses = domain.get("address")
        if addresses is None:
            addresses = [self.policy_address(domain.get("https", "ok"))]
        return [(host, 300, "AAAA" if ":" in a else "A", a) for a in addresses]

    def policy_address(self, behaviour):
        if behaviour in policyhosts.NGINX:
            return policyhosts.NGINX[behaviour][0]
        if behaviour == "down":
            return HTTPS_DOWN
        if behaviour in ("unreachable", "silent-tcp"):
            return HTTPS_UNREACHABLE
        if behaviour not in policyhosts.BEHAVIOURS:
            raise ValueError(f"no HTTPS behaviour is called {behaviour!r}; there are "
                             + ", ".join(["down", "unreachable"] + list(policyhosts.NGINX) + policyhosts.BEHAVIOURS))
        address = f"203.0.113.{len(self.odd.behaviours) + 1}"
        self.odd.behaviours[address] = behaviour
        return address

    def tell_mail(self, name, domain, known):
        hosts = domain.get("hosts", [f"{10 * (i + 1)} {mx}" for i, mx in enumerate(m for m in domain.get("mx", []) if "*" not in m)])
        records = [(name, domain.get("mx_ttl", 300), "MX", host if host.endswith(".") else host + ".") for host in hosts]
        for line in hosts:
            host = line.split()[1].rstrip(".").lower()
            if host and host not in known:
                known.add(host)
                records += self.tell_host(host, domain)
        return records

    def tell_host(self, host, domain):
        behaviour = domain.get("smtp", {}).get(host, "ok")
        if behaviour == "no-address":
            return []
        if "smtp_address" in domain and host in domain["smtp_address"]:
            addresses = domain["smtp_address"][host]
        elif behaviour in ("down", "unreachable"):
            addresses = [mailhosts.DOWN if behaviour == "down" else mailhosts.UNREACHABLE]
        else:
            addresses = [f"198.51.100.{len(self.mail.behaviours) + 1}"]
        if behaviour not in mailhosts.BEHAVIOURS + ["down", "unreachable"]:
            raise ValueError(f"no SMTP behaviour is called {behaviour!r}; there are down, unreachable, no-address, "
                             + ", ".join(mailhosts.BEHAVIOURS))
        for address in addresses:
            self.mail.behaviours[address] = (host, behaviour)
        self.authority.show(host, domain.get("smtp_cert", {}).get(host, "good"))
        records = [(host, 300, "AAAA" if ":" in a else "A", a) for a in addresses]
        for tlsa in domain.get("tlsa", {}).get(host, []):
            records.append((f"_25._tcp.{host}", 300, "TLSA", tlsa.replace("SPKI", self.spki)))
        return records

    # ---- counting ----

    def seen(self):
        """What was asked since the last call: {"TXT name": n, "txt": n, "mx": n, "get": n, "get HOST": n, "smtp": n, "smtp HOST": n}."""
        counts = {}

        def add(*keys):
            for key in keys:
                counts[key] = counts.get(key, 0) + 1

        for name, kind in [q[:2] for q in self.unbound.asked() + self.proxy.asked()]:
            add(f"{kind} {name}", "dns", *([kind.lower()] if kind != "TXT" or name.startswith("_mta-sts.") else []))
        for host, method, uri, _, conditional in self.nginx.seen():
            add("requests", *([method.lower(), f"{method.lower()} {host}"] if uri == "/.well-known/mta-sts.txt" else ["other " + uri]))
            if conditional:
                add("conditional")
        for host, line, text in self.odd.seen():
            method, uri = line.split()[:2]
            add("requests", *([method.lower(), f"{method.lower()} {host}"] if uri == "/.well-known/mta-sts.txt" else ["other " + uri]))
            if "\nif-" in text.lower():
                add("conditional")
        for verb, target in self.tunnel.seen():
            add(verb.lower(), f"{verb.lower()} {target}")
        for dialogue in self.mail.seen():
            add("smtp", f"smtp {dialogue['host']}")
            if dialogue["sni"] is not None:
                add(f"sni {dialogue['sni']}")
        return counts

    def settle(self):
        """Servers write their logs after they answered."""
        time.sleep(0.03)
