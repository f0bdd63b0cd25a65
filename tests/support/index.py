"""Compares an index with the tables that it stands for."""

import concurrent.futures
import contextlib

import gallery
from pipeline import Api

THREADS = 4


def read_entities(pipeline, last):
    """{id: answer of GET entities/{id}} for the ids from 1 to `last`."""

    def read(first):
        with contextlib.closing(Api(pipeline.consumer.port)) as api:
            return {
                entity: api.get(f"/api/indexes/gallery/entities/{entity}")
                for entity in range(first, last + 1, THREADS)
            }

    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        answers = {}
        for part in pool.map(read, range(1, THREADS + 1)):
            answers |= part
        return answers


def check_equal(pipeline):
    """Every image that is or was there: index == Postgres. Nothing may write meanwhile."""
    with pipeline.connect() as connection:
        truth = gallery.read_truth(connection)
        (last,) = connection.execute('SELECT last_value FROM "Image_id_seq"').fetchone()
    for entity, answer in read_entities(pipeline, last).items():
        if entity in truth:
            assert answer["alive"] and answer["visible"], answer
            assert answer["fields"] == truth[entity], f"index {answer}\ntables {truth[entity]}"
        else:
            assert not answer["alive"], f"deleted, but in the index: {answer}"
    reply = pipeline.query({"filters": [], "limit": 1})
    assert reply["total_matched"] == len(truth), (reply, len(truth))
    return len(truth)
