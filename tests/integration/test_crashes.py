"""Crashes and stops of the programs under load do not change the final state. For crashes of the
servers see test_outages.py."""

import random
import time
import unittest

from case import SECONDS, SEED, GalleryCase


class Crashes(GalleryCase):
    def test_f39_kill_both_programs(self):
        """Producer and consumer are killed at random under load; the index ends equal to the
        tables."""
        rng = random.Random(SEED)
        self.create_gallery(images=200)
        with self.writers(pause_s=0.02):
            ends = time.monotonic() + SECONDS
            while time.monotonic() < ends:
                program = rng.choice([self.pipeline.producer, self.pipeline.consumer])
                time.sleep(rng.random())
                program.kill()
                program.start(wait=False)
        self.pipeline.consumer.wait_until(self.pipeline.consumer._serves, "does not serve")
        self.check_end()

    def test_f57_sigterm_loses_nothing(self):
        """On SIGTERM under load both programs exit with 0, and after a restart nothing is lost."""
        self.create_gallery(images=200)
        with self.writers(pause_s=0.02) as writers:
            for number in range(1, 4):
                self.pipeline.producer.wait_until(
                    lambda number=number: writers.committed > 40 * number, "has no writers")
                for program in (self.pipeline.producer, self.pipeline.consumer):
                    self.assertEqual(program.stop(), 0, program.log_tail())
                    program.start()
        self.check_end()


if __name__ == "__main__":
    unittest.main()
