"""curl: downloads whole, in part and resumed; conditions, encodings, many at once, and what it says
to refusals."""

import email
import email.policy
import re

import support
from support import OLD_S, content

SIZE = 5_000_000
HALF = 1_234_567


class CurlTest(support.ClientTest):
    def setUp(self):
        self.program = support.require("curl")
        super().setUp()
        self.copy = self.directory / "copy"

    def curl(self, *words, status=0, noproxy=("--noproxy", "*")):
        return self.client([self.program, "-q", "--silent", "--show-error", *noproxy, *words],
                           status=status)

    def code(self, *words, what="%{http_code}"):
        """Only the status of the response, or what else curl can tell of it."""
        return self.curl("--output", "/dev/null", "--write-out", what, *words)

    def assert_copy(self, expected):
        self.assertTrue(self.copy.read_bytes() == expected, "the copy differs")


class Downloads(CurlTest):
    def setUp(self):
        super().setUp()
        self.whole = self.fill("file.bin", SIZE)
        self.server = self.serve()
        self.url = self.server.url("/file.bin")

    def test_the_whole_file(self):
        self.curl("--fail", "--output", self.copy, self.url)
        self.assert_copy(self.whole)

    def test_half_a_download_is_resumed(self):
        self.copy.write_bytes(self.whole[:HALF])
        got = self.curl("--fail", "--continue-at", "-", "--output", self.copy, "--write-out",
                        "%{http_code} %{size_download}", self.url)
        self.assertEqual(got, f"206 {SIZE - HALF}".encode())
        self.assert_copy(self.whole)

    def test_a_complete_download_is_left_alone(self):
        self.copy.write_bytes(self.whole)
        got = self.curl("--continue-at", "-", "--output", self.copy, "--write-out",
                        "%{http_code}", self.url)
        self.assertEqual(got, b"416")
        self.assert_copy(self.whole)

    def test_single_ranges(self):
        for words, expected in (("0-99", self.whole[:100]), ("1000-4999", self.whole[1000:5000]),
                                ("-500", self.whole[-500:]), (f"{SIZE - 7}-", self.whole[-7:]),
                                (f"4999000-{2 * SIZE}", self.whole[4999000:])):
            with self.subTest(range=words):
                self.assertTrue(self.curl("--fail", "--range", words, self.url) == expected)

    def test_a_range_behind_the_end_fails(self):
        self.assertEqual(self.code("--range", f"{SIZE}-", self.url), b"416")
        self.curl("--fail", "--range", f"{SIZE}-", self.url, status=22)

    def test_two_ranges_come_as_parts(self):
        message = email.message_from_bytes(
            self.curl("--include", "--range", "0-99,1000-1299,-50", self.url).partition(b"\r\n")[2],
            policy=email.policy.HTTP)
        self.assertEqual(message.get_content_type(), "multipart/byteranges")
        parts = [(part["Content-Range"], part.get_payload(decode=True))
                 for part in message.iter_parts()]
        self.assertEqual(parts, [
            (f"bytes 0-99/{SIZE}", self.whole[:100]),
            (f"bytes 1000-1299/{SIZE}", self.whole[1000:1300]),
            (f"bytes {SIZE - 50}-{SIZE - 1}/{SIZE}", self.whole[-50:])])

    def test_ranges_that_nearly_touch_come_as_one(self):
        got = self.curl("--include", "--range", "0-99,200-299", self.url)
        head, _, body = got.partition(b"\r\n\r\n")
        self.assertIn(f"Content-Range: bytes 0-299/{SIZE}".encode(), head)
        self.assertEqual(body, self.whole[:300])

    def test_http_1_0(self):
        self.curl("--fail", "--http1.0", "--output", self.copy, self.url)
        self.assert_copy(self.whole)

    def test_a_connection_is_used_again(self):
        got = self.curl("--fail", "--output", "/dev/null", self.url, "--output", "/dev/null",
                        self.url, "--write-out", "%{num_connects} ")
        self.assertEqual(got, b"1 0 ")

    def test_through_a_proxy_that_is_the_server_the_target_is_absolute(self):
        got = self.curl("--fail", "--proxy", self.server.origin, "--range", "0-9",
                        "http://files.example/file.bin", noproxy=("--noproxy", ""))
        self.assertEqual(got, self.whole[:10])

    def test_the_head_is_that_of_a_get(self):
        def fields(*words):
            got = self.curl("--fail", *words, self.url).decode()
            return [line for line in got.splitlines() if not line.startswith("Date:")]
        head = fields("--head")
        self.assertEqual(head, fields("--dump-header", "-", "--output", "/dev/null"))
        self.assertIn(f"Content-Length: {SIZE}", head)


