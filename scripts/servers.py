#!/usr/bin/env python3
"""Private PostgreSQL and Kafka servers on the loopback interface, for demo, tests and bench.

As a command it manages one pair below a directory:

    servers.py up|down|status|env [--dir .local/servers]

As a module it provides any number of servers, each in its own directory:

    with Postgres("build/dev/breaking/postgres", {"wal_level": "logical"}) as postgres:
        connect(postgres.dsn)
        postgres.kill()
        postgres.start()

The files of a server's directory:

    lock    locked while the server is being started or stopped
    ports   chosen before the first start and kept, so that a restarted server has the same address
    pid     process id and start time; a later process with the same id has another start time
    log     what the server prints
    data    its files
    usable  exists once the server has answered; without it, start() creates `data` again
"""

import argparse
import base64
import concurrent.futures
import contextlib
import fcntl
import itertools
import os
import pathlib
import pwd
import random
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
KAFKA_LIBS = ROOT / ".local" / "kafka" / "libs"
LOOPBACK = "127.0.0.1"
START_S = 180
STOP_S = 180


class ServerError(Exception):
    """A server could not be started or stopped."""


class PortTaken(ServerError):
    """Another program listens on a port of the server."""


def process_stat(pid):
    """(parent, identity) of a process, or None when it does not exist or is a zombie."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # proc(5). The name (field 2) may hold any character; it ends with the last parenthesis.
    fields = stat.rpartition(")")[2].split()
    state, parent, threads, start_ticks = fields[0], int(fields[1]), int(fields[17]), fields[19]
    if state in "ZX" and threads <= 1:  # with more threads it is still exiting and holds its ports
        return None
    boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return parent, f"{pid} {start_ticks} {boot}"


def is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            probe.bind((LOOPBACK, port))
            return True
    return False


def free_ports(count):
    """Ports that no other caller gets while this process lives.

    They are below the range that the kernel uses for outgoing connections, because such a
    connection could take the port of a server while it is restarted.
    """
    range_file = pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range")
    end = max(20000, int(range_file.read_text().split()[0]))
    candidates = random.sample(range(10000, end), 1000)
    claimed = (port for port in candidates if claim_port(port))
    return list(itertools.islice(claimed, count))


def claim_port(port):
    """Claims a port for this process; False when it is in use or claimed by another process."""
    directory = pathlib.Path(tempfile.gettempdir()) / f"bitdex-ports-{os.geteuid()}"
    directory.mkdir(exist_ok=True)
    claim = os.open(directory / str(port), os.O_RDWR | os.O_CREAT)
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if is_free(port):
            return True  # the file stays open and locked until the process exits
    os.close(claim)
    return False


class Server:
    """What Postgres and Kafka have in common. Not thread-safe; processes may share a directory."""

    name = ""
    port_count = 1
    stop_signal = signal.SIGTERM
    transient_error = None  # a log line after which the same start may succeed a little later

    def __init__(self, directory, settings=None):
        """`settings` of the server (name: string) override the defaults."""
        self.directory = pathlib.Path(directory).resolve()
        self.data = self.directory / "data"
        self.log = self.directory / "log"
        self.settings = self.default_settings | (settings or {})
        self._child = None  # kept so that poll() reaps it
        self._log_start = 0

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        """Returns when the server answers, which it may do already."""
        with self._locked():
            usable = self.directory / "usable"
            while not usable.exists():
                if not self.is_running():
                    self._make()
                with contextlib.suppress(PortTaken):
                    self._run_until_it_answers()
                    usable.touch()
            self._run_until_it_answers()

    def stop(self):
        """Shuts the server down; returns when it has exited."""
        with self._locked():
            if not self.is_running():
                return
            self.resume()
            os.kill(self.pid, self.stop_signal)
            if not self._await_end(STOP_S):
                self.kill()
                raise ServerError(f"{self.name}: killed, because it did not stop in {STOP_S} s")

    def kill(self):
        """Kills the server and its children (SIGKILL); returns when it has exited."""
        self.pause()  # so that it starts no more children
        self._signal_all(signal.SIGKILL)
        self._await_end(STOP_S)

    def pause(self):
        """Freezes the server until resume(): connections stay open and get no answer."""
        self._signal_all(signal.SIGSTOP)

    def resume(self):
        self._signal_all(signal.SIGCONT)

    def remove(self):
        """Kills the server and deletes its directory."""
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def is_running(self):
        """Whether the process exists, paused or not."""
        return self.pid is not None

    @property
    def pid(self):
        """Process id; None when the server is not running."""
        if self._child is not None:
            self._child.poll()
        try:
            identity = (self.directory / "pid").read_text()
            pid = int(identity.split()[0])
        except (FileNotFoundError, IndexError):
            return None
        stat = process_stat(pid)
        return pid if stat is not None and stat[1] == identity else None

    @property
    def port(self):
        """The first start chooses it."""
        return self._ports()[0]

    def log_tail(self, lines=15):
        """The last lines that the server has printed since its latest start."""
        with open(self.log, "rb") as log:
            log.seek(self._log_start)
            return "\n".join(log.read().decode(errors="replace").splitlines()[-lines:])

    # What each kind of server defines

    default_settings = {}

    def _create(self):
        """Fills the data directory."""
        raise NotImplementedError

    def _prepare(self):
        """Is called before every start."""
        raise NotImplementedError

    def _command(self):
        """Arguments that run the server in the foreground."""
        raise NotImplementedError

    def _answers(self):
        """Whether clients can use the server."""
        raise NotImplementedError

    # Helpers

    @contextlib.contextmanager
    def _locked(self):
        self.directory.mkdir(parents=True, exist_ok=True)
        with open(self.directory / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _ports(self):
        try:
            return [int(port) for port in (self.directory / "ports").read_text().split()]
        except FileNotFoundError:
            raise ServerError(f"{self.name}: never started in {self.directory}") from None

    def _make(self):
        shutil.rmtree(self.data, ignore_errors=True)
        ports = free_ports(self.port_count)
        (self.directory / "ports").write_text(" ".join(map(str, ports)))
        self._create()

    def _run_tool(self, command):
        """Runs a program until it exits; its output goes to the log."""
        with self._open_log() as log:
            status = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.directory
            ).returncode
        if status != 0:
            raise ServerError(f"{self.name}: {command[0]} failed:\n{self.log_tail()}")

    def _spawn(self):
        for port in self._ports():
            if not is_free(port):
                raise PortTaken(f"{self.name}: another program took port {port}")
        self._prepare()
        with self._open_log() as log:
            self._child = subprocess.Popen(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
                start_new_session=True,  # it outlives this process, and ^C does not reach it
            )
        stat = process_stat(self._child.pid)
        (self.directory / "pid").write_text(stat[1] if stat is not None else "")

    def _open_log(self):
        log = open(self.log, "ab")
        self._log_start = log.tell()
        return log

    def _run_until_it_answers(self):
        deadline = time.monotonic() + START_S
        spawned = False
        while not (self.is_running() and self._answers()):
            if time.monotonic() > deadline:
                raise ServerError(f"{self.name}: no answer in {START_S} s:\n{self.log_tail()}")
            if not self.is_running():
                end = self.log_tail() if spawned else ""
                if spawned and (not self.transient_error or self.transient_error not in end):
                    raise ServerError(f"{self.name}: died at start; {self.log} ends:\n{end}")
                self._spawn()
                spawned = True
            time.sleep(0.05)

    def _await_end(self, seconds):
        deadline = time.monotonic() + seconds
        while self.is_running() and time.monotonic() < deadline:
            time.sleep(0.02)
        return not self.is_running()

    def _signal_all(self, number):
        """Signals the server, then its children."""
        pid = self.pid
        if pid is None:
            return
        stats = {int(p.name): process_stat(p.name) for p in pathlib.Path("/proc").glob("[0-9]*")}
        children = [child for child, stat in stats.items() if stat is not None and stat[0] == pid]
        for process in [pid, *children]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)


class Postgres(Server):
    name = "postgres"
    stop_signal = signal.SIGINT  # "fast" shutdown: sessions are ended, not waited for
    # Sessions of a postmaster that was killed outlive it for a short time.
    transient_error = "pre-existing shared memory block"
    default_settings = {
        "listen_addresses": LOOPBACK,
        "unix_socket_directories": "",
        "max_connections": "200",
        "max_prepared_transactions": "10",
        "shared_buffers": "256MB",
        "wal_level": "replica",
        "fsync": "on",
    }

    def __init__(self, directory, settings=None, copy_of=None, is_standby=False):
        """`copy_of`: another server, whose files this one copies at its first start; it has to be
        running then. As a standby, this server follows it until promote()."""
        super().__init__(directory, settings)
        self._copy_of = copy_of
        self._is_standby = is_standby

    def promote(self):
        """Makes this standby a primary, on a new timeline."""
        self._run_tool([
            *self._drop_root(), self.bin_directory() / "pg_ctl", "promote", "-D", self.data,
        ])

    @property
    def dsn(self):
        return f"host={LOOPBACK} port={self.port} user=postgres dbname=postgres"

    @staticmethod
    def bin_directory():
        """The directory of the server's programs, which Debian does not put into PATH."""
        debian = pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb")
        newest_first = sorted(debian, key=lambda path: float(path.parts[-3]), reverse=True)
        for initdb in [shutil.which("initdb"), *newest_first]:
            if initdb is not None:
                return pathlib.Path(initdb).resolve().parent
        raise ServerError("postgres: no server found: run scripts/install")

    def _create(self):
        self.data.mkdir(mode=0o700)
        if os.geteuid() == 0:
            user = self._user()
            os.chown(self.data, user.pw_uid, user.pw_gid)
        if self._copy_of is not None:
            self._run_tool([
                *self._drop_root(), self.bin_directory() / "pg_basebackup", "--pgdata", self.data,
                "--dbname", self._copy_of.dsn, "--checkpoint=fast", "--no-sync",
                *(["--write-recovery-conf"] if self._is_standby else []),
            ])
            return
        self._run_tool([
            *self._drop_root(), self.bin_directory() / "initdb", "--pgdata", self.data,
            "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8",
            "--no-sync",
        ])

    def _prepare(self):
        """Replaces the process id in the lock file that a killed server has left.

        PostgreSQL refuses to start while a process with that id exists, which may be a zombie or
        another program by now. It ignores the id of its own parent, so that id is written. The
        rest of the file stays, because PostgreSQL uses it to find sessions of the killed server
        that still run.
        """
        lock_file = self.data / "postmaster.pid"
        if lock_file.exists():
            _, _, rest = lock_file.read_text().partition("\n")
            lock_file.write_text(f"{os.getpid()}\n{rest}")

    def _command(self):
        flags = [f"--{name}={value}" for name, value in self.settings.items()]
        program = self.bin_directory() / "postgres"
        return [*self._drop_root(), program, "-D", self.data, f"--port={self.port}", *flags]

    def _answers(self):
        ready = [self.bin_directory() / "pg_isready", "-q", "-d", self.dsn]
        return subprocess.run(ready).returncode == 0

    @staticmethod
    def _user():
        """The user that runs the server when this process is root's."""
        try:
            return pwd.getpwnam("postgres")
        except KeyError:
            return pwd.getpwnam("nobody")

    def _drop_root(self):
        """A command to put before PostgreSQL's own, because PostgreSQL refuses to run as root."""
        if os.geteuid() != 0:
            return []
        user = self._user()
        drop = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        if subprocess.run([*drop, "test", "-w", self.data]).returncode == 0:
            return drop
        # That user has no access to a directory above the checkout, such as root's home. This
        # capability gives access; it is ambient, so that initdb and postgres inherit it.
        return [*drop, "--inh-caps=+dac_override", "--ambient-caps=+dac_override"]


