"""The dump registry over HTTP: what clients load with posts."""

import time
import unittest

import test_post_ops
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
        dump = self.dumps()[0]["Image-0a1b2c3d"]
        self.assertEqual(
            (dump["name"], dump["status"], dump["ops_written"], dump["ops_processed"]),
            ("Image-0a1b2c3d", "Writing", 0, 41))
        self.assertEqual(
            client.call("POST", "dumps/Image-0a1b2c3d/loaded", {"ops_written": 42})[:2],
            (200, {"name": "Image-0a1b2c3d", "status": "loading"}))
        self.assertEqual(self.dumps()[0]["Image-0a1b2c3d"]["status"], "Loading")
        self.restart(kill=False)
        client = self.client()
        self.assertEqual(self.dumps()[0]["Image-0a1b2c3d"]["status"], "Loading")
        client.post({"ops": [entry(41, 41)], "meta": {"source": "Image-0a1b2c3d"}})
        self.wait_for_status("Image-0a1b2c3d", "Complete")
        self.assertEqual(self.consumer.api.get("/api/indexes/gallery/query", {"limit": 0})[
            "total_matched"], 42)
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


if __name__ == "__main__":
    unittest.main()