class Conditions(CurlTest):
    def setUp(self):
        super().setUp()
        self.old = self.fill("file.bin", 10_000)
        self.server = self.serve("--threads", "1")
        self.url = self.server.url("/file.bin")
        self.copy.write_bytes(b"")

    def replace(self):
        new = self.fill("file.bin", 9_000, mtime_s=OLD_S + 100)
        self.eventually("the new file is served", lambda: self.curl(self.url) == new)
        return new

    def test_an_etag_is_saved_and_compared(self):
        words = ("--etag-save", self.directory / "etag", "--etag-compare", self.directory / "etag",
                 "--output", self.copy, "--write-out", "%{http_code}", self.url)
        self.assertEqual(self.curl(*words), b"200")
        self.assertEqual(self.curl(*words), b"304")
        self.assert_copy(self.old)
        new = self.replace()
        self.assertEqual(self.curl(*words), b"200")
        self.assert_copy(new)

    def test_a_copy_is_fetched_again_only_when_the_file_is_newer(self):
        self.curl("--remote-time", "--output", self.copy, self.url)
        self.assertEqual(self.copy.stat().st_mtime, OLD_S)
        words = ("--time-cond", self.copy, "--remote-time", "--output", self.copy, "--write-out",
                 "%{http_code}", self.url)
        self.assertEqual(self.curl(*words), b"304")
        self.assert_copy(self.old)
        new = self.replace()
        self.assertEqual(self.curl(*words), b"200")
        self.assert_copy(new)

    def test_a_file_that_should_be_older_than_it_is_is_refused(self):
        self.assertEqual(self.code("--time-cond", "-1 Jan 2024 00:00:00 UTC", self.url), b"412")
        self.assertEqual(self.code("--time-cond", "-1 Feb 2024 00:00:00 UTC", self.url), b"200")

    def test_a_file_that_was_replaced_is_not_resumed_into_a_mixture(self):
        etag = re.search(rb'ETag: ("[^"]+")', self.curl("--head", self.url))[1].decode()
        words = ("--range", "100-199", "--header", f"If-Range: {etag}", self.url)
        self.assertEqual(self.curl(*words), self.old[100:200])
        new = self.replace()
        self.assertEqual(self.curl(*words), new)


class Encodings(CurlTest):
    def setUp(self):
        super().setUp()
        self.text = b"a line that compresses well\n" * 2000
        self.write("page.txt", self.text)

    def test_each_coding_is_sent_as_stored_and_understood(self):
        features = self.curl("--version").decode()
        for coding, feature in (("gzip", "libz"), ("br", "brotli"), ("zstd", "zstd")):
            with self.subTest(coding=coding):
                if feature not in features:
                    support.missing(f"a curl with {feature}")
                stored = len(self.compress("page.txt", coding))
                server = self.serve("--precompressed", coding)
                words = ("--fail", "--output", self.copy, "--write-out",
                         "%{size_download} %header{content-encoding} %header{vary}",
                         server.url("/page.txt"))
                self.assertEqual(self.curl("--compressed", *words),
                                 f"{stored} {coding} Accept-Encoding".encode())
                self.assert_copy(self.text)
                self.assertEqual(self.curl(*words),
                                 f"{len(self.text)}  Accept-Encoding".encode())
                self.assert_copy(self.text)
                server.stop()

    def test_among_equals_the_server_chooses(self):
        for coding in ("gzip", "br", "zstd"):
            self.compress("page.txt", coding)
        server = self.serve("--precompressed", "zstd,br,gzip")
        got = self.curl("--output", self.copy, "--write-out", "%header{content-encoding}",
                        "--header", "Accept-Encoding: gzip, br, zstd", server.url("/page.txt"))
        self.assertEqual(got, b"zstd")

    def test_a_compressed_download_is_resumed_as_stored(self):
        """curl does not unpack what it resumes: it goes on with the bytes of the same coding."""
        packed = self.compress("page.txt", "gzip")
        self.copy.write_bytes(packed[:20])
        server = self.serve("--precompressed", "gzip")
        self.curl("--fail", "--continue-at", "-", "--header", "Accept-Encoding: gzip", "--output",
                  self.copy, server.url("/page.txt"))
        self.assert_copy(packed)


