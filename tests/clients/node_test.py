"""Node's clients: node:http with an agent that keeps connections, and fetch(). The scripts are in
node_client.mjs and say in JSON what they saw."""

import hashlib
import json
import pathlib

import support

SCRIPT = pathlib.Path(__file__).resolve().parent / "node_client.mjs"
REQUESTS = 300
SIZE = 3_000_000
LARGE = 60_000_000  # more than the sockets between hold


def digest(data):
    return hashlib.sha256(data).hexdigest()


class NodeTest(support.ClientTest):
    def setUp(self):
        self.program = support.require("node")
        super().setUp()

    def node(self, what, *words):
        return json.loads(self.client([self.program, SCRIPT, what, *words]))

    def test_an_agent_keeps_its_connection(self):
        data = self.fill("file.bin", 10_000)
        server = self.serve()
        saw = self.node("agent", server.url("/file.bin"), REQUESTS)
        self.assertEqual(saw, {"statuses": [200], "digests": [digest(data)], "reused": REQUESTS - 1,
                               "ports": 1})
        self.assertEqual(len(server.client_ports()), 1)

    def test_fetch_at_once_and_in_parts(self):
        data = self.fill("file.bin", SIZE)
        saw = self.node("fetch", self.serve().url("/file.bin"), REQUESTS // 5)
        self.assertEqual(saw["whole"], [digest(data)])
        self.assertEqual(saw["part"], [206, f"bytes 1000-1999/{SIZE}", digest(data[1000:2000])])
        self.assertEqual(saw["unchanged"], 304)
        self.assertEqual(saw["absent"], 404)

    def test_fetch_unpacks_what_was_packed_before(self):
        """Without encryption it asks for gzip and deflate only, as browsers do."""
        self.write("page.txt", "a page\n" * 1000)
        self.node("compress", self.root / "page.txt")
        server = self.serve("--precompressed", "br,gzip")
        for asked, coding in (([], "gzip"), (["br"], "br"), (["identity"], None)):
            saw = self.node("decode", server.url("/page.txt"), *asked)
            self.assertEqual(saw, {"coding": coding, "digest": digest(b"a page\n" * 1000)})

    def test_an_abort_in_the_middle_leaves_the_server_well(self):
        with open(self.write("large.bin", b""), "r+b") as file:
            file.truncate(LARGE)
        data = self.fill("small.bin", 1000)
        server = self.serve(log=True)
        saw = self.node("abort", server.url("/large.bin"), server.url("/small.bin"))
        self.assertEqual(saw, {"errors": ["AbortError", "AbortError", "ECONNRESET"],
                               "small": [digest(data)]})
        cut = server.requests(target="/large.bin")
        self.assertEqual([line["complete"] for line in cut], 3 * [False])
        self.assertLess(max(line["body_bytes"] for line in cut), LARGE)


if __name__ == "__main__":
    support.main()
