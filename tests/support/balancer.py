"""A balancer over database servers, as several hosts of a connection string, or one address."""

import contextlib
import socket
import threading

import servers


class Balancer:
    """`ports` yields, without an end, the port of the server to which the next connection goes."""

    def __init__(self, ports):
        self._ports = iter(ports)
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
                try:
                    server = socket.create_connection((servers.LOOPBACK, next(self._ports)))
                except OSError:
                    client.close()
                    continue
                for source, sink in ((client, server), (server, client)):
                    threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    @staticmethod
    def _pump(source, sink):
        with contextlib.suppress(OSError), source, sink:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
