"""Events without a number, beside those of the producer: posts add values to a field that no
trigger fills, so no load repairs it. Posts knows what was answered with 200 (it has to be there)
and what has got no answer (it may be there). The entities have no row.
"""

import contextlib
import http.client
import itertools
import json
import struct
import threading
import time

import confluent_kafka
import index
import servers
import topic
from pipeline import WAIT_S

FIELD = "posts"
FIRST_FIELD = "    - { name: nsfwLevel, field_type: single_value }\n"
ENTITIES = range(1_000_000, 1_000_000 + 2 * index.PARTITIONS)
TOKEN = "correct-horse"
PAUSE_S = 0.03


def write_token(directory):
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "token"
    path.write_text(f"{TOKEN}\n")
    return str(path)


def add_field(config):
    """Adds the field to a configuration of the gallery."""
    text = config.read_text()
    assert FIRST_FIELD in text
    more = f"    - {{ name: {FIELD}, field_type: multi_value }}\n"
    config.write_text(text.replace(FIRST_FIELD, FIRST_FIELD + more))


class Posts:
    def __init__(self, pipeline):
        self._pipeline = pipeline
        self._values = itertools.count(1)
        self._lock = threading.Lock()  # of what follows
        self._stored = {entity: set() for entity in ENTITIES}
        self._maybe = {entity: set() for entity in ENTITIES}

    def forget(self):
        """The topic was made again."""
        with self._lock:
            for values in (*self._stored.values(), *self._maybe.values()):
                values.clear()

    # --- writing

    def _stores(self, entity, value):
        """Posts one op; whether it is stored, or None: that is not known."""
        ops = [{"op": "add", "field": FIELD, "value": value}]
        client = http.client.HTTPConnection(servers.LOOPBACK, self._pipeline.consumer.port,
                                            timeout=WAIT_S)
        with contextlib.closing(client):
            try:
                client.connect()
            except OSError:
                return False
            try:
                client.request("POST", "/api/indexes/gallery/ops",
                               json.dumps({"ops": [{"entity_id": entity, "ops": ops}]}),
                               {"Authorization": f"Bearer {TOKEN}"})
                answer = client.getresponse()
                said = answer.read()
            except (OSError, http.client.HTTPException):
                return None
        assert answer.status in (200, 503), (answer.status, said)
        return answer.status == 200 or None

    def post(self, entity):
        with self._lock:
            value = next(self._values)
            stored = self._stores(entity, value)
            if stored is not False:
                (self._stored if stored else self._maybe)[entity].add(value)

    def send(self, partition, count):
        """Puts posts on the topic that another member of the service has taken."""
        entities = [entity for entity in ENTITIES if entity % index.PARTITIONS == partition]
        client = confluent_kafka.Producer({"bootstrap.servers": self._pipeline.kafka})
        failures = []
        with self._lock:
            for number in range(count):
                entity, value = entities[number % len(entities)], next(self._values)
                body = {"row_id": 0, "entity_id": entity,
                        "ops": [("bitdex.Add", {"field": FIELD, "value": value})]}
                client.produce(self._pipeline.topic, topic.encode(("bitdex.Row", body)),
                               struct.pack(">q", entity), partition,
                               on_delivery=lambda error, _: failures.append(error))
                self._stored[entity].add(value)
                client.poll(0)
            assert client.flush(WAIT_S) == 0 and not any(failures), failures[:1]

    @contextlib.contextmanager
    def writer(self, rng):
        """In a `with`: a thread posts."""
        end, failures = threading.Event(), []

        def run():
            try:
                while not end.wait(PAUSE_S):
                    self.post(rng.choice(ENTITIES))
            except Exception as failure:  # raised below
                failures.append(failure)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            end.set()
            thread.join()
        if failures:
            raise failures[0]

    # --- the oracle

    def differs(self):
        """How the index differs from what was posted, where it is not incomplete; None: it does
        not. Everything that was posted has to be read before."""
        for entity in ENTITIES:
            answer = index.read_entity(self._pipeline.api, entity)
            if FIELD in answer["incomplete_fields"]:
                continue
            held = set(answer["fields"].get(FIELD, ()))
            lost, foreign = self._stored[entity] - held, held - self._stored[entity]
            foreign -= self._maybe[entity]
            if lost or foreign:
                return f"entity {entity}: posts {sorted(lost)} are lost, {sorted(foreign)} foreign"
        return None

    def _is_read(self, ends):
        """Has each partition read up to its end, or does it say why it does not?"""
        return all(
            (partition["offset"] or 0) >= ends[partition["partition"]]
            or partition["state"] == "stalled" for partition in self._pipeline.partitions())

    def check(self):
        """The same without a producer, whose marks show otherwise what was read."""
        ends = topic.read_ends(self._pipeline.kafka, self._pipeline.topic)
        self._pipeline.consumer.wait_until(
            lambda: self._is_read(ends) and self.differs() is None,
            "does not say why posts differ")
