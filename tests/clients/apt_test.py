"""apt: a repository of one package, made here, is updated, updated again, and downloaded from. apt
works in directories of its own and touches nothing of the system."""

import email.utils
import gzip
import hashlib
import os

import support
from support import OLD_S, content

NAME, VERSION = "served", "1.0"
SIZE = 600_000
HALF = 250_000


class AptTest(support.ClientTest):
    def setUp(self):
        self.apt = support.require("apt-get")
        self.dpkg_deb = support.require("dpkg-deb")
        super().setUp()
        self.state = self.directory / "apt"
        for name in ("etc/apt.conf.d", "etc/preferences.d", "etc/trusted.gpg.d",
                     "cache/archives/partial", "lists/partial", "log"):
            (self.state / name).mkdir(parents=True)
        (self.state / "status").write_text("")
        self.deb = self.write_package(VERSION)
        self.write_index()

    def write_package(self, version):
        """A package that holds incompressible bytes; its content."""
        tree = self.directory / f"package-{version}"
        (tree / "DEBIAN").mkdir(parents=True)
        (tree / "DEBIAN" / "control").write_text(
            f"Package: {NAME}\nVersion: {version}\nArchitecture: all\nMaintainer: A Test <a@b>\n"
            "Description: made by a test\n")
        (tree / "content").write_bytes(content(version, SIZE))
        built = self.directory / "built.deb"
        self.client([self.dpkg_deb, "--build", "--root-owner-group", "-Znone", tree, built])
        data = built.read_bytes()
        self.write(f"pool/{NAME}_{version}_all.deb", data)
        return data

    def write_index(self, version=VERSION, mtime_s=OLD_S):
        data = (self.root / f"pool/{NAME}_{version}_all.deb").read_bytes()
        packages = (f"Package: {NAME}\nVersion: {version}\nArchitecture: all\n"
                    f"Maintainer: A Test <a@b>\nDescription: made by a test\n"
                    f"Filename: ./pool/{NAME}_{version}_all.deb\nSize: {len(data)}\n"
                    f"SHA256: {hashlib.sha256(data).hexdigest()}\n\n").encode()
        files = {"Packages": packages, "Packages.gz": gzip.compress(packages, mtime=0)}
        sums = "".join(f" {hashlib.sha256(body).hexdigest()} {len(body)} {name}\n"
                       for name, body in files.items())
        files["Release"] = (f"Origin: test\nSuite: test\nDate: {date(mtime_s)}\n"
                            f"SHA256:\n{sums}").encode()
        for name, body in files.items():
            self.write(name, body, mtime_s=mtime_s)

    def run_apt(self, server, *words):
        (self.state / "etc/sources.list").write_text(f"deb [trusted=yes] {server.origin}/ ./\n")
        options = {
            "Dir::Etc": self.state / "etc", "Dir::State": self.state,
            "Dir::State::lists": self.state / "lists", "Dir::State::status": self.state / "status",
            "Dir::Cache": self.state / "cache", "Dir::Log": self.state / "log",
            "APT::Sandbox::User": "root", "Acquire::Check-Valid-Until": "false",
            "Acquire::Retries": "0", "Acquire::Languages": "none",
            "Acquire::http::Proxy": "DIRECT", "APT::Get::AllowUnauthenticated": "true",
            "APT::Update::Error-Mode": "any", "Debug::NoLocking": "true"}
        configuration = self.state / "apt.conf"
        configuration.write_text("".join(f'{name} "{value}";\n'
                                         for name, value in options.items()))
        return self.client([self.apt, "--quiet", "--yes", *words],
                           APT_CONFIG=str(configuration)).decode()

    def download(self, server, version=VERSION):
        self.run_apt(server, "install", "--download-only", NAME)
        return (self.state / f"cache/archives/{NAME}_{version}_all.deb").read_bytes()

    def test_a_package_is_found_and_downloaded(self):
        server = self.serve(log=True)
        self.run_apt(server, "update")
        self.assertEqual(self.download(server), self.deb)
        got = server.requests(target=f"/./pool/{NAME}_{VERSION}_all.deb")
        self.assertEqual([line["body_bytes"] for line in got], [len(self.deb)])

    def test_a_second_update_is_answered_with_not_modified(self):
        server = self.serve("--threads", "1", log=True)
        self.run_apt(server, "update")
        said = self.run_apt(server, "update")
        self.assertIn(f"Hit:2 {server.origin} ./ Release", said)
        self.deb = self.write_package("2.0")
        self.write_index("2.0", OLD_S + 1000)
        self.eventually("the new version is seen", lambda: "2.0" in self.candidate(server))
        self.assertEqual(self.download(server, "2.0"), self.deb)
        releases = [line["status"] for line in server.requests(target="/./Release")]
        self.assertEqual((releases[:2], releases[-1]), ([200, 304], 200))

    def candidate(self, server):
        self.run_apt(server, "update")
        return self.run_apt(server, "install", "--simulate", NAME)

    def test_half_a_download_is_resumed(self):
        server = self.serve(log=True)
        self.run_apt(server, "update")
        partial = self.state / f"cache/archives/partial/{NAME}_{VERSION}_all.deb"
        partial.write_bytes(self.deb[:HALF])
        os.utime(partial, (OLD_S, OLD_S))
        self.assertEqual(self.download(server), self.deb)
        got = [(line["status"], line["body_bytes"])
               for line in server.requests(target=f"/./pool/{NAME}_{VERSION}_all.deb")]
        self.assertEqual(got, [(206, len(self.deb) - HALF)])

    def test_half_of_another_file_is_not_resumed(self):
        """apt asks with If-Range and the time of what it has."""
        server = self.serve(log=True)
        self.run_apt(server, "update")
        partial = self.state / f"cache/archives/partial/{NAME}_{VERSION}_all.deb"
        partial.write_bytes(content("another", HALF))
        os.utime(partial, (OLD_S - 1, OLD_S - 1))
        self.assertEqual(self.download(server), self.deb)
        got = [(line["status"], line["body_bytes"])
               for line in server.requests(target=f"/./pool/{NAME}_{VERSION}_all.deb")]
        self.assertEqual(got, [(200, len(self.deb))])


def date(seconds):
    return email.utils.formatdate(seconds, usegmt=True)


if __name__ == "__main__":
    support.main()
