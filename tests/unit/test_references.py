#!/usr/bin/env python3
"""Every failure and law that the tree cites is described, and every test that docs/failures.md
names exists."""

import pathlib
import re
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import lint  # noqa: E402

FAILURES = "docs/failures.md"
LAWS = "docs/ARCHITECTURE.md"
FAILURE_LINE = re.compile(r"- \*\*F(\d{2,3})\*\* [A-Z].*\. ((?:`[\w/]+\.(?:py|c)::\w+`(?:, )?)+)")
TEST = re.compile(r"`([\w/.]+)::(\w+)`")


def cited(texts, letter, digits):
    """{number: a file that cites it}, as a word of its own (F01) or in an identifier (_f01_)."""
    pattern = re.compile(
        rf"(?<![A-Za-z0-9]){letter}({digits})(?![A-Za-z0-9])|_{letter.lower()}({digits})(?=_)"
    )
    return {
        int(match[1] or match[2]): path
        for path, text in texts.items()
        for match in pattern.finditer(text)
    }


def defines_test(text, path, name):
    if path.endswith(".py"):
        return re.search(rf"^    def {name}\(self\)", text, re.M) is not None
    is_registered = re.search(rf"\(\s*{name}[,)]", text) is not None
    return is_registered and re.search(rf"^{name}\(", text, re.M) is not None


class References(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.texts = {}
        for path in lint.list_files(ROOT):
            try:
                cls.texts[path] = (ROOT / path).read_text()
            except UnicodeDecodeError:
                continue  # not text

    def read_failures(self):
        """{number: [(path of a test, its name)]} in the order of the lines."""
        failures = {}
        for line in self.texts[FAILURES].splitlines():
            if line.startswith("- "):
                found = FAILURE_LINE.fullmatch(line)
                self.assertIsNotNone(found, f"not `- **Fnn** Sentence. tests`: {line}")
                self.assertNotIn(int(found[1]), failures, f"F{found[1]} has two lines")
                failures[int(found[1])] = TEST.findall(found[2])
        return failures

    def test_finds_citations(self):
        """A number is found as a word and in the name of a test, and not inside another word."""
        text = "see {0}98 and test_{1}97_x, test_{0}96_y; not {0}9, a{0}95, {0}94a"
        for letter in "FL":
            found = cited({"a": text.format(letter, letter.lower())}, letter, r"\d{2,3}")
            self.assertEqual(sorted(found), [96, 97, 98])

    def test_every_cited_failure_has_a_line(self):
        """A failure that code, comments, documents or test names cite is in docs/failures.md."""
        failures = self.read_failures()
        self.assertGreater(len(failures), 50)
        for number, path in cited(self.texts, "F", r"\d{2,3}").items():
            self.assertIn(number, failures, f"{path} cites F{number:02}: add it to {FAILURES}")
        self.assertEqual(list(failures), sorted(failures), f"{FAILURES} is sorted by number")

    def test_every_test_of_a_failure_exists(self):
        """A test that a line names is defined, and its name contains the number."""
        for number, tests in self.read_failures().items():
            for path, name in tests:
                with self.subTest(f"F{number:02}", test=f"{path}::{name}"):
                    text = self.texts.get(f"tests/{path}", "")
                    self.assertTrue(defines_test(text, path, name), "no such test")
                    self.assertRegex(name.lower(), f"_f{number:02}_")

    def test_every_cited_law_is_in_the_table(self):
        """A law that is cited anywhere is a row of the table in docs/ARCHITECTURE.md."""
        laws = {int(number) for number in re.findall(r"^\| L(\d+) ", self.texts[LAWS], re.M)}
        self.assertGreaterEqual(len(laws), 10)
        for number, path in cited(self.texts, "L", r"\d{1,2}").items():
            self.assertIn(number, laws, f"{path} cites L{number}: it is not in {LAWS}")


if __name__ == "__main__":
    unittest.main()