class Kafka(Server):
    """One node in KRaft mode, broker and controller in one process."""

    name = "kafka"
    port_count = 2  # of the broker, of the controller
    default_settings = {
        "auto.create.topics.enable": "false",
        "delete.topic.enable": "true",
        "num.partitions": "1",
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "1000",
        # One node can hold only one copy; few partitions are created sooner.
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "4",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        # A busy machine can keep a broker from its heartbeats; without a session it leads nothing.
        "broker.session.timeout.ms": "90000",
        "broker.heartbeat.interval.ms": "3000",
        "metadata.max.idle.interval.ms": "5000",
        "log.cleaner.dedupe.buffer.size": str(16 << 20),  # allocated on the heap at start
    }

    # For a broker that is killed and started again. It can rejoin only when its old session has
    # expired.
    killed_settings = {
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "500",
    }

    def __init__(self, directory, settings=None, is_killed=False):
        """`is_killed`: its sessions are short, and it spends less on compiling."""
        super().__init__(directory, (self.killed_settings if is_killed else {}) | (settings or {}))
        self._flags = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"] if is_killed else []

    @property
    def bootstrap(self):
        return f"{LOOPBACK}:{self.port}"

    def consumer_groups(self, *arguments):
        """What kafka-consumer-groups prints."""
        done = subprocess.run(
            [
                *self._java("-XX:TieredStopAtLevel=1"),
                "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
                "--bootstrap-server", self.bootstrap, "--timeout", "120000", *arguments,
            ],
            capture_output=True,
            text=True,
        )
        if done.returncode != 0 or "Error:" in done.stdout:
            raise ServerError(f"kafka-consumer-groups: {done.stdout}{done.stderr[-2000:]}")
        return done.stdout

    @property
    def _properties(self):
        return self.directory / "server.properties"

    def _create(self):
        cluster = base64.urlsafe_b64encode(b"bitdex" + os.urandom(10)).decode().rstrip("=")
        self._prepare()
        self._run_tool([
            *self._java("-XX:TieredStopAtLevel=1"), "kafka.tools.StorageTool",
            "format", "--standalone", "-t", cluster, "-c", self._properties,
        ])

    def _prepare(self):
        broker, controller = self._ports()
        properties = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.bootstrap.servers": f"{LOOPBACK}:{controller}",
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://{LOOPBACK}:{broker},CONTROLLER://{LOOPBACK}:{controller}",
            "log.dirs": self.data,
        } | self.settings
        lines = [f"{name}={value}\n" for name, value in properties.items()]
        self._properties.write_text("".join(lines))

    def _command(self):
        return [*self._java("-Xmx1g", *self._flags), "kafka.Kafka", self._properties]

    def _answers(self):
        """Whether the broker lists itself in its metadata; it does so once it accepts clients."""
        # Request header 1 (key, version, correlation id, no client id) of Metadata version 4 with
        # an empty list of topics. https://kafka.apache.org/protocol#The_Messages_Metadata
        request = struct.pack(">hhih i?", 3, 4, 1, -1, 0, False)
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=2) as connection:
                connection.sendall(struct.pack(">i", len(request)) + request)
                reply = connection.makefile("rb").read(16)
        except OSError:
            return False
        # Size, correlation id, throttle time, number of brokers.
        return len(reply) == 16 and struct.unpack(">iiii", reply)[3] > 0

    @staticmethod
    def _java(*flags):
        if shutil.which("java") is None or not any(KAFKA_LIBS.glob("kafka_*.jar")):
            raise ServerError("kafka: Java or the jars of Kafka are missing: run scripts/install")
        logger = "-Dorg.slf4j.simpleLogger"
        return [
            "java", *flags, f"{logger}.defaultLogLevel=warn", f"{logger}.showDateTime=true",
            f"{logger}.dateTimeFormat=yyyy-MM-dd HH:mm:ss.SSS", "-cp", f"{KAFKA_LIBS}/*",
        ]


