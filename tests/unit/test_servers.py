#!/usr/bin/env python3
"""scripts/servers.py: ports that are chosen long before a server listens on them."""

import pathlib
import socket
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import servers  # noqa: E402

LISTEN = "import socket, time; s = socket.create_server(('127.0.0.1', {})); time.sleep(60)"


class Listener(servers.Server):
    """A server that listens on its port and does nothing else."""

    name = "listener"

    def _create(self):
        pass

    def _prepare(self):
        pass

    def _command(self):
        return [sys.executable, "-c", LISTEN.format(self.port)]

    def _answers(self):
        return not servers.is_free(self.port)


class Ports(unittest.TestCase):
    def run_elsewhere(self, program):
        """Runs a Python program in another process; returns its output."""
        command = [sys.executable, "-c", program]
        return subprocess.check_output(command, cwd=ROOT / "scripts", text=True).strip()

    def test_port_is_not_claimed_twice_before_a_server_listens(self):
        """A port that one process has claimed is refused to another one."""
        (port,) = servers.free_ports(1)
        self.assertFalse(servers.claim_port(port))
        claim = f"import servers; print(servers.claim_port({port}))"
        self.assertEqual(self.run_elsewhere(claim), "False")

    def test_port_of_a_process_that_exited_can_be_claimed(self):
        """The claim of a port ends with its process."""
        choose = "import servers; print(*servers.free_ports(1))"
        port = int(self.run_elsewhere(choose))
        self.assertTrue(servers.claim_port(port))

    def test_first_start_chooses_other_ports_when_the_chosen_ones_are_taken(self):
        """A first start whose ports another program has taken in between chooses other ports."""
        first, second = servers.free_ports(2)
        with (
            socket.create_server((servers.LOOPBACK, first)),
            tempfile.TemporaryDirectory() as directory,
            mock.patch.object(servers, "free_ports", side_effect=[[first], [second]]),
            Listener(pathlib.Path(directory) / "listener") as listener,
        ):
            self.assertEqual(listener.port, second)

    def test_later_start_keeps_its_port_and_reports_that_it_is_taken(self):
        """A later start, whose clients know the port, fails when another program has taken it."""
        with tempfile.TemporaryDirectory() as directory:
            listener = Listener(pathlib.Path(directory) / "listener")
            with listener:
                port = listener.port
            with (
                socket.create_server((servers.LOOPBACK, port)),
                self.assertRaisesRegex(servers.PortTaken, f"another program took port {port}"),
            ):
                listener.start()


if __name__ == "__main__":
    unittest.main()
