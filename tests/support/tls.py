"""Certificates of a CA of a test's own, and TLS in front of a server that speaks none."""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path


class Authority:
    """A CA, made with the ``openssl`` command.

    Attributes:
        certificate: What the others are to trust.
    """

    def __init__(self, folder: Path, name: str = "Test CA") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._key = folder / "ca.key"
        self.certificate = folder / "ca.pem"
        _openssl(
            "req", "-x509", *_NEW_KEY, "-keyout", self._key, "-out", self.certificate,
            "-days", "2", "-subj", f"/CN={name}",
            "-addext", "basicConstraints=critical,CA:TRUE",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign",
        )  # fmt: skip

    def issue(self, name: str, *subjects: str) -> tuple[Path, Path]:
        """A certificate and its key.

        Args:
            name: What the files are called.
            *subjects: Whom it is for, such as ``DNS:localhost`` or ``IP:127.0.0.1``.
        """
        key, request, certificate = (
            self._folder / f"{name}.{end}" for end in ("key", "csr", "pem")
        )
        extensions = self._folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={','.join(subjects)}\n" if subjects else "")
        _openssl("req", *_NEW_KEY, "-keyout", key, "-out", request, "-subj", f"/CN={name}")
        _openssl(
            "x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self._key,
            "-CAcreateserial", "-days", "2", "-out", certificate, "-extfile", extensions,
        )  # fmt: skip
        return certificate, key


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=30)


def server_context(certificate: tuple[Path, Path], clients: Path | None = None) -> ssl.SSLContext:
    """How a server greets; with ``clients``, only those whom that CA has signed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(clients)
    return context


class TLSForwarder:
    """Speaks TLS and passes everything on without, as stunnel does.

    Args:
        port: Where the server listens, on 127.0.0.1.
        context: See :func:`server_context`.
    """

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        self._there = ("127.0.0.1", port)
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.served = 0
        self._start(self._accept)

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            open_now = list(self._sockets)
        for one in open_now:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(one, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)

    def _start(self, target: object, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                accepted, _ = self._listener.accept()
                with self._lock:
                    self._sockets.append(accepted)
                self._start(self._serve, accepted)

    def _serve(self, accepted: socket.socket) -> None:
        with accepted, contextlib.suppress(OSError):
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            accepted.settimeout(10)
            here = self._context.wrap_socket(accepted, server_side=True)
            with here, socket.create_connection(self._there) as there:
                there.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with self._lock:
                    self._sockets += [here, there]
                    self.served += 1
                self._pump(here, there)

    def _pump(self, here: ssl.SSLSocket, there: socket.socket) -> None:
        """Both ways in one thread: an SSLSocket is not for two at once."""
        here.settimeout(None)
        here.setblocking(False)
        with selectors.DefaultSelector() as selector:
            selector.register(here, selectors.EVENT_READ)
            selector.register(there, selectors.EVENT_READ)
            while True:
                ready = {key.fileobj for key, _ in selector.select()}
                if here in ready:
                    while True:
                        try:
                            data = here.recv(256 * 1024)
                        except ssl.SSLWantReadError:
                            break
                        if not data:
                            return
                        there.sendall(data)
                if there in ready:
                    data = there.recv(256 * 1024)
                    if not data:
                        return
                    here.setblocking(True)
                    here.sendall(data)
                    here.setblocking(False)


@contextlib.contextmanager
def tls_forwarder(port: int, context: ssl.SSLContext) -> Iterator[TLSForwarder]:
    forwarder = TLSForwarder(port, context)
    try:
        yield forwarder
    finally:
        forwarder.stop()
