"""nginx in front: a reverse proxy with a cache that revalidates, and one that keeps large files in
slices. What reaches ringserve is read in its access log."""

import http.client
import os
import signal
import socket
import subprocess
import threading

import support
from harness import process
from support import OLD_S, content

CONFIGURATION = """
daemon off; worker_processes 1; pid @DIR@/nginx.pid; error_log stderr error; @USER@
events { worker_connections 256; }
http {
  access_log off; default_type application/octet-stream;
  client_body_temp_path @DIR@/body; proxy_temp_path @DIR@/proxy; fastcgi_temp_path @DIR@/fastcgi;
  uwsgi_temp_path @DIR@/uwsgi; scgi_temp_path @DIR@/scgi;
  proxy_cache_path @DIR@/cache keys_zone=site:1m inactive=1h;
  upstream ringserve { server 127.0.0.1:@PORT@; keepalive 2; }
  server {
    listen unix:@DIR@/front;
    proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
    proxy_cache site; proxy_cache_revalidate on;
    proxy_cache_lock on; proxy_cache_lock_timeout 1h; proxy_cache_lock_age 1h;
    add_header X-Cache $upstream_cache_status always;
    location / { proxy_pass http://ringserve; }
    location /plain/ { proxy_pass http://ringserve/; proxy_cache off; }
    location /sliced/ {
      slice 256k; proxy_cache_key $uri$slice_range; proxy_set_header Range $slice_range;
      proxy_cache_valid 200 206 1h; proxy_pass http://ringserve;
    }
  }
}
"""
SIZE = 3_000_000
SLICE = 256 * 1024


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("files.example", timeout=support.DEADLINE_S)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


class NginxTest(support.ClientTest):
    def setUp(self):
        self.program = support.require("nginx")
        super().setUp()
        self.front = None

    def put_in_front_of(self, server):
        directory = self.directory / "nginx"
        directory.mkdir()
        values = {"DIR": directory, "PORT": server.port,
                  "USER": "user root;" if os.geteuid() == 0 else ""}
        text = CONFIGURATION
        for name, value in values.items():
            text = text.replace(f"@{name}@", str(value))
        (directory / "nginx.conf").write_text(text)
        said = open(directory / "stderr", "wb")
        self.addCleanup(said.close)
        self.nginx = subprocess.Popen(
            [self.program, "-e", "stderr", "-p", directory, "-c", directory / "nginx.conf"],
            stderr=said, env=support.environment(),
            # nginx ends its worker when it is asked to end, not when it is killed.
            preexec_fn=lambda: process.die_with_parent(signal.SIGTERM))
        self.addCleanup(self.end_nginx)
        self.front = UnixConnection(directory / "front")
        self.addCleanup(self.front.close)
        self.eventually("nginx listens", lambda: self.connects(directory))

    def connects(self, directory):
        self.assertIsNone(self.nginx.poll(), (directory / "stderr").read_text())
        try:
            self.front.connect()
            return True
        except OSError:
            self.front.close()
            return False

    def end_nginx(self):
        self.nginx.terminate()
        self.assertEqual(self.nginx.wait(support.DEADLINE_S), 0)
        self.assertEqual((self.directory / "nginx" / "stderr").read_text(), "")

    def get(self, target, **fields):
        """(status, what the cache did, body)"""
        self.front.request("GET", target, headers={
            name.replace("_", "-"): value for name, value in fields.items()})
        response = self.front.getresponse()
        body = response.read()
        self.assertEqual(response.getheader("Content-Length"), str(len(body)))
        return response.status, response.getheader("X-Cache"), body

    def until(self, state, target):
        """Asks until the cache says that it has done this; that answer."""
        def attempt():
            answer = self.get(target)
            return answer if answer[1] == state else None
        return self.eventually(f"{target}: {state}", attempt)


class Proxy(NginxTest):
    def test_connections_to_the_server_are_kept(self):
        files = {f"/plain/{name}": self.fill(name, size)
                 for name, size in (("empty", 0), ("small", 100), ("large", SIZE))}
        server = self.serve(log=True)
        self.put_in_front_of(server)
        for _ in range(20):
            for target, expected in files.items():
                self.assertEqual(self.get(target), (200, None, expected))
        self.assertEqual(len(server.client_ports()), 1)
        self.assertEqual(len(server.requests(status=200, protocol="HTTP/1.1")), 60)

    def test_ranges_conditions_and_errors_pass_through(self):
        whole = self.fill("file.bin", SIZE)
        self.put_in_front_of(self.serve())
        self.assertEqual(self.get("/plain/file.bin", Range="bytes=-100"), (206, None, whole[-100:]))
        self.front.request("HEAD", "/plain/file.bin")
        response = self.front.getresponse()
        response.read()
        self.assertEqual(response.getheader("Content-Length"), str(SIZE))
        for expected, name, value in ((304, "If-None-Match", response.getheader("ETag")),
                                      (412, "If-Match", '"another"'),
                                      (416, "Range", f"bytes={SIZE}-")):
            self.front.request("GET", "/plain/file.bin", headers={name: value})
            answer = self.front.getresponse()
            answer.read()
            self.assertEqual(answer.status, expected)
        self.assertEqual(self.get("/plain/absent")[0], 404)


