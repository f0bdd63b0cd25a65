"""Jobs of verify and check, and what the consumers say of them."""


def queue(connection, kind="verify", ranges=None, fields=None):
    """The id of a new job of the producer that is called default."""
    return connection.execute(
        """INSERT INTO bitdex_jobs (name, kind, ranges, fields, reason)
           VALUES ('default', %s, %s, %s, 'a test') RETURNING id""",
        (kind, ranges, fields)).fetchone()[0]


def wait(pipeline, connection, job):
    """Waits until the job is done and every partition has what it sent."""

    def is_done():
        state, error, tick = connection.execute(
            "SELECT state, error, coalesce(end_tick, 0) FROM bitdex_jobs WHERE id = %s",
            (job,)).fetchone()
        if state not in ("queued", "running", "done"):
            raise AssertionError(f"job {job} is {state}: {error}")
        partitions = pipeline.api.get("/api/indexes/gallery/verify")["partitions"]
        return (state == "done" and pipeline.are_all(partitions)
                and all(p["tick"] >= tick for p in partitions))

    pipeline.consumer.wait_until(is_done, f"does not finish job {job}")


def read(pipeline, job):
    """[(partition, range)] of the verdicts of this job and of later ones."""
    answer = pipeline.api.get(f"/api/indexes/gallery/verify?job={job}&sums=1")
    return [(p["partition"], r) for p in answer["partitions"] for r in p["ranges"]]


def verify(pipeline, connection, ranges=None):
    """The verdicts of a verify of everything, or of the ranges."""
    job = queue(connection, ranges=ranges)
    wait(pipeline, connection, job)
    return read(pipeline, job)
