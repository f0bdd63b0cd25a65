"""A random operator of a consumer: its offsets, its directory, its topic (README.md)."""

import unittest

from consumer_acts import ACTS, reset_what_has_stalled
from operator_case import OperatorCase


class ConsumerOperator(OperatorCase):
    sections = {
        "producer": {"guard_interval_ms": 500},
        "kafka": {"consumer": {"session.timeout.ms": 2000, "heartbeat.interval.ms": 300}},
    }
    acts = ACTS
    seconds = 30

    def test_the_index_equals_sql_or_says_why(self):
        """After each act the index equals SQL, or says why it does not; a load mends it."""
        self.run_acts()

    def do_what_is_said(self, scene):
        reset_what_has_stalled(scene)


if __name__ == "__main__":
    unittest.main()
