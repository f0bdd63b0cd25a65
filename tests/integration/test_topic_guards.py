"""The topic changes while the producer runs: what a law needs ends it, the rest is logged (L13)."""

import unittest

import topic
from case import GalleryCase
from confluent_kafka import admin

RETENTION_MS = "604800000"  # as config/gallery.yaml says it


class TopicGuards(GalleryCase):
    sections = {"producer": {"guard_interval_ms": 500}}

    def setUp(self):
        super().setUp()
        self.client = admin.AdminClient({"bootstrap.servers": self.pipeline.kafka})
        self.create_gallery(images=20)
        self.pipeline.wait_until_fresh()

    def setting(self, name):
        resource = admin.ConfigResource(admin.ResourceType.TOPIC, self.pipeline.topic)
        return topic.read_setting(self.client, resource, name)

    def alter(self, name, value):
        topic.configure(self.pipeline.kafka, self.pipeline.topic, name, value)

    def check_lines(self):
        done = self.pipeline.producer.command("check", check=False)
        return [line for line in done.stdout.splitlines() if " topic: " in line]

    def ends_with(self, *words):
        producer = self.pipeline.producer
        self.assertEqual(producer.wait(), 1)
        for word in words:
            self.assertIn(word, producer.log_tail())

    def test_f116_retention_differs_from_the_configuration(self):
        """A retention that is not the configured one is logged during `run`, is a warning of
        `check`, and `init` sets it, which leaves other settings of the topic alone."""
        producer = self.pipeline.producer
        self.assertEqual(self.check_lines(), [])
        self.alter("max.message.bytes", "900000")
        self.alter("retention.ms", "360000")
        producer.wait_until(
            lambda: "has retention.ms=360000" in producer.log_tail(), "does not report retention"
        )
        (line,) = self.check_lines()
        self.assertTrue(line.startswith("warning"), line)
        self.assertIn("bitdex-producer init sets it", line)
        self.assertIn(f"retention.ms: {RETENTION_MS}", self.pipeline.init().stdout)
        producer.wait_until(  # a broker takes a setting into effect after it has answered
            lambda: self.setting("retention.ms") == RETENTION_MS, "does not set retention")
        self.assertEqual(self.setting("max.message.bytes"), "900000")
        self.assertEqual(self.check_lines(), [])
        self.assertIn("nothing to do", self.pipeline.init().stdout)

    def test_l13_the_topic_keeps_other_timestamps(self):
        """No delivery fails, and retention would delete a backlog on arrival: the producer ends
        within the interval."""
        self.alter("message.timestamp.type", "CreateTime")
        self.ends_with("keeps the timestamps of the producer", "LogAppendTime")


class CreatedAgain(GalleryCase):
    sections = {"producer": {"guard_interval_ms": 60000}}  # the offsets alone have to show it

    def test_l13_the_topic_is_created_again_while_nothing_is_written(self):
        """Acknowledged offsets go back: the producer ends, and names the way out."""
        self.create_gallery(images=20)
        self.pipeline.wait_until_fresh()
        topic.delete(self.pipeline.kafka, self.pipeline.topic)
        self.pipeline.init()
        self.assertEqual(self.pipeline.producer.wait(), 1)
        said = self.pipeline.producer.log_tail()
        self.assertIn("the topic was created again, or has lost messages", said)
        self.assertIn("cursor adopt", said)


if __name__ == "__main__":
    unittest.main()
