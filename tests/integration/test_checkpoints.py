"""Checkpoints of a real consumer: a restart loads one and applies the log after it, and the index
equals Postgres whatever was killed or damaged."""

import concurrent.futures
import contextlib
import json
import pathlib
import random
import re
import time
import unittest

import groups
from case import SEED, GalleryCase

KILLS = 12
RECOVERED = (
    r"{}/wal: recovered: checkpoint at offset (\d+) in \S+ s, (\d+) bytes of frames after it in "
    r"\S+ s; next offset (-?\d+)"
)


class CheckpointCase(GalleryCase):
    def setUp(self):
        super().setUp()
        self.consumer = self.pipeline.consumer

    def log_of(self, partition):
        data_dir = pathlib.Path(self.pipeline.variables["BITDEX_DATA_DIR"])
        return data_dir / f"{self.pipeline.topic}-{partition}" / "wal"

    def checkpoints(self, partition):
        """The checkpoint files of the partition, oldest first."""
        return sorted((self.log_of(partition) / "checkpoint").glob("*.checkpoint"))

    def start(self):
        self.log_before = self.consumer.log.stat().st_size
        self.consumer.start()

    def recovered(self, partition):
        """What the recovery at start() reported: (checkpoint's offset, bytes of frames, next
        offset). Another one follows when the group assigns a partition again."""
        pattern = RECOVERED.format(re.escape(str(self.log_of(partition).parent)))
        text = self.consumer.log.read_bytes()[self.log_before:].decode()
        return tuple(map(int, re.search(pattern, text).groups()))

    def log_begin(self, partition):
        """The offset at which the log begins; -1 when nothing was removed from it."""
        while True:
            first = min(self.log_of(partition).glob("*.wal"))
            with contextlib.suppress(FileNotFoundError):  # removed after a checkpoint
                return int.from_bytes(first.read_bytes()[24:32], "little", signed=True)

    def has_no_head(self, partition):
        return self.log_begin(partition) >= 0


