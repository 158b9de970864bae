#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""The lists in mtasts.h: names of errors and settings are unique, well formed, and result types are those of RFC 8460 4.3."""
import re
import sys

RESULT_TYPES = {
    "starttls-not-supported", "certificate-host-mismatch", "certificate-expired", "certificate-not-trusted", "validation-failure",
    "tlsa-invalid", "dnssec-invalid", "dane-required", "sts-policy-fetch-error", "sts-policy-invalid", "sts-webpki-invalid",
}  # fmt: skip


def main():
    with open("core/mtasts.h", encoding="utf-8") as file:
        text = file.read()
    errors = re.findall(r'\bX\((\w+), "([^"]*)", ([01]), (NULL|"[^"]*"), "([^"]*)"\)', text.replace("\\\n", " "))
    settings = re.findall(r"\bX\((\w+), (?:text|list|number|bool|choice),", text)
    found = []
    if len(errors) < 50 or len(settings) < 10:
        found.append("core/mtasts.h: the lists are not understood any more")
    for what, names in (("code", [e[0] for e in errors]), ("name", [e[1] for e in errors]), ("setting", settings)):
        found += [f"core/mtasts.h: the {what} {name} stands there twice" for name in sorted({n for n in names if names.count(n) > 1})]
    for code, name, _, result, message in errors:
        if name != code.lower().replace("_", "-"):
            found.append(f"core/mtasts.h: {code} is named {name}")
        if result != "NULL" and result.strip('"') not in RESULT_TYPES:
            found.append(f"core/mtasts.h: {code}: {result} is no result type of RFC 8460 4.3")
        if message.endswith(".") or not message:
            found.append(f"core/mtasts.h: {code}: a message has text and no full stop")
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
