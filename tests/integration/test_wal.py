"""The write-ahead log of a real consumer: its files after kills, full disks and damage, recovery,
and the `wal` commands."""

import fcntl
import json
import pathlib
import random
import resource
import shutil
import struct
import time
import unittest

import servers
import topic
from case import SEED, GalleryCase

KILLS = 30
PARTITION = 1
ROOM_BYTES = 50000  # less than a file of the log takes


def crc32c(data):
    """CRC-32C (Castagnoli), bit by bit."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def follow_frame(log, byte, event):
    """A whole frame that holds `event` and follows the last frame of a log, which is at `byte`."""
    _, position_bytes, _, _, _, offset = struct.unpack_from("<IIIIqq", log, byte)
    position = log[byte + 32 : byte + 32 + position_bytes]
    payload = struct.pack("<I", len(event)) + event
    rest = struct.pack("<IIIqq", position_bytes, len(payload), byte, offset, offset + 1)
    rest += position + payload
    rest += bytes(-(len(rest) + 4) % 8)
    return struct.pack("<I", crc32c(rest)) + rest


def content_of(files):
    """{path: header and whole frames} of the files that have any frame."""
    return {
        file["file"]: pathlib.Path(file["file"]).read_bytes()[: file["whole_bytes"]]
        for file in files
        if file["frames"] > 0
    }


class Wal(GalleryCase):
    # For many files and frames.
    sections = {"consumer": {"wal_segment_bytes": 65536, "batch_rows": 100}}

    def setUp(self):
        super().setUp()
        self.consumer = self.pipeline.consumer

    def edit_config(self, old, new):
        text = self.pipeline.config.read_text()
        self.assertIn(old, text)
        self.pipeline.config.write_text(text.replace(old, new, 1))

    def wal(self, command, *arguments, code=0):
        """The objects that `wal COMMAND --json` prints, one per line."""
        done = self.consumer.command("wal", command, "--json", *map(str, arguments), check=False)
        self.assertEqual(done.returncode, code, (done.stdout[-2000:], done.stderr))
        return [json.loads(line) for line in done.stdout.split("\n") if line]

    def check(self, code=0):
        """What `wal check` reports about all partitions: {kind: [message]}."""
        found = {"problem": [], "note": []}
        for partition in self.wal("check", code=code):
            for item in partition["findings"]:
                for kind, message in item.items():
                    found[kind].append(message)
        return found

    def check_chains(self, files):
        """Checks that each file of a partition begins at or after the end of the one before;
        returns {partition: next offset}."""
        ends = {}
        for file in files:
            self.assertGreaterEqual(file["first_offset"], ends.get(file["partition"], 0), file)
            ends[file["partition"]] = file["next_offset"]
        return ends

    def kill_idle(self):
        """Kills the consumer while it writes nothing, so that its log ends with a whole frame."""
        self.pipeline.producer.stop()
        ends = topic.read_ends(self.pipeline.kafka, self.pipeline.topic)
        self.consumer.wait_until(
            lambda: {p["partition"]: p["durable_offset"] for p in self.pipeline.partitions()}
            == ends, "does not save what it reads")
        self.consumer.kill()
        self.pipeline.producer.start()

    def run_refused(self, code=1):
        """Starts the consumer, which has to exit with `code`; returns the last line of its log."""
        self.consumer.start(wait=False)
        self.assertEqual(self.consumer.wait(), code, self.consumer.log_tail())
        return self.consumer.log_tail(1)

    def test_f39_f40_f43_kills_while_writing(self):
        """The consumer is killed repeatedly under load. Each time `wal check` finds nothing but a
        torn tail, the log holds everything that was reported as durable, and no whole frame is
        changed or removed."""
        rng = random.Random(SEED)
        self.create_gallery()
        before = {}
        with self.writers():
            kills = 0
            while kills < KILLS or len(before) <= 8:  # until files were rotated
                kills += 1
                self.consumer.wait_until(
                    lambda: [p["state"] for p in self.pipeline.partitions()] == 4 * ["running"],
                    "does not recover",
                )
                time.sleep(rng.random() * 0.2)
                durable = {p["partition"]: p["durable_offset"] for p in self.pipeline.partitions()}
                self.consumer.kill()
                found = self.check()
                self.assertEqual(found["problem"], [])
                for note in found["note"]:
                    self.assertRegex(note, r": torn: ends with \d+ bytes of|\.wal\.tmp: not a file")
                files = self.wal("list")
                ends = self.check_chains(files)
                for partition, offset in durable.items():
                    self.assertGreaterEqual(ends.get(partition, -1), offset or -1)
                after = content_of(files)
                for path, content in before.items():
                    self.assertTrue(after.get(path, b"").startswith(content), path)
                before = after
                self.consumer.start()
        self.check_end()

    def test_f41_full_disk_ends_the_consumer(self):
        """A full disk ends the consumer with an error that names the file; with room on the disk it
        recovers up to the last whole frame, and the index ends equal to the tables."""
        self.create_gallery()
        self.pipeline.wait_until_fresh()
        with self.writers():
            _, hard = resource.prlimit(self.consumer.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(self.consumer.pid, resource.RLIMIT_FSIZE, (ROOM_BYTES, hard))
            self.assertEqual(self.consumer.wait(120), 1, self.consumer.log_tail())
        last = self.consumer.log_tail(1)
        self.assertRegex(last, r"write-ahead log: could not write \S+\.wal\S*: File too large")
        self.assertEqual(self.check()["problem"], [])
        self.consumer.start()
        self.check_end()
        self.assertEqual(self.consumer.stop(), 0)
        self.assertEqual(self.check(), {"problem": [], "note": []})

    def test_l10_log_has_a_limit(self):
        """A partition whose log has reached wal_limit_bytes reads nothing more, reports it, and
        serves its complete state, also after a restart; without the limit it continues."""
        limit = "  wal_limit_bytes: 65536\n"
        self.edit_config("\nconsumer:\n", "\nconsumer:\n" + limit)
        self.create_gallery()
        self.change_images(5)
        for _ in range(2):
            self.consumer.wait_until(
                lambda: [p["state"] for p in self.pipeline.partitions()] == 4 * ["full"],
                "does not stop",
            )
            for partition in self.pipeline.partitions():
                self.assertIn("consumer.wal_limit_bytes", partition["error"])
                self.assertTrue(partition["complete"], partition)
            self.assertEqual(self.pipeline.api.call("/api/health")[0], 200)
            self.pipeline.query({"filters": [], "limit": 1})
            self.assertEqual(self.consumer.stop(), 0)
            self.consumer.start()
        self.consumer.stop()
        self.assertIn("a checkpoint is taken after each 8192 bytes", self.consumer.log.read_text())
        self.assertIn(
            "warning  log: consumer.wal_limit_bytes is below",
            self.consumer.command("check", check=False).stdout)
        self.edit_config(limit, "  wal_limit_bytes: 131072\n")
        self.consumer.start()
        self.check_end()  # F112: checkpoints shorten the log in time

    def test_f40_damage_is_found_and_refused_with_its_place(self):
        """When a synced frame is damaged, `wal check`, `wal list` and `run` name the file and byte;
        `run` refuses to start, says what to do, and leaves the file as it is."""
        self.create_gallery()
        self.change_images()
        self.pipeline.wait_until_fresh()
        self.kill_idle()  # no checkpoint, before which nothing would be read
        self.assertEqual(self.check(), {"problem": [], "note": []})
        frames = self.wal("dump", 2)
        self.assertGreater(len(frames), 3)
        path, byte = pathlib.Path(frames[1]["file"]), frames[1]["byte"]
        content = path.read_bytes()
        damaged = bytearray(content)
        damaged[byte + 50] ^= 4
        path.write_bytes(damaged)
        place = f"{path}: byte {byte}: a damaged frame, followed by "
        (problem,) = self.check(code=1)["problem"]
        self.assertIn(place, problem)
        (problem,) = [file for file in self.wal("list", code=1) if file["state"] == "problem"]
        self.assertIn(place, problem["problem"])
        last = self.run_refused()
        self.assertIn(place, last)
        self.assertIn(f"restore the file, or delete {path.parent} to rebuild from the topic", last)
        self.assertEqual(path.read_bytes(), bytes(damaged))
        path.write_bytes(content)
        self.check_torn(frames[-1])
        self.consumer.start()
        self.check_end()

    def test_f113_ops_that_cannot_be_applied_are_refused_with_their_place(self):
        """Whole frames whose ops the index cannot apply, or whose event is damaged: `wal check`,
        `wal dump` and `run` report file and byte; the log stays unchanged."""
        self.create_gallery()
        self.pipeline.wait_until_fresh()
        self.kill_idle()
        last = self.wal("dump", PARTITION)[-1]
        path, byte = pathlib.Path(last["file"]), last["byte"]
        content = path.read_bytes()
        self.assertEqual(self.check(), {"problem": [], "note": []})
        bad = ("bitdex.Set", {"field": "nsfwLevel", "value": "high"})
        no_field = {"query": "nothing eq 1", "ops": [("bitdex.Delete", {})]}
        no_query = {"query": "postId", "ops": [("bitdex.Delete", {})]}
        head = {"row_id": 0, "entity_id": PARTITION}
        good = topic.encode(("bitdex.Row", head | {"ops": [("bitdex.Alive", {})]}))
        for event in [
            topic.encode(("bitdex.Row", head | {"ops": [("bitdex.Alive", {}), bad]})),
            topic.encode(("bitdex.FanOut", head | {"fan_outs": [no_field]})),
            topic.encode(("bitdex.FanOut", head | {"fan_outs": [no_query]})),
            good[:-1],
        ]:
            path.write_bytes(content + follow_frame(content, byte, event))
            place = f"{path}: byte {len(content)}: "
            (problem,) = self.check(code=1)["problem"]
            self.assertIn(place, problem)
            self.assertIn(place, self.run_refused())
            self.assertEqual(path.read_bytes()[: len(content)], content)
        self.assertIn(place, self.wal("dump", PARTITION, code=1)[-1]["problem"])
        for event in [
            topic.encode(("bitdex.FanOut", head | {"fan_outs": []})),
            topic.encode(("bitdex.Row", head | {"ops": []})),
            good,
        ]:
            path.write_bytes(content + follow_frame(content, byte, event))
            self.assertEqual(self.check(), {"problem": [], "note": []})
        path.write_bytes(content)
        self.consumer.start()
        self.check_end(changed=False)

    def check_torn(self, frame):
        """Cuts the last frame: `wal check` reports a torn tail, no problem; while a process holds
        the log's lock, it reports a tail that is still growing."""
        path, byte = pathlib.Path(frame["file"]), frame["byte"]
        with open(path, "r+b") as file:
            file.truncate(byte + 40)
        for state in ("torn", "growing"):
            with open(path.parent / "lock", "rb") as lock:
                if state == "growing":
                    fcntl.flock(lock, fcntl.LOCK_EX)
                place = f"{path}: byte {byte}: {state}: ends with 40 bytes of an unfinished frame"
                (note,) = self.check()["note"]
                self.assertIn(place, note)
                states = {file["file"]: file["state"] for file in self.wal("list")}
                self.assertEqual(states[str(path)], state)

    def test_f45_another_configuration_is_refused_with_the_difference(self):
        """Another partition count is refused with the difference; the data stays unchanged, and the
        old configuration works again. Other fields are not refused (test_fields)."""
        self.create_gallery()
        self.pipeline.wait_until_fresh()
        self.assertEqual(self.consumer.stop(), 0)
        text = self.pipeline.config.read_text()
        self.edit_config("name: existedAt, bits: 34", "name: existedAt, bits: 40")
        self.assertEqual(self.check(), {"problem": [], "note": []})
        self.pipeline.config.write_text(text.replace("partitions: 4", "partitions: 8"))
        wanted = "partition: 0 of 4 in the log, 0 of 8 expected; use another data_dir, or delete "
        problems = self.check(code=1)["problem"]
        self.assertEqual(len(problems), len(self.wal("list")))
        self.assertIn(wanted, problems[0])
        self.pipeline.config.write_text(text)
        self.assertEqual(self.check(), {"problem": [], "note": []})
        self.consumer.start()
        self.check_end(changed=False)

    def test_f45_a_second_consumer_is_refused(self):
        """A second consumer on the data directory of a running one is refused, and the running one
        continues."""
        self.create_gallery()
        (port,) = servers.free_ports(1)
        second = self.pipeline.program("bitdex-consumer", port, BITDEX_CONSUMER_PORT=str(port))
        self.addCleanup(second.kill)
        second.log = second.log.with_suffix(".second")
        second.start(wait=False)
        self.assertEqual(second.wait(), 2)
        directory = self.pipeline.variables["BITDEX_DATA_DIR"]
        self.assertIn(
            f"data directory {directory}: {directory}/lock is locked: another process is using it",
            second.log_tail(1),
        )
        self.check_end(changed=False)

    def test_commands_beside_a_running_consumer(self):
        """The `wal` commands report whole frames, do not affect a running consumer, and agree with
        each other and with the topic."""
        self.create_gallery()
        with self.writers():
            for _ in range(5):
                self.assertEqual(self.check()["problem"], [])
                self.check_chains(self.wal("list"))
                self.wal("dump", 0)
        with self.pipeline.connect() as connection:
            connection.execute(
                'UPDATE "Image" SET type = %s WHERE id %% 7 = 0', ("\x01\x1b\n\"\\\u00e4\u2028",)
            )
        events, _ = self.check_end()
        self.assertEqual(self.consumer.stop(), 0)
        files = self.wal("list")
        self.assertEqual({file["state"] for file in files}, {"whole"})
        for checked in self.wal("check"):
            self.assertTrue(checked["ok"] and checked["complete"], checked)
            self.check_dump(checked, events[checked["partition"]], files)
        log = pathlib.Path(files[0]["file"]).parent
        shutil.copytree(log, log.with_name("wal.new"))  # as during a rebuild
        frames = self.wal("dump", 0)
        logs = [(checked["log"], checked["frames"]) for checked in self.wal("check", 0)]
        self.assertEqual(logs, [("wal", len(frames)), ("wal.new", len(frames))])

    def check_dump(self, checked, events, files):
        """Compares the dump of one partition with `wal check`, `wal list` and the topic."""
        partition = checked["partition"]
        frames = self.wal("dump", partition)
        files = [file for file in files if file["partition"] == partition]
        self.assertEqual(len(frames), checked["frames"])
        self.assertEqual(len(frames), sum(file["frames"] for file in files))
        self.assertEqual(files[-1]["next_offset"], frames[-1]["next_offset"])
        self.assertEqual(checked["next_offset"], frames[-1]["next_offset"])
        self.assertEqual(checked["events"], sum(len(frame["events"]) for frame in frames))
        self.assertEqual(frames[-1]["position"]["seq"], checked["seq"])
        sent = {
            event["seq"]: event["body"][1]["row_id"]
            for _, _, event in events
            if "row_id" in event["body"][1]
        }
        self.assertEqual(max(sent), checked["seq"])
        last = 0
        for frame in frames:
            for event in frame["events"]:
                if "row_id" not in event:  # a sum of the verify that has ended the check
                    continue
                self.assertEqual(sent[event["seq"]], event["row_id"])
                self.assertGreater(event["seq"], last)
                last = event["seq"]
            self.assertLessEqual(last, frame["position"]["seq"])
        middle = frames[len(frames) // 2]
        self.assertEqual(self.wal("dump", partition, middle["first_offset"], 1), [middle])
        self.check_text_dump(partition, frames)

    def check_text_dump(self, partition, frames):
        """Checks that the dump as text has one line per frame and event, whatever bytes the values
        contain."""
        text = self.consumer.command("wal", "dump", str(partition)).stdout
        lines = text.removesuffix("\n").split("\n")
        for frame in frames:
            first, last = frame["first_offset"], frame["next_offset"] - 1
            head = f"offsets {first} to {last}: "
            line = lines.pop(0)
            self.assertTrue(line.startswith(head), line)
            self.assertEqual(json.loads(line.removeprefix(head)), frame["position"])
            for event in frame["events"]:
                self.assertEqual(json.loads(lines.pop(0)), event)
        self.assertEqual(lines, [])

    def test_unreadable_logs_and_wrong_arguments_are_reported(self):
        """The `wal` commands report a missing directory or log, foreign files, and wrong arguments.
        """
        self.create_gallery()
        self.pipeline.wait_until_fresh()
        self.assertEqual(self.consumer.stop(), 0)  # it would write a frame now and then
        data_dir = pathlib.Path(self.pipeline.variables["BITDEX_DATA_DIR"])
        log = data_dir / f"{self.pipeline.topic}-0" / "wal"
        (log / "notes.txt").write_text("mine")
        self.assertEqual(
            self.check(), {"problem": [], "note": [f"{log}/notes.txt: not a file of the log"]}
        )
        (data_dir / f"{self.pipeline.topic}-9").write_text("no directory")
        for arguments, code, message in [
            (["check"], 1, f"{self.pipeline.topic}-9: Not a directory"),
            (["list", "7"], 1, f"{self.pipeline.topic}-7: No such file or directory"),
            (["list", "x"], 2, "x is not a number from 0 to 2147483647"),
            (["dump"], 2, "wal dump needs PARTITION"),
            (["dump", "0", "0", "0"], 2, "0 is not a number from 1 to"),
        ]:
            done = self.consumer.command("wal", *arguments, check=False)
            self.assertEqual(done.returncode, code, done)
            self.assertIn(message, done.stderr)
        for directory, message in [
            (data_dir / "none", "none: No such file or directory"),
            (self.pipeline.directory, f"no log of topic {self.pipeline.topic} in "),
        ]:
            self.consumer.set_variable("BITDEX_DATA_DIR", str(directory))
            for command in ("list", "check"):
                done = self.consumer.command("wal", command, check=False)
                self.assertEqual(done.returncode, 1, done)
                self.assertIn(message, done.stderr)


if __name__ == "__main__":
    unittest.main()
