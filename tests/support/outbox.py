"""The base of tests of the producer alone: ops rows written by hand, no consumer."""

import time

import gallery
import topic
from case import GalleryCase

INSERT = """
INSERT INTO "BitdexOps" (entity_id, ops)
SELECT {entity}, '[{{"op": "set", "field": "userId", "value": 1}}]' FROM generate_series(1, {rows})
AS n
"""

KEEP = """
CREATE SCHEMA kept;
CREATE TABLE kept."BitdexOps" (id bigint PRIMARY KEY, entity_id bigint, ops jsonb);
CREATE FUNCTION kept.keep() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
    INSERT INTO kept."BitdexOps" VALUES (NEW.id, NEW.entity_id, NEW.ops);
    RETURN NULL;
END $$;
CREATE TRIGGER keep AFTER INSERT ON "BitdexOps" FOR EACH ROW EXECUTE FUNCTION kept.keep();
"""


def keep(connection):
    """Copies every ops row that is written from now on to a table that retention does not trim."""
    connection.execute(KEEP)


def check_kept(pipeline, name=None):
    """Checks that a reader of the topic (the pipeline's, or `name`) applies every copied row
    exactly once."""
    events = topic.read(pipeline.kafka, name or pipeline.topic)
    with pipeline.connect(options="-c search_path=kept") as connection:
        return topic.check_delivery(connection, events)


class OutboxCase(GalleryCase):
    settings = {}  # added to the producer section of gallery.yaml

    def setUp(self):
        if self.settings:
            self.sections = self.sections | {"producer": self.settings}
        super().setUp()
        self.producer = self.pipeline.producer
        self.entities = 0
        self.create_tables()

    def start(self):
        """Starts the producer; returns when it is ready to send rows."""
        self.producer.start()
        self.producer.wait_until_state("draining")

    def status(self):
        return self.producer.api.get("/api/status")

    def insert(self, connection, rows=1, entity=None):
        """`entity`: the id that all rows have; by default every row has another one."""
        if entity is None:
            entity = f"{self.entities} + n"
            self.entities += rows
        connection.execute(INSERT.format(entity=entity, rows=rows))

    def wait_until_sent(self):
        """Waits until everything that is committed now is acknowledged."""
        committed = time.time()

        def is_sent():
            now = time.time()  # before the request, or a slow answer would seem fresher than it is
            age = self.status()["freshness_seconds"]
            return age is not None and now - age > committed

        self.producer.wait_until(is_sent, "does not deliver")

    def wait_for_session(self, what, state="active", wait_event_type="%"):
        """Waits until the producer's database session `what` is in that state; returns the process
        id of its backend."""
        found = []

        def is_in_state():
            with self.pipeline.connect() as connection:
                found[:] = connection.execute(
                    "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
                    " AND application_name = %s AND state = %s"
                    " AND coalesce(wait_event_type, '') LIKE %s",
                    (f"bitdex-producer {what}", state, wait_event_type),
                ).fetchall()
            return found

        self.producer.wait_until(is_in_state, f"has no session {what} that is {state}")
        return found[0][0]

    def check_delivery(self):
        """Checks that a reader that follows L2 applies every row that is committed now exactly
        once, and the rows of each entity in the order of their ids. Returns {partition: [event]}
        as applied."""
        self.wait_until_sent()
        with self.pipeline.connect() as connection:
            events = topic.read(self.pipeline.kafka, self.pipeline.topic)
            delivered = topic.check_delivery(connection, events)
        for partition in delivered.values():
            last = {}
            for event in partition:
                fields = event["body"][1]
                self.assertLess(last.get(fields["entity_id"], 0), fields["row_id"])
                last[fields["entity_id"]] = fields["row_id"]
        return delivered
