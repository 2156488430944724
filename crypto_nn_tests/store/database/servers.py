"""A real Postgres, a real PostgREST, the gateway before it, and lines that can be cut."""

import http.client
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import psycopg

JWT_SECRET = "a-secret-of-tests-with-at-least-32-characters"  # noqa: S105
PATIENCE_S = 30.0


class Cluster:
    """A Postgres of our own in a fresh folder, which can be killed and started again."""

    def __init__(self) -> None:
        from pgserver.postgres_server import get_server

        self.folder = Path(tempfile.mkdtemp(prefix="crypto_nn_pg_"))
        self._server = get_server(self.folder / "data", cleanup_mode="stop")
        # A killed process loses nothing that the kernel has: only a machine would need the fsync.
        self.run("alter system set fsync = off")
        self.run("select pg_reload_conf()")

    def dsn(self, database: str = "postgres", user: str = "postgres") -> str:
        """The address of a database, as a user; every local login is trusted."""
        return f"postgresql://{user}@/{database}?host={self.socket_folder}"

    @property
    def socket_folder(self) -> Path:
        """Where the server listens."""
        folder = self._server.get_postmaster_info().socket_dir
        assert folder is not None
        return Path(folder)

    def run(self, sql: str, database: str = "postgres", user: str = "postgres") -> list[Any]:
        """Run statements; the rows of the last."""
        with psycopg.connect(self.dsn(database, user), autocommit=True) as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

    def kill(self) -> None:
        """SIGKILL the server and all its processes at once, as when the machine loses power."""
        import psutil  # type: ignore[import-untyped]

        parent = psutil.Process(self._server.get_pid())
        doomed = [parent, *parent.children(recursive=True)]
        for process in doomed:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        psutil.wait_procs(doomed, timeout=PATIENCE_S)

    def start(self) -> None:
        """Start it again; it recovers by itself."""
        self._server.ensure_postgres_running()

    def close(self) -> None:
        """End it, which a kill does soonest, and remove its files."""
        self.kill()
        self._server.cleanup()
        shutil.rmtree(self.folder, ignore_errors=True)


def make_supabase_like(cluster: Cluster) -> None:
    """Roles and defaults as a Supabase project has them: `owner` migrates and is no superuser."""
    cluster.run("""
      create role anon nologin; create role authenticated nologin;
      create role service_role nologin bypassrls;
      create role authenticator noinherit login;
      grant anon, authenticated, service_role to authenticator;
      create role owner login createrole createdb bypassrls;
    """)


def make_project(cluster: Cluster, name: str) -> None:
    """A database as a Supabase project has it, in which the public may do everything by default."""
    cluster.run(f"create database {name} owner owner")
    cluster.run(
        """
        grant usage on schema public to anon, authenticated, service_role;
        alter default privileges in schema public
          grant all on tables to anon, authenticated, service_role;
        alter default privileges in schema public
          grant all on functions to anon, authenticated, service_role;
        alter default privileges in schema public
          grant all on sequences to anon, authenticated, service_role;
        """,
        name,
        "owner",
    )


def key_of(role: str, secret: str = JWT_SECRET) -> str:
    """An API key of a Supabase project for a role."""
    return jwt.encode({"role": role, "iss": "supabase"}, secret, algorithm="HS256")


@contextmanager
def running_postgrest(binary: Path, dsn: str, max_rows: int = 1000) -> Iterator[int]:
    """PostgREST before a database; the port on which it answers."""
    port, admin = free_port(), free_port()
    settings = {
        "PGRST_DB_URI": dsn,
        "PGRST_DB_SCHEMAS": "public",
        "PGRST_DB_ANON_ROLE": "anon",
        "PGRST_DB_MAX_ROWS": str(max_rows),
        "PGRST_JWT_SECRET": JWT_SECRET,
        "PGRST_SERVER_HOST": "127.0.0.1",
        "PGRST_SERVER_PORT": str(port),
        "PGRST_ADMIN_SERVER_PORT": str(admin),
        "PGRST_DB_POOL": "4",
    }
    process = subprocess.Popen(
        [str(binary)],
        env={**os.environ, **settings},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: _is_ready(admin))
        yield port
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def _is_ready(port: int) -> bool:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
        try:
            connection.request("GET", "/ready")
            return connection.getresponse().status == 200
        except OSError:
            return False


