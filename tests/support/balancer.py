"""A balancer over database servers: each connection goes to the next server in turn, as with
several hosts in a connection string, or at a virtual address."""

import contextlib
import itertools
import socket
import threading

import servers


class Balancer:
    """`ports`: of the servers, for the first connection, the second one and so on."""

    def __init__(self, ports):
        self._ports = itertools.cycle(ports)
        self._listener = socket.create_server((servers.LOOPBACK, 0))
        self.port = self._listener.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._listener.close()

    def _accept(self):
        with contextlib.suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection((servers.LOOPBACK, next(self._ports)))
                for source, sink in ((client, server), (server, client)):
                    threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    @staticmethod
    def _pump(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
