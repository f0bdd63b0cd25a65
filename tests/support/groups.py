"""Consumer groups: several members of one group, and several groups that read one topic.

    group = groups.Group(pipeline, "shared")
    first, second = group.add("first").start(), group.add("second").start()
    group.wait_until_shared(first, second)
    with groups.Monitor([group]):
        ...
"""

import contextlib
import http.client
import os
import re
import signal
import socket
import struct
import threading
import time

import confluent_kafka
import index
import pipeline
import servers
from confluent_kafka import admin
from topic import REQUEST_S

PARTITIONS = index.PARTITIONS
POLL_S = 0.1
CLOSE_S = 60  # a stock client may close late or never: Rebalancing.close()


class Member(pipeline.Program):
    """A consumer with its own data directory, port and log."""

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
        """The id of the data directory, which is in the metadata of its commits; None when there is
        no directory yet."""
        with contextlib.suppress(FileNotFoundError):
            return (self.data_dir / "id").read_text()
        return None

    def partitions(self):
        """{partition: its entry in sync-lag}; empty while the member does not answer."""
        if not self.is_running() or self._is_paused:
            return {}
        try:
            partitions = self.api.get("/api/internal/sync-lag")["partitions"]
        except (OSError, http.client.HTTPException, pipeline.PipelineError):  # it is exiting
            return {}
        return {partition["partition"]: partition for partition in partitions}

    def read_wal(self, partitions):
        """{file: bytes} of the write-ahead logs of these partitions."""
        return {
            str(path.relative_to(self.data_dir)): path.stat().st_size
            for partition in partitions
            for path in (self.data_dir / f"{self._topic}-{partition}" / "wal").iterdir()
        }

    def count_log(self, text):
        """How many times the text is in the member's log."""
        return self.log.read_text(errors="replace").count(text)


