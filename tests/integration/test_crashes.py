"""Programs that die under load: the end is the same. Servers: test_outages.py."""

import random
import time
import unittest

from case import SECONDS, SEED, GalleryCase


class Crashes(GalleryCase):
    def test_f39_kill_both_programs(self):
        """kill -9 of producer and consumer, in turn, at random moments under load."""
        rng = random.Random(SEED)
        self.create_gallery()
        with self.writers():
            deadline = time.monotonic() + 2 * SECONDS
            while time.monotonic() < deadline:
                program = rng.choice([self.pipeline.producer, self.pipeline.consumer])
                time.sleep(rng.random())
                program.kill()
                program.start(wait=False)
        self.pipeline.consumer.wait_until(self.pipeline.consumer._serves, "does not serve")
        self.check_end()

    def test_f57_sigterm_loses_nothing(self):
        """SIGTERM of both programs under load ends them with 0; started again, nothing is lost."""
        self.create_gallery()
        with self.writers():
            for _ in range(3):
                time.sleep(0.5)
                for program in (self.pipeline.producer, self.pipeline.consumer):
                    self.assertEqual(program.stop(), 0, program.log_tail())
                    program.start()
        self.check_end()


if __name__ == "__main__":
    unittest.main()