def until(true: Callable[[], bool]) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def free_port() -> int:
    """A port on which nobody listens."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        return int(server.getsockname()[1])


class Gateway:
    """Supabase's gateway: asks for a key, strips /rest/v1, and passes on to PostgREST.

    Attributes:
        url: what `create_client` is given.
        requests: method, path with query, and body of each request that was passed on.
        lose_answers: how many answers are lost from now on, though PostgREST gave them.
        fail_with: statuses to answer with, instead of passing on.
    """

    def __init__(self, upstream: int) -> None:
        self.requests: list[tuple[str, str, bytes]] = []
        self.lose_answers = 0
        self.fail_with: list[int] = []
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _pass_on(self) -> None:
                gateway._serve(self, upstream)

            do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = do_HEAD = _pass_on

            def log_message(self, format: str, *args: object) -> None:
                """Tests say enough."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )
        self._thread.start()

    def _serve(self, request: BaseHTTPRequestHandler, upstream: int) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        if self.fail_with:
            return _answer(request, self.fail_with.pop(0), b"<html>busy</html>", {})
        if not request.headers.get("apikey") or not request.path.startswith("/rest/v1/"):
            return _answer(request, 401, b'{"message": "No API key found in request"}', {})
        path = request.path.removeprefix("/rest/v1")
        self.requests.append((request.command, path, body))
        hop = ("host", "connection", "content-length", "transfer-encoding", "apikey")
        headers = {k: v for k, v in request.headers.items() if k.lower() not in hop}
        with closing(http.client.HTTPConnection("127.0.0.1", upstream)) as connection:
            connection.request(request.command, path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
        if self.lose_answers:
            self.lose_answers -= 1
            request.close_connection = True
            request.connection.shutdown(socket.SHUT_RDWR)
            return None
        kept = {k: v for k, v in answer.getheaders() if k.lower() not in hop}
        return _answer(request, answer.status, content, kept)

    def close(self) -> None:
        """Stop it."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _answer(
    request: BaseHTTPRequestHandler, status: int, content: bytes, headers: dict[str, str]
) -> None:
    request.send_response(status)
    for name, value in {**headers, "Content-Length": str(len(content))}.items():
        request.send_header(name, value)
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(content)


class CutLine:
    """A line to Postgres that is cut after a commit has reached it, before the answer is back.

    Attributes:
        port: where to connect instead.
        cuts: how many commits from now on lose their answer.
        cut: how many did.
    """

    def __init__(self, socket_path: Path) -> None:
        self.cuts = self.cut = 0
        self._path = str(socket_path)
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def _start(self, work: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._path)
            committing = threading.Event()
            self._start(self._forward, client, server, committing)
            self._start(self._back, client, server, committing)

    def _forward(
        self, client: socket.socket, server: socket.socket, committing: threading.Event
    ) -> None:
        with suppress(OSError):
            while data := client.recv(65_536):
                if b"COMMIT\0" in data and self.cut < self.cuts:
                    committing.set()
                server.sendall(data)
        for end in (client, server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _back(
        self, client: socket.socket, server: socket.socket, committing: threading.Event
    ) -> None:
        with suppress(OSError), server, client:
            while data := server.recv(65_536):
                if committing.is_set():  # this is the answer: it is committed, and we tell nobody
                    self.cut += 1
                    client.shutdown(socket.SHUT_RDWR)
                    return
                client.sendall(data)
            client.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Hang up."""
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for thread in self._threads:
            thread.join(PATIENCE_S)
