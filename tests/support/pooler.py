"""A connection pooler as far as a client can tell: it accepts connections in place of the server
and reports another process id for each session than the server does."""

import contextlib
import socket
import struct
import threading

import servers


class Pooler:
    """Forwards every connection to the server at `port`. `sent` is what the clients have sent."""

    def __init__(self, port):
        self.sent = bytearray()
        self._server = (servers.LOOPBACK, port)
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
                server = socket.create_connection(self._server)
                for pump, *arguments in [
                    (self._pump, client, server, self.sent), (self._answer, server, client)
                ]:
                    threading.Thread(target=pump, args=arguments, daemon=True).start()

    @staticmethod
    def _pump(source, sink, record):
        with contextlib.suppress(OSError), source, sink:
            while data := source.recv(65536):
                record += data
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def _answer(self, server, client):
        with contextlib.suppress(OSError, struct.error):
            stream = server.makefile("rb", buffering=0)
            kind = stream.read(1)
            while kind == b"N":  # no encryption
                client.sendall(kind)
                kind = stream.read(1)
            while kind != b"Z":  # ready for the first statement
                (size,) = struct.unpack(">i", stream.read(4))
                body = stream.read(size - 4)
                if kind == b"K":  # BackendKeyData: process id, key
                    body = struct.pack(">i", 7) + body[4:]
                client.sendall(kind + struct.pack(">i", size) + body)
                kind = stream.read(1)
            client.sendall(kind)
        self._pump(server, client, bytearray())
