"""Continuous verification reports no difference while the index is right, whatever is written and
killed meanwhile.

Writers keep the parents of children: what a concurrent move of a child and change of its parent
leaves is corrected by requests that no trigger writes yet. BITDEX_SECONDS=300 verifies for ten
minutes.
"""

import json
import random
import re
import time
import unittest

import index
from case import SECONDS, SEED, SceneCase

GALLERY = "/api/indexes/gallery/verify"


class Patrol(SceneCase):
    sections = {"producer": {"patrol": {"share": 0.3}}}

    def set_scene(self):
        self.producer, self.consumer = self.pipeline.producer, self.pipeline.consumer
        self.create_gallery(images=500)

    def metric(self, program, name):
        """The sum over all labels."""
        _, text = program.api.call("/metrics")
        values = re.findall(rf"^{name}(?:\{{[^}}]*\}})? (\S+)$", text, re.MULTILINE)
        self.assertTrue(values, f"no metric {name}")
        return sum(map(float, values))

    def check_verdicts(self):
        """Checks that no range differs; returns the ranges that have a verdict."""
        answer = self.pipeline.api.get(GALLERY)
        self.assertEqual(answer["differing"], 0, answer)
        for partition in answer["partitions"]:
            self.assertEqual(partition["ranges"], [], answer)
        return answer["ranges"]

    def verify(self):
        """One pass over everything, which has to find no difference."""
        done = self.producer.command(
            "verify", "--json", "--timeout", "240", check=False, is_patient=True)
        self.assertEqual(done.returncode, 0, f"{done.stdout}\n{done.stderr}")
        return json.loads(done.stdout)

    def test_live_writes(self):
        """Beside 40 writers, one verify after another and the patrol between them find nothing."""
        passes, ends = 0, time.monotonic() + 2 * SECONDS
        with self.writers(threads=40, pause_s=1.5) as writers:
            while time.monotonic() < ends:
                self.verify()
                self.check_verdicts()
                passes += 1
                time.sleep(0.5)  # for the patrol
        self.assertGreater(writers.committed, 0)
        self.check_end()
        self.consumer.wait_until(
            lambda: self.metric(self.producer, "bitdex_patrol_ranges") > 0, "does not patrol")
        self.assertEqual(self.metric(self.producer, "bitdex_patrol_ranges_differing"), 0)
        self.assertEqual(self.metric(self.consumer, "bitdex_verify_ranges_differing"), 0)
        sums = self.metric(self.consumer, "bitdex_verify_sums_total")
        print(f"{writers.committed} transactions, {passes} passes, {sums:.0f} sums", flush=True)

    def test_kills(self):
        """Both programs are killed again and again under 40 writers; the patrol finds nothing."""
        rng = random.Random(SEED)
        ends, kills = time.monotonic() + 2 * SECONDS, 0
        with self.writers(threads=40, pause_s=1.5):
            while time.monotonic() < ends:
                time.sleep(rng.random() * 2)
                program = rng.choice([self.producer, self.consumer])
                program.kill()
                program.start()
                kills += 1
                self.consumer.wait_until(
                    lambda: self.pipeline.api.call(GALLERY)[0] == 200, "serves no verdicts")
                self.check_verdicts()
        self.verify()
        self.assertGreater(index.check_equal(self.pipeline, verified=False), 0)
        print(f"{kills} kills", flush=True)


if __name__ == "__main__":
    unittest.main()