class Cache(NginxTest):
    def test_a_cached_file_is_revalidated_and_replaced_when_it_changed(self):
        old = self.fill("page.bin", 10_000)
        server = self.serve("--threads", "1", "--cache-control", "*=max-age=1", log=True)
        self.put_in_front_of(server)
        self.assertEqual(self.get("/page.bin"), (200, "MISS", old))
        self.assertEqual(self.until("HIT", "/page.bin"), (200, "HIT", old))
        self.assertEqual(self.until("REVALIDATED", "/page.bin"), (200, "REVALIDATED", old))
        new = self.fill("page.bin", 9_000, mtime_s=OLD_S + 1)
        self.assertEqual(self.until("EXPIRED", "/page.bin"), (200, "EXPIRED", new))
        self.assertEqual(self.get("/page.bin")[2], new)
        statuses = [line["status"] for line in server.requests(target="/page.bin")]
        self.assertEqual((statuses[0], statuses.count(200)), (200, 2))
        self.assertEqual(set(statuses[1:]), {200, 304})

    def test_without_a_rule_nothing_is_kept(self):
        data = self.fill("page.bin", 10_000)
        server = self.serve(log=True)
        self.put_in_front_of(server)
        for _ in range(3):
            self.assertEqual(self.get("/page.bin"), (200, "MISS", data))
        self.assertEqual(len(server.requests(status=200)), 3)

    def test_forms_of_a_page_are_kept_apart(self):
        self.write("page.txt", "plain")
        self.write("page.txt.gz", content("not unpacked here", 40))
        server = self.serve("--precompressed", "gzip", "--cache-control", "*=max-age=3600",
                            log=True)
        self.put_in_front_of(server)
        packed = content("not unpacked here", 40)
        for state in ("MISS", "HIT"):
            self.assertEqual(self.get("/page.txt", Accept_Encoding="gzip"), (200, state, packed))
            self.assertEqual(self.get("/page.txt", Accept_Encoding="identity"),
                             (200, state, b"plain"))
        self.assertEqual(len(server.requests()), 2)

    def test_many_clients_at_once_are_one_request(self):
        data = self.fill("page.bin", SIZE)
        server = self.serve("--cache-control", "*=max-age=3600", log=True)
        self.put_in_front_of(server)
        answers = []

        def ask():
            connection = UnixConnection(self.front.path)
            connection.request("GET", "/page.bin")
            answers.append(connection.getresponse().read() == data)
            connection.close()
        threads = [threading.Thread(target=ask) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(answers, 20 * [True])
        self.assertEqual(len(server.requests()), 1)


class Slices(NginxTest):
    def test_a_large_file_is_kept_in_slices(self):
        whole = self.fill("sliced/file.bin", SIZE)
        server = self.serve(log=True)
        self.put_in_front_of(server)
        middle = self.get("/sliced/file.bin", Range=f"bytes={5 * SLICE}-{5 * SLICE + 9}")
        self.assertEqual(middle, (206, "MISS", whole[5 * SLICE:5 * SLICE + 10]))
        self.assertEqual(self.get("/sliced/file.bin")[2], whole)
        self.assertEqual(self.get("/sliced/file.bin", Range="bytes=-9"), (206, "HIT", whole[-9:]))
        parts = [line["body_bytes"] for line in server.requests(status=206)]
        self.assertEqual(len(parts), len(server.requests()))
        self.assertEqual(len(parts), -(-SIZE // SLICE), "each slice once")
        self.assertEqual(sum(parts), SIZE)

    def test_slices_of_two_files_are_never_put_together(self):
        old = self.fill("sliced/file.bin", SIZE)
        server = self.serve("--threads", "1")
        self.put_in_front_of(server)
        self.assertEqual(self.get("/sliced/file.bin", Range="bytes=0-9"), (206, "MISS", old[:10]))
        self.fill("sliced/file.bin", SIZE - 1, mtime_s=OLD_S + 1)
        direct = http.client.HTTPConnection("127.0.0.1", server.port)

        def changed():
            direct.request("HEAD", "/sliced/file.bin")
            response = direct.getresponse()
            response.read()
            return response.getheader("Content-Length") == str(SIZE - 1)
        self.eventually("the new file is served", changed)
        direct.close()
        self.front.request("GET", "/sliced/file.bin")
        response = self.front.getresponse()
        with self.assertRaises(http.client.IncompleteRead) as cut:
            response.read()
        self.assertTrue(old.startswith(cut.exception.partial), "only what is of the old file")
        self.front.close()
        said = self.directory / "nginx" / "stderr"
        self.assertIn("etag mismatch in slice response", said.read_text())
        said.write_text("")  # it has been said, and is what was wanted


if __name__ == "__main__":
    support.main()
