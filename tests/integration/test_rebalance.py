"""Members of one group share the partitions (F47): who gets one has what it had, reads on behind
it, and misses nothing; who loses one writes nothing more."""

import re
import time
import unittest

import groups
from case import SECONDS, GalleryCase

ENTITIES = "/api/indexes/gallery/entities"
QUERY = "/api/indexes/gallery/query"


def group_settings(session_s):
    """Members that hear of news soon."""
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
        """Positions are watched from now on, under load and in silence."""
        self.create_gallery()
        self.positions = self.enterContext(groups.Monitor([self.group]))

    def fan_out(self):
        """The images of every post get another value by it, in all partitions."""
        with self.pipeline.connect(autocommit=True) as connection:
            for (post,) in connection.execute('SELECT id FROM "Post"').fetchall():
                connection.execute(
                    'UPDATE "Post" SET availability = %s WHERE id = %s',
                    (f"fan-out {self.fan_outs}", post),
                )
        self.fan_outs += 1

    def share(self, *members):
        """Until these share the partitions and each has committed; {member: its partitions}."""
        owned = self.group.wait_until_shared(*members)
        self.group.wait_until_committed(owned)
        return owned

    def check_answers(self, owned):
        """Each answers for what it owns, and names what it does not own."""
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
        """Its index equals the tables; no event was read twice by the same state."""
        self.assertGreater(self.group.check_end(*members), 0)
        for member in members:
            _, text = member.api.call("/metrics")
            twice = re.findall(r"^bitdex_consumer_duplicates_total\{.*\} (\S+)$", text, re.M)
            self.assertEqual({float(count) for count in twice}, {0})


class Restart(MembersCase):
    sections = group_settings(session_s=120)

    def test_f47_restart_moves_no_partition(self):
        """A member that comes back within its session, crashed or not, finds what it had; the other
        one notices nothing."""
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
    sections = group_settings(session_s=6)  # the shortest that a broker allows by default

    def test_f31_f39_f47_member_joins_and_leaves(self):
        """A member joins under load, leaves, and comes back. It builds what it never had from the
        beginning of the topic, whatever the group has committed, and reads on behind its own
        position when it comes back; the other one writes nothing of what it has given away."""
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
            self.share(self.first)
            self.second.start()
            self.share(self.first, self.second)
        self.check_group(self.first, self.second)

    def test_f31_f47_member_is_killed(self):
        """kill -9: the other one takes over what it had lost before, and has missed no fan-out."""
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
        """A member is stopped past its session, another one gets everything, and the first one
        wakes up: it takes nothing from the new owner, moves no offset back, and what it does not
        get back is as it was when it heard of its loss."""
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

    def test_f81_committed_offset_is_no_position(self):
        """While a member is away the group's offset goes ahead, goes back, or is forgotten: under a
        member's name, or when there is none, it resets nothing, and the member goes on behind its
        own log."""
        self.create_gallery()
        self.pipeline.wait_until_fresh()
        self.share(self.first)
        self.assertEqual(self.first.stop(), 0)
        self.change_images(4)
        committed = self.group.committed()
        self.group.replace_committed({
            0: (committed[0][0] + 100, self.first.identity),
            1: (1, self.first.identity),
        })
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
    sections = group_settings(session_s=6)

    def test_f50_outage_takes_no_answers_away(self):
        """The broker is silent for longer than the members' sessions: each goes on answering for
        what it had, and says that it waits; when the broker is back, both go on."""
        self.create_gallery()
        self.second.start()
        owned = self.share(self.first, self.second)
        self.pipeline.wait_until_fresh(consumers=list(owned))
        self.kafka.pause()
        self.addCleanup(self.kafka.resume)
        for member, partitions in owned.items():
            member.wait_until(
                lambda: {look["state"] for look in member.partitions().values()} == {"waiting"},
                "does not say that it waits",
            )
            self.assertEqual(set(member.partitions()), partitions)
        self.check_answers(owned)
        self.kafka.resume()
        self.change_images()
        self.assertGreater(self.group.check_end(self.first, self.second), 0)


if __name__ == "__main__":
    unittest.main()
