"""Consumers in groups: further groups beside the pipeline's own, and members that share a topic.

    group = groups.Group(pipeline, "shared")
    first, second = group.add("first").start(), group.add("second").start()
    group.wait_until_shared(first, second)
    with groups.Watch([group]):
        ...
"""

import contextlib
import http.client
import os
import re
import signal
import threading
import time

import confluent_kafka
import index
import pipeline
import servers
from confluent_kafka import admin

PARTITIONS = 4  # of the gallery's topic
WATCH_S = 0.1


class Member(pipeline.Program):
    """A consumer with a data directory, a port and a log of its own."""

    def __init__(self, line, group, name):
        directory = line.directory / f"{group}-{name}"
        directory.mkdir(parents=True, exist_ok=True)
        (port,) = servers.free_ports(1)
        self.data_dir = directory / "index"
        self._topic = line.topic
        self._is_paused = False
        environment = os.environ | line.variables | {
            "BITDEX_GROUP": group,
            "BITDEX_DATA_DIR": str(self.data_dir),
            "BITDEX_CONSUMER_PORT": str(port),
        }
        super().__init__("bitdex-consumer", directory, line.config, environment, port)

    def pause(self):
        self._is_paused = True
        self.signal(signal.SIGSTOP)

    def resume(self):
        self.signal(signal.SIGCONT)
        self._is_paused = False

    def kill(self):
        super().kill()
        self._is_paused = False

    @property
    def identity(self):
        """Of the data directory, by which commits name it; None when there is none."""
        with contextlib.suppress(FileNotFoundError):
            return (self.data_dir / "id").read_text()
        return None

    def partitions(self):
        """{partition: what sync-lag says of it}; nothing as long as it does not answer."""
        if not self.is_running() or self._is_paused:
            return {}
        try:
            looks = self.api.get("/api/internal/sync-lag")["partitions"]
        except (OSError, http.client.HTTPException, pipeline.PipelineError):  # on its way out
            return {}
        return {look["partition"]: look for look in looks}

    def read_wal(self, partitions):
        """{file: bytes} of their logs."""
        return {
            str(path.relative_to(self.data_dir)): path.stat().st_size
            for partition in partitions
            for path in (self.data_dir / f"{self._topic}-{partition}" / "wal").iterdir()
        }

    def count_log(self, words):
        """How many lines of its log hold them."""
        return self.log.read_text(errors="replace").count(words)


class Group:
    def __init__(self, line, name=None):
        """Without a name: the pipeline's own group."""
        self.name = f"{line.name}-{name}" if name else line.name
        self.members = []
        self._line = line
        self._client = None
        self._admin = None

    def add(self, name):
        """A further member, not started."""
        self.members.append(Member(self._line, self.name, name))
        return self.members[-1]

    def close(self):
        for member in self.members:
            member.kill()

    def wait_until_shared(self, *members):
        """Until these, each with something, own all partitions, and serve them; returns
        {member: its partitions}."""

        def is_shared():
            owned.update({member: member.partitions() for member in members})
            looks = [look for partitions in owned.values() for look in partitions.values()]
            return (
                all(owned.values())
                and sorted(look["partition"] for look in looks) == list(range(PARTITIONS))
                and all(look["state"] == "running" for look in looks)
            )

        owned = {}
        members[0].wait_until(is_shared, f"and {len(members) - 1} more do not share")
        return {member: set(partitions) for member, partitions in owned.items()}

    def check_end(self, *members):
        """All that was committed is there, complete, and equals the tables."""
        self.wait_until_shared(*members)
        self._line.wait_until_fresh(consumers=members)
        for look in self._line.partitions(members):
            assert look["complete"], look
        return index.check_equal(self._line, members)

    def committed(self):
        """{partition: (offset, identity of the member that has committed it)}, as a stock client
        reads them; the offset is negative when there is none. A client may take a broker that came
        back for lost for minutes; a new one does not."""
        places = [confluent_kafka.TopicPartition(self._line.topic, p) for p in range(PARTITIONS)]
        deadline = time.monotonic() + 60
        while True:
            try:
                found = self.client.committed(places, timeout=10)
                break
            except confluent_kafka.KafkaException:
                if time.monotonic() > deadline:
                    raise
                self._client = None
        return {place.partition: (place.offset, read_identity(place)) for place in found}

    @property
    def admin(self):
        if self._admin is None:
            self._admin = admin.AdminClient({"bootstrap.servers": self._line.kafka})
        return self._admin

    def wait_until_left(self):
        """Until its stopped members' sessions have ended, as only then the broker lets a stranger
        change its offsets."""
        deadline = time.monotonic() + 120
        while self.admin.describe_consumer_groups([self.name])[self.name].result(30).members:
            assert time.monotonic() < deadline, f"group {self.name} has members"
            time.sleep(0.2)

    def reset(self, kafka, *where):
        """With its members stopped: as an operator does it."""
        self.wait_until_left()
        kafka.consumer_groups(
            "--group", self.name, "--topic", self._line.topic, "--reset-offsets", *where,
            "--execute",
        )

    def replace_committed(self, offsets):
        """{partition: (offset, identity)}, and no others, are what it has committed."""
        self.wait_until_left()
        self.admin.delete_consumer_groups([self.name])[self.name].result(30)
        self.client.commit(asynchronous=False, offsets=[
            confluent_kafka.TopicPartition(
                self._line.topic, partition, offset, f"bitdex1 {identity} 1.1 0"
            )
            for partition, (offset, identity) in offsets.items()
        ])

    @property
    def client(self):
        """A stock client of the group that is no member."""
        if self._client is None:
            self._client = confluent_kafka.Consumer({
                "bootstrap.servers": self._line.kafka,
                "group.id": self.name,
                "enable.auto.commit": False,
                "log_level": 0,  # a broker that is away
            })
        return self._client

    def wait_until_committed(self, owned):
        """Until the committed offset of each partition names its owner."""

        def is_committed():
            committed = self.committed()
            return all(
                committed[partition][1] == member.identity
                for member, partitions in owned.items()
                for partition in partitions
            )

        next(iter(owned)).wait_until(is_committed, "or another does not commit")


