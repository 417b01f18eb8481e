"""wget: a mirror of a site with odd names, downloads that go on, and time stamps that save a second
transfer."""

import pathlib
import urllib.parse

import support
from support import ODD_NAMES, OLD_S

SIZE = 5_000_000
HALF = 1_234_567


class WgetTest(support.ClientTest):
    def setUp(self):
        self.program = support.require("wget")
        super().setUp()
        self.copies = self.directory / "copies"

    def wget(self, *words):
        """In UTF-8, no second try. Names are saved as they are, except that wget decodes a name of
        its links twice: "50%2525" is asked for rightly and saved as "50%"."""
        return self.client([self.program, "--no-config", "--no-proxy", "--no-verbose", "--tries=1",
                            "--timeout", support.DEADLINE_S, "--no-host-directories",
                            "--restrict-file-names=nocontrol", "--local-encoding=UTF-8",
                            "--remote-encoding=UTF-8", "--directory-prefix", self.copies, *words])

    def test_the_whole_file(self):
        self.fill("file.bin", SIZE)
        self.wget(self.serve().url("/file.bin"))
        self.assert_same_tree(self.copies)

    def test_half_a_download_goes_on_and_a_complete_one_is_left_alone(self):
        whole = self.fill("file.bin", SIZE)
        server = self.serve(log=True)
        self.copies.mkdir()
        (self.copies / "file.bin").write_bytes(whole[:HALF])
        for _ in range(2):
            self.wget("--continue", server.url("/file.bin"))
            self.assert_same_tree(self.copies)
        self.assertEqual([(line["status"], line["body_bytes"]) for line in server.requests()][:1],
                         [(206, SIZE - HALF)])
        self.assertEqual(len(server.requests(status=416)), 1)

    def test_a_look_without_fetching(self):
        self.fill("file.bin", SIZE)
        server = self.serve(log=True)
        self.wget("--spider", server.url("/file.bin"))
        self.assertEqual([(line["method"], line["body_bytes"]) for line in server.requests()],
                         [("HEAD", 0)])

    def test_a_mirror_of_linked_pages_is_the_same_tree(self):
        self.write_odd_site(links=True)
        self.write(".well-known/hints.txt", "served though its name begins with a dot")
        self.write("start.html", '<a href=".well-known/hints.txt">hints</a> <a href="./">all</a>')
        server = self.serve("--hidden")
        self.wget("--mirror", "--execute", "robots=off", server.url("/start.html"))
        self.assert_same_tree(self.copies, saved_as=urllib.parse.unquote)

    def test_a_mirror_of_listed_directories_is_the_same_tree(self):
        self.write_odd_site(links=False)
        server = self.serve("--hidden", "--autoindex", "on")
        self.wget("--mirror", "--execute", "robots=off", "--reject-regex", "[?]format=json$",
                  server.origin + "/")
        pages = {str(pathlib.PurePath(folder, "index.html"))
                 for name in ODD_NAMES for folder in pathlib.PurePath(name).parents}
        self.assertEqual(pages - set(support.read_tree(self.copies)), set(), "a page for each")
        self.assert_same_tree(self.copies, without=pages, saved_as=urllib.parse.unquote)

    def test_with_time_stamps_nothing_is_fetched_twice(self):
        for name in ("a.txt", "b/c.txt", "old.txt"):
            self.fill(name, 1000, mtime_s=OLD_S - 1000)
        server = self.serve("--threads", "1", log=True)
        urls = [server.url("/" + name) for name in ("a.txt", "b/c.txt", "old.txt")]
        for _ in range(2):
            self.wget("--timestamping", "--force-directories", *urls)
            self.assert_same_tree(self.copies)
        for copy in self.copies.rglob("*.txt"):
            self.assertEqual(copy.stat().st_mtime, OLD_S - 1000)
        self.assertEqual([line["status"] for line in server.requests()], 3 * [200] + 3 * [304])


if __name__ == "__main__":
    support.main()
