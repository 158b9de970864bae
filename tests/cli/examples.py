# SPDX-License-Identifier: ISC
"""The examples for systemd: what they run works, and they are what systemd can read."""
import configparser
import os
import shlex
import shutil
import subprocess

import tools

UNITS = os.path.realpath(f"{os.path.dirname(os.path.realpath(__file__))}/../../examples/systemd")


def unit(name):
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str
    parser.read(os.path.join(UNITS, name))
    return parser


class Systemd(tools.Case):
    def test_the_service_runs_a_command_that_works(self):
        service = unit("mtasts-refresh.service")["Service"]
        program, *words = shlex.split(service["ExecStart"])
        self.assertEqual(os.path.basename(program), "mtasts")
        allowed = {0} | {int(code) for code in service["SuccessExitStatus"].split()}
        result = self.run_program(*words)
        self.assertIn(result.code, allowed, result.error)
        self.assertRegex(result.out, "^0 domains looked at anew, 0 failed")

    def test_the_store_is_for_its_owner_and_group_alone(self):
        service = unit("mtasts-refresh.service")["Service"]
        self.assertEqual((service["StateDirectory"], service["StateDirectoryMode"], service["UMask"]), ("mtasts", "2770", "0007"))
        self.assertNotEqual(service["User"], "root")

    def test_the_timer_belongs_to_the_service(self):
        timer = unit("mtasts-refresh.timer")
        self.assertTrue(os.path.exists(os.path.join(UNITS, "mtasts-refresh.service")))
        self.assertEqual(timer["Install"]["WantedBy"], "timers.target")
        if shutil.which("systemd-analyze"):
            done = subprocess.run(["systemd-analyze", "calendar", timer["Timer"]["OnCalendar"]], capture_output=True, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    tools.main()
