"""Members of one group share the partitions (F47). A member that is assigned a partition continues
from its own position and misses nothing; a member that loses one writes nothing to it any more."""

import re
import time
import unittest

import groups
from case import SECONDS, GalleryCase

ENTITIES = "/api/indexes/gallery/entities"
QUERY = "/api/indexes/gallery/query"


def group_settings(session_s):
    """Settings of members that learn of a rebalance soon."""
    settings = {"session.timeout.ms": f"{session_s}000", "heartbeat.interval.ms": "300"}
    return {"kafka": {"consumer": settings}}


class MembersCase(GalleryCase):
    def setUp(self):
        super().setUp()
        self.group = groups.Group(self.pipeline, "shared")
        self.addCleanup(self.group.close)
        self.first = self.pipeline.consumer = self.group.add("first")
        self.second = self.group.add("second")
        self.fan_outs = 0

    def start_gallery(self):
        """Creates the gallery; a thread checks the positions until the end of the test."""
        self.create_gallery()
        self.positions = self.enterContext(groups.Monitor([self.group]))

    def fan_out(self):
        """Updates every post, which gives its images, in all partitions, another value."""
        with self.pipeline.connect(autocommit=True) as connection:
            for (post,) in connection.execute('SELECT id FROM "Post"').fetchall():
                connection.execute(
                    'UPDATE "Post" SET availability = %s WHERE id = %s',
                    (f"fan-out {self.fan_outs}", post),
                )
        self.fan_outs += 1

    def share(self, *members):
        """Waits until these members share the partitions and each has committed; returns {member:
        its partitions}."""
        owned = self.group.wait_until_shared(*members)
        self.group.wait_until_committed(owned)
        return owned

    def check_answers(self, owned):
        """Checks that each member answers for the partitions that it owns and lists the others."""
        everything = set(range(groups.PARTITIONS))
        for member, partitions in owned.items():
            reply = member.api.get(QUERY, {"filters": []})
            self.assertEqual(set(reply["missing_partitions"]), everything - partitions)
            self.assertEqual(reply["complete"], partitions == everything)
            self.assertLessEqual({entity % len(everything) for entity in reply["ids"]}, partitions)
            for partition in everything:
                status, _ = member.api.call(f"{ENTITIES}/{len(everything) + partition}")
                self.assertEqual(status, 200 if partition in partitions else 503)

    def check_group(self, *members):
        """Checks that the group's index equals the tables and that no member read an event twice.
        """
        self.assertGreater(self.group.check_end(*members), 0)
        for member in members:
            _, text = member.api.call("/metrics")
            twice = re.findall(r"^bitdex_consumer_duplicates_total\{.*\} (\S+)$", text, re.M)
            self.assertEqual({float(count) for count in twice}, {0})


class Restart(MembersCase):
    sections = group_settings(session_s=120)

    def test_f47_restart_moves_no_partition(self):
        """A member that restarts within its session timeout, after a stop or a crash, keeps its
        partitions, and the other member's do not move."""
        self.start_gallery()
        self.second.start()
        with self.writers(threads=4):
            owned = self.share(self.first, self.second)
            moves = self.count_moves(self.first)
            self.assertEqual(self.second.stop(), 0)
            self.second.start()
            self.assertEqual(self.share(self.first, self.second), owned)
            self.second.kill()
            self.second.start()
            self.assertEqual(self.share(self.first, self.second), owned)
            self.assertEqual(self.count_moves(self.first), moves)
        self.check_group(self.first, self.second)

    @staticmethod
    def count_moves(member):
        return member.count_log(": assigned") + member.count_log(": revoked")


class Rebalance(MembersCase):
    sections = group_settings(session_s=20)  # a member may stall for a while

    def test_f31_f39_f47_member_joins_and_leaves(self):
        """A member joins under load, leaves and joins again. The first time it reads its partitions
        from the topic's beginning, later it continues from its own position; the other member
        writes nothing to the partitions that it has given up."""
        self.start_gallery()
        with self.writers(threads=4):
            self.assertEqual(self.share(self.first)[self.first], {0, 1, 2, 3})
            self.second.start()
            owned = self.share(self.first, self.second)
            self.check_answers(owned)
            wal = self.first.read_wal(owned[self.second])
            self.fan_out()
            self.assertEqual(self.first.read_wal(owned[self.second]), wal)
            self.assertEqual(self.second.stop(), 0)
            self.group.remove(self.second)
            self.share(self.first)
            self.second.start()
            self.share(self.first, self.second)
        self.check_group(self.first, self.second)

    def test_f31_f47_member_is_killed(self):
        """When a member is killed, the other one takes its partitions over again and applies every
        fan-out that it missed."""
        self.start_gallery()
        self.second.start()
        with self.writers(threads=4):
            self.share(self.first, self.second)
            self.fan_out()
            self.second.kill()
            self.fan_out()
            self.check_answers(self.share(self.first))
        self.check_group(self.first)

    def test_f47_l5_zombie(self):
        """A member is frozen past its session timeout, another one gets all partitions, and the
        first one is resumed: it moves no committed offset back, and writes nothing to the
        partitions that it does not get back."""
        self.start_gallery()
        with self.writers(threads=4):
            self.share(self.first)
            self.first.pause()
            self.second.start()
            self.share(self.second)
            self.fan_out()
            self.first.resume()
            owned = self.share(self.first, self.second)
            self.assertEqual(self.first.count_log(': lost"'), groups.PARTITIONS)
            self.check_answers(owned)
            wal = self.first.read_wal(owned[self.second])
            self.fan_out()
            time.sleep(SECONDS / 5)
            self.assertEqual(self.first.read_wal(owned[self.second]), wal)
        self.check_group(self.first, self.second)
        for partition in owned[self.second]:
            self.assertEqual(
                self.positions.committers[self.group, partition],
                [self.first.identity, self.second.identity],
            )

    def test_f81_committed_offset_is_not_a_position(self):
        """While a member is down the group's committed offset moves ahead, moves back, or is
        removed. With the metadata of a member, or when it is absent, it is not a reset: the member
        continues from its own log."""
        self.create_gallery()
        self.pipeline.wait_until_fresh()
        self.share(self.first)
        self.assertEqual(self.first.stop(), 0)
        self.change_images(4)
        committed = self.group.committed()
        self.group.replace_committed({0: committed[0][0] + 100, 1: 1}, self.first.identity)
        self.assertLess(self.group.committed()[2][0], 0)
        self.first.start()
        self.check_group(self.first)
        self.first.wait_until(
            lambda: all(
                self.group.committed()[partition][0] > offset
                for partition, (offset, _) in committed.items()
            ), "does not commit",
        )


class Outage(MembersCase):
    own_servers = True
    sections = group_settings(session_s=10)

    def test_f50_outage_takes_no_answers_away(self):
        """While the broker is silent for longer than the session timeout, each member still answers
        for its partitions and reports that it waits; when the broker is back, both continue."""
        self.create_gallery()
        self.second.start()
        owned = self.share(self.first, self.second)
        self.pipeline.wait_until_fresh(consumers=list(owned))
        self.kafka.pause()
        self.addCleanup(self.kafka.resume)
        for member, partitions in owned.items():
            member.wait_until(
                lambda: {one["state"] for one in member.partitions().values()} == {"waiting"},
                "does not report that it waits",
            )
            self.assertEqual(set(member.partitions()), partitions)
        self.check_answers(owned)
        self.kafka.resume()
        self.change_images()
        self.assertGreater(self.group.check_end(self.first, self.second), 0)


if __name__ == "__main__":
    unittest.main()
