"""The Debian packages, in clean systems: built, installed, run, upgraded from 0.1.0 and purged."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time
import unittest
import urllib.request

import servers
from clean_debian import CleanDebian

ROOT = pathlib.Path(__file__).resolve().parents[2]
SUITES = os.environ.get("BITDEX_SUITES", "bookworm trixie").split()
PREVIOUS = "54af44e371a33b2f51abb2950d0433d05a617618"  # the last tree of version 0.1.0
START_S = 60
TOKEN = "release-test"

STAND_ALONE = """
index: shop
topic: {{ partitions: 2 }}
consumer:
  data_dir: /var/lib/bitdex/shop
  listen: "127.0.0.1:{port}"
  token_file: /etc/bitdex/token
index_config:
  filter_fields: [{{ name: level, field_type: single_value }}]
"""
UNREACHABLE = """
index: shop
postgres: "host=127.0.0.1 port=1 dbname=shop connect_timeout=2"
kafka: {{ bootstrap.servers: "127.0.0.1:1" }}
topic: {{ name: shop.ops, partitions: 2, replication_factor: 1 }}
producer: {{ listen: "127.0.0.1:{port}" }}
consumer: {{ group: a, data_dir: /var/lib/bitdex/away, listen: "127.0.0.1:{port}" }}
triggers: [{{ table: item, slot_field: id, sets_alive: true, track_fields: [level] }}]
index_config:
  filter_fields: [{{ name: level, field_type: single_value }}]
