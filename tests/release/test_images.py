"""The two images, on host networking, beside a private Postgres and a private Kafka."""

import http.client
import json
import os
import pathlib
import re
import shlex
import subprocess
import tempfile
import time
import unittest

import psycopg
import servers

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONTAINER = shlex.split(os.environ.get("CONTAINER", "docker"))
RUN_OPTIONS = shlex.split(os.environ.get("CONTAINER_RUN_OPTIONS", "--network host"))
WAIT_S = 120
PROGRAMS = ("bitdex-producer", "bitdex-consumer")
QUERY = {"filters": [{"Eq": ["labels", {"Integer": 3}]}], "limit": 10000}
SQL = "SELECT id FROM product JOIN product_label ON product_id = id WHERE label_id = 3 ORDER BY id"


def container(*arguments, check=True):
    done = subprocess.run([*CONTAINER, *map(str, arguments)], capture_output=True, text=True)
    if check and done.returncode != 0:
        raise RuntimeError(f"{arguments}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


class Images(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.addClassCleanup(cls.remove_all)
        cls.made = []
        subprocess.run([ROOT / "scripts" / "images", shlex.join(CONTAINER)], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        directory = tempfile.TemporaryDirectory(prefix="bitdex-images-")
        cls.addClassCleanup(directory.cleanup)
        cls.directory = pathlib.Path(directory.name)
        cls.directory.chmod(0o755)
        cls.postgres = servers.Postgres(cls.directory / "postgres")
        cls.kafka = servers.Kafka(cls.directory / "kafka")
        for server in (cls.postgres, cls.kafka):
            server.start()
            cls.addClassCleanup(server.stop)
        with psycopg.connect(cls.postgres.dsn, autocommit=True) as connection:
            connection.execute("CREATE DATABASE shop")
        cls.dsn = psycopg.conninfo.make_conninfo(cls.postgres.dsn, dbname="shop")
        cls.database = psycopg.connect(cls.dsn, autocommit=True)
        cls.addClassCleanup(cls.database.close)
        cls.database.execute((ROOT / "docker" / "shop.sql").read_text())

    @classmethod
    def remove_all(cls):
        for name in cls.made:
            container("rm", "--force", name, check=False)
            container("volume", "rm", "--force", name, check=False)

    def say(self, what):
        print(f"  images: {what}", flush=True)

    def environment(self, group, port):
        values = {
            "BITDEX_CONFIG": "/etc/bitdex/shop.yaml",
            "BITDEX_POSTGRES_HOST": servers.LOOPBACK,
            "BITDEX_POSTGRES_PORT": self.postgres.port,
            "BITDEX_POSTGRES_PASSWORD": "none",
            "BITDEX_KAFKA": self.kafka.bootstrap,
            "BITDEX_GROUP": group,
            "BITDEX_LISTEN": f"{servers.LOOPBACK}:{port}",
            "BITDEX_ADVERTISE": f"{servers.LOOPBACK}:{port or 8080}",
        }
        return [word for name, value in values.items() for word in ("--env", f"{name}={value}")]

    def run_program(self, name, program, *command, group="a", port=0):
        """Starts a container as compose.yaml does; with a command, waits for its end."""
        options = [*RUN_OPTIONS, "--read-only", "--cap-drop", "ALL",
                   "--volume", f"{ROOT}/docker/bitdex.yaml:/etc/bitdex/shop.yaml:ro",
                   *self.environment(group, port)]
        if command:
            return container("run", "--rm", *options, program, *command)
        if program == "bitdex-consumer":
            options += ["--volume", f"{name}:/var/lib/bitdex"]
        self.made.append(name)
        return container("run", "--detach", "--name", name, *options, program)

    def call(self, port, path, body=None):
        connection = http.client.HTTPConnection(servers.LOOPBACK, port, timeout=10)
        try:
            method = "GET" if body is None else "POST"
            connection.request(method, path, None if body is None else json.dumps(body))
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def ids(self, ports):
        """The ids that the members on these ports find together; each entity once."""
        found = []
        for port in ports:
            status, answer = self.call(port, "/api/indexes/shop/query", QUERY)
            if status != 200 or not answer["complete"] and len(ports) == 1:
                return None
            found += answer["ids"]
        return sorted(found)

    def await_equal(self, ports, what):
        deadline = time.monotonic() + WAIT_S
        while True:
            expected = [row[0] for row in self.database.execute(SQL)]
            found = None
            try:
                found = self.ids(ports)
            except OSError:
                pass
            if found == expected:
                self.say(f"{what}: {len(found)} found, equal to SQL")
                return
            self.assertLess(time.monotonic(), deadline, f"{what}: {found} is not {expected}")
            time.sleep(0.2)

    def insert(self, count):
        self.database.execute(
            """WITH more AS (
                   INSERT INTO product (id, name, category, price_cents)
                   SELECT n, 'product ' || n, 'toys', n %% 1000
                   FROM (SELECT coalesce(max(id), 0) AS last FROM product) AS before,
                        generate_series(last + 1, last + %s) AS n
                   RETURNING id)
               INSERT INTO product_label SELECT id, id %% 7 FROM more""",
            [count],
        )

    def test_what_an_image_is(self):
        """Small, labelled with the version, not root, with a health check; --version runs."""
        text = (ROOT / "CMakeLists.txt").read_text()
        version = re.search(r"project\(bitdex-kafka VERSION (\S+)", text)[1]
        for program in PROGRAMS:
            image = json.loads(container("image", "inspect", program))[0]
            settings = image.get("Config") or image["ContainerConfig"]
            self.assertEqual(version, settings["Labels"]["org.opencontainers.image.version"])
            self.assertEqual("10001:10001", settings["User"])
            # Docker has it in the settings, podman beside them.
            health = settings.get("Healthcheck") or image.get("Healthcheck")
            self.assertEqual(["CMD", program, "health"], health["Test"])
            self.assertIn(f"{program} {version}", container("run", "--rm", program, "--version"))
            base = json.loads(container("image", "inspect", "debian:bookworm-slim"))[0]["Size"]
            added = (image["Size"] - base) // 1000000
            self.assertLess(added, 100)
            self.say(f"{program} {version}: {added} MB over its base, runs as 10001")

    def test_rows_in_answers_out(self):
        """Rows become answers; a killed member comes back; a stop of everything loses nothing."""
        self.run_program("init", "bitdex-producer", "init")
        self.run_program("triggers", "bitdex-producer", "triggers", "apply")
        ports = servers.free_ports(4)
        self.run_program("bitdex-test-producer", "bitdex-producer", port=ports[0])
        self.await_ready(ports[0])
        members = {"bitdex-test-a1": ("a", ports[1]), "bitdex-test-a2": ("a", ports[2]),
                   "bitdex-test-b1": ("b", ports[3])}
        for name, (group, port) in members.items():
            self.run_program(name, "bitdex-consumer", group=group, port=port)
        self.insert(1000)
        self.await_equal(ports[3:], "group b, one member")
        self.await_equal(ports[1:3], "group a, two members")
        for name in ("bitdex-test-producer", *members):
            container("exec", name, "bitdex-" + ("producer" if "producer" in name else "consumer"),
                      "health")
        self.say("the health checks pass")
        container("kill", "--signal", "KILL", "bitdex-test-a1")
        self.insert(1000)
        container("start", "bitdex-test-a1")
        self.await_equal(ports[1:3], "a member was killed and is back")
        for name in ("bitdex-test-producer", *members):
            container("stop", "--time", 60, name)
            state = json.loads(container("inspect", name))[0]["State"]
            self.assertEqual(0, state["ExitCode"], container("logs", name))
        self.insert(1000)
        for name in ("bitdex-test-producer", *members):
            container("start", name)
        self.await_equal(ports[1:3], "everything was stopped while rows came, group a")
        self.await_equal(ports[3:], "everything was stopped while rows came, group b")

    def await_ready(self, port):
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            try:
                if self.call(port, "/api/ready")[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.2)
        self.fail("the producer is not ready: " + container("logs", "bitdex-test-producer"))


if __name__ == "__main__":
    unittest.main()
