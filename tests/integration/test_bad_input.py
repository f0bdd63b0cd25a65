"""What cannot be applied becomes a dead letter with its reason; the rest is applied."""

import collections
import json
import os
import unittest
import unittest.mock

import confluent_kafka
import topic
from case import GalleryCase


def fan_out(**changes):
    op = {"op": "queryOpSet", "query": "postId eq 1", "ops": [{"op": "delete"}]} | changes
    return {name: value for name, value in op.items() if value is not None}


def request(**members):
    return {"op": "refresh"} | members


def setting(value, field="nsfwLevel"):
    return [{"op": "set", "field": field, "value": value}]


ALIVE = [{"op": "alive"}]
DEEP = "[" * 5000 + "]" * 5000
BAD_ROWS = [  # (ops of one outbox row, its entity, part of the reason)
    ({"op": "alive"}, 7, "array"),
    ("alive", 7, "array"),
    (None, 7, "array"),
    ([], 7, "not an array"),
    ([7], 7, "object"),
    ([{}], 7, "op"),
    ([{"op": 7}], 7, "op"),
    ([{"op": "explode"}], 7, "unknown"),
    ([{"op": "set", "value": 1}], 7, "field"),
    (setting(1, field=""), 7, "field"),
    ([{"op": "remove", "field": "nsfwLevel", "value": None}], 7, "null"),
    (ALIVE + [fan_out()], 7, "a fan-out and another op"),
    (ALIVE + [request(entry="e", key=1)], 7, "a parent's request and another op"),
    ([request(entry="e", key=1), fan_out()], 7, "a fan-out and another op"),
    ([fan_out(ops=[request()])], 7, "ops[0].ops[0]"),
    ([request(key=1)], 7, "without an entry"),
    ([request(entry="e", key=None)], 7, "neither an integer nor a string"),
    ([request(fields=[])], 7, "fields"),
    ([fan_out(ops=[fan_out()])], 7, "ops[0].ops[0]"),
    ([fan_out(ops=ALIVE)], 7, "ops[0].ops[0]"),
    ([fan_out(ops=None)], 7, "ops"),
    ([fan_out(query=None)], 7, "query"),
    ([fan_out(query="postId gt 1")], 7, "eq or in"),
    ([fan_out(query="postId eq 1 AND")], 7, "query"),
    ([fan_out(query="x" * 100_000 + " eq 1")], 7, "query"),
    (setting(1, field="x" * 1000), 7, "long"),
    (setting("x" * (2 << 20)), 7, "row_bytes"),
    ([fan_out(ops=setting("x" * (2 << 20)))], 7, "row_bytes"),
    ([request(entry="e", key="x" * (2 << 20))], 7, "row_bytes"),
    ([request(fields=["x" * (2 << 20)])], 7, "row_bytes"),
    ([[request(key=1)], "x" * (2 << 20)], 7, "row_bytes"),
    (request(key="x" * (2 << 20)), 7, "row_bytes"),
    (setting(1) * 200_000, 7, ""),
    (ALIVE, -1, "slot"),
    (ALIVE, (1 << 63) - 1, "slot"),
    (ALIVE, -(1 << 63), "slot"),
]


