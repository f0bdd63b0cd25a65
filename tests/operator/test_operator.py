"""A random operator: what people do to a running pipeline, one after the other (README.md)."""

import unittest

from acts import ACTS, MORE_ACTS, MUST_SAY, QUIET
from operator_case import OperatorCase


class Operator(OperatorCase):
    sections = {"producer": {"guard_interval_ms": 500, "watch_interval_ms": 500}}
    acts, more_acts, quiet, must_say = ACTS, MORE_ACTS, QUIET, MUST_SAY

    def test_the_index_equals_sql_or_something_says_why(self):
        """After each act the index equals SQL, or something says why it does not. What is said
        leads to an index that is complete and equal again."""
        self.run_acts()


if __name__ == "__main__":
    unittest.main()
