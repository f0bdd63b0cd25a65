"""Replays by command, with the group running: the serving state reads on, a rebuild that proves
less waits for an operator, and every replay can be taken back."""

import datetime
import unittest

import groups
import index
from case import GalleryCase


class Replays(GalleryCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        (cls.work / "token").parent.mkdir(parents=True, exist_ok=True)
        (cls.work / "token").write_text("correct-horse\n")
        cls.sections = {
            "consumer": {"token_file": str(cls.work / "token"), "batch_rows": 10},
        }

    def setUp(self):
        super().setUp()
        self.consumer = self.pipeline.consumer
        self.group = groups.Group(self.pipeline)

    def replay(self, *arguments, check=True):
        return self.consumer.command("replay", *arguments, check=check, is_patient=True)

    def partitions(self):
        return {p["partition"]: p for p in self.pipeline.partitions()}

    def has(self, key, value):
        return all(p[key] == value for p in self.partitions().values())

    def lose_beginning(self):
        """Removes most of what the topic has, as retention does; what was loaded before is gone."""
        self.group.remove_records({
            number: partition["offset"] - 5 for number, partition in self.partitions().items()
        })

    def check_served(self, count):
        """Checks how many rebuilds have ended so far."""
        self.consumer.wait_until(lambda: self.count_served() >= count, "serves no rebuilt replica")
        self.assertEqual(self.count_served(), count)

    def count_served(self):
        return self.consumer.log.read_text().count("the rebuilt replica is served")

    def test_f107_replays_by_command(self):
        """Each place to begin at gives an index that is equal to the tables; WHERE that is not
        before the serving position is refused."""
        began = datetime.datetime.now(datetime.timezone.utc)
        self.create_gallery(150)
        self.change_images(2)
        self.pipeline.wait_until_fresh()
        done = self.replay("--from", "beginning", "--follow")
        self.assertEqual(done.stdout.count("begun"), 4, done.stdout)
        self.assertTrue(self.has("state", "running"))
        self.check_served(4)
        self.check_end()
        for where in ("last:20", "offset:7", f"time:{began.isoformat()}"):
            self.replay("--from", where, "--partition", "1", "--follow")
        self.check_served(7)
        self.assertEqual(self.replay("--abort").stdout.count("none"), 4)
        refused = self.replay("--from", "offset:1000000", check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertEqual(refused.stdout.count("is not before the serving position"), 4)
        self.assertEqual(self.replay("--from", "yesterday", check=False).returncode, 2)
        self.assertEqual(self.replay("--abort", "--accept-loss", check=False).returncode, 2)
        self.check_end()

    def waits(self, numbers):
        partitions = self.partitions()
        return all(
            partitions[number]["state"] == "rebuilding"
            and "proves less than the serving one" in partitions[number]["replay"]
            for number in numbers
        )

    def check_serving(self):
        """The states that serve are complete, read on, and are equal to the tables."""
        self.change_images()
        self.pipeline.wait_until_fresh()
        self.assertTrue(self.has("complete", True))
        index.check_equal(self.pipeline)
        status, ready = self.pipeline.api.call("/api/ready")
        self.assertEqual(status, 200, ready)
        return ready

    def test_f107_f120_what_proves_less_waits_for_an_operator(self):
        """The topic has lost its beginning. A rebuild waits beside the state that serves, also
        after a restart, until it is taken back or its loss is accepted; an operator's own reset is
        no exception, and names one partition."""
        self.create_gallery(150)
        self.change_images(2)
        self.pipeline.wait_until_fresh()
        self.lose_beginning()
        self.consumer.stop()
        self.group.reset_partition(self.kafka, 3, "--to-earliest")
        self.consumer.start()
        self.consumer.wait_until(lambda: self.waits([3]), "does not wait")
        followed = self.replay("--from", "beginning", "--partition", "2", "--follow", check=False)
        self.assertEqual(followed.returncode, 1)
        self.assertIn("--accept-loss", followed.stdout)
        self.replay("--from", "beginning", "--partition", "1")
        for _ in range(2):
            self.consumer.wait_until(lambda: self.waits([1, 2, 3]), "does not wait")
            ready = self.check_serving()
            self.assertIn("--accept-loss", " ".join(ready["warnings"]))
            self.consumer.stop()
            self.consumer.start()
            self.pipeline.wait_until_recovered()
        self.consumer.wait_until(lambda: self.waits([1, 2, 3]), "does not keep both")
        self.replay("--abort", "--partition", "3")
        self.replay("--accept-loss", "--partition", "1", "--follow")
        self.assertIn("bitdex-producer load", self.partitions()[1]["reason"])
        self.assertTrue(self.waits([2]))
        self.assertEqual(self.partitions()[3]["state"], "running")
        self.pipeline.producer.command("load")
        self.consumer.wait_until(lambda: self.has("state", "running"), "does not serve")
        self.check_served(2)
        self.check_serving()


if __name__ == "__main__":
    unittest.main()