"""


def project_version():
    text = (ROOT / "CMakeLists.txt").read_text()
    return re.search(r"project\(bitdex-kafka VERSION (\S+)", text)[1]


class Service:
    """A program that is started as its unit starts it, by a service manager that is this test."""

    def __init__(self, machine, program, config, watchdog_s=3):
        self.machine = machine
        self.reports = []
        path = machine.root / "run" / f"notify-{program}-{time.monotonic_ns()}"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        path.chmod(0o777)
        unit = (machine.root / f"usr/lib/systemd/system/{program}@.service").read_text()
        line = re.search(r"^ExecStart=(.*)$", unit, re.M)[1].replace("%i", config)
        self.process = machine.begin(
            "setpriv --reuid bitdex --regid bitdex --clear-groups"
            f" env NOTIFY_SOCKET=/run/{path.name} WATCHDOG_USEC={watchdog_s * 1000000} {line}",
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        self.process.stderr.close()
        self._socket.close()

    def await_report(self, wanted, timeout_s=START_S):
        """The reports up to and including `wanted`."""
        deadline = time.monotonic() + timeout_s
        seen = []
        while wanted not in seen:
            self._socket.settimeout(max(0.1, deadline - time.monotonic()))
            seen.append(self._socket.recv(4096).decode())
        self.reports += seen
        return seen


def call(port, path, body=None):
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {TOKEN}"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read())


class Packages(unittest.TestCase):
    """A clean system for each suite builds the packages; a second one installs them."""

    def test_life_of_the_packages(self):
        """Built, installed, upgraded with data, purged; units verified; reports to systemd."""
        for suite in SUITES:
            with self.subTest(suite), CleanDebian(suite) as base:
                base.run("apt-get update -qq")
                with CleanDebian(suite, copy_of=base) as builder:
                    packages = self.build(builder)
                    with CleanDebian(suite, copy_of=base) as machine:
                        self.install(machine, packages)

    def say(self, what):
        print(f"  packages: {what}", flush=True)

    def build(self, builder):
        """{version: directory of its packages}, built in the clean system."""
        subprocess.run(["git", "clone", "-q", ROOT, builder.root / "src"], check=True)
        builder.run("cd /src && make -f Makefile.local package")
        builder.run(
            f"cd /src && git worktree add -q /previous {PREVIOUS} && cmake -S packaging/previous"
            " -B build/previous -G Ninja -D PREVIOUS=/previous -D CMAKE_BUILD_TYPE=Release"
            " -D CMAKE_INSTALL_PREFIX=/usr && cmake --build build/previous"
            " && cd build/previous && cpack --config CPackConfig.cmake"
        )
        version = project_version()
        found = {}
        for name, directory in (("0.1.0", "previous"), (version, "package")):
            files = sorted((builder.root / "src/build" / directory).glob("*.deb"))
            self.assertEqual(3, len(files), files)
            found[name] = files
            self.say(f"{builder.suite}: built {', '.join(file.name for file in files)}")
        return found

    def place(self, machine, files):
        target = machine.root / "packages"
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        for file in files:
            shutil.copy(file, target)

    def install(self, machine, packages):
        version = project_version()
        self.place(machine, packages["0.1.0"])
        machine.run("apt-get install -y -qq --no-install-recommends /packages/*.deb man-db")
        self.check_installed(machine, "0.1.0")
        port = self.configure(machine)
        with Service(machine, "bitdex-consumer", "shop") as consumer:
            self.post(port, consumer, 1, 100)
        self.say(f"{machine.suite}: 0.1.0 installed, 100 entities posted to a stand-alone index")
        self.place(machine, packages[version])
        keep = "-o Dpkg::Options::=--force-confold"
        machine.run(f"apt-get install -y -qq {keep} --no-install-recommends /packages/*.deb")
        self.check_installed(machine, version)
        self.assertIn("index: shop", (machine.root / "etc/bitdex/shop.yaml").read_text())
        self.check_reports(machine, port)
        self.say(f"{machine.suite}: upgraded to {version}; the index has its 200 entities")
        self.check_outage(machine)
        self.check_units(machine)
        self.check_purge(machine)

    def check_installed(self, machine, version):
        query = "dpkg-query -W -f '${Package} ${Version} ${db:Status-Status}\\n' 'bitdex-*'"
        done = machine.run(query)
        names = ("common", "consumer", "producer")
        expected = [f"bitdex-{name} {version} installed" for name in names]
        self.assertEqual(expected, done.stdout.splitlines())
        running = [path for path in pathlib.Path("/proc").glob("[0-9]*/root")
                   if self.resolves_to(path, machine.root)]
        self.assertEqual([], running, "installing started something")
        self.assertEqual("bitdex\n", machine.run("stat -c %U /var/lib/bitdex").stdout)
        self.assertEqual("750 root bitdex\n", machine.run("stat -c '%a %U %G' /etc/bitdex").stdout)
        if version == "0.1.0":
            return
        for program in ("bitdex-producer", "bitdex-consumer"):
            self.assertIn(f"{program} {version}", machine.run(f"{program} --version").stdout)
            page = machine.run(f"man -l /usr/share/man/man1/{program}.1*").stdout
            self.assertIn("EXIT STATUS", page)
            words = machine.run(
                f"source /usr/share/bash-completion/completions/{program};"
                f" COMP_WORDS=({program} st) COMP_CWORD=1;"
                f" _{program.replace('-', '_')}; echo \"${{COMPREPLY[@]}}\""
            ).stdout
            self.assertEqual("status\n", words)

    @staticmethod
    def resolves_to(path, root):
        try:
            return os.readlink(path) == str(root)
        except OSError:
            return False

    def configure(self, machine):
        port = servers.free_ports(1)[0]
        directory = machine.root / "etc/bitdex"
        (directory / "shop.yaml").write_text(STAND_ALONE.format(port=port))
        (directory / "token").write_text(TOKEN + "\n")
        machine.run("chown root:bitdex /etc/bitdex/* && chmod 640 /etc/bitdex/*")
        return port

    def await_http(self, port, service, path="/api/health"):
        deadline = time.monotonic() + START_S
        while True:
            try:
                return call(port, path)
            except OSError:
                if service.process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def post(self, port, service, first, last):
        self.await_http(port, service, "/api/ready")
        op = {"op": "set", "field": "level", "value": 7}
        entries = [
            {"entity_id": n, "creates_slot": True, "ops": [op]}
            for n in range(first, last + 1)
        ]
        call(port, "/api/indexes/shop/ops", {"ops": entries})
        service.process.send_signal(signal.SIGTERM)
        self.assertEqual(0, service.process.wait(START_S))

    def count(self, port):
        body = {"filters": [{"Eq": ["level", {"Integer": 7}]}], "limit": 1}
        return call(port, "/api/indexes/shop/query", body)["total_matched"]

    def check_reports(self, machine, port):
        """READY=1 when the listener is open, WATCHDOG=1 while healthy, STOPPING=1 at SIGTERM."""
        with Service(machine, "bitdex-consumer", "shop") as consumer:
            self.assertEqual(["READY=1"], consumer.await_report("READY=1"))
            call(port, "/api/health")
            consumer.await_report("WATCHDOG=1")
            self.await_http(port, consumer, "/api/ready")
            self.assertEqual(100, self.count(port))
            self.post(port, consumer, 101, 200)
            consumer.await_report("STOPPING=1")
        with Service(machine, "bitdex-consumer", "shop") as consumer:
            self.await_http(port, consumer, "/api/ready")
            self.assertEqual(200, self.count(port))
        (machine.root / "etc/bitdex/wrong.yaml").write_text("indexx: shop\n")
        machine.run("chown root:bitdex /etc/bitdex/wrong.yaml")
        with Service(machine, "bitdex-consumer", "wrong") as consumer:
            self.assertEqual(2, consumer.process.wait(START_S))
            consumer._socket.settimeout(0.1)
            self.assertRaises(TimeoutError, consumer._socket.recv, 4096)
        self.say(f"{machine.suite}: READY, WATCHDOG and STOPPING as systemd waits for them")

    def check_outage(self, machine):
        """Without Kafka and Postgres both programs start, report and stay, so no restart is due."""
        for program in ("bitdex-producer", "bitdex-consumer"):
            port = servers.free_ports(1)[0]
            (machine.root / "etc/bitdex/away.yaml").write_text(UNREACHABLE.format(port=port))
            machine.run("chown root:bitdex /etc/bitdex/away.yaml")
            with Service(machine, program, "away") as service:
                self.assertEqual(["READY=1"], service.await_report("READY=1"))
                for _ in range(5):
                    service.await_report("WATCHDOG=1")
                self.assertIsNone(service.process.poll())
                service.process.send_signal(signal.SIGTERM)
                service.await_report("STOPPING=1")
                self.assertEqual(0, service.process.wait(START_S))
        self.say(f"{machine.suite}: an outage of Kafka and Postgres keeps both programs running")

    def check_units(self, machine):
        machine.run("apt-get install -y -qq --no-install-recommends systemd")
        for program in ("bitdex-producer", "bitdex-consumer"):
            unit = f"{program}@shop.service"
            done = machine.run(f"systemd-analyze verify --man=no {unit}", check=False)
            self.assertEqual((0, ""), (done.returncode, done.stderr), unit)
            done = machine.run(
                "systemd-analyze security --offline=yes --threshold=20 --no-pager"
                f" /usr/lib/systemd/system/{program}@.service", check=False,
            )
            self.assertEqual(0, done.returncode, done.stdout + done.stderr)
            verdict = [line for line in done.stdout.splitlines() if "Overall exposure" in line][0]
            self.say(f"{machine.suite}: {unit} verified; {verdict.lstrip('→ ')}")

    def check_purge(self, machine):
        machine.run("apt-get purge -y -qq bitdex-consumer bitdex-producer bitdex-common")
        done = machine.run("dpkg-query -W 'bitdex-*'", check=False)
        self.assertNotIn("bitdex-common\t", done.stdout)
        self.assertFalse((machine.root / "etc/bitdex/bitdex.yaml").exists())
        self.assertFalse((machine.root / "usr/bin/bitdex-consumer").exists())
        self.assertTrue(any((machine.root / "var/lib/bitdex/shop").iterdir()))
        self.say(f"{machine.suite}: purged; the data and the operator's own files stay")


if __name__ == "__main__":
    unittest.main()
