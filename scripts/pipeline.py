"""A database, a topic, one producer and one consumer between them, as real processes.

    with Pipeline(directory, "gallery", postgres, kafka) as pipeline:
        pipeline.init()
        pipeline.start()
        pipeline.wait_until_fresh()
        pipeline.query({"filters": [{"Eq": ["type", "image"]}], "limit": 10})

`postgres` and `kafka` are servers of servers.py. The demo, the tests and the benchmarks share this
module. The files of a pipeline are in its directory.
"""

import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import threading
import time

import psycopg
import servers

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("BITDEX_BUILD", ROOT / "build" / "release"))
WAIT_S = int(os.environ.get("BITDEX_WAIT_S", 240))  # nothing takes so long, on a slow machine
# What commands print when a busy broker has not answered them in time; and when a group or program
# is not there yet, which a test may also expect.
IS_LATE = re.compile("Local: Timed out|Local: Broker transport failure|Broker: Request timed out"
                     "|Broker: Coordinator|Broker: Not coordinator|no answer for .* s"
                     "|has no leaders yet")
IS_EARLY = re.compile("group has members|is rebalancing|no consumer group|no answer from")


class PipelineError(Exception):
    """A program did not do in time what it was expected to do."""


class Refusal(PipelineError):
    """A program has answered with another status than 200."""


class Api:
    """JSON over one persistent connection. Not thread-safe."""

    def __init__(self, port):
        self._connection = http.client.HTTPConnection(servers.LOOPBACK, port, timeout=120)

    def call(self, path, body=None):
        """(status, decoded answer); an answer that is not JSON is returned as text."""
        reused = self._connection.sock is not None
        try:
            status, text = self._exchange(path, body)
        except (http.client.RemoteDisconnected, ConnectionError):
            if not reused:
                raise
            status, text = self._exchange(path, body)  # the program was restarted in between
        try:
            return status, json.loads(text)
        except ValueError:
            return status, text

    def _exchange(self, path, body):
        method, data = ("GET", None) if body is None else ("POST", json.dumps(body))
        try:
            self._connection.request(method, path, data)
            answer = self._connection.getresponse()
            return answer.status, answer.read().decode()
        except BaseException:
            self._connection.close()
            raise

    def close(self):
        self._connection.close()

    def get(self, path, body=None):
        """The answer; any status but 200 is an error."""
        status, answer = self.call(path, body)
        if status != 200:
            raise Refusal(f"{path}: {status}: {answer}")
        return answer


