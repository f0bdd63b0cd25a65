"""Compares an index with the tables that it indexes."""

import collections
import concurrent.futures
import contextlib
import time

import gallery
from pipeline import WAIT_S, Api, Refusal

PARTITIONS = 4  # of the topics of all pipelines
THREADS = 4
QUERIES = 60
DOCUMENTS = 500  # of one request


def read_entity(api, entity):
    """The answer of GET entities/{id}. While the owner of a partition joins its group again, after
    it or a broker was killed, it has no answer for a time."""
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            return api.get(f"/api/indexes/gallery/entities/{entity}")
        except Refusal:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.05)


def read_entities(owners, entities):
    """{id: answer of GET entities/{id}} for these ids; `owners` are the consumers by partition."""

    def read(first):
        with contextlib.ExitStack() as stack:
            apis = [stack.enter_context(contextlib.closing(Api(owner.port))) for owner in owners]
            return {
                entity: read_entity(apis[entity % len(apis)], entity)
                for entity in entities[first::THREADS]
            }

    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        answers = {}
        for part in pool.map(read, range(THREADS)):
            answers |= part
        return answers


def read_documents(owners, entities):
    """{id: the fields of its document that have values, None without a document}; `owners` as in
    read_entities()."""
    documents = {}
    ports = {owner.port: owner for owner in owners}
    for port, owner in ports.items():
        its = [entity for entity in entities if owners[entity % len(owners)].port == port]
        for first in range(0, len(its), DOCUMENTS):
            part = its[first:first + DOCUMENTS]
            for entity, document in zip(part, read_page(owner.api, part), strict=True):
                documents[entity] = document and {
                    name: value for name, value in document.items()
                    if name != "id" and value not in (None, [])
                }
    return documents


def read_page(api, entities):
    """The documents of these ids. As for read_entity(), a partition may have no owner for a time.
    """
    deadline = time.monotonic() + WAIT_S
    while True:
        answer = api.get("/api/indexes/gallery/documents", {"ids": entities})
        if not answer["missing_partitions"]:
            return answer["documents"]
        assert time.monotonic() < deadline, answer["missing_partitions"]
        time.sleep(0.05)


def read_owners(consumers):
    """The owner of each partition. While the members of a group join it again, after one of them or
    a broker was killed, a partition has no owner, or moves between two answers and seems to have
    two."""
    owners = {}

    def each_has_one():
        listed = [
            (partition["partition"], consumer)
            for consumer in consumers
            for partition in consumer.api.get("/api/internal/sync-lag")["partitions"]
        ]
        owners.clear()
        owners.update(listed)
        return len(owners) == len(listed) == PARTITIONS

    consumers[0].wait_until(each_has_one, "and the other members do not own each partition once")
    return [owners[partition] for partition in range(PARTITIONS)]


def check_entity(answer, truth, unknown):
    """`truth`: the fields of the row, None without one; `unknown`: what is not compared."""
    if "alive" not in unknown:
        assert answer["alive"] == (truth is not None), (answer, truth)
    if "publishedAt" not in unknown and "alive" not in unknown:
        assert answer["visible"] == answer["alive"], answer
    if truth is None:
        return
    held, wanted = (
        {name: value for name, value in fields.items() if name not in unknown}
        for fields in (answer["fields"], truth)
    )
    assert held == wanted, f"index {answer}\ntables {truth}"


def count_values(truth):
    """{(field, value): images}"""
    return collections.Counter(
        (name, value)
        for fields in truth.values()
        for name, values in fields.items()
        for value in (values if isinstance(values, list) else [values])
        if not name.endswith("At")  # these are fields to sort by
    )


def check_counts(consumers, truth):
    """Checks how many images have each of the most frequent values, and how many exist, where the
    answers are complete."""
    counts = count_values(truth).most_common(QUERIES)
    queries = [({"Eq": [name, value]}, count) for (name, value), count in counts]
    for clause, count in [*queries, (None, len(truth))]:
        query = {"filters": [clause] if clause else [], "limit": 1}
        replies = [one.api.get("/api/indexes/gallery/query", query) for one in consumers]
        if all(reply["complete"] for reply in replies):
            found = sum(reply["total_matched"] for reply in replies)
            assert found == count, (clause, count, replies)


def check_verified(pipeline, consumers):
    """Checks that a verify of the consumers' groups finds no difference."""
    groups = sorted({consumer.group for consumer in consumers})
    names = ",".join(groups)
    done = pipeline.producer.command(
        "verify", "--group", names, "--timeout", "200", check=False, is_patient=True)
    assert done.returncode == 0, f"verify: {done.returncode}\n{done.stdout}\n{done.stderr}"


def check_equal(pipeline, consumers=None, complete=True, verified=True):
    """Checks for every image, deleted ones included, that the index equals Postgres. Nothing may
    write during the check. `consumers` share the partitions; by default the pipeline's consumer.
    Without `complete`, what the index calls incomplete is not compared. Ends with a verify, except
    without `verified`: the index has rows that no trigger has written."""
    consumers = consumers or [pipeline.consumer]
    with pipeline.connect() as connection:
        truth = gallery.read_truth(connection)
        last, step = connection.execute("""SELECT last_value, increment_by FROM pg_sequences
            WHERE sequencename = 'Image_id_seq'""").fetchone()
    entities = sorted(set(truth) | set(range(1, last + 1, step)))
    owners = read_owners(consumers)
    if complete:
        for entity, document in read_documents(owners, entities).items():
            assert document == truth.get(entity), (entity, document, truth.get(entity))
    else:
        for entity, answer in read_entities(owners, entities).items():
            check_entity(answer, truth.get(entity), set(answer["incomplete_fields"]))
    check_counts(consumers, truth)
    if verified:
        check_verified(pipeline, consumers)
    return len(truth)
