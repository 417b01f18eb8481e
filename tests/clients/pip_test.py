"""pip: a wheel, made here, from a simple index and from a page of links; its metadata read in parts
of the file; an index that did not change."""

import base64
import hashlib
import subprocess
import sys
import zipfile

import support
from support import content

NAME, VERSION = "served", "1.0"
WHEEL = f"{NAME}-{VERSION}-py3-none-any.whl"
SIZE = 4_000_000


def find_pip():
    """pip belongs to an interpreter: ours, or the system's."""
    for python in (sys.executable, "/usr/bin/python3"):
        tried = subprocess.run([python, "-m", "pip", "--version"], capture_output=True)
        if tried.returncode == 0:
            return [python, "-m", "pip"]
    return support.missing("pip (python3-pip) is not installed")


class PipTest(support.ClientTest):
    def setUp(self):
        self.program = find_pip()
        super().setUp()
        self.copies = self.directory / "copies"
        self.wheel = self.make_wheel()
        self.write(f"files/{WHEEL}", self.wheel)
        checksum = hashlib.sha256(self.wheel).hexdigest()
        link = f'<!doctype html><a href="../../files/{WHEEL}#sha256={checksum}">{WHEEL}</a>'
        self.write(f"simple/{NAME}/index.html", link)
        self.write("links/page/index.html", link)

    def make_wheel(self):
        """Mostly content, so that its directory at the end is a small part of it."""
        information = f"{NAME}-{VERSION}.dist-info"
        files = {f"{NAME}.py": b"value = 7\n", f"{NAME}.bin": content("wheel", SIZE),
                 f"{information}/METADATA":
                     f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {VERSION}\n".encode(),
                 f"{information}/WHEEL":
                     b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\n"
                     b"Tag: py3-none-any\n"}
        record = "".join(f"{name},sha256={sha256(data)},{len(data)}\n"
                         for name, data in files.items())
        files[f"{information}/RECORD"] = f"{record}{information}/RECORD,,\n".encode()
        path = self.directory / WHEEL
        with zipfile.ZipFile(path, "w") as wheel:
            for name, data in files.items():
                wheel.writestr(name, data)
        return path.read_bytes()

    def pip(self, *words):
        return self.client([*self.program, *words], PIP_CONFIG_FILE="/dev/null",
                           PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_ROOT_USER_ACTION="ignore",
                           PIP_CACHE_DIR=str(self.directory / "cache"),
                           HOME=str(self.directory)).decode()

    def index(self, server):
        """A host that is trusted is one whose pages are cached."""
        return ("--index-url", server.origin + "/simple/", "--trusted-host", server.host)

    def test_a_wheel_from_an_index(self):
        server = self.serve()
        self.pip("download", *self.index(server), "--dest", self.copies, NAME)
        self.assertEqual((self.copies / WHEEL).read_bytes(), self.wheel)

    def test_a_wheel_from_a_page_of_links(self):
        server = self.serve()
        self.pip("download", "--no-index", "--trusted-host", server.host, "--dest", self.copies,
                 "--find-links", server.origin + "/links/page/", NAME)
        self.assertEqual((self.copies / WHEEL).read_bytes(), self.wheel)

    def test_a_wheel_from_a_listed_directory(self):
        server = self.serve("--autoindex", "on")
        self.pip("download", "--no-index", "--trusted-host", server.host, "--dest", self.copies,
                 "--find-links", server.origin + "/files/", NAME)
        self.assertEqual((self.copies / WHEEL).read_bytes(), self.wheel)

    def test_an_installed_wheel_is_complete(self):
        server = self.serve()
        self.pip("install", *self.index(server), "--target", self.copies, NAME)
        self.assertEqual((self.copies / f"{NAME}.bin").read_bytes(), content("wheel", SIZE))

    def test_the_metadata_are_read_in_parts_of_the_file(self):
        server = self.serve(log=True)
        said = self.pip("install", "--dry-run", "--use-feature=fast-deps", "--target", self.copies,
                        *self.index(server), NAME)
        self.assertIn(f"Would install {NAME}-{VERSION}", said)
        wheels = server.requests(target=f"/files/{WHEEL}")
        self.assertEqual(wheels[0]["method"], "HEAD")
        self.assertGreaterEqual([line["status"] for line in wheels].count(206), 1)
        parts = [line["body_bytes"] for line in wheels if line["status"] == 206]
        self.assertLess(max(parts), SIZE // 10)

    def test_an_index_that_did_not_change_is_not_sent_again(self):
        server = self.serve("--threads", "1", log=True)
        for _ in range(2):
            self.pip("download", *self.index(server), "--dest", self.copies, NAME)
        pages = [line["status"] for line in server.requests(target=f"/simple/{NAME}/")]
        self.assertEqual(pages, [200, 304])


def sha256(data):
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")


if __name__ == "__main__":
    support.main()
