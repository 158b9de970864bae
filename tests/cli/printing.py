# SPDX-License-Identifier: ISC
"""What the tests of mtasts setup have in common."""
import tools


def code(text):
    """What is no comment, nothing empty."""
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


class Case(tools.Case):
    def printed(self, *words, of_this_machine=()):
        """The parts of --json, without the warnings that begin like these; what is printed otherwise must be the same."""
        words = ("setup", *words)
        result = self.run_program("--json", *words)
        self.assertIn(result.code, (0, 1), result.error)
        found = result.json[0]
        self.assertEqual(result.code, 1 if found["warnings"] else 0)
        plain = self.ends(result.code, *words)
        self.assertEqual(plain.out, found["fragment"])
        self.assertEqual(plain.error, "".join(f"mtasts: setup: {text}\n" for text in found["warnings"]))
        self.assertEqual(self.ends(result.code, *words, "--commands").lines, found["commands"])
        found["warnings"] = [text for text in found["warnings"] if not text.startswith(tuple(of_this_machine))]
        return found