class BadInput(GalleryCase):
    def insert_bad_rows(self):
        """Inserts the rows of BAD_ROWS and one too deep; returns {row id: part of the reason}."""
        insert = 'INSERT INTO "BitdexOps" (entity_id, ops) VALUES (%s, %s) RETURNING id'
        rows = [(entity, json.dumps(ops), word) for ops, entity, word in BAD_ROWS]
        words = {}
        with self.pipeline.connect() as connection:
            for entity, ops, word in [*rows, (7, DEEP, "is not an object")]:
                words[connection.execute(insert, (entity, ops)).fetchone()[0]] = word
        return words

    def test_f62_bad_rows_are_rejected(self):
        """An invalid ops row takes its seq as a rejected event and becomes a dead letter with its
        reason."""
        self.create_gallery(images=50)
        words = self.insert_bad_rows()
        _, delivered = self.check_end(changed=False)
        rejected = {
            event["body"][1]["row_id"]: event["body"][1]["reason"]
            for events in delivered.values()
            for event in events
            if event["body"][0] == "bitdex.Rejected"
        }
        self.assertEqual(sorted(rejected), sorted(words))
        for row_id, word in words.items():
            self.assertIn(word, rejected[row_id])
        with self.pipeline.connect() as connection:
            letters = dict(
                connection.execute("SELECT row_id, reason FROM bitdex_dead_letters").fetchall()
            )
        self.assertEqual(letters, rejected)
        self.check_commands(rejected)

    def check_commands(self, rejected):
        """Checks that `dead-letters list` shows all of them in pages, and `show` one of them with
        its ops."""
        command = self.pipeline.producer.command
        self.assertIn("no dead letters", command("dead-letters", "list", "5", "1000000").stdout)
        shown, after = {}, "-1"
        while True:
            done = command("dead-letters", "list", "10", after, "--json")
            page = json.loads(done.stdout)
            shown |= {letter["row_id"]: letter["reason"] for letter in page}
            if len(page) < 10:
                break
            after = str(page[-1]["row_id"])
        self.assertEqual(shown, rejected)
        first = min(rejected)
        self.assertIn(f"dead-letters list 1 {first}", command("dead-letters", "list", "1").stdout)
        letter = json.loads(command("dead-letters", "show", str(first), "--json").stdout)
        self.assertEqual((letter["ops"], letter["entity_id"]), BAD_ROWS[0][:2])
        self.assertIn(rejected[first], command("dead-letters", "show", str(first)).stdout)

    def test_l9_ops_that_do_not_fit_the_index(self):
        """An op that does not fit its field becomes a dead letter on the topic .dead, and its field
        becomes null; the other ops of the row are applied."""
        self.create_gallery(images=50)
        bad = {"op": "set", "field": "nsfwLevel", "value": "high"}
        ops = [bad, {"op": "set", "field": "userId", "value": 77}]
        with self.pipeline.connect() as connection:
            for row in (ALIVE + setting(4), ops):
                connection.execute(
                    'INSERT INTO "BitdexOps" (entity_id, ops) VALUES (1000000, %s)',
                    (json.dumps(row),),
                )
        self.pipeline.wait_until_fresh()
        entity = self.pipeline.api.get("/api/indexes/gallery/entities/1000000")
        self.assertEqual(entity["fields"], {"userId": 77})
        letters = self.read_dead_letters()
        self.assertEqual(len(letters), 1)
        self.assertIn("nsfwLevel", letters[0]["reasons"][0])
        self.assertEqual(letters[0]["ops"], [bad])
        self.assertTrue(all(partition["complete"] for partition in self.pipeline.partitions()))

    def test_f71_letters_of_a_consumer_are_retried(self):
        """A retry reads the source again: newer values stay, and the letter leaves the count. What
        no trigger writes is printed as an op for a person."""
        self.create_gallery(images=50)
        self.pipeline.wait_until_fresh()  # an answer to what that asks for would close a letter
        rows = [  # an image, a post as the parent of a fan-out, and a fan-out of nobody
            (7, setting("high")),
            (5, [fan_out(query="postId eq 5", ops=setting(5, field="availability"))]),
            (6, [fan_out(query="postId eq 6", ops=setting("high"))]),
        ]
        with self.pipeline.connect() as connection:
            for entity, ops in rows:
                connection.execute(
                    'INSERT INTO "BitdexOps" (entity_id, ops) VALUES (%s, %s)',
                    (entity, json.dumps(ops)),
                )
        self.pipeline.wait_until_fresh()
        command = self.pipeline.consumer.command
        letters = [json.loads(line) for line in
                   command("dead-letters", "list", "--json").stdout.splitlines()]
        # A fan-out is in every partition.
        self.assertEqual(len(letters), 1 + 2 * len(self.pipeline.partitions()))
        self.assertEqual(self.open_letters(), len(letters))
        names = {entity: f'{letter["partition"]}/{letter["offset"]}' for letter in letters
                 for entity in [letter["event"]["entity_id"]]}
        shown = command("dead-letters", "show", names[7]).stdout
        self.assertIn("nsfwLevel", shown)
        self.assertIn("high", shown)
        by_hand = command("dead-letters", "retry", names[6], check=False)
        self.assertEqual(by_hand.returncode, 1)
        self.assertIn("no trigger writes field nsfwLevel by fan-outs", by_hand.stdout, by_hand)
        self.assertIn('INSERT INTO "BitdexOps" (entity_id, ops) VALUES (6, ', by_hand.stdout)
        with self.pipeline.connect() as connection:
            connection.execute('UPDATE "Image" SET "nsfwLevel" = 3 WHERE id = 7')
        self.pipeline.wait_until_fresh()
        self.assertEqual(self.open_letters(), len(letters) - 1)  # the trigger has set it
        retried = command("dead-letters", "retry", names[7], names[5])
        self.assertIn("2 refreshes requested", retried.stdout)
        self.pipeline.wait_until_fresh()
        self.assertEqual(self.open_letters(), len(self.pipeline.partitions()))  # of entity 6
        self.assertEqual(self.entity(7)["fields"]["nsfwLevel"], 3)
        self.assertEqual(self.pipeline.api.call("/api/ready")[1]["dead_letters"], 4)
        self.assertTrue(all(partition["complete"] for partition in self.pipeline.partitions()))

    def open_letters(self):
        return sum(partition["dead_letters_open"] for partition in self.pipeline.partitions())

    def test_f44_f51_dead_letters_wait_for_their_topic(self):
        """Without a dead-letter topic, the partition that has a dead letter waits before it and
        reports the error, also after a kill; the others continue. It continues when the dead letter
        is acknowledged."""
        self.create_gallery(images=50)
        self.pipeline.wait_until_fresh()
        topic.delete(self.pipeline.kafka, self.pipeline.topic + ".dead")
        with self.pipeline.connect() as connection:
            for entity, ops in ((1000000, setting("high") + ALIVE), (1000001, ALIVE)):
                connection.execute(
                    'INSERT INTO "BitdexOps" (entity_id, ops) VALUES (%s, %s)',
                    (entity, json.dumps(ops)),
                )
        for _ in range(2):
            self.pipeline.consumer.wait_until(self.waits_for_dead_letters, "does not wait")
            self.assertEqual(self.pipeline.api.call("/api/health")[0], 200)
            self.pipeline.consumer.kill()
            self.pipeline.consumer.start()
        self.pipeline.consumer.wait_until(self.waits_for_dead_letters, "does not wait")
        durable = self.pipeline.partitions()[0]["durable_offset"]
        self.pipeline.consumer.wait_until(  # of another partition, which does not wait
            lambda: self.entity(1000001)["alive"], "applies nothing in the others")
        self.pipeline.init()
        self.pipeline.wait_until_fresh()
        self.assertEqual(self.entity(1000000)["alive"], True)
        (letter,) = self.read_dead_letters()
        self.assertEqual(letter["partition"], 0)
        self.assertGreaterEqual(letter["offset"], durable)

    def waits_for_dead_letters(self):
        waiting = [p for p in self.pipeline.partitions() if p["state"] == "waiting"]
        return len(waiting) == 1 and ".dead" in waiting[0]["error"]

    def entity(self, entity):
        return self.pipeline.api.get(f"/api/indexes/gallery/entities/{entity}")

    def test_f50_topic_with_a_low_limit(self):
        """An event larger than the topic's max.message.bytes is rejected; batches of smaller events
        fit into it."""
        self.pipeline.init()
        topic.configure(self.pipeline.kafka, self.pipeline.topic, "max.message.bytes", "8192")
        self.create_gallery(images=50)
        with self.pipeline.connect() as connection:
            large = [{"op": "set", "field": "type", "value": "x" * 9000}]
            connection.execute(
                'INSERT INTO "BitdexOps" (entity_id, ops) VALUES (9, %s)', (json.dumps(large),)
            )
        self.check_end(changed=False)
        with self.pipeline.connect() as connection:
            (reason,) = connection.execute("SELECT reason FROM bitdex_dead_letters").fetchone()
        self.assertIn("max.message.bytes", reason)

    def test_f54_undecodable_message(self):
        """A message that cannot be decoded becomes a dead letter, and the events after it are
        applied."""
        self.create_gallery(images=50)
        producer = confluent_kafka.Producer({"bootstrap.servers": self.pipeline.kafka})
        producer.produce(self.pipeline.topic, b"\xc3\x01rubbish", partition=0)
        self.assertEqual(producer.flush(120), 0)
        with self.pipeline.connect() as connection:
            connection.execute("""INSERT INTO "Image" (url, "userId") VALUES ('after', 1)""")
        self.pipeline.wait_until_fresh()
        self.assertEqual(len(self.read_dead_letters()), 1)

    def read_dead_letters(self):
        """The dead letters on the topic .dead."""
        found = topic.read_dead_letters(self.pipeline.kafka, self.pipeline.topic)
        return [letter for _, letter in found]