def read_identity(place):
    """Out of a commit's metadata, of which the client does not know where it ends."""
    try:
        text = place.metadata or ""
    except UnicodeDecodeError as error:
        text = error.object.decode("ascii", "replace")
    found = re.match(r"bitdex1 ([0-9a-f-]{36}) ", text)
    return found and found[1]


class Positions:
    """What holds of the positions of groups at any moment, as one sees it from outside.

    L5: a committed offset is durable in the data directory that it names. F47: what a data
    directory has applied, and what is committed in its name, never goes back, whoever owned the
    partition meanwhile.
    """

    def __init__(self, groups):
        self.looks = 0  # positions seen
        self.committers = {}  # {(group, partition): identities, as they took turns}
        self._groups = groups
        self._highest = {}  # {(identity, partition, what): number}

    def close(self):
        """The connections of this thread."""
        for group in self._groups:
            for member in group.members:
                member.api.close()

    def look(self):
        for group in self._groups:
            committed = group.committed()  # first: what is durable only grows
            self._note_committers(group, committed)
            for member in group.members:
                identity = member.identity
                partitions = member.partitions()
                if identity is not None and identity == member.identity:
                    for look in partitions.values():
                        self._check(identity, look, committed[look["partition"]])

    def _note_committers(self, group, committed):
        for partition, (_, identity) in committed.items():
            turns = self.committers.setdefault((group, partition), [])
            if identity is not None and turns[-1:] != [identity]:
                turns.append(identity)

    def _check(self, identity, look, committed):
        if look["state"] == "recovering":
            return
        durable = look["durable_offset"] or 0
        key = (identity, look["partition"])
        self._check_grows((*key, "applied"), look["seq"])
        self._check_grows((*key, "durable"), durable)
        if committed[1] == identity:
            self._check_grows((*key, "committed"), committed[0])
            assert committed[0] <= durable, f"committed {committed}, durable {look}"
        self.looks += 1

    def _check_grows(self, key, number):
        before = self._highest.get(key, -1)
        assert number >= before, f"{key} went back from {before} to {number}"
        self._highest[key] = number


class Watch:
    """Looks at positions again and again, from a thread."""

    def __init__(self, groups):
        self._positions = Positions(groups)
        self._end = threading.Event()
        self._failure = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        try:
            while not self._end.wait(WATCH_S):
                self._positions.look()
        except Exception as failure:  # raised at the end
            self._failure = failure
        self._positions.close()

    def __enter__(self):
        self._thread.start()
        return self._positions

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()
        if self._failure is not None:
            raise self._failure
        assert self._positions.looks > 0, "saw nothing"
