"""Refreshes: whoever may write the outbox asks for what Postgres has, and the index has it one
window later.

Changes are silent: the transaction that makes one deletes the ops rows that the triggers have
written. Only an answer makes the index equal to the tables.
"""

import json

import index
import refreshes
import topic
from case import SceneCase


class RefreshCase(SceneCase):
    """Each method leaves the index equal to the tables."""

    images = 100
    without = ()  # tables that have no rows

    def set_scene(self):
        self.producer = self.pipeline.producer
        self.create_gallery(self.images, self.without)
        self.pipeline.wait_until_fresh()

    def status(self):
        return self.producer.api.get("/api/status")

    def change_silently(self, *statements):
        """Executes the statements in one transaction without their ops rows."""
        with self.pipeline.connect() as connection:
            for statement in statements:
                connection.execute(statement)
            refreshes.forget_ops(connection)

    def ask(self, entity, *ops):
        with self.pipeline.connect() as connection:
            refreshes.insert(connection, entity, *ops)

    def image(self, order="id"):
        """An image with tags, a post and a version of a model."""
        with self.pipeline.connect() as connection:
            return connection.execute(f"""SELECT image.id, "postId", "modelVersionId", "modelId"
                FROM "Image" AS image JOIN "ImageResource" ON "imageId" = image.id
                JOIN "ModelVersion" AS version ON version.id = "modelVersionId"
                WHERE "postId" IS NOT NULL AND EXISTS (SELECT FROM "TagsOnImageNew" AS tag
                    WHERE tag."imageId" = image.id AND (attributes >> 10) & 1 = 0)
                ORDER BY image.{order} LIMIT 1""").fetchone()

    def wait_until(self, condition, what):
        self.producer.wait_until(condition, what)

    def wait_until_answered(self):
        self.pipeline.wait_until_fresh()
        self.wait_until(lambda: self.status()["refresh_owed"] == 0, "owes requests")
        self.pipeline.wait_until_fresh()

    def differs(self):
        try:
            index.check_equal(self.pipeline)
        except AssertionError:
            return True
        return False

    def check_mended(self):
        """What was asked for is all that differed."""
        self.wait_until_answered()
        self.assertGreater(index.check_equal(self.pipeline), 0)
        for partition in self.pipeline.partitions():
            self.assertTrue(partition["complete"], partition)

    def count_chunks(self):
        """Of answers, on the topic."""
        events = topic.read(self.pipeline.kafka, self.pipeline.topic)
        bodies = [event["body"] for records in events.values() for _, _, event in records]
        return sum(kind == "bitdex.Chunk" and fields["purpose"] == "REFRESH"
                   for kind, fields in bodies)