class Usage(GalleryCase):
    def run_fails(self, program, *arguments, code, word):
        done = program.command(*arguments, check=False)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertIn(word, done.stderr)

    def test_command_line(self):
        """Wrong usage exits with 2 and names the wrong word; a program that cannot be reached makes
        a command exit with 1."""
        producer, consumer = self.pipeline.producer, self.pipeline.consumer
        for program in (producer, consumer):
            self.assertIn("usage:", program.command("--help").stdout)
            self.assertIn("usage:", program.command("run", "--help").stdout)
            self.assertIn(self.pipeline.topic, program.command("config").stdout)
            self.run_fails(program, "dance", code=2, word="dance")
            self.run_fails(program, "run", "--fast", code=2, word="--fast")
            self.run_fails(program, "status", code=1, word=str(program.port))
        self.run_fails(producer, "dead-letters", code=2, word="dead-letters")
        self.run_fails(producer, "dead-letters", "show", code=2, word="needs ID")
        self.run_fails(producer, "dead-letters", "list", "many", code=2, word="many")
        self.run_fails(consumer, "get", code=2, word="ID")
        self.run_fails(consumer, "get", "x", code=2, word="x")

    def test_check_names_what_is_missing(self):
        """Before `init`, `check` of both programs fails and names `init`; afterwards both succeed,
        and neither changes anything."""
        for program in (self.pipeline.producer, self.pipeline.consumer):
            done = program.command("check", check=False)
            self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
            self.assertIn("init", done.stdout + done.stderr)
        self.create_gallery(images=50)
        self.pipeline.producer.stop()
        self.pipeline.consumer.stop()
        for program in (self.pipeline.producer, self.pipeline.consumer):
            program.command("check")
        self.assertIn("nothing to do", self.pipeline.init().stdout)

    def test_status_query_get(self):
        """`status`, `query` and `get` ask a running program and print text or JSON."""
        self.create_gallery(images=50)
        self.pipeline.wait_until_fresh()
        producer, consumer = self.pipeline.producer, self.pipeline.consumer
        self.assertIn("draining", producer.command("status").stdout)
        with self.pipeline.connect() as connection:
            (generation,) = connection.execute(
                "SELECT generation FROM bitdex_producers").fetchone()
        status = json.loads(producer.command("status", "--json").stdout)
        self.assertEqual(status["generation"], generation)
        self.assertIn("complete", consumer.command("status").stdout)
        partitions = json.loads(consumer.command("status", "--json").stdout)["partitions"]
        self.assertEqual([partition["partition"] for partition in partitions], [0, 1, 2, 3])
        body = json.dumps({"filters": [{"Eq": ["type", {"String": "image"}]}], "limit": 5})
        self.assertEqual(len(json.loads(consumer.command("query", body).stdout)["ids"]), 5)
        self.assertTrue(json.loads(consumer.command("get", "1").stdout)["alive"])
        self.run_fails(consumer, "query", '{"filters":[{"Eq":["colour",1]}]}', code=1,
                       word="colour")


