"""The image without an engine: its file system is made by the script the Dockerfile runs, and its
commands run there, as the user and under the profile of seccomp that it names, root read-only. No
engine is here to build it: the Dockerfile itself is only read."""

import json
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
import unittest

import deploying
import seccomp_exec
from deploying import DEPLOY, RINGLOAD, RINGSERVE, TOP, find, get, output_of, process

DOCKER = DEPLOY / "docker"
# Of Podman's package golang-github-containers-common: the default of another engine.
OTHER_DEFAULT = deploying.installed_or_unpacked("usr/share/containers/seccomp.json")
IO_URING = {"io_uring_setup", "io_uring_enter", "io_uring_register"}
ROOT_USER = os.geteuid() == 0

try:
    import yaml
except ImportError:
    yaml = None


def instructions():
    """(name, words) of the Dockerfile, in order; JSON forms are lists."""
    text = re.sub(r"^\s*#.*\n", "", (DOCKER / "Dockerfile").read_text(), flags=re.MULTILINE)
    found = []
    for line in re.sub(r"\\\n", " ", text).splitlines():
        if line.strip():
            name, words = line.split(maxsplit=1)
            form = re.search(r"\[.*\]$", words)
            found.append((name, json.loads(form[0]) if form else words))
    return found


def last(name):
    return [words for found, words in instructions() if found == name][-1]


class ProfileTest(unittest.TestCase):
    def setUp(self):
        self.profile = json.loads((DOCKER / "seccomp.json").read_text())
        self.allowed = {name for rule in self.profile["syscalls"]
                        if rule["action"] == "SCMP_ACT_ALLOW" for name in rule["names"]}

    def test_it_allows_the_ring_and_no_way_out(self):
        self.assertLessEqual(IO_URING, self.allowed)
        self.assertEqual(self.profile["defaultAction"], "SCMP_ACT_ERRNO")
        for name in ("mount", "bpf", "ptrace", "setns", "unshare", "init_module", "keyctl",
                     "kexec_load", "open_by_handle_at", "perf_event_open", "userfaultfd"):
            self.assertNotIn(name, self.allowed)

    def test_every_name_is_that_of_a_system_call(self):
        if seccomp_exec.LIBRARY is None:
            self.skipTest("libseccomp.so.2 is not installed")
        unknown = {name for rule in self.profile["syscalls"] for name in rule["names"]
                   if seccomp_exec.LIBRARY.seccomp_syscall_resolve_name(name.encode()) == -1}
        self.assertLessEqual(unknown, {"cachestat", "futex_waitv"})  # newer than libseccomp 2.5

    def test_all_else_is_in_another_engines_default(self):
        if not OTHER_DEFAULT.exists():
            self.skipTest("golang-github-containers-common is neither installed nor unpacked")
        default = {name for rule in json.loads(OTHER_DEFAULT.read_text())["syscalls"]
                   if rule["action"] == "SCMP_ACT_ALLOW"
                   and not rule.get("includes", {}).get("caps") for name in rule["names"]}
        # Newer than Debian 12's, and in today's.
        newer = {"cachestat", "futex_waitv"}
        self.assertEqual(self.allowed - IO_URING - newer - default, set())


class DockerfileTest(unittest.TestCase):
    def test_it_is_made_of_instructions_and_pinned_images(self):
        known = {"FROM", "COPY", "RUN", "WORKDIR", "USER", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK",
                 "ENTRYPOINT", "CMD"}
        self.assertLessEqual({name for name, _ in instructions()}, known)
        for name, words in instructions():
            if name == "FROM":
                self.assertRegex(words, r"^(scratch|debian:12-slim AS (build|load))$")
            if name == "RUN":
                output_of(["sh", "-n", "-c", words])

    def test_who_runs_is_not_root_and_what_runs_is_no_shell(self):
        self.assertRegex(last("USER"), r"^[1-9]\d*:[1-9]\d*$")
        for name in ("ENTRYPOINT", "CMD", "HEALTHCHECK"):
            self.assertIsInstance(last(name), list, name)

    def test_it_installs_the_packages_that_the_build_needs(self):
        script = next(words for name, words in instructions()
                      if name == "RUN" and "apt-get install" in words)
        listing = re.search(r"\$\((sed .*?)\)\s*&&", script)[1]
        listed = output_of(["sh", "-c", listing.replace("/tmp/packages.txt",
                                                        str(DEPLOY / "packages.txt"))]).split()
        wanted = output_of(["bash", "-c", f"top={shlex.quote(str(TOP))}; "
                            f". {shlex.quote(str(TOP))}/scripts/setup.sh; packages_in build"])
        self.assertEqual(sorted(listed), sorted(line.split("|")[-1].strip()
                                                for line in wanted.splitlines()))

    def test_what_it_copies_is_there(self):
        self.assertTrue(os.access(DOCKER / "collect-runtime", os.X_OK))
        for name, words in instructions():
            if name == "COPY" and not words.startswith("--from"):
                self.assertTrue((TOP / words.split()[0]).exists(), words)


