"""Several consumer groups read one topic, and no group affects another."""

import random
import shutil
import time
import unittest

import groups
from case import SECONDS, SEED, GalleryCase


class Groups(GalleryCase):
    sections = {"kafka": {"consumer": {"session.timeout.ms": 3000, "heartbeat.interval.ms": 500}}}

    def setUp(self):
        super().setUp()
        self.groups = [groups.Group(self.pipeline, name) for name in ("slow", "killed", "rebuilt")]
        self.slow, self.killed, self.rebuilt = (group.add("only") for group in self.groups)
        for group in self.groups:
            self.addCleanup(group.close)
        self.pipeline.consumer = self.slow

    def disturb(self, rng, rebuild):
        self.slow.pause()
        self.killed.kill()
        self.killed.start(wait=False)
        if rebuild:
            self.rebuilt.kill()
            shutil.rmtree(self.rebuilt.data_dir)
            self.rebuilt.start(wait=False)
        time.sleep(rng.random())
        self.slow.resume()
        time.sleep(rng.random() / 4)

    def test_f39_l5_l8_three_groups(self):
        """Under load one group is slow, one is killed repeatedly, and one loses its state and is
        reset to the beginning: positions never move back, and at the end the index of each group is
        complete and equals the tables."""
        rng = random.Random(SEED)
        self.create_gallery()
        for member in (self.killed, self.rebuilt):
            member.start()
        with groups.Monitor(self.groups), self.writers():
            deadline = time.monotonic() + 2 * SECONDS
            rounds = 0
            while time.monotonic() < deadline:
                self.disturb(rng, rebuild=rounds % 4 == 1)
                rounds += 1
        self.pipeline.wait_until_fresh(consumers=[self.rebuilt])
        with self.writers(2):
            self.rebuilt.stop()
            self.groups[2].reset(self.kafka, "--to-earliest")
            self.rebuilt.start()
        self.check_end()
        self.assertIn("was reset to an earlier one", self.rebuilt.log.read_text())
        for group in self.groups:
            (member,) = group.members
            self.assertGreater(group.check_end(member), 0)
            group.wait_until_committed({member: range(groups.PARTITIONS)})


if __name__ == "__main__":
    unittest.main()
