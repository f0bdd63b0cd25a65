"""Dead letters of the producer: how they are shown, counted and retried."""

import json
import os
import re
import unittest

import index
import psycopg
import refreshes
from case import GalleryCase
from pipeline import ROOT

IMAGES = 50
INSERT = 'INSERT INTO "BitdexOps" (entity_id, ops) VALUES (%s, %s) RETURNING id'


def setting(field, value):
    return {"op": "set", "field": field, "value": value}


def fan_out(*ops):
    return {"op": "queryOpSet", "query": "postId eq 2", "ops": list(ops)}


class DeadLetters(GalleryCase):
    def setUp(self):
        super().setUp()
        self.create_gallery(images=IMAGES)
        self.pipeline.wait_until_fresh()
        self.operator = f"bitdex_operator_{os.getpid()}"
        with self.pipeline.connect() as owner:
            owner.execute((ROOT / "docs" / "roles.sql").read_text())
            owner.execute(f"CREATE ROLE {self.operator} LOGIN IN ROLE bitdex_operator")
        self.addCleanup(self.drop_role)
        dsn = psycopg.conninfo.make_conninfo(self.pipeline.dsn, user=self.operator)
        self.commands = self.pipeline.program(
            "bitdex-producer", self.pipeline.producer.port, BITDEX_POSTGRES=dsn
        )

    def drop_role(self):
        with self.pipeline.connect() as owner:
            owner.execute(f"DROP OWNED BY {self.operator}")
            owner.execute(f"DROP ROLE {self.operator}")

    def reject(self, *rows):
        """Writes rows that become dead letters; returns their ids."""
        with self.pipeline.connect() as connection:
            ids = [
                connection.execute(INSERT, (entity, json.dumps(ops))).fetchone()[0]
                for entity, ops in rows
            ]
        self.wait_for_open(len(ids))
        return ids

    def wait_for_open(self, count):
        """Waits until the status, the ready answer and the metrics show so many open letters."""
        call = self.pipeline.producer.api.call

        def are_shown():
            status, ready, metrics = (
                call(path)[1] for path in ("/api/status", "/api/ready", "/metrics"))
            return status["dead_letters_open"] == ready["dead_letters"] == count and re.search(
                rf"(?m)^bitdex_dead_letters_open\S* {count}$", metrics)

        self.pipeline.producer.wait_until(
            are_shown, f"has other than {count} open dead letters")

    def command(self, *arguments, code=0):
        done = self.commands.command("dead-letters", *arguments, check=False)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def list_states(self, *options):
        letters = json.loads(self.command("list", "100", "--json", *options).stdout)
        return {letter["row_id"]: letter["state"] for letter in letters}

    def requests_after(self, row_id):
        """The ops of the rows that follow a row of the outbox, by entity."""
        with self.pipeline.connect() as connection:
            return connection.execute(
                'SELECT entity_id, ops FROM "BitdexOps" WHERE id > %s ORDER BY id', (row_id,)
            ).fetchall()

    def test_f71_a_retried_letter_is_read_again(self):
        """`retry` inserts requests, with the rights of bitdex_operator alone, and never the ops of
        the letter. A letter is retried until its request is answered, and then resolved: it leaves
        the list and the count."""
        first, second = self.reject(
            (1, [setting("nsfwLevel", {"a": 1})]),
            (2, [fan_out(setting("publishedAt", {}), setting("availability", "x"))]),
        )
        self.assertEqual(self.list_states(), {first: "open", second: "open"})
        self.command("retry", str(first))
        self.assertEqual(self.requests_after(second), [(1, [{"op": "refresh"}])])
        self.wait_for_open(1)
        self.assertEqual(self.list_states(), {second: "open"})
        self.assertEqual(self.list_states("--resolved"), {first: "resolved", second: "open"})
        self.assertIn("resolved", self.command("show", str(first)).stdout)
        self.pipeline.producer.stop()
        self.assertIn("1 retried, 0 refused", self.command("retry", "--all").stdout)
        request = {"op": "refresh", "entry": "Post.publishedAt", "key": 2}
        self.assertEqual(self.requests_after(second)[1:], [(2, [request])])
        self.assertEqual(self.list_states(), {second: "retried"})
        self.assertIn("0 retried, 0 refused", self.command("retry", "--all").stdout)
        self.change_silently(
            'UPDATE "Image" SET "userId" = "userId" + 1, "nsfwLevel" = 29 WHERE id = 1',
            """UPDATE "Post" SET availability = 'silent' WHERE id = 2""",
        )
        self.assertEqual(self.list_states(), {second: "retried"})
        self.pipeline.producer.start()
        self.wait_for_open(0)
        self.assertIn("not an open dead letter", self.command("retry", str(first), code=1).stdout)
        with self.assertRaises(AssertionError):
            index.check_equal(self.pipeline)  # the first answer was before the change
        with self.pipeline.connect() as connection:
            refreshes.insert(connection, 1, refreshes.whole())
        self.check_end(changed=False)

    def test_f71_a_value_of_an_answer(self):
        """A value that no answer can carry is null, and becomes a dead letter that a retry resolves
        when the value is correct. The same value in a second answer opens it again."""
        self.change_silently("""UPDATE "Image" SET type = repeat('x', 70000) WHERE id = 1""")
        with self.pipeline.connect() as connection:
            refreshes.insert(connection, 1, refreshes.whole())
        self.wait_for_open(1)
        self.assertIn("of an answer (job -1), Image.type", self.command("list").stdout)
        self.command("retry", "--job", "-1", "1")
        self.wait_for_letter("open")
        self.change_silently("""UPDATE "Image" SET type = 'video' WHERE id = 1""")
        self.command("retry", "--all")
        self.wait_for_open(0)
        (letter,) = json.loads(self.command("show", "1", "-1", "--json").stdout)
        self.assertEqual((letter["place"], letter["state"]), ("Image.type", "resolved"))
        self.check_end(changed=False)

    def wait_for_letter(self, state):
        """Waits until the only letter has that state, and its retry is answered."""
        producer = self.pipeline.producer
        producer.wait_until(lambda: producer.api.get("/api/status")["refresh_owed"] == 0, "owes")
        self.pipeline.wait_until_fresh()
        producer.wait_until(
            lambda: list(self.list_states("--resolved").values()) == [state], f"is not {state}"
        )

    def change_silently(self, *statements):
        """Executes the statements without their ops rows."""
        with self.pipeline.connect() as connection:
            for statement in statements:
                connection.execute(statement)
            refreshes.forget_ops(connection)

    def test_f71_what_only_a_person_can_write(self):
        """A letter whose field no trigger owns is refused, with the SQL that writes its ops and
        marks the letter. Letters beside it are retried."""
        mine = [setting("minor", {}), setting("other", {"a": "it's"})]
        hand, ours, none = self.reject((3, mine), (4, [{"op": "explode"}]), (-5, [{"op": "alive"}]))
        answer = json.loads(self.command("retry", "--all", "--json", code=1).stdout)
        self.assertEqual(answer["retried"], 1)
        self.assertEqual([letter["row_id"] for letter in answer["refused"]], [hand, none])
        by_hand, no_slot = answer["refused"]
        self.assertEqual(by_hand["reason"], "no trigger owns field other")
        self.assertEqual((no_slot["reason"], no_slot["sql"]), ("its entity has no slot", None))
        self.wait_for_open(2)
        self.assertIn(by_hand["sql"], self.command("retry", str(hand), code=1).stdout)
        self.assertEqual(self.requests_after(none), [(4, [{"op": "refresh"}])])
        corrected = by_hand["sql"].replace("""{"a":"it''s"}""", "7")
        with psycopg.connect(self.commands_dsn(), autocommit=True) as connection:
            connection.execute(corrected)
        self.assertEqual(
            self.requests_after(none)[1:], [(3, [setting("other", 7), {"op": "refresh"}])]
        )
        self.wait_for_open(1)

    def commands_dsn(self):
        return psycopg.conninfo.make_conninfo(self.pipeline.dsn, user=self.operator)

    def test_f71_the_rights_of_an_operator(self):
        """An operator may insert requests, and may change nothing else. Without its rights `retry`
        names them."""
        self.reject((1, [{"op": "explode"}]))
        with psycopg.connect(self.commands_dsn(), autocommit=True) as connection:
            connection.execute(INSERT.replace(" RETURNING id", ""), (1, '[{"op": "refresh"}]'))
            for refused in (
                'DELETE FROM "BitdexOps"',
                'SELECT ops FROM "BitdexOps"',
                "DELETE FROM bitdex_dead_letters",
                "UPDATE bitdex_dead_letters SET reason = ''",
                "UPDATE bitdex_windows SET answered = s2",
            ):
                with self.assertRaises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(refused)
        with self.pipeline.connect() as owner:
            owner.execute(f"REVOKE bitdex_operator FROM {self.operator}")
            owner.execute(f"GRANT bitdex_producer TO {self.operator}")
        self.assertIn("bitdex_operator", self.command("retry", "--all", code=1).stderr)
        self.command("retry", code=2)
        self.command("retry", "--all", "1", code=2)

    def test_f112_old_letters_are_removed(self):
        """At its start and once an hour, the producer removes its letters that are older than
        retention.dead_letter_days, but no verdict of the newest saved window."""
        self.pipeline.producer.stop()
        with self.pipeline.connect() as connection:
            epoch, tick = connection.execute(
                """SELECT epoch, (SELECT max(tick) FROM bitdex_windows) FROM bitdex_producers"""
            ).fetchone()
            for row, at, age in [(1, tick - 1, 31), (2, tick - 1, 29), (3, tick, 31)]:
                connection.execute(
                    f"""INSERT INTO bitdex_dead_letters (name, epoch, row_id, tick, generation,
                        entity_id, ops, reason, rejected_at) VALUES ('default', {epoch}, {row},
                        {at}, 1, 7, '[]', 'r', now() - interval '{age} days')""")
        self.pipeline.producer.start()
        self.pipeline.producer.wait_until(lambda: 1 not in self.letters()[0], "keeps old letters")
        rows, newest = self.letters()
        self.assertIn(2, rows)
        self.assertTrue(3 in rows or newest > tick)  # an idle producer saves another window

    def letters(self):
        """The rows of the letters, and the newest saved window when these were read."""
        with self.pipeline.connect() as connection:
            return connection.execute("""SELECT array_agg(row_id),
                (SELECT max(tick) FROM bitdex_windows) FROM bitdex_dead_letters""").fetchone()


if __name__ == "__main__":
    unittest.main()