class Refresh(RefreshCase):
    def test_an_entity(self):
        """Every source of the entity is read, and a lie about it is corrected."""
        image, *_ = self.image()
        self.change_silently(
            f'UPDATE "Image" SET "userId" = "userId" + 1, flags = flags # 8192 WHERE id = {image}',
            f'DELETE FROM "TagsOnImageNew" WHERE "imageId" = {image}',
        )
        self.ask(image, {"op": "set", "field": "type", "value": "lie"},
                 {"op": "add", "field": "toolIds", "value": 777})
        self.pipeline.wait_until_fresh()
        self.assertTrue(self.differs())
        self.ask(image, refreshes.whole())
        self.check_mended()

    def test_some_fields(self):
        """Only the sources that own the fields are read."""
        image, *_ = self.image()
        self.change_silently(f'UPDATE "Image" SET "userId" = "userId" + 1 WHERE id = {image}')
        self.ask(image, refreshes.whole("tagIds", "toolIds"))
        self.wait_until_answered()
        self.assertTrue(self.differs())
        self.ask(image, {"op": "set", "field": "tagIds", "value": None},
                 refreshes.whole("userId"))
        self.wait_until_answered()
        self.assertTrue(self.differs())
        self.ask(image, refreshes.whole("tagIds"))
        self.check_mended()

    def test_a_child(self):
        """A child asks for what its parents show in it."""
        _, post, version, _ = self.image()
        self.change_silently(
            f'UPDATE "Post" SET "publishedAt" = now() - interval \'9 days\' WHERE id = {post}',
            f'UPDATE "ModelVersion" SET "baseModel" = \'silent\' WHERE id = {version}',
        )
        with self.pipeline.connect() as connection:
            refreshes.insert_many(
                connection, f'SELECT id FROM "Image" WHERE "postId" = {post}',
                refreshes.child("Post.publishedAt"))
        self.wait_until_answered()
        self.assertTrue(self.differs())
        with self.pipeline.connect() as connection:
            refreshes.insert_many(
                connection,
                f'SELECT "imageId" FROM "ImageResource" WHERE "modelVersionId" = {version}',
                refreshes.child("ModelVersion.baseModel"))
        self.check_mended()

    def test_a_parent(self):
        """A parent asks for all its children: by a link of its own, by rows of a table between
        them, and where only the index knows which entities they are."""
        _, post, version, model = self.image()
        self.change_silently(
            f'UPDATE "Post" SET availability = \'silent\' WHERE id = {post}',
            f'UPDATE "ModelVersion" SET "baseModel" = \'silent\' WHERE id = {version}',
            f'UPDATE "Model" SET poi = poi IS NOT TRUE WHERE id = {model}',
        )
        self.assertTrue(self.differs())
        self.ask(0, refreshes.parent("Post.availability", post),
                 refreshes.parent("ModelVersion.baseModel", str(version)))
        self.ask(0, refreshes.parent("Model.modelPoi", model))
        self.check_mended()

    def test_a_deletion(self):
        """An entity that is gone loses everything, and one that never was changes nothing."""
        image, *_ = self.image()
        self.change_silently(f'DELETE FROM "Image" WHERE id = {image}')
        self.assertTrue(self.differs())
        self.ask(image, refreshes.whole())
        self.ask(999999, refreshes.whole())
        self.check_mended()

    def test_an_unknown_entry(self):
        """A producer that does not know the entry reads all of a child, and loads everything for a
        parent: its request stays owed until then."""
        image, *_ = self.image()
        answered = self.status()["refresh_answers"]
        self.change_silently(f'UPDATE "Image" SET "userId" = "userId" + 1 WHERE id = {image}')
        self.ask(image, refreshes.child("Gone.field"))
        self.check_mended()
        self.change_silently('UPDATE "Image" SET "userId" = "userId" + 1')
        with self.pipeline.connect() as connection:
            refreshes.insert(connection, 0, refreshes.parent("Gone.field", 5),
                             refreshes.parent("Gone.other", "x"))
            refreshes.insert(connection, 0, refreshes.parent("Gone.field", 6))
        self.check_mended()
        self.assertRegex(self.producer.log_tail(1000), r"2 requests wait for job \d+: ")
        self.assertEqual(self.status()["refresh_answers"] - answered, 3)

    def test_requests_that_cannot_be(self):
        """A request that is no request is a dead letter, and nothing is owed."""
        image, *_ = self.image()
        before = self.status()["dead_letters"]
        self.ask(image, {"op": "refresh", "fields": []})
        self.ask(image, refreshes.whole(), refreshes.parent("Post.availability", 1))
        self.ask(-5, refreshes.whole())
        self.pipeline.wait_until_fresh()
        self.wait_until(lambda: self.status()["dead_letters"] - before == 3, "stores no letters")
        self.wait_until(lambda: self.status()["refresh_owed"] == 0, "owes requests")

    def test_l9_a_value_that_no_event_can_carry(self):
        """It is null in the answer, and a dead letter says why; a retry that finds another value
        resolves it, and one that does not leaves it open."""
        image, *_ = self.image()
        long = "repeat('x', 100000)"
        self.change_silently(f'UPDATE "Image" SET type = {long} WHERE id = {image}')
        self.ask(image, refreshes.whole())
        self.wait_until_answered()
        self.assertEqual(self.open_letters(), [(image, "Image.type")])
        self.producer.command("dead-letters", "retry", "--all")
        self.wait_until_answered()
        self.assertEqual(self.open_letters(), [(image, "Image.type")])
        self.change_silently(f'UPDATE "Image" SET type = \'short\' WHERE id = {image}')
        self.producer.command("dead-letters", "retry", "--all")
        self.check_mended()
        self.wait_until(lambda: self.open_letters() == [], "has an open letter")

    def open_letters(self):
        letters = json.loads(self.producer.command("dead-letters", "list", "--json").stdout)
        return [(letter["entity_id"], letter["place"]) for letter in letters
                if letter["job"] == -1]

    def test_an_outage_of_the_session_that_reads(self):
        """The drain continues, and what was not read is read later."""
        sessions = self.status()["sessions"]
        with self.pipeline.connect() as connection:
            for _ in range(20):
                self.change_silently('UPDATE "Image" SET "userId" = "userId" + 1')
                refreshes.insert_many(connection, 'SELECT id FROM "Image"', refreshes.whole())
                connection.execute("""SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                    WHERE datname = current_database()
                    AND application_name LIKE 'bitdex-producer load%'""")
                connection.commit()
        self.check_mended()
        self.assertEqual(self.status()["sessions"], sessions)

    def test_l10_many_requests_are_one_reading(self):
        image, *_ = self.image()
        before, answered = self.count_chunks(), self.status()["refresh_answers"]
        self.change_silently(f'UPDATE "Image" SET "userId" = "userId" + 1 WHERE id = {image}')
        with self.pipeline.connect() as connection:
            refreshes.insert_many(
                connection, f"SELECT {image} FROM generate_series(1, 1000)", refreshes.whole())
        self.check_mended()
        self.assertEqual(self.status()["refresh_answers"] - answered, 1000)
        self.assertIn(self.count_chunks() - before, range(1, 10))


