"""Headless Chromium: pages with all that a page refers to, other origins, films and sound that are
seeked, listed directories; and nothing of it on the console."""

import base64
import json
import pathlib
import re

import chromium
import media
import support

FONT = pathlib.Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf")  # fonts-dejavu-core
SOUND_S, FILM_S = 200, 150
SEEK_S = 120

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A page</title>
<link rel="icon" href="dot.png"><link rel="stylesheet" href="style.css">
<script>window.verdict = new Promise((tell, fail) => {
  window.tell = tell; addEventListener("error", fail); addEventListener("unhandledrejection",
  event => fail(event.reason)); });</script>
<script type="module" src="scripts/main.mjs"></script></head>
<body><h1 class="shown">Gr\u00fc\u00dfe</h1><img id="dot" src="dot.png" alt="a dot">
<img id="ring" src="ring%20%231.svg" alt="a ring"></body></html>"""
STYLE = """@import url("more/colours.css");
@font-face { font-family: "Served"; src: url("fonts/served.ttf") format("truetype"); }
h1 { font-family: "Served"; }"""
MAIN = """import { add } from "./parts/add.js";
const { instance } = await WebAssembly.instantiateStreaming(fetch("add.wasm"));
await document.fonts.load("16px Served");
await Promise.all([...document.images].map(image => image.decode()));
const answer = await fetch("data.json");
const part = await fetch("data.json", { headers: { Range: "bytes=0-3" } });
tell({
  add: add(1, 2), wasm: instance.exports.add(20, 22), data: await answer.json(),
  part: [part.status, await part.text()],
  font: [...document.fonts].map(font => font.status),
  colour: getComputedStyle(document.querySelector("h1")).color,
  dot: [dot.naturalWidth, dot.naturalHeight], ring: ring.naturalWidth,
  text: document.querySelector("h1").textContent, type: document.contentType,
});"""
VERDICT = {"add": 3, "wasm": 42, "data": {"words": "gr\u00fc\u00dfe"}, "part": [206, '{"wo'],
           "font": ["loaded"], "colour": "rgb(1, 2, 3)", "dot": [5, 7], "ring": 40,
           "text": "Gr\u00fc\u00dfe", "type": "text/html"}
SEEK = """new Promise((tell, fail) => {
  const player = document.createElement("%s");
  const state = () => ({ at: player.currentTime, duration: player.duration,
                         end: player.seekable.end(0), width: player.videoWidth || 0 });
  player.onerror = () => fail(new Error(player.error.message));
  player.onloadedmetadata = () => { player.currentTime = %d; };
  player.onseeked = async () => { await player.play(); player.pause(); tell(state()); };
  player.src = "%s";
  document.body.append(player);
})"""


class ChromiumTest(support.ClientTest):
    def setUp(self):
        support.require("chromium")
        super().setUp()
        self.page = self.enterContext(chromium.Browser(self.directory)).page()

    def write_page(self):
        if not FONT.exists():
            support.missing(f"{FONT} is not installed")
        for name, data in {
                "index.html": PAGE, "style.css": STYLE, "scripts/main.mjs": MAIN,
                "more/colours.css": ".shown { color: rgb(1, 2, 3); }",
                "fonts/served.ttf": FONT.read_bytes(), "dot.png": media.png(5, 7, (255, 0, 0)),
                "ring #1.svg": '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="40">'
                               '<circle cx="20" cy="20" r="9"/></svg>',
                "scripts/parts/add.js": "export const add = (a, b) => a + b;",
                "add.wasm": media.WASM_ADD,
                "data.json": json.dumps({"words": "gr\u00fc\u00dfe"}, ensure_ascii=False)}.items():
            self.write(name, data)

    def assert_quiet(self):
        self.assertEqual(self.page.complaints(), [])


class Pages(ChromiumTest):
    def test_all_that_a_page_refers_to(self):
        self.write_page()
        server = self.serve()
        self.page.open(server.origin + "/")
        self.assertEqual(self.page.ask("verdict"), VERDICT)
        self.assert_quiet()

    def test_what_was_seen_is_asked_for_again_by_its_rule_only(self):
        self.write_page()
        server = self.serve("--cache-control", "*.css=max-age=86400, immutable",
                            "--cache-control", "*=no-cache", log=True)
        for _ in range(2):
            self.page.open(server.origin + "/")
            self.assertEqual(self.page.ask("verdict"), VERDICT)
        self.assert_quiet()
        statuses = {name: [line["status"] for line in server.requests(target=name)]
                    for name in ("/", "/scripts/main.mjs", "/style.css", "/more/colours.css")}
        self.assertEqual(statuses, {"/": [200, 304], "/scripts/main.mjs": [200, 304],
                                    "/style.css": [200], "/more/colours.css": [200]})

    def test_a_reload_is_answered_with_not_modified(self):
        self.write_page()
        server = self.serve(log=True)
        self.page.open(server.origin + "/")
        self.page.reload()
        self.assertEqual(self.page.ask("verdict"), VERDICT)
        self.assert_quiet()
        self.assertEqual([line["status"] for line in server.requests(target="/")], [200, 304])

    def test_a_compressed_page_is_read_in_every_coding(self):
        self.write_page()
        for coding in ("br", "zstd", "gzip"):
            for name in ("index.html", "style.css", "scripts/main.mjs", "ring #1.svg"):
                self.compress(name, coding)
            server = self.serve("--precompressed", coding)
            self.page.open(server.origin + "/")
            self.assertEqual(self.page.ask("verdict"), VERDICT)
            for name in ("", "style.css", "scripts/main.mjs", "ring #1.svg"):
                (_, fields), = self.page.responses(server.url("/" + name))
                self.assertEqual(fields["content-encoding"], coding, name)
        self.assert_quiet()

    def test_a_route_of_the_page_itself_falls_back_to_it(self):
        self.write("app.html", "<!doctype html><title>x</title><link rel=icon href=data:,>"
                               "<script>document.title = location.pathname</script>")
        server = self.serve("--fallback", "app.html")
        self.page.open(server.origin + "/orders/17/edit")
        self.assertEqual(self.page.ask("document.title"), "/orders/17/edit")
        self.assert_quiet()


class Origins(ChromiumTest):
    """A page of one server that fetches from another."""

    def setUp(self):
        super().setUp()
        self.write("index.html", "<!doctype html><title>x</title><link rel=icon href=data:,>")
        self.write("api/data.json", '{"value": 7}')
        self.here = self.serve()
        self.page.open(self.here.origin + "/")

    def fetch(self, server, fields=None):
        url = server.origin + "/api/data.json"
        return self.page.ask(
            f"fetch({json.dumps(url)}, {{ headers: {json.dumps(fields or {})} }})"
            ".then(async answer => [answer.status, await answer.text()], error => error.name)")

    def test_an_origin_that_is_allowed_may_read(self):
        there = self.serve("--cors", self.here.origin, "--cors", "https://other.example", log=True)
        self.assertEqual(self.fetch(there), [200, '{"value": 7}'])
        self.assertEqual(self.fetch(there, {"Range": "bytes=1-7"}), [206, '"value"'])
        self.assert_quiet()
        self.assertEqual(there.requests(method="OPTIONS"), [])

    def test_any_origin_may_read_with_a_star(self):
        there = self.serve("--cors", "*")
        self.assertEqual(self.fetch(there), [200, '{"value": 7}'])
        self.assert_quiet()

    def test_a_request_with_more_fields_is_asked_for_first(self):
        there = self.serve("--cors", self.here.origin, log=True)
        self.assertEqual(self.fetch(there, {"If-None-Match": '"none"'}), [200, '{"value": 7}'])
        self.assert_quiet()
        self.assertEqual([(line["method"], line["status"]) for line in there.requests()],
                         [("OPTIONS", 204), ("GET", 200)])

    def test_an_origin_that_is_not_allowed_may_not(self):
        for options in ((), ("--cors", "https://other.example")):
            self.assertEqual(self.fetch(self.serve(*options)), "TypeError")
        self.assertIn("CORS", json.dumps(self.page.complaints()))


class Media(ChromiumTest):
    def seek(self, kind, name, size):
        """Plays at SEEK_S of a file of this size; the state of the player. The file must have been
        fetched in parts, and not as a whole."""
        self.write("index.html", "<!doctype html><title>x</title><link rel=icon href=data:,>")
        server = self.serve(log=True)
        self.page.open(server.origin + "/")
        state = self.page.ask(SEEK % (kind, SEEK_S, name))
        self.assert_quiet()
        responses = self.page.responses(server.url("/" + name))
        self.assertEqual({status for status, _ in responses}, {206})
        starts = [int(re.match(r"bytes (\d+)-", fields["content-range"])[1])
                  for _, fields in responses]
        self.assertEqual(starts[0], 0)
        self.assertGreater(max(starts), size // 2, "a part behind the middle was asked for")
        self.page.call("Page.navigate", url="about:blank")
        # The browser may have asked for one more part, and given it up before its answer came.
        parts = server.requests(target="/" + name)
        self.assertGreaterEqual(len(parts), len(responses))
        self.assertEqual({line["status"] for line in parts}, {206})
        self.assertFalse(parts[0]["complete"])
        self.assertLess(max(line["body_bytes"] for line in parts), size)
        return state

    def test_sound_is_seeked_by_ranges(self):
        data = media.wav(SOUND_S)
        self.write("silence.wav", data)
        state = self.seek("audio", "silence.wav", len(data))
        self.assertEqual((state["duration"], state["end"]), (SOUND_S, SOUND_S))
        self.assertGreaterEqual(state["at"], SEEK_S)

    def test_a_film_is_seeked_by_ranges(self):
        width, height = 640, 480
        picture = self.page.ask("""(async () => {
          const canvas = new OffscreenCanvas(%d, %d), context = canvas.getContext("2d");
          const noise = context.createImageData(canvas.width, canvas.height);
          for (let at = 0; at < noise.data.length; at += 65536)
            crypto.getRandomValues(noise.data.subarray(at, at + 65536));
          context.putImageData(noise, 0, 0);
          const blob = await canvas.convertToBlob({ type: "image/webp", quality: 0.95 });
          const bytes = new Uint8Array(await blob.arrayBuffer());
          return btoa(Array.from(bytes, byte => String.fromCharCode(byte)).join(""));
        })()""" % (width, height))
        frame = media.vp8_of_webp(base64.b64decode(picture))
        data = media.webm(frame, width, height, FILM_S)
        self.write("noise.webm", data)
        state = self.seek("video", "noise.webm", len(data))
        self.assertEqual((state["duration"], state["width"]), (FILM_S, width))
        self.assertGreaterEqual(state["at"], SEEK_S)


class Listings(ChromiumTest):
    def test_every_name_that_is_listed_can_be_followed(self):
        """The page itself may run nothing, so it is another that fetches what its links name."""
        self.write_odd_site(links=False)
        self.write("favicon.ico", media.png(1, 1, (0, 0, 0)))  # every browser asks for it
        server = self.serve("--autoindex", "on")
        self.page.open(server.origin + "/")
        links = dict(self.page.ask(
            "[...document.links].map(link => [link.textContent, link.href])"))
        self.assertEqual(links["sub dir/"], server.url("/sub dir/"))
        self.page.open(links["JSON"])
        listed = {entry["name"]: entry.get("size_bytes")
                  for entry in json.loads(self.page.ask("document.body.textContent"))["entries"]}
        expected = {path.name: path.stat().st_size
                    for path in self.root.iterdir() if path.is_file()}
        self.assertEqual(expected, {name: size for name, size in listed.items() if size})
        fetched = self.page.ask("""Promise.all(Object.entries(%s).map(async ([name, url]) =>
            [name, (await (await fetch(url)).blob()).size]))"""
                                % json.dumps({name: links[name] for name in expected}))
        self.assertEqual(dict(fetched), expected)
        self.assert_quiet()


if __name__ == "__main__":
    support.main()
