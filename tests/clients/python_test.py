"""Python's own clients, http.client and urllib: one connection for many requests, in every order of
methods, conditions and parts."""

import concurrent.futures
import email.utils
import http.client
import shutil
import urllib.error
import urllib.request

import support
from support import OLD_S

REQUESTS = 600
SIZE = 3_000_000
LAST_MODIFIED = "Tue, 02 Jan 2024 03:04:05 GMT"


class HttpClient(support.ClientTest):
    def connect(self, server):
        connection = http.client.HTTPConnection("127.0.0.1", server.port,
                                                timeout=support.DEADLINE_S)
        self.addCleanup(connection.close)
        return connection

    def test_many_requests_on_one_connection(self):
        files = {f"/{size}": self.fill(str(size), size) for size in (0, 1, 1000, 20_000, 300_000)}
        server = self.serve()
        connection = self.connect(server)
        connection.connect()
        socket = connection.sock
        expected = []
        for number in range(REQUESTS):
            target, data = list(files.items())[number % len(files)]
            for method, fields, status, body in (
                    ("GET", {}, 200, data), ("HEAD", {}, 200, b""),
                    ("GET", {"If-Modified-Since": LAST_MODIFIED}, 304, b""),
                    ("GET", {"Range": "bytes=0-99"}, 206 if data else 416, data[:100]),
                    ("GET", {"If-Match": '"none"'}, 412, None), ("DELETE", {}, 405, None),
                    ("OPTIONS", {}, 204, b""))[number % 7:][:1]:
                connection.request(method, target, headers=fields)
                response = connection.getresponse()
                got = response.read()
                expected.append(status)
                self.assertEqual(response.status, status, (method, target, fields))
                if body is not None and status != 416:
                    self.assertTrue(got == body, (method, target, fields))
        self.assertIs(connection.sock, socket, "the connection was closed meanwhile")
        self.assertEqual(len(server.client_ports()), 1)
        self.assertEqual(len(set(expected)), 7)

    def test_no_field_is_said_twice(self):
        self.write("page.txt", "a page\n" * 100)
        self.compress("page.txt", "gzip")
        server = self.serve("--cors", "https://a.example", "--cors", "https://b.example",
                            "--precompressed", "gzip", "--autoindex", "on",
                            "--cache-control", "*=max-age=60", "--header", "X-One: 1")
        connection = self.connect(server)
        preflight = {"Access-Control-Request-Method": "GET",
                     "Access-Control-Request-Headers": "if-none-match"}
        for method, target, status, fields in (
                ("GET", "/page.txt", 200, {}), ("GET", "/", 200, {}), ("GET", "/absent", 404, {}),
                ("GET", "/page.txt", 200, {"Accept-Encoding": "gzip"}),
                ("GET", "/page.txt", 206, {"Range": "bytes=0-9"}),
                ("GET", "/page.txt", 206, {"Range": "bytes=0-9,300-309"}),
                ("GET", "/page.txt", 304, {"If-None-Match": "*"}),
                ("GET", "/page.txt", 412, {"If-Match": '"none"'}),
                ("GET", "/page.txt", 416, {"Range": "bytes=9000-"}),
                ("POST", "/page.txt", 405, {}), ("OPTIONS", "/page.txt", 204, preflight)):
            connection.request(method, target, headers={"Origin": "https://b.example", **fields})
            response = connection.getresponse()
            response.read()
            self.assertEqual(response.status, status, (method, target, fields))
            names = [name.lower() for name, _ in response.getheaders()]
            self.assertEqual(sorted(set(names)), sorted(names), (method, target, fields))

    def test_a_body_left_unread_does_not_disturb_others(self):
        whole = self.fill("file.bin", SIZE)
        server = self.serve()
        left = self.connect(server)
        left.request("GET", "/file.bin")
        self.assertEqual(left.getresponse().read(1000), whole[:1000])
        other = self.connect(server)
        other.request("GET", "/file.bin")
        self.assertTrue(other.getresponse().read() == whole)
        left.close()
        other.request("GET", "/file.bin", headers={"Range": "bytes=5-9"})
        self.assertEqual(other.getresponse().read(), whole[5:10])


class Urllib(support.ClientTest):
    """Which closes the connection after each request."""

    def setUp(self):
        super().setUp()
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def open(self, url, **fields):
        named = {name.replace("_", "-"): value for name, value in fields.items()}
        return self.opener.open(urllib.request.Request(url, headers=named),
                                timeout=support.DEADLINE_S)

    def test_redirects_are_followed(self):
        self.write("a dir/index.html", "inside")
        with self.open(self.serve().url("/a dir")) as response:
            self.assertTrue(response.url.endswith("/a%20dir/"))
            self.assertEqual(response.read(), b"inside")
            self.assertEqual(response.headers.get_content_type(), "text/html")

    def test_what_is_not_200_is_an_error_with_its_status(self):
        self.fill("file.bin", 1000)
        server = self.serve()
        etag = self.open(server.url("/file.bin")).headers["ETag"]
        for path, status, fields in (("/absent", 404, {}),
                                     ("/file.bin", 304, {"If_None_Match": f'"x", {etag}'}),
                                     ("/file.bin", 412, {"If_Unmodified_Since":
                                                         "Mon, 01 Jan 2024 00:00:00 GMT"}),
                                     ("/file.bin", 416, {"Range": "bytes=1000-"})):
            with self.assertRaises(urllib.error.HTTPError) as caught:
                self.open(server.url(path), **fields)
            self.assertEqual(caught.exception.status, status)
            caught.exception.close()

    def test_files_are_copied_at_once_by_many_threads(self):
        for number in range(40):
            self.fill(f"{number}.bin", 50_000 * (number % 5 + 1))
        server = self.serve()
        copies = self.directory / "copies"
        copies.mkdir()

        def copy(number):
            with self.open(server.url(f"/{number}.bin")) as response:
                with open(copies / f"{number}.bin", "wb") as file:
                    shutil.copyfileobj(response, file)
        with concurrent.futures.ThreadPoolExecutor(8) as threads:
            list(threads.map(copy, range(40)))
        self.assert_same_tree(copies)

    def test_the_time_of_a_file_is_read(self):
        self.fill("file.bin", 10)
        with self.open(self.serve().url("/file.bin")) as response:
            self.assertEqual(response.headers["Last-Modified"], LAST_MODIFIED)
            read = email.utils.parsedate_to_datetime(response.headers["Last-Modified"])
            self.assertEqual(read.timestamp(), OLD_S)


if __name__ == "__main__":
    support.main()