class OnDemand(CheckpointCase):
    """Checkpoints are taken by the command only."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        (cls.work / "token").parent.mkdir(parents=True, exist_ok=True)
        (cls.work / "token").write_text("correct-horse\n")
        cls.sections = {
            "consumer": {
                "token_file": str(cls.work / "token"), "wal_segment_bytes": 65536,
                "checkpoint_interval_s": 0,
            }
        }

    def take(self):
        """Takes a checkpoint of every partition; returns {partition: offset}. A refusal fails."""
        answer = json.loads(self.consumer.command("checkpoint", "--json").stdout)
        self.assertNotIn("error", answer)
        for row in answer["partitions"]:
            self.assertEqual(row["error"], "")
            self.assertGreaterEqual(row["pause_seconds"], 0)
        return {row["partition"]: row["offset"] for row in answer["partitions"]}

    def test_f39_f43_taken_on_demand_under_load(self):
        """Checkpoints are taken under load, also by two commands at once: each file has the offset
        of the answer, the log reaches back to the oldest one, and after kill -9 recovery begins
        with the newest one."""
        self.create_gallery()
        self.pipeline.wait_until_fresh()  # no partition is empty
        with self.writers(), concurrent.futures.ThreadPoolExecutor(2) as pool:
            first = self.take()
            self.assertEqual(list(first), [0, 1, 2, 3])
            for partition, offset in first.items():
                self.assertEqual([int(p.stem) for p in self.checkpoints(partition)], [offset])
            for taken in [future.result() for future in [pool.submit(self.take) for _ in range(2)]]:
                for partition, offset in taken.items():
                    self.assertGreaterEqual(offset, first[partition])
        for times in (20, 1):
            self.change_images(times)
            self.pipeline.wait_until_fresh()
            last = self.take()
        self.change_images()
        self.pipeline.wait_until_fresh()
        self.consumer.kill()
        for partition, offset in last.items():
            checkpoints = [int(path.stem) for path in self.checkpoints(partition)]
            self.assertEqual(checkpoints[-1], offset)
            self.assertIn(len(checkpoints), range(2, 6))
            self.assertLessEqual(self.log_begin(partition), checkpoints[0])
        self.start()
        self.check_end()
        for partition, offset in last.items():
            self.assertEqual(self.recovered(partition)[0], offset)

    def refused(self):
        done = self.consumer.command("checkpoint", check=False)
        self.assertEqual(done.returncode, 1, done)
        return done

    def test_l9_one_that_cannot_be_taken_is_refused(self):
        """Without a consumer the command exits with 1. When one partition's checkpoint cannot be
        written, the command reports it and exits with 1, the other partitions have theirs, and the
        next command succeeds."""
        self.assertIn("no answer from ", self.refused().stderr)
        self.create_gallery()
        self.pipeline.wait_until_fresh()
        obstacle = self.log_of(2) / "checkpoint"
        obstacle.rmdir()
        obstacle.write_text("")
        done = self.refused()
        self.assertIn("partition 2: cannot write a checkpoint: ", done.stderr)
        lines = done.stdout.splitlines()[1:]
        for partition, line in enumerate(lines):
            checkpoints = [path.stem for path in self.checkpoints(partition)]
            self.assertEqual(len(checkpoints), partition != 2)
            offset = str(int(checkpoints[0])) if checkpoints else "-"
            self.assertEqual(line.split()[:2], [str(partition), offset])
        self.assertEqual(len(lines), 4)
        self.change_images()
        self.check_end()
        obstacle.unlink()
        self.assertEqual(len(self.take()), 4)
        self.assertEqual(len(self.checkpoints(2)), 1)


class Checkpoints(CheckpointCase):
    # The smallest segments and the most frequent checkpoints that may be configured.
    sections = {
        "consumer": {"wal_segment_bytes": 65536, "checkpoint_bytes": 65536, "batch_rows": 100},
    }

    def fill(self):
        """Writes rows until each partition has two checkpoints and its log is truncated."""
        self.create_gallery()
        while not all(len(self.checkpoints(p)) >= 2 and self.has_no_head(p) for p in range(4)):
            self.change_images(3)
            self.pipeline.wait_until_fresh()

    def damage(self, path):
        content = bytearray(path.read_bytes())
        content[random.Random(SEED).randrange(len(content))] ^= 4
        path.write_bytes(content)

    def test_l5_f39_f43_kills_under_load(self):
        """A consumer that takes checkpoints continuously is killed at random: each time the log
        reaches back to every checkpoint and `wal check` succeeds, and the index ends equal to the
        tables."""
        rng = random.Random(SEED)
        self.fill()
        with self.writers():
            for _ in range(KILLS):
                time.sleep(0.3 + rng.random())
                self.consumer.kill()
                done = self.consumer.command("wal", "check", check=False)
                self.assertEqual(done.returncode, 0, done.stdout)
                for partition in range(4):
                    for checkpoint in self.checkpoints(partition):
                        self.assertLessEqual(self.log_begin(partition), int(checkpoint.stem))
                self.consumer.start()
        self.check_end()
        for partition in range(4):
            self.assertIn(len(self.checkpoints(partition)), range(2, 6))
            self.assertTrue(self.has_no_head(partition))

    def test_f39_restart_reads_only_the_frames_after_the_checkpoint(self):
        """SIGTERM takes a checkpoint, so the next start reads no frames; after kill -9 it reads the
        frames after the newest checkpoint."""
        self.fill()
        for stop in (self.consumer.stop, self.consumer.kill):
            self.change_images()
            self.pipeline.wait_until_fresh()
            stop()
            newest = [self.checkpoints(partition)[-1].name for partition in range(4)]
            self.start()
            self.check_end()
            for partition in range(4):
                offset, frame_bytes, next_offset = self.recovered(partition)
                self.assertEqual(newest[partition], f"{offset:020}.checkpoint")
                if stop == self.consumer.stop:
                    self.assertEqual((frame_bytes, next_offset), (0, offset))
                else:
                    self.assertLess(frame_bytes, 2 * 65536)
                    self.assertGreaterEqual(next_offset, offset)

    def test_f40_damaged_checkpoint_is_skipped(self):
        """When a byte of the newest checkpoint is damaged, recovery warns, uses the older one and
        the log after it, and the damaged file is removed."""
        self.fill()
        self.consumer.stop()
        pairs = {partition: self.checkpoints(partition)[-2:] for partition in range(4)}
        for _, newest in pairs.values():
            self.damage(newest)
        damaged = {newest: newest.read_bytes() for _, newest in pairs.values()}
        self.start()
        self.check_end()
        for partition, (older, newest) in pairs.items():
            self.assertEqual(self.recovered(partition)[0], int(older.stem))
            offset = int(newest.stem)
            place = f"{newest.parent}: the checkpoint at offset {offset}"
            self.assertIn(
                f"{place} is not usable and is skipped: ", self.consumer.log.read_text()
            )
            # The next checkpoint may be at the same offset.
            self.assertTrue(not newest.exists() or newest.read_bytes() != damaged[newest])

    def test_f40_f43_without_a_usable_checkpoint_the_start_fails(self):
        """When all checkpoints are damaged and the log is truncated, the start fails with an error
        that says what to do, and following it works."""
        self.fill()
        self.consumer.stop()
        damaged = self.checkpoints(2)
        for path in damaged:
            self.damage(path)
        log = self.log_of(2)
        self.consumer.start(wait=False)
        self.assertEqual(self.consumer.wait(), 1, self.consumer.log_tail())
        last = self.consumer.log_tail(1)
        self.assertIn("the previous segment is missing; restore the file, or delete ", last)
        self.assertIn(f"delete {log} to rebuild from the topic", last)
        self.assertEqual(self.checkpoints(2), damaged)
        log.rename(log.with_name("moved"))
        self.consumer.start()
        self.check_end()

    def test_f66_a_reset_begins_from_the_one_before_it(self):
        """After a reset to an offset between two checkpoints, the rebuild begins with the older
        one. Kills during the rebuild do not change the result."""
        self.fill()
        self.consumer.wait_until(  # so that there are offsets between the older one and the end
            lambda: all(
                p["durable_offset"] > int(self.checkpoints(p["partition"])[-1].stem) + 1
                for p in self.pipeline.partitions()
            ), "saves no position",
        )
        self.consumer.stop()
        offsets = {p: [int(path.stem) for path in self.checkpoints(p)[-2:]] for p in range(4)}
        groups.Group(self.pipeline).commit(
            {partition: older + 1 for partition, (older, _) in offsets.items()})
        rng = random.Random(SEED)
        for _ in range(6):
            self.consumer.start()
            time.sleep(rng.random() * 0.3)
            self.consumer.kill()
        self.consumer.start()
        self.check_end()
        text = self.consumer.log.read_text()
        self.assertGreaterEqual(text.count("was reset to an earlier one"), 4)
        self.assertNotIn("is skipped", text)
        for partition, (older, _) in offsets.items():
            self.assertIn(
                f"{self.log_of(partition)}.new: recovered: checkpoint at offset {older} in ", text
            )


if __name__ == "__main__":
    unittest.main()