class Sites(CurlTest):
    def test_many_at_once(self):
        count = 200
        for number in range(1, count + 1):
            self.fill(f"{number}.bin", 1000 * number)
        server = self.serve()
        self.curl("--fail", "--parallel", "--parallel-immediate", "--parallel-max", "40",
                  "--create-dirs", "--output", self.directory / "copies" / "#1.bin",
                  f"{server.origin}/[1-{count}].bin")
        self.assert_same_tree(self.directory / "copies")

    def test_the_redirect_to_a_directory_and_those_of_the_site_are_followed(self):
        self.write("sub dir/index.html", "inside")
        self.write("new/page.html", "moved")
        server = self.serve("--redirect", "/old/*=/new/*")
        self.assertEqual(self.curl("--fail", "--location", server.url("/sub dir")), b"inside")
        self.assertEqual(self.curl("--fail", "--location", server.url("/old/page.html")),
                         b"moved")

    def test_sites_are_told_apart_by_their_names(self):
        for name in ("one", "two"):
            self.write(f"{name}/index.html", f"site {name}")
        server = self.serve_config(
            f'[[site]]\nnames = ["one.example"]\nroot = "{self.root}/one"\n'
            f'[[site]]\nnames = ["two.example", "*.two.example"]\nroot = "{self.root}/two"\n')
        for host, expected in (("one.example", "one"), ("two.example", "two"),
                               ("WWW.Two.Example", "two"), ("unknown.example", "one")):
            got = self.curl("--fail", "--connect-to", f"::{server.host}", f"http://{host}/")
            self.assertEqual(got, f"site {expected}".encode(), host)

    def test_what_is_not_there_fails(self):
        self.write("404.html", "nothing here")
        server = self.serve("--error-page", "404=404.html")
        self.curl("--fail", server.url("/absent"), status=22)
        self.assertEqual(self.curl("--fail-with-body", server.url("/absent"), status=22),
                         b"nothing here")
        self.assertEqual(self.code("--path-as-is", server.origin + "/../../etc/passwd"), b"400")


class Uploads(CurlTest):
    """Refused, and said before the client has sent it all."""

    def setUp(self):
        super().setUp()
        self.write("page.txt", "a page")
        self.server = self.serve()
        self.upload = self.directory / "upload"

    def sent(self, size, *words):
        """(status, bytes of the upload that curl sent)"""
        self.upload.write_bytes(content("upload", size))
        got = self.code("--expect100-timeout", str(support.DEADLINE_S), *words,
                        self.server.url("/page.txt"), what="%{http_code} %{size_upload}")
        return tuple(int(word) for word in got.split())

    def test_a_client_that_expects_100_sends_nothing_in_vain(self):
        for words in (("--upload-file", self.upload),
                      ("--header", "Expect: 100-continue", "--data-binary", f"@{self.upload}")):
            self.assertEqual(self.sent(1000, "--header", "Expect: 100-continue", *words), (405, 0))
            self.assertEqual(self.sent(2_000_000, *words), (413, 0))

    def test_a_body_that_comes_at_once_is_refused_too(self):
        status, _ = self.sent(100_000, "--header", "Expect:", "--upload-file", self.upload)
        self.assertEqual(status, 405)

    def test_a_get_with_a_body_is_answered_without_it(self):
        self.assertEqual(self.sent(2000, "--request", "GET", "--header", "Expect: 100-continue",
                                   "--data-binary", f"@{self.upload}"), (200, 0))


if __name__ == "__main__":
    support.main()
