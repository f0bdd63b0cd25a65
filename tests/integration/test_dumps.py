"""The dump registry: what clients load with posts, and what our own loads register."""

import re
import time
import unittest

import gallery
import groups
import test_load
import test_post_ops
from pipeline import WAIT_S
from test_post_ops import TOKEN, entry, fan_out


class Dumps(test_post_ops.KafkaFed):
    def dumps(self):
        """({name: dump}, whether all are complete)"""
        status, answer, _ = self.client(token=None).call("GET", "dumps")
        self.assertEqual(status, 200)
        return answer["dumps"], answer["all_complete"]

    def wait_for_status(self, name, status):
        self.consumer.wait_until(
            lambda: self.dumps()[0][name]["status"] == status, f"has no dump {name} {status}")

    def restart(self, kill=True):
        if kill:
            self.consumer.kill()
        else:
            self.consumer.stop()
        self.start(self.consumer)

    def test_dump_registry_full_workflow(self):
        """A client registers a dump, posts under its name, says how much it has written, and finds
        it complete when everything is applied; the registry survives a crash and is cleared."""
        client = self.client()
        begin = int(time.time())
        self.assertEqual(self.dumps(), ({}, False))
        self.assertEqual(
            client.call("PUT", "dumps", {"name": "Image-0a1b2c3d"})[:2],
            (201, {"name": "Image-0a1b2c3d", "status": "writing"}))
        rows = [entry(n, n) for n in range(1, 41)]
        for at in range(0, 40, 10):
            status, answer, _ = client.post(
                {"ops": rows[at:at + 10], "meta": {"source": "Image-0a1b2c3d"}})
            self.assertEqual((status, answer["accepted"]), (200, 10))
        client.post({"ops": [fan_out("nsfwLevel eq 1", availability="Public")],
                     "meta": {"source": "Image-0a1b2c3d"}})
        client.store(entry(99, 1))  # from somebody else
        self.restart()
        client = self.client()
        self.consumer.wait_until(
            lambda: self.dumps()[0]["Image-0a1b2c3d"]["ops_processed"] == 41, "does not apply all")
        dump = self.dumps()[0]["Image-0a1b2c3d"]
        self.assertEqual((dump["name"], dump["status"], dump["ops_written"]),
                         ("Image-0a1b2c3d", "Writing", 0))
        self.assertEqual(
            client.call("POST", "dumps/Image-0a1b2c3d/loaded", {"ops_written": 42})[:2],
            (200, {"name": "Image-0a1b2c3d", "status": "loading"}))
        self.assertEqual(self.dumps()[0]["Image-0a1b2c3d"]["status"], "Loading")
        self.restart(kill=False)
        client = self.client()
        self.assertEqual(self.dumps()[0]["Image-0a1b2c3d"]["status"], "Loading")
        client.post({"ops": [entry(41, 41)], "meta": {"source": "Image-0a1b2c3d"}})
        self.wait_for_status("Image-0a1b2c3d", "Complete")
        self.consumer.wait_until(lambda: self.consumer.api.get(
            "/api/indexes/gallery/query", {"limit": 0})["total_matched"] == 42, "misses a row")
        dump, all_complete = self.dumps()[0]["Image-0a1b2c3d"], self.dumps()[1]
        self.assertTrue(all_complete)
        self.assertEqual((dump["ops_written"], dump["ops_processed"]), (42, 42))
        self.assertGreaterEqual(dump["created_at"], begin)
        self.assertGreaterEqual(dump["completed_at"], dump["created_at"])
        self.assertLessEqual(dump["completed_at"], time.time())
        self.restart()
        client = self.client()
        self.assertEqual(self.dumps(), ({"Image-0a1b2c3d": dump}, True))
        self.assertEqual(client.call("PUT", "dumps", {"name": "Post-1"})[0], 201)
        self.assertFalse(self.dumps()[1])
        self.assertEqual(client.call("DELETE", "dumps/Post-1")[:2], (204, None))
        self.assertEqual(client.call("DELETE", "dumps/Post-1")[0], 404)
        self.assertEqual(client.call("POST", "dumps/clear")[:2], (204, None))
        self.restart()
        self.assertEqual(self.dumps(), ({}, False))

    def test_f12_a_dump_of_nothing_has_failed(self):
        """`loaded` with 0 makes a dump fail, also after a restart; a second registration under its
        name begins again."""
        client = self.client(TOKEN)
        client.call("PUT", "dumps", {"name": "Tag-1"})
        self.assertEqual(client.call("POST", "dumps/Tag-1/loaded", {"ops_written": 0})[0], 200)
        self.restart()
        dumps, all_complete = self.dumps()
        self.assertFalse(all_complete)
        self.assertEqual(list(dumps["Tag-1"]["status"]), ["Failed"])
        client = self.client()
        self.assertEqual(client.call("PUT", "dumps", {"name": "Tag-1"})[0], 201)
        client.post({"ops": [entry(1, 1)], "meta": {"source": "Tag-1"}})
        client.call("POST", "dumps/Tag-1/loaded", {"ops_written": 1})
        self.wait_for_status("Tag-1", "Complete")