@unittest.skipIf(deploying.SANITIZED, "a sanitizer's runtime wants more system calls")
class ImageTest(deploying.support.ClientTest):
    """Its file system, its user, its commands."""

    def setUp(self):
        super().setUp()
        find("unshare")
        if seccomp_exec.LIBRARY is None:
            self.skipTest("libseccomp.so.2 is not installed")
        self.image = self.directory / "image"
        output_of([DOCKER / "collect-runtime", self.image, RINGSERVE, RINGLOAD])
        self.fill("page.txt", 1000)
        self.directory.chmod(0o755)
        self.profile = DOCKER / "seccomp.json"

    def command(self, words):
        """As an engine runs it: root read-only, the site mounted, no capabilities, the profile."""
        mounts = (f"mount --bind {self.image} {self.image} && "
                  f"mount --rbind /proc {self.image}/proc && "
                  f"mount --bind {self.root} {self.image}/srv/www && "
                  f"mount -o remount,bind,ro {self.image} && "
                  f"mount -o remount,bind,ro {self.image}/srv/www && exec \"$@\"")
        unshare = ["unshare", "--mount"] if ROOT_USER else ["unshare", "-r", "--mount"]
        user = ["--user", last("USER").split(":")[0]] if ROOT_USER else []
        return [*unshare, "sh", "-c", mounts, "sh", sys.executable,
                str(deploying.HERE / "seccomp_exec.py"), "--root", str(self.image), *user,
                str(self.profile), *words]

    def start(self):
        """ENTRYPOINT and CMD, on ports of the kernel's choice."""
        cmd = [re.sub(r"^0\.0\.0\.0:\d+$", "127.0.0.1:0", word) for word in last("CMD")]
        started = subprocess.Popen(self.command([*last("ENTRYPOINT"), *cmd, "--print-listen"]),
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   preexec_fn=process.die_with_parent)
        self.addCleanup(started.communicate)
        self.addCleanup(started.kill)
        return started

    def addresses(self, started):
        lines = [started.stdout.readline().split() for _ in range(2)]
        self.assertEqual([line[:1] for line in lines], [["listening"], ["admin"]],
                         started.stderr.read() if started.poll() is not None else "")
        return [line[1] for line in lines]

    def health(self, admin):
        words = [word.replace("127.0.0.1:9100", admin) for word in last("HEALTHCHECK")]
        return subprocess.run(self.command(words), capture_output=True, text=True,
                              timeout=deploying.DEADLINE_S, check=False).returncode

    def test_it_serves_and_knows_whether_it_is_healthy(self):
        started = self.start()
        site, admin = self.addresses(started)
        self.assertEqual(get(f"http://{site}/page.txt"),
                         deploying.support.content("page.txt", 1000))
        self.assertEqual(self.health(admin), 0)
        started.send_signal(signal.SIGTERM)
        self.assertEqual(started.wait(deploying.DEADLINE_S), 0)
        self.assertNotEqual(self.health(admin), 0)
        if ROOT_USER:
            said = started.stderr.read()
            self.assertIn("Landlock", said)
            self.assertIn("seccomp", said)

    def test_without_the_ring_in_the_profile_it_says_what_to_do(self):
        profile = json.loads(self.profile.read_text())
        for rule in profile["syscalls"]:
            rule["names"] = [name for name in rule["names"] if name not in IO_URING]
        self.profile = self.directory / "default.json"
        self.profile.write_text(json.dumps(profile))
        started = self.start()
        _, said = started.communicate(timeout=deploying.DEADLINE_S)
        self.assertEqual(started.returncode, 1)
        self.assertRegex(said, r"io_uring.*EPERM.*seccomp filter forbids it: allow io_uring_setup")


@unittest.skipIf(yaml is None, "python3-yaml is not installed")
class ComposeTest(unittest.TestCase):
    def setUp(self):
        self.compose = yaml.safe_load((DOCKER / "compose.yaml").read_text())
        self.services = self.compose["services"]

    def test_every_file_it_mounts_is_there(self):
        for name, service in self.services.items():
            for mount in service.get("volumes", []):
                source = re.sub(r"^\$\{\w+:-(.*?)\}", r"\1", mount).split(":")[0]
                if source.startswith("."):
                    self.assertTrue((DOCKER / source).exists(), (name, mount))
                else:
                    self.assertIn(source, self.compose["volumes"])

    def test_ours_are_hardened_and_have_the_profile(self):
        for name in ("ringserve", "load"):
            service = self.services[name]
            self.assertTrue(service["read_only"])
            self.assertEqual(service["cap_drop"], ["ALL"])
            self.assertEqual(service["security_opt"],
                             ["no-new-privileges:true", "seccomp=./seccomp.json"])

    def test_the_server_is_started_as_the_image_starts_it(self):
        self.assertEqual(self.services["ringserve"]["command"], last("CMD"))

    def test_it_has_time_to_drain(self):
        command = self.services["ringserve"]["command"]
        drain_s = int(command[command.index("--drain-timeout-s") + 1])
        grace_s = int(self.services["ringserve"]["stop_grace_period"].rstrip("s"))
        self.assertGreater(grace_s, drain_s)

    def test_images_of_others_are_pinned_and_ports_of_theirs_stay_here(self):
        for name in ("prometheus", "grafana"):
            self.assertRegex(self.services[name]["image"], r":v?\d+\.\d+\.\d+$")
            self.assertTrue(all(port.startswith("127.0.0.1:")
                                for port in self.services[name]["ports"]))

    def test_ringload_understands_the_load(self):
        command = list(self.services["load"]["command"])
        url = next(i for i, word in enumerate(command) if word.startswith("http://"))
        command[url] = "http://127.0.0.1:1/"  # nobody is there: exit 1, and not 2
        for option, shorter in (("-d", "100ms"), ("--warmup", "10ms")):
            command[command.index(option) + 1] = shorter
        done = subprocess.run([RINGLOAD, *command], capture_output=True,
                              timeout=deploying.DEADLINE_S, check=False)
        self.assertNotEqual(done.returncode, 2, done.stderr)


if __name__ == "__main__":
    deploying.main()