class Program:
    """One of the two daemons, as a child process."""

    def __init__(self, name, directory, config, environment, port):
        self.name = name
        self.port = port
        self.log = directory / f"{name}.log"
        self._line = [BUILD / name.removeprefix("bitdex-") / name, "--config", config]
        self._environment = environment
        self._process = None
        self._local = threading.local()

    def set_variable(self, name, value):
        """Sets an environment variable for the commands that are started from now on."""
        self._environment = self._environment | {name: value}

    def command(self, *arguments, check=True, is_patient=None, timeout_s=WAIT_S):
        """Runs another command of the program until it exits, `timeout_s` seconds at most. One that
        the broker did not answer in time is run again; `is_patient`, by default with `check`: also
        one that found a group not there yet."""
        is_patient = check if is_patient is None else is_patient
        end = time.monotonic() + timeout_s
        while True:
            done = subprocess.run(
                [*self._line, *arguments],
                env=self._environment,
                capture_output=True,
                text=True,
                timeout=timeout_s,
            )
            text = done.stdout + done.stderr
            is_late = IS_LATE.search(text) or is_patient and IS_EARLY.search(text)
            if done.returncode == 0 or not is_late or time.monotonic() > end:
                break
            time.sleep(1)
        if check and done.returncode != 0:
            command = " ".join(map(str, arguments))
            raise PipelineError(f"{self.name} {command}: {done.returncode}: {done.stderr}")
        return done

    def begin(self, *arguments, stderr=None):
        """Starts another command and returns its process, whose stdout is a pipe of text."""
        return subprocess.Popen(
            [*self._line, *arguments], env=self._environment, stdout=subprocess.PIPE,
            stderr=stderr, text=True,
        )

    def start(self, wait=True):
        """Starts `run`. With `wait`, returns when the program serves HTTP."""
        with open(self.log, "ab") as log:
            self._process = subprocess.Popen(
                [*self._line, "run"],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # ^C does not reach it, and it may outlive this process
            )
        if wait:
            self.wait_until(self._serves, "does not serve HTTP")
        return self

    def _serves(self):
        try:
            return self.api.call("/api/health") is not None
        except OSError:
            return False

    @property
    def api(self):
        """The calling thread's own Api; it stays usable when the program is restarted."""
        if not hasattr(self._local, "api"):
            self._local.api = Api(self.port)
        return self._local.api

    @property
    def group(self):
        """The consumer group of a consumer."""
        return self._environment["BITDEX_GROUP"]

    @property
    def pid(self):
        return self._process.pid

    @property
    def state(self):
        """The state that a producer reports; None when it does not answer."""
        try:
            return self.api.get("/api/status")["state"]
        except (OSError, http.client.HTTPException, PipelineError):
            return None

    def is_running(self):
        process = self._process  # another thread may set it to None
        return process is not None and process.poll() is None

    def stop(self, timeout_s=120):
        """Asks the program to stop (SIGTERM); returns its exit code."""
        if self._process is None:
            return None
        self._process.send_signal(signal.SIGTERM)
        return self.wait(timeout_s)

    def kill(self):
        """Kills the program (SIGKILL), as in a crash."""
        self.api.close()
        if self._process is not None:
            self._process.kill()
            self.wait()

    def signal(self, number):
        self._process.send_signal(number)

    def wait(self, timeout_s=WAIT_S // 2):
        """Waits until the program has exited; returns its exit code."""
        try:
            code = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise PipelineError(f"{self.name} did not exit in {timeout_s} s") from None
        self._process = None
        return code

    def wait_until(self, condition, otherwise, timeout_s=WAIT_S):
        """Polls `condition` until it holds. It does not hold while the program does not answer, as
        before it serves HTTP, or refuses, as for an entity whose partition has no owner. The
        program exiting first is an error, and so is the timeout, reported as the program's name and
        `otherwise`."""
        deadline = time.monotonic() + timeout_s
        while True:
            failure = ""
            try:
                if condition():
                    return
            except (OSError, http.client.HTTPException, Refusal) as error:
                failure = f"\n{error!r}"
            if not self.is_running():
                raise PipelineError(f"{self.name} exited:\n{self.log_tail()}{failure}")
            if time.monotonic() > deadline:
                raise PipelineError(f"{self.name} {otherwise}:\n{self.log_tail()}{failure}")
            time.sleep(0.02)

    def wait_until_state(self, state):
        """For a producer."""
        self.wait_until(lambda: self.state == state, f"is not {state}")

    def log_tail(self, lines=20):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def write_config(path, sections):
    """Writes the gallery's configuration with additional settings, {section: {name: value}}."""
    text = (ROOT / "config" / "gallery.yaml").read_text()
    for section, values in sections.items():
        if not values:
            continue
        more = [f"{name}: {json.dumps(value)}" for name, value in values.items()]
        flow, block = f"\n{section}: {{", f"\n{section}:\n"
        if flow in text:
            text = text.replace(flow, f"{flow} {', '.join(more)},", 1)
        elif block in text:
            text = text.replace(block, block + "".join(f"  {line}\n" for line in more), 1)
        else:
            text += f"{flow} {', '.join(more)} }}\n"
    path.write_text(text)
    return path


class Pipeline:
    """Its database, topic, consumer group and data directory are named after it."""

    def __init__(self, directory, name, postgres, kafka, config=None, variables=None):
        """`variables`: environment variables of the programs; they override those that the
        configuration needs."""
        self.directory = pathlib.Path(directory).resolve()
        self.directory.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.topic = f"{name}.ops"
        self.kafka = kafka.bootstrap
        self._set_postgres(postgres)
        self.config = pathlib.Path(config or ROOT / "config" / "gallery.yaml")
        ports = servers.free_ports(2)
        self.variables = {
            "BITDEX_POSTGRES": self.dsn,
            "BITDEX_KAFKA": self.kafka,
            "BITDEX_TOPIC": self.topic,
            "BITDEX_GROUP": name,
            "BITDEX_DATA_DIR": str(self.directory / "index"),
            "BITDEX_PRODUCER_PORT": str(ports[0]),
            "BITDEX_CONSUMER_PORT": str(ports[1]),
        } | (variables or {})
        self.producer = self.program("bitdex-producer", int(self.variables["BITDEX_PRODUCER_PORT"]))
        self.consumer = self.program("bitdex-consumer", int(self.variables["BITDEX_CONSUMER_PORT"]))

    def _set_postgres(self, postgres):
        self._admin_dsn = postgres.dsn
        self.dsn = psycopg.conninfo.make_conninfo(postgres.dsn, dbname=self.name)

    def move_to(self, postgres):
        """Uses the database of the same name on another server, for every connection that is made
        and every program that is started from now on."""
        self._set_postgres(postgres)
        for program in (self.producer, self.consumer):
            program.set_variable("BITDEX_POSTGRES", self.dsn)

    def program(self, name, port, **variables):
        environment = os.environ | self.variables | variables
        return Program(name, self.directory, self.config, environment, port)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.producer.kill()
        self.consumer.kill()

    def create_database(self, options="TEMPLATE template0"):
        """Creates an empty database; an older one of the same name is dropped. `options` are those
        of CREATE DATABASE, which fails while anybody is connected to its template: autovacuum is,
        now and then, but not to this one."""
        with psycopg.connect(self._admin_dsn, autocommit=True) as admin:
            admin.execute(f'DROP DATABASE IF EXISTS "{self.name}" WITH (FORCE)')
            admin.execute(f'CREATE DATABASE "{self.name}" {options}')

    def connect(self, **options):
        return psycopg.connect(self.dsn, **options)

    def init(self):
        return self.producer.command("init")

    def start(self):
        """Starts both programs. On return the producer has examined the source and begun its
        epoch; whatever is written from now on comes after that. The consumer answers for every
        partition."""
        self.producer.start()
        self.consumer.start()
        self.producer.wait_until_state("draining")
        self.wait_until_recovered()

    # The index

    def remove_index(self):
        """Deletes the data directory of the consumer, which has to be stopped."""
        shutil.rmtree(self.variables["BITDEX_DATA_DIR"])

    @property
    def api(self):
        return self.consumer.api

    def query(self, body):
        return self.api.get("/api/indexes/gallery/query", body)

    def count_partitions(self):
        """Of the topic, by the configuration."""
        return int(re.search(r"\bpartitions: (\d+)", self.config.read_text())[1])

    def owned_partitions(self, consumers=None):
        """What /api/internal/sync-lag lists now: the partitions of the consumer, or of several
        consumers that share the topic. While the members of a group join it again, as after one of
        them or a broker was killed, a partition has no owner."""
        return [
            partition
            for consumer in consumers or [self.consumer]
            for partition in consumer.api.get("/api/internal/sync-lag")["partitions"]
        ]

    def are_all(self, partitions):
        """Whether each partition of the topic is listed, and by one owner."""
        numbers = sorted(partition["partition"] for partition in partitions)
        return numbers == list(range(self.count_partitions()))

    def partitions(self, consumers=None):
        """All partitions of the topic in their order, as sync-lag lists them once each has an
        owner."""
        found = []

        def are_owned():
            found[:] = self.owned_partitions(consumers)
            return self.are_all(found)

        (consumers or [self.consumer])[0].wait_until(are_owned, "does not own all partitions")
        return sorted(found, key=lambda partition: partition["partition"])

    def wait_until_recovered(self):
        """Waits until the consumer, which has just started, answers for every partition."""

        def is_recovered():
            found = self.owned_partitions()
            return self.are_all(found) and all(
                partition["state"] != "recovering" for partition in found)

        self.consumer.wait_until(is_recovered, "does not recover all partitions")

    def wait_until_durable(self):
        """Waits until everything that the consumer has applied now is in its log."""
        ends = {p["partition"]: p["offset"] or 0 for p in self.partitions()}
        self.consumer.wait_until(
            lambda: all((p["durable_offset"] or 0) >= ends[p["partition"]]
                        for p in self.partitions()),
            "saves no position",
        )

    def wait_until_fresh(self, timeout_s=WAIT_S, consumers=None):
        """Waits until the index holds everything that was committed before this call, in every
        partition of the topic."""
        consumers = consumers or [self.consumer]
        committed = time.time()
        found = []

        def is_fresh():
            if self.producer.log.exists() and not self.producer.is_running():
                raise PipelineError(f"bitdex-producer exited:\n{self.producer.log_tail()}")
            now = time.time()
            found[:] = self.owned_partitions(consumers)
            lags = [partition["lag_seconds"] for partition in found]
            return self.are_all(found) and all(
                lag is not None and now - lag > committed for lag in lags)

        try:
            consumers[0].wait_until(is_fresh, "does not catch up", timeout_s)
        except PipelineError as error:
            raise PipelineError(f"{error}\nits partitions were at last: {found}") from None