class Loads(test_load.LoadCase):
    filter = '    filter: "({attributes} >> 10) & 1 = 0"\n'  # of the tags of an image

    def dumps(self, consumer=None):
        consumer = consumer or self.pipeline.consumer
        return consumer.api.get("/api/indexes/gallery/dumps")

    def wait_until_complete(self, *consumers):
        def has_all(consumer):
            answer = self.dumps(consumer)
            return answer["all_complete"] and len(answer["dumps"]) >= len(gallery.TABLES)

        for consumer in consumers or [self.pipeline.consumer]:
            consumer.wait_until(
                lambda consumer=consumer: has_all(consumer), "has a dump that is not complete")

    def load_changed(self):
        """(what was left out, the job or None)"""
        before = len(self.jobs())
        done = self.load_beside_members()
        self.assertNotIn("so everything is loaded", done.stderr)
        left_out = re.findall(r"(?m)^(\w+)-[0-9a-f]{8} is left out", done.stderr)
        jobs = self.jobs()
        self.assertEqual("is done" in done.stdout, len(jobs) > before, done)
        self.assertEqual("everything is loaded already" in done.stdout, len(jobs) == before, done)
        return sorted(left_out), self.job(jobs[-1]["id"]) if len(jobs) > before else None

    def load_beside_members(self):
        """`load --changed` when every member answers in time."""
        deadline = time.monotonic() + WAIT_S
        while True:
            done = self.producer.command("load", "--changed")
            if "is not asked" not in done.stderr or "is done" in done.stdout:
                return done
            self.assertLess(time.monotonic(), deadline, done.stderr)

    def change_filter(self):
        """Changes the definition of the tags' trigger."""
        config = self.pipeline.config
        text = config.read_text()
        self.assertEqual(text.count(self.filter), 1)
        config.write_text(text.replace(self.filter, self.filter.replace("10", "11")))
        self.producer.stop()
        gallery.create_triggers(self.pipeline)
        self.producer.start()

    def test_dump_config_change_detection(self):
        """A source whose definition has changed has another name and is loaded; the others are
        complete under their names and are left out."""
        self.create_full_tables(60)
        self.pipeline.start()
        self.producer.command("load")
        self.wait_until_complete()
        before = self.dumps()["dumps"]
        self.assertEqual(sorted(re.sub("-[0-9a-f]{8}$", "", name) for name in before),
                         sorted(gallery.TABLES))
        (image,) = (dump for name, dump in before.items() if name.startswith("Image-"))
        self.assertEqual(image["status"], "Complete")
        self.assertGreater(image["ops_written"], 60)
        self.assertEqual(image["ops_processed"], image["ops_written"])
        self.assertEqual(self.load_changed(), (sorted(gallery.TABLES), None))
        self.change_filter()
        left_out, job = self.load_changed()
        self.assertEqual(left_out, sorted(set(gallery.TABLES) - {"TagsOnImageNew"}))
        self.assertEqual([dump["table"] for dump in job["dumps"]], ["TagsOnImageNew"])
        self.wait_until_complete()
        after = self.dumps()["dumps"]
        self.assertEqual({name: after[name] for name in before}, before)
        (new,) = after.keys() - before.keys()
        self.assertRegex(new, "^TagsOnImageNew-[0-9a-f]{8}$")
        self.assertEqual(self.load_changed(), (sorted(gallery.TABLES), None))
        with self.pipeline.connect() as connection:
            (tags,) = connection.execute(
                'SELECT count(DISTINCT "imageId") FROM "TagsOnImageNew" '
                "WHERE (attributes >> 11) & 1 = 0").fetchone()
        self.pipeline.wait_until_fresh()
        reply = self.pipeline.query({"filters": [{"IsNotNull": "tagIds"}], "limit": 0})
        self.assertEqual((reply["total_matched"], reply["complete"]), (tags, True))

    def test_a_source_is_left_out_only_if_every_member_of_every_group_has_it(self):
        """The members of a group that share the partitions each have a registry, and a second
        group has its own: what one of them has not loaded is loaded for all. A member that does
        not answer is named and not waited for."""
        token = self.pipeline.config.with_name("token")
        token.write_text(TOKEN)
        config = self.pipeline.config
        config.write_text(config.read_text().replace(
            "\nconsumer:\n", f"\nconsumer:\n  token_file: {token}\n"))
        self.create_full_tables(60)
        pair, late = groups.Group(self.pipeline, "pair"), groups.Group(self.pipeline, "late")
        for group in (pair, late):
            self.addCleanup(group.close)
        first, second = pair.add("first").start(), pair.add("second").start()
        self.producer.start()
        pair.wait_until_shared(first, second)
        self.producer.command("load")
        only = late.add("only").start()  # it reads the load from the topic
        self.wait_until_complete(first, second, only)
        for group in (pair, late):
            group.wait_until_settled()
        self.assertEqual(self.load_changed(), (sorted(gallery.TABLES), None))
        (tool,) = (name for name in self.dumps(second)["dumps"] if name.startswith("ImageTool-"))
        client = test_post_ops.Client(second.port)
        self.addCleanup(client.connection.close)
        self.assertEqual(client.call("DELETE", f"dumps/{tool}")[0], 204)
        left_out, job = self.load_changed()
        self.assertEqual(left_out, sorted(set(gallery.TABLES) - {"ImageTool"}))
        self.assertEqual([dump["table"] for dump in job["dumps"]], ["ImageTool"])
        self.wait_until_complete(first, second, only)
        only.pause()
        done = self.producer.command("load", "--changed")
        only.resume()
        self.assertIn(f"127.0.0.1:{only.port} of group {late.name} is not asked: ", done.stderr)
        self.assertIn("everything is loaded already", done.stdout)

    def test_groups_of_other_topics_may_rebalance(self):
        """A group that rebalances is waited for, in vain here, only if it may read the topic."""
        self.create_full_tables(60)
        self.pipeline.start()
        self.producer.command("load")
        self.wait_until_complete()
        other = groups.Rebalancing(self.pipeline, f"{self.pipeline.topic}.dead")
        self.addCleanup(other.close)
        self.assertEqual(self.load_changed(), (sorted(gallery.TABLES), None))
        other.check_rebalances()

    def test_f12_the_producer_is_killed_during_a_load(self):
        """While a load is interrupted its dumps are neither complete nor failed; a cancelled load
        has failed in every registry, and the next one is complete."""
        self.create_full_tables()
        self.set_share(0.002)
        self.pipeline.start()
        self.queue()
        self.wait_until_after(0)
        self.producer.kill()
        self.set_share(1)
        self.pipeline.consumer.kill()
        self.pipeline.consumer.start()
        self.pipeline.consumer.wait_until(
            lambda: len(self.dumps()["dumps"]) == len(gallery.TABLES), "has no dumps")
        self.assertFalse(self.dumps()["all_complete"])
        job = self.jobs()[-1]
        self.producer.command("jobs", "cancel", str(job["id"]))
        self.producer.start()
        self.wait_for_end()

        def have_failed():
            return all(isinstance(dump["status"], dict) for dump in self.dumps()["dumps"].values())

        self.pipeline.consumer.wait_until(have_failed, "has dumps that have not failed")
        self.producer.command("load")
        self.wait_until_complete()
        self.check_complete()


if __name__ == "__main__":
    unittest.main()