class Owed(RefreshCase):
    images = 400
    without = ("TagsOnImageNew", "ImageTool", "ImageTechnique", "ImageResource")
    sections = {"producer": {"chunk_rows": 50, "refresh": {"owed_max": 100}}}

    def lock(self):
        """Until the connection is closed, no request is answered."""
        connection = self.pipeline.connect()
        connection.execute('LOCK TABLE "Image" IN ACCESS EXCLUSIVE MODE')
        self.addCleanup(connection.close)
        return connection

    def ask_for_all(self):
        self.change_silently('UPDATE "Image" SET "userId" = "userId" + 1')
        ids = self.ids()
        lock = self.lock()
        with self.pipeline.connect() as connection:
            refreshes.insert_many(connection, f"SELECT unnest(ARRAY{ids})", refreshes.whole())
        self.wait_until(lambda: self.status()["refresh_owed"] == len(ids), "does not owe all")
        return lock

    def ids(self):
        with self.pipeline.connect() as connection:
            return [row[0] for row in connection.execute('SELECT id FROM "Image" ORDER BY id')]

    def check_owed(self):
        """Both programs say that requests are owed."""
        self.wait_until(
            lambda: sum(lag["owed_refreshes"] for lag in self.pipeline.partitions()) == 400,
            "the consumer does not say what is owed")
        metrics = self.producer.api.call("/metrics")[1]
        self.assertRegex(metrics, r"(?m)^bitdex_refresh_owed\{.*\} 400$")

    def all_is_answered(self):
        """By the cursor."""
        with self.pipeline.connect() as connection:
            return connection.execute("""SELECT bool_and(pg_visible_in_snapshot(txid, answered))
                FROM "BitdexOps", (SELECT answered FROM bitdex_windows
                    ORDER BY tick DESC, sub_id DESC LIMIT 1) AS saved
                WHERE ops @> '[{"op": "refresh"}]'""").fetchone()[0]

    def test_l10_more_than_is_held(self):
        """Requests above the limit are read again from the outbox."""
        self.wait_until_answered()
        answered = self.status()["refresh_answers"]
        lock = self.ask_for_all()
        self.check_owed()
        lock.close()
        self.check_mended()
        self.assertEqual(self.status()["refresh_answers"] - answered, 400)

    def test_a_restart_while_requests_are_owed(self):
        """What is owed is found in the outbox again, and answered."""
        lock = self.ask_for_all()
        self.producer.kill()
        lock.close()
        self.ask(1, refreshes.whole())
        for _ in range(3):
            self.producer.start()
            self.producer.kill()
        self.producer.start()
        self.check_mended()
        self.wait_until(self.all_is_answered, "has not saved that everything is answered")