def both(action, servers):
    """Runs `action` on all servers in parallel."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        list(pool.map(action, servers))


def print_status(servers):
    for server in servers:
        if server.is_running():
            where = server.dsn if isinstance(server, Postgres) else server.bootstrap
            print(f"{server.name:10}{where}  (pid {server.pid}, log {server.log})")
        else:
            print(f"{server.name:10}not running")


def print_env(postgres, kafka):
    variables = {
        "PG_DSN": postgres.dsn,
        "PG_BIN": postgres.bin_directory(),
        "PG_LOG": postgres.log,
        "KAFKA_BOOTSTRAP": kafka.bootstrap,
        "KAFKA_LOG": kafka.log,
    }
    for name, value in variables.items():
        print(f"export {name}={shlex.quote(str(value))}")


def main():
    parser = argparse.ArgumentParser(description="One private PostgreSQL and one private Kafka.")
    parser.add_argument(
        "command",
        choices=["up", "down", "status", "env"],
        help="start both; stop both; print their addresses (exit 1 unless both run); "
        "print the addresses as shell exports",
    )
    parser.add_argument("--dir", type=pathlib.Path, default=ROOT / ".local" / "servers")
    args = parser.parse_args()
    servers = Postgres(args.dir / "postgres"), Kafka(args.dir / "kafka")
    if args.command == "env":
        print_env(*servers)
        return 0
    if args.command == "up":
        both(Server.start, servers)
    if args.command == "down":
        both(Server.stop, servers)
    print_status(servers)
    return 0 if args.command == "down" or all(s.is_running() for s in servers) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ServerError as error:
        sys.exit(f"servers: {error}")
