# SPDX-License-Identifier: ISC
"""Runs the program mtasts in a folder of its own; counts what a test program found."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

PROGRAM = os.environ.get("MTASTS_PROGRAM") or os.path.realpath(f"{os.path.dirname(__file__)}/../../build/mtasts")


class Result:
    def __init__(self, done):
        self.code, self.raw, self.raw_error = done.returncode, done.stdout, done.stderr
        self.out, self.error = (text.decode("utf-8", "replace") for text in (done.stdout, done.stderr))
        self.lines = self.out.splitlines()

    @property
    def json(self):
        return [json.loads(line) for line in self.lines]


class Case(unittest.TestCase):
    """Each test has a folder, in which the program runs; its store lies there too."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="mtasts-cli-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.environment = {"PATH": os.environ["PATH"], "HOME": self.folder, "LC_ALL": "C.UTF-8",
                            "MTASTS_ETC": os.path.join(self.folder, "etc")}  # not the machine's own settings and rules
        for name in os.environ:
            if name.endswith("SAN_OPTIONS"):
                self.environment[name] = os.environ[name]

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode())
        return path

    def command(self, *words):
        return [PROGRAM, *words]

    def run_program(self, *words, stdin=b"", **more):
        return Result(subprocess.run(self.command(*words), input=stdin, capture_output=True, cwd=self.folder, timeout=60,
                                     env={**self.environment, **more}))

    def ends(self, code, *words, allow_traceback=False, **more):
        """Runs the program and wants this exit code."""
        result = self.run_program(*words, **more)
        self.assertEqual(result.code, code, f"{words}\n{result.out}\n{result.error}")
        self.assertNotIn("internal error", result.error)
        if not allow_traceback:  # a rule's own failure has one
            self.assertNotIn("stack traceback", result.error)
        return result


class Titles(unittest.TextTestResult):
    """Names what failed as summary.py wants it."""

    @staticmethod
    def tell(verdict, test, reason):
        """On a line of its own; those of the reason below."""
        print(f"\n{verdict} {test.id()}", *str(reason).splitlines(), sep="\n     ")

    def addError(self, test, err):
        self.tell("FAIL", test, repr(err[1]))
        super().addError(test, err)

    def addFailure(self, test, err):
        self.tell("FAIL", test, err[1])
        super().addFailure(test, err)

    def addSubTest(self, test, subtest, err):
        if err:
            self.tell("FAIL", subtest, err[1])
        super().addSubTest(test, subtest, err)

    def addSkip(self, test, reason):
        self.tell("SKIP", test, reason)
        super().addSkip(test, reason)


def main():
    result = unittest.main(argv=sys.argv, exit=False, testRunner=unittest.TextTestRunner(stream=sys.stdout, resultclass=Titles)).result
    bad = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - bad - len(result.skipped)} passed, {bad} failed, {len(result.skipped)} skipped")
    sys.exit(1 if bad else 0)
