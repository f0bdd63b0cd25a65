"""A balancer as far as a client can tell: each connection goes to one of several servers."""

import contextlib
import random
import socket
import threading

import servers


class RandomBalancer:
    """The first connection goes to the first server; `seed` decides of the others."""

    def __init__(self, ports, seed):
        self._ports = ports
        self._random = random.Random(seed)
        self._is_first = True
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
                port = self._ports[0] if self._is_first else self._random.choice(self._ports)
                self._is_first = False
                try:
                    server = socket.create_connection((servers.LOOPBACK, port))
                except OSError:
                    client.close()
                    continue
                for source, sink in [(client, server), (server, client)]:
                    threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    @staticmethod
    def _pump(source, sink):
        with contextlib.suppress(OSError), source, sink:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