class Unreadable(GalleryCase):
    """F103: rows whose ops the database cannot give out as text."""

    UNREADABLE = "the database cannot read its ops"
    # Byte 0x81 is no character of WIN1252, and no UTF-8.
    TYPE = """jsonb_build_array(jsonb_build_object(
        'op', 'set', 'field', 'type', 'value', chr(129)))"""
    FAN_OUT = f"""jsonb_build_array(jsonb_build_object(
        'op', 'queryOpSet', 'query', 'postId eq 7', 'ops', {TYPE}))"""

    def insert(self, connection, entity, ops):
        return connection.execute(
            f'INSERT INTO "BitdexOps" (entity_id, ops) VALUES ({entity}, {ops}) RETURNING id'
        ).fetchone()[0]

    def check_encoding(self, encoding):
        pipeline = self.pipeline
        self.enterContext(unittest.mock.patch.dict(os.environ, {"PGCLIENTENCODING": "utf8"}))
        pipeline.create_database(f"ENCODING '{encoding}' TEMPLATE template0 LOCALE 'C'")
        self.create_tables()
        alive = """'[{"op": "alive"}]'"""
        rejected = []
        with pipeline.connect() as connection:
            self.insert(connection, 1, alive)
            for entity, ops in [(2, self.TYPE), (3, self.TYPE), (4, self.FAN_OUT)]:
                rejected.append(self.insert(connection, entity, ops))
            self.insert(connection, 6, alive)
        pipeline.start()
        pipeline.wait_until_fresh()
        with pipeline.connect() as connection:
            rejected.append(self.insert(connection, 8, self.TYPE))  # a window of its own
            self.insert(connection, 9, alive)
            connection.commit()
            pipeline.wait_until_fresh()
            letters = connection.execute(
                "SELECT row_id, reason FROM bitdex_dead_letters").fetchall()
        self.assertEqual([row for row, _ in sorted(letters)], rejected)
        for _, reason in letters:
            self.assertIn(self.UNREADABLE, reason)
        self.assertEqual(sorted(pipeline.query({"filters": []})["ids"]), [1, 6, 9])
        command = pipeline.producer.command
        self.check_readers(command)
        self.assertEqual(pipeline.producer.stop(), 0)
        self.assertIn(self.UNREADABLE, command("dead-letters", "list").stdout)
        for row in rejected:
            self.assertIn(self.UNREADABLE, command("dead-letters", "show", str(row)).stdout)
        places = self.count_rejected()
        self.assertEqual([places[row] for row in rejected], [1, 1, 4, 1])

    def check_readers(self, command):
        """Checks that a load and an answer read what is beside a value that they cannot read."""
        with self.pipeline.connect() as connection:
            images = [connection.execute(
                f"""INSERT INTO "Image" (url, "userId", "blockedFor") VALUES ('u', {user}, {value})
                RETURNING id""").fetchone()[0] for user, value in [(21, "chr(129)"), (22, "'b'")]]
        command("load", check=False)
        with self.pipeline.connect() as connection:
            for image in images:
                self.insert(connection, image, """'[{"op": "refresh"}]'""")
        self.pipeline.wait_until_fresh()
        listed = command("dead-letters", "list").stdout
        self.assertRegex(listed, rf"entity {images[0]} of job [1-9].*0x81")
        self.assertRegex(listed, rf"entity {images[0]} of an answer.*0x81")
        answer = self.pipeline.api.get(f"/api/indexes/gallery/entities/{images[1]}")
        self.assertEqual(answer["fields"]["blockedFor"], "b")

    def test_f103_bytes_outside_of_the_encoding(self):
        """They become dead letters by their id, with their seqs; the rows around them are sent."""
        self.check_encoding("WIN1252")

    def test_f103_ops_that_are_damaged(self):
        """Nothing of them can be read, not even whether they are a fan-out: the row is rejected in
        every partition."""
        self.create_tables()
        self.pipeline.start()
        alive = """'[{"op": "alive"}]'"""
        long = """(SELECT jsonb_build_array(jsonb_build_object('op', 'set', 'field', 'type',
            'value', string_agg(md5(i::text), ''))) FROM generate_series(1, 500) AS i)"""
        with self.pipeline.connect() as connection:
            self.insert(connection, 1, alive)
            row = self.insert(connection, 2, long)
            self.insert(connection, 3, alive)
            connection.execute("CREATE EXTENSION pg_surgery")
            connection.execute("""DO $$ DECLARE toast regclass; tuples tid[]; BEGIN
                SELECT reltoastrelid FROM pg_class WHERE relname = 'BitdexOps' INTO toast;
                EXECUTE format('SELECT array_agg(ctid) FROM %s', toast) INTO tuples;
                PERFORM heap_force_kill(toast, tuples); END $$""")
        self.pipeline.wait_until_fresh()
        with self.pipeline.connect() as connection:
            letters = connection.execute(
                "SELECT row_id, reason FROM bitdex_dead_letters").fetchall()
        self.assertEqual([row for row, _ in letters], [row])
        self.assertIn("missing chunk", letters[0][1])
        self.assertEqual(sorted(self.pipeline.query({"filters": []})["ids"]), [1, 3])
        self.assertEqual(self.count_rejected(), {row: 4})

    def count_rejected(self):
        """How many rejected events the topic has, by row. What is sent again has its number again.
        """
        events = topic.read(self.pipeline.kafka, self.pipeline.topic)
        numbers = {
            (event["body"][1]["row_id"], partition, event["seq"])
            for partition, records in events.items() for _, _, event in records
            if event["body"][0] == "bitdex.Rejected"}
        return collections.Counter(row for row, _, _ in numbers)

    def test_f103_bytes_of_a_database_without_encoding(self):
        self.check_encoding("SQL_ASCII")


if __name__ == "__main__":
    unittest.main()
