"""A random operator of a consumer: its offsets, its directory, its topic (README.md)."""

import unittest

import consumer_acts
import posts
from operator_case import OperatorCase


class ConsumerOperator(OperatorCase):
    acts = consumer_acts.ACTS
    quiet = consumer_acts.QUIET
    stays_complete = consumer_acts.STAYS_COMPLETE
    seconds = 35

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.sections = {
            "producer": {"guard_interval_ms": 500},
            "consumer": {"token_file": posts.write_token(cls.work)},
        }

    def setUp(self):
        super().setUp()
        posts.add_field(self.pipeline.config)

    def test_the_index_equals_sql_or_says_why(self):
        """After each act the index equals SQL and what was posted, or says why it does not. What
        is said leads to an index that is complete again."""
        self.run_acts(posts.Posts(self.pipeline))

    def do_what_is_said(self, scene):
        consumer_acts.reset_what_has_stalled(scene)
        consumer_acts.end_replays(scene)
        consumer_acts.post_again(scene)


if __name__ == "__main__":
    unittest.main()
