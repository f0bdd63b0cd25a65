"""Several consumer groups read one topic, and no group affects another."""

import random
import shutil
import time
import unittest

import groups
from case import SECONDS, SEED, GalleryCase


class Groups(GalleryCase):
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
            self.rebuilt.wait_until(lambda: self.rebuilt.identity, "creates no directory")
            self.rebuilt.kill()
            self.groups[2].remove(self.rebuilt)
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
        for group in self.groups:
            (member,) = group.members
            self.assertGreater(group.check_end(member), 0)
            group.wait_until_committed({member: range(groups.PARTITIONS)})
        self.rebuilt.wait_until(
            lambda: self.rebuilt.count_log("was reset to an earlier one"), "follows no reset")

    def test_f114_a_copied_data_dir_is_named(self):
        """Of two members with one data directory and a copy of it, the second one names the first
        one, which is fenced off and says why."""
        self.create_gallery()
        group = groups.Group(self.pipeline, "copied")
        self.addCleanup(group.close)
        first, second = group.add("first").start(), group.add("second")
        group.wait_until_shared(first)  # no file is renamed any more
        group.wait_until_settled()
        shutil.copytree(first.data_dir, second.data_dir)
        second.start(wait=False)
        second.wait_until(lambda: not first.is_running(), "fences nobody")
        self.assertIn("so one data_dir is a copy of the other", first.log.read_text())
        self.assertIn(f"{first.data_dir}", first.log.read_text())
        self.assertRegex(
            second.log.read_text(), f"has a member with .*: 127.0.0.1:{first.port} from")

    def test_members_publish_their_addresses(self):
        """The description of a group has the address of each of its members: the advertised one,
        or else the one at which it listens."""
        config = self.pipeline.config
        text = config.read_text()
        self.create_gallery()
        group = groups.Group(self.pipeline, "pair")
        self.addCleanup(group.close)
        first = group.add("first").start()
        config.write_text(
            text.replace("\nconsumer:\n", "\nconsumer:\n  advertise: index.example:80\n"))
        second = group.add("second").start()
        group.wait_until_shared(first, second)
        group.wait_until_settled()
        self.assertEqual(
            sorted(member.client_id for member in group.describe().members),
            sorted([f"127.0.0.1:{first.port}", "index.example:80"]))
        self.assertNotIn("cannot publish", second.log.read_text())

    def test_an_address_that_is_not_reachable_is_reported(self):
        """A member that listens on all addresses and advertises none is reported by `check`, and by
        `run` in its log."""
        config = self.pipeline.config
        text = config.read_text()
        config.write_text(text.replace('listen: "127.0.0.1:${BITDEX_CONSUMER_PORT}"',
                                       'listen: "0.0.0.0:${BITDEX_CONSUMER_PORT}"'))
        self.assertNotEqual(config.read_text(), text)
        done = self.slow.command("check", check=False)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertRegex(done.stdout, "problem +advertised address: .*set consumer.advertise")
        self.slow.start(wait=False)
        self.slow.wait_until(
            lambda: "set consumer.advertise" in self.slow.log.read_text(), "does not warn")


if __name__ == "__main__":
    unittest.main()