class Group:
    def __init__(self, line, name=None):
        """Without a name it is the pipeline's own group."""
        self.name = f"{line.name}-{name}" if name else line.name
        self.members = []
        self._line = line
        self._client = None
        self._admin = None

    def add(self, name):
        """Another member, not started."""
        self.members.append(Member(self._line, self.name, name))
        return self.members[-1]

    def close(self):
        for member in self.members:
            member.kill()

    def wait_until_shared(self, *members):
        """Waits until these members together own and serve all partitions, each at least one;
        returns {member: its partitions}."""

        def is_shared():
            owned.update({member: member.partitions() for member in members})
            found = [one for partitions in owned.values() for one in partitions.values()]
            return (
                all(owned.values())
                and sorted(one["partition"] for one in found) == list(range(PARTITIONS))
                and all(one["state"] == "running" for one in found)
            )

        owned = {}
        members[0].wait_until(is_shared, f"and {len(members) - 1} more do not share")
        return {member: set(partitions) for member, partitions in owned.items()}

    def check_end(self, *members):
        """Checks that the members together hold everything that was committed, are complete, and
        equal the tables; returns the number of images."""
        self.wait_until_shared(*members)
        self._line.wait_until_fresh(consumers=members)
        for partition in self._line.partitions(members):
            assert partition["complete"], partition
        return index.check_equal(self._line, members)

    def committed(self):
        """{partition: (offset, identity of the member that has committed it)}, as a stock client
        reads them; a negative offset means that nothing was committed."""
        places = [confluent_kafka.TopicPartition(self._line.topic, p) for p in range(PARTITIONS)]
        found = self._ask(lambda client: client.committed(places, timeout=10))
        return {place.partition: (place.offset, read_identity(place)) for place in found}

    def commit(self, offsets, metadata=""):
        """Commits {partition: offset}, as a client without our metadata does; the members have to
        be stopped."""
        self.wait_until_left()
        places = [
            confluent_kafka.TopicPartition(self._line.topic, partition, offset, metadata)
            for partition, offset in offsets.items()
        ]
        self._ask(lambda client: client.commit(asynchronous=False, offsets=places))

    def _ask(self, request):
        """The answer to a request of a stock client. A client may treat a broker that is back as
        unreachable for minutes, so after an error a new client is created."""
        deadline = time.monotonic() + 300
        while True:
            try:
                return request(self.client)
            except confluent_kafka.KafkaException:
                if time.monotonic() > deadline:
                    raise
            self._client = None
            time.sleep(0.1)

    @property
    def admin(self):
        if self._admin is None:
            self._admin = admin.AdminClient({"bootstrap.servers": self._line.kafka})
        return self._admin

    def describe(self):
        described = self.admin.describe_consumer_groups([self.name], request_timeout=REQUEST_S)
        return described[self.name].result()

    def wait_until_settled(self):
        """Waits until the group does not rebalance."""
        deadline = time.monotonic() + REQUEST_S
        while self.describe().state != confluent_kafka.ConsumerGroupState.STABLE:
            assert time.monotonic() < deadline, f"group {self.name} rebalances"
            time.sleep(0.2)

    def wait_until_left(self):
        """Removes the members, which have to be stopped, as an administrator does. Otherwise they
        stay until their sessions end, and the broker lets nobody else change the group's offsets.
        """
        deadline = time.monotonic() + REQUEST_S
        while members := self.describe().members:
            assert time.monotonic() < deadline, f"group {self.name} has members"
            for member in members:
                remove_member(self._line.kafka, self.name, member.group_instance_id)
            time.sleep(0.05)

    def remove(self, member):
        """Removes one member, which has to be stopped, as if its session had ended."""
        remove_member(self._line.kafka, self.name, member.identity)

    def reset(self, kafka, *where):
        """Resets the committed offsets as an operator does; the members have to be stopped."""
        self.wait_until_left()
        kafka.consumer_groups(
            "--group", self.name, "--topic", self._line.topic, "--reset-offsets", *where,
            "--execute",
        )

    def reset_partition(self, kafka, partition, *where):
        """The same of one partition."""
        self.wait_until_left()
        kafka.consumer_groups(
            "--group", self.name, "--topic", f"{self._line.topic}:{partition}", "--reset-offsets",
            *where, "--execute",
        )

    def remove_records(self, offsets):
        """Removes what the topic has before {partition: offset}, as retention does."""
        places = [
            confluent_kafka.TopicPartition(self._line.topic, partition, offset)
            for partition, offset in offsets.items()
        ]
        for done in self.admin.delete_records(places, request_timeout=REQUEST_S).values():
            done.result()

    def replay(self):
        """Resets the committed offsets to the topic's beginning; the members have to be stopped."""
        self.commit(dict.fromkeys(range(PARTITIONS), 0))

    def forget_offsets(self):
        """Removes all committed offsets; the members have to be stopped."""
        self.wait_until_left()
        deleted = self.admin.delete_consumer_groups([self.name], request_timeout=REQUEST_S)
        deleted[self.name].result()

    def replace_committed(self, offsets, identity):
        """Replaces all committed offsets by {partition: offset}, in the name of this member."""
        self.forget_offsets()
        self.commit(offsets, f"bitdex1 {identity} 1.1 0")

    @property
    def client(self):
        """A stock client that uses the group id and never joins the group."""
        if self._client is None:
            self._client = confluent_kafka.Consumer({
                "bootstrap.servers": self._line.kafka,
                "group.id": self.name,
                "enable.auto.commit": False,
                "log_level": 0,  # silent while a broker is unreachable
            })
        return self._client

    def wait_until_committed(self, owned):
        """Waits until the committed offset of each partition names its owner."""

        def is_committed():
            committed = self.committed()
            return all(
                committed[partition][1] == member.identity
                for member, partitions in owned.items()
                for partition in partitions
            )

        next(iter(owned)).wait_until(is_committed, "or another does not commit")


def remove_member(bootstrap, group, identity):
    """Removes a member from the group; it may have left already."""
    # Request header 1 (key, version, correlation id, no client id) of LeaveGroup version 3: group,
    # one member, by its instance id. https://kafka.apache.org/protocol#The_Messages_LeaveGroup
    name, instance = group.encode(), identity.encode()
    request = (struct.pack(">hhihh", 13, 3, 1, -1, len(name)) + name
               + struct.pack(">ihh", 1, 0, len(instance)) + instance)
    host, port = bootstrap.split(":")
    with socket.create_connection((host, int(port)), timeout=REQUEST_S) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        assert len(connection.recv(4)) == 4  # the size of the answer


def read_identity(place):
    """The identity in a commit's metadata. The client may return bytes after the metadata's end."""
    try:
        text = place.metadata or ""
    except UnicodeDecodeError as error:
        text = error.object.decode("ascii", "replace")
    found = re.match(r"bitdex1 ([0-9a-f-]{36}) ", text)
    return found and found[1]


