"""Compares an index with the tables that it indexes."""

import concurrent.futures
import contextlib

import gallery
from pipeline import Api

THREADS = 4


def read_entities(owners, entities):
    """{id: answer of GET entities/{id}} for these ids; `owners` are the consumers by partition."""

    def read(first):
        with contextlib.ExitStack() as stack:
            apis = [stack.enter_context(contextlib.closing(Api(owner.port))) for owner in owners]
            return {
                entity: apis[entity % len(apis)].get(f"/api/indexes/gallery/entities/{entity}")
                for entity in entities[first::THREADS]
            }

    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        answers = {}
        for part in pool.map(read, range(THREADS)):
            answers |= part
        return answers


def read_owners(consumers):
    """The owner of each partition; two owners of one partition are an error."""
    owners = {}
    for consumer in consumers:
        for partition in consumer.api.get("/api/internal/sync-lag")["partitions"]:
            assert owners.setdefault(partition["partition"], consumer) is consumer, partition
    return [owners[partition] for partition in range(len(owners))]


def check_equal(pipeline, consumers=None):
    """Checks for every image, deleted ones included, that the index equals Postgres. Nothing may
    write during the check. `consumers` share the partitions; by default the pipeline's consumer."""
    consumers = consumers or [pipeline.consumer]
    with pipeline.connect() as connection:
        truth = gallery.read_truth(connection)
        last, step = connection.execute("""SELECT last_value, increment_by FROM pg_sequences
            WHERE sequencename = 'Image_id_seq'""").fetchone()
    entities = sorted(set(truth) | set(range(1, last + 1, step)))
    for entity, answer in read_entities(read_owners(consumers), entities).items():
        if entity in truth:
            assert answer["alive"] and answer["visible"], answer
            assert answer["fields"] == truth[entity], f"index {answer}\ntables {truth[entity]}"
        else:
            assert not answer["alive"], f"deleted, but in the index: {answer}"
    query = {"filters": [], "limit": 1}
    replies = [consumer.api.get("/api/indexes/gallery/query", query) for consumer in consumers]
    assert sum(reply["total_matched"] for reply in replies) == len(truth), (replies, len(truth))
    return len(truth)
