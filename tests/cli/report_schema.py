#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""What mtasts report write and merge write fits a JSON schema of RFC 8460, by the judgement of a library."""
import copy
import json
import os
import subprocess
import sys

sys.dont_write_bytecode = True
import report_write  # noqa: E402
import tools  # noqa: E402

SCHEMA = os.path.realpath(f"{os.path.dirname(os.path.realpath(__file__))}/../conformance/tlsrpt_report.schema.json")
PYTHON = "/usr/bin/python3"  # the one that packages of the system belong to
JUDGE = """import json, sys, jsonschema
schema = json.load(open(sys.argv[1]))
jsonschema.Draft7Validator.check_schema(schema)
for document in json.load(sys.stdin):
    print(json.dumps(sorted(error.json_path for error in jsonschema.Draft7Validator(schema).iter_errors(document))))
"""


def faults(documents):
    """Where each departs from the schema."""
    done = subprocess.run([PYTHON, "-c", JUDGE, SCHEMA], input=json.dumps(documents), capture_output=True, text=True, check=True,
                          timeout=60)
    return [json.loads(line) for line in done.stdout.splitlines()]


class Schema(report_write.Case):
    def setUp(self):
        super().setUp()
        if subprocess.run([PYTHON, "-c", "import jsonschema"], capture_output=True, check=False).returncode != 0:
            self.skipTest(f"{PYTHON} has no jsonschema (python3-jsonschema)")
        self.record(report_write.COUNTED)
        self.out = os.path.join(self.folder, "out")
        os.mkdir(self.out)
        self.paths = self.ends(0, "report", "write", "--store", self.store, *report_write.WHO, "--output", self.out, "--plain").lines

    def documents(self):
        found = []
        for path in self.paths:
            with open(path, encoding="utf-8") as file:
                found.append(json.load(file))
        return found

    def test_what_is_written_fits_the_schema(self):
        self.assertEqual(faults(self.documents()), [[], []])

    def test_what_is_merged_fits_the_schema(self):
        merged = json.loads(self.ends(1, "report", "merge", *self.paths).out)  # it says that some addresses are not known
        self.assertEqual(faults([merged]), [[]])

    def test_the_schema_refuses_what_the_rfc_does_not_have(self):
        good, wrong = self.documents()[0], []

        def change(act):
            wrong.append(copy.deepcopy(good))
            act(wrong[-1])

        sts = good["policies"].index(next(policy for policy in good["policies"] if policy["policy"]["policy-type"] == "sts"))
        change(lambda report: report.pop("report-id"))
        change(lambda report: report["date-range"].update({"end-datetime": "2026-01-01 23:59:59"}))
        change(lambda report: report.update({"policies": report["policies"][0]}))
        change(lambda report: report["policies"][sts]["policy"].update({"policy-string": "version: STSv1"}))
        change(lambda report: report["policies"][sts]["policy"].update({"mx-host": "mx.a.test"}))
        change(lambda report: report["policies"][sts]["policy"].update({"policy-type": "STS"}))
        change(lambda report: report["policies"][sts]["summary"].update({"total-failure-session-count": "4"}))
        change(lambda report: report["policies"][sts]["failure-details"][0].update({"result-type": "expired"}))
        change(lambda report: report["policies"][sts]["failure-details"][0].update({"receiving-ip": "mx.a.test"}))
        change(lambda report: report["policies"][sts].pop("summary"))
        for found, document in zip(faults(wrong), wrong):
            self.assertEqual(len(found), 1, document)


if __name__ == "__main__":
    tools.main()