class Positions:
    """Checks what must hold for the positions of groups at any time, as far as a client can tell.

    L5: a committed offset is durable in the data directory that it names. F47: the position that a
    data directory has applied and keeps, and the offset that is committed in its name, never move
    back, even when another member owned the partition in between.
    """

    def __init__(self, groups):
        self.checked = 0  # positions
        self.committers = {}  # {(group, partition): identities, in the order of their commits}
        self._groups = groups
        self._highest = {}  # {(identity, partition, what): number}

    def close(self):
        """Closes the connections of this thread."""
        for group in self._groups:
            for member in group.members:
                member.api.close()

    def check(self):
        for group in self._groups:
            committed = group.committed()  # read first, because the durable position grows
            self._note_committers(group, committed)
            for member in group.members:
                identity = member.identity
                partitions = member.partitions()
                if identity is not None and identity == member.identity:
                    for status in partitions.values():
                        self._check(identity, status, committed[status["partition"]])

    def forget_committed(self, group):
        """Is called when the offsets of the group are reset: its members commit lower ones. A
        rebuild may begin and end between two checks."""
        identities = {member.identity for member in group.members}
        for key in list(self._highest):
            if key[0] in identities and key[2] == "committed":
                del self._highest[key]

    def _note_committers(self, group, committed):
        for partition, (_, identity) in committed.items():
            turns = self.committers.setdefault((group, partition), [])
            if identity is not None and turns[-1:] != [identity]:
                turns.append(identity)

    def _check(self, identity, status, committed):
        if status["state"] == "rebuilding":  # its log begins again at the place of a reset
            for what in ("applied", "durable", "committed"):
                self._highest.pop((identity, status["partition"], what), None)
        if status["state"] in ("recovering", "rebuilding"):
            return
        durable = status["durable_offset"] or 0
        key = (identity, status["partition"])
        if status["offset"] == status["durable_offset"]:  # a mark waits for the next frame
            self._check_grows((*key, "applied"), status["seq"])
        self._check_grows((*key, "durable"), durable)
        if committed[1] == identity:
            self._check_grows((*key, "committed"), committed[0])
            assert committed[0] <= durable, f"committed {committed}, durable {status}"
        self.checked += 1

    def _check_grows(self, key, number):
        before = self._highest.get(key, -1)
        assert number >= before, f"{key} moved back from {before} to {number}"
        self._highest[key] = number


class Monitor:
    """In a `with`: a thread checks the positions every POLL_S seconds; the end raises its error."""

    def __init__(self, groups):
        self._positions = Positions(groups)
        self._end = threading.Event()
        self._failure = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        try:
            while not self._end.wait(POLL_S):
                self._positions.check()
        except Exception as failure:  # __exit__ raises it
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
        assert self._positions.checked > 0, "no position was checked"


class Rebalancing:
    """A group of stock clients that has read `topic` and rebalances until close(): the first member
    does not answer that its partitions are revoked."""

    def __init__(self, line, topic):
        self._settings = {
            "bootstrap.servers": line.kafka,
            "group.id": f"{topic}-rebalancing",
            "auto.offset.reset": "earliest",
        }
        self._admin = admin.AdminClient({"bootstrap.servers": line.kafka})
        self._members = [confluent_kafka.Consumer(self._settings) for _ in range(2)]
        first, second = self._members
        owned = []
        first.subscribe([topic], on_assign=lambda _, partitions: owned.extend(partitions))
        deadline = time.monotonic() + 240
        while not owned:
            assert time.monotonic() < deadline, f"no partition of {topic} is assigned"
            first.poll(0.2)
        first.commit(
            offsets=[confluent_kafka.TopicPartition(topic, 0, 0)], asynchronous=False)
        second.subscribe([topic])
        while not self._rebalances():
            assert time.monotonic() < deadline, "the group does not rebalance"
            second.poll(0.2)

    def _rebalances(self):
        group = self._settings["group.id"]
        described = self._admin.describe_consumer_groups([group], request_timeout=REQUEST_S)
        found = described[group].result()
        return found.state == confluent_kafka.ConsumerGroupState.PREPARING_REBALANCING

    def check_rebalances(self):
        assert self._rebalances(), "the group does not rebalance any more"

    def close(self):
        """A stock client may wait in close() for a group that rebalances."""
        threads = [threading.Thread(target=member.close, daemon=True) for member in self._members]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(CLOSE_S)
