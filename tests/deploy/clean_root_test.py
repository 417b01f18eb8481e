"""The package in a Debian of its own (debootstrap), under its own systemd (systemd-nspawn):
installed, started by its socket, reloaded, upgraded, restarted under load, removed, purged. Needs
root, the archive and some minutes, so it runs only where RINGSERVE_LONG=1 says so.
RINGSERVE_CLEAN_ROOT names a directory in which the bare system is kept for the next time."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import deploying
from deploying import eventually, find, process


RELEASE = "bookworm"
BASE = "systemd,systemd-sysv,dbus"
MINUTES_S = 900
CLIENT, OTHER_TOOLS = "curl", "iproute2"
README = deploying.DEPLOY / "README.md"


def archive():
    """Where this machine's own packages come from."""
    chosen = os.environ.get("RINGSERVE_ARCHIVE")
    if chosen:
        return chosen
    listed = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI)",
                             "Created-By: Packages"], capture_output=True, text=True, check=True)
    return listed.stdout.split()[0]


def patiently(command, **more):
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, text=True,
                          capture_output=True, timeout=MINUTES_S, check=False, **more)
    if done.returncode != 0:
        raise AssertionError(f"{command} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


@unittest.skipUnless(os.environ.get("RINGSERVE_LONG"), "set RINGSERVE_LONG=1: it takes minutes")
class CleanRootTest(unittest.TestCase):
    def setUp(self):
        if os.geteuid() != 0:
            self.skipTest("only root can make a system")
        debootstrap, self.nspawn = find("debootstrap"), find("systemd-nspawn")
        temporary = tempfile.TemporaryDirectory(prefix="ringserve-clean-root-")
        self.addCleanup(temporary.cleanup)
        self.work = pathlib.Path(temporary.name)
        self.package, self.version = deploying.make_package(self.work)
        bare = pathlib.Path(os.environ.get("RINGSERVE_CLEAN_ROOT", self.work / "bare"))
        if not (bare / "usr" / "bin" / "apt-get").exists():
            patiently([debootstrap, "--variant=minbase", f"--include={BASE}", RELEASE, bare,
                       archive()])
        self.root = self.work / "root"
        patiently(["cp", "-a", bare, self.root])
        shutil.copy("/etc/resolv.conf", self.root / "etc" / "resolv.conf")
        self.apt("update", "-q")
        self.apt("install", "-y", CLIENT, OTHER_TOOLS)
        self.before = self.files()

    def chroot(self, *command):
        """In a process namespace of its own: what a script starts ends with it."""
        mounted = f'mount -t proc proc {self.root}/proc && exec chroot {self.root} "$@"'
        return patiently(["unshare", "--mount", "--pid", "--fork", "sh", "-c", mounted, "sh",
                          *command], env={"PATH": os.environ["PATH"],
                                          "DEBIAN_FRONTEND": "noninteractive"})

    def apt(self, *words):
        return self.chroot("apt-get", "--no-install-recommends", *words)

    def files(self):
        """What is there, but for what apt and dpkg keep for themselves."""
        own = ("var/lib", "var/cache", "var/log", "root", "proc", "run", "tmp", "etc/ld.so.cache",
               "dev", "sys")
        found = {str(path.relative_to(self.root)) for path in self.root.rglob("*")
                 if not path.is_dir() or path.is_symlink()}
        return {path for path in found if not path.startswith(own)}

    def boot(self):
        """systemd as the first process of a container without nspawn's own filter, which knows no
        Landlock."""
        container = subprocess.Popen(
            [self.nspawn, "-q", "-D", self.root, "--register=no", "--keep-unit",
             "--private-network", "--console=pipe", "-b"], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "SYSTEMD_SECCOMP": "0"}, preexec_fn=process.die_with_parent)
        self.addCleanup(container.wait)
        self.addCleanup(container.terminate)
        self.children = pathlib.Path(f"/proc/{container.pid}/task/{container.pid}/children")
        eventually("systemd is up", lambda: self.inside("systemctl is-system-running")
                   in ("running", "degraded"))

    def inside(self, script):
        """What a shell of the booted system says; its exit status does not count."""
        # Read each time: the first child makes the namespaces, and is not the one that stays.
        init = (self.children.read_text().split() or ["none"])[-1]
        done = subprocess.run(["nsenter", "-t", init, "-a", "sh", "-c", script], text=True,
                              capture_output=True, timeout=MINUTES_S, check=False)
        return (done.stdout + done.stderr).strip()

    def main_pid(self):
        return self.inside("systemctl show -p MainPID --value ringserve.service")

    def becomes_active(self):
        """systemd hears of it when clients are served already."""
        eventually("the service is active",
                   lambda: self.inside("systemctl is-active ringserve.service") == "active")

    def status_of_site(self):
        return self.inside("curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1/")

    def test_installed_run_and_removed(self):
        shutil.copy(self.package, self.root / "root" / "ringserve.deb")
        self.apt("install", "-y", "/root/ringserve.deb")
        self.assertIn(self.version, self.chroot("ringserve", "--version"))
        self.boot()
        self.assertEqual(self.inside("systemctl is-active ringserve.socket"), "inactive")
        self.inside("systemctl start ringserve.socket")
        self.assertEqual(self.status_of_site(), "200")  # the first client starts the service
        self.becomes_active()
        self.assertRegex(self.inside("systemd-analyze security --no-pager ringserve.service | tail "
                                     "-1"), r"level for ringserve\.service: \d\.\d OK")
        self.assertIn("ok", self.inside("curl -s http://127.0.0.1:9100/healthz"))
        self.reload_takes_a_good_file_only()
        self.upgrade_keeps_serving()
        self.restart_refuses_nobody()
        self.kernel_parameters_take_effect()
        self.removal_leaves_the_configuration_and_purging_nothing()

    def reload_takes_a_good_file_only(self):
        file = "/etc/ringserve/ringserve.toml"
        first = self.main_pid()
        self.inside(f"echo 'nonsense = 1' >>{file}")
        self.assertNotEqual(self.inside("systemctl reload ringserve; echo $?")[-1], "0")
        self.assertEqual(self.status_of_site(), "200")
        self.inside(f"sed -i '$d' {file}; sed -i '1i header = [\"X-Tried: yes\"]' {file}")
        self.assertEqual(self.inside("systemctl reload ringserve; echo $?")[-1], "0")
        eventually("the new field", lambda: "X-Tried" in self.inside("curl -si http://127.0.0.1/"))
        self.assertEqual(self.main_pid(), first)

    def upgrade_keeps_serving(self):
        first = self.main_pid()
        self.inside("systemctl kill --kill-whom=main -s USR2 ringserve")
        eventually("another main process", lambda: self.main_pid() not in (first, "0"))
        self.becomes_active()
        self.assertEqual(self.status_of_site(), "200")

    def restart_refuses_nobody(self):
        load = "ringload -c 4 -r 500 -d 3s --new-connection --quiet --json /root/load.json"
        said = self.inside(f"{load} http://127.0.0.1/ & sleep 1; systemctl restart ringserve; "
                           "wait $!; echo status $?")
        self.assertIn("status 0", said)
        errors = json.loads((self.root / "root" / "load.json").read_text())["errors"]
        self.assertEqual(errors, {})

    def kernel_parameters_take_effect(self):
        """The commands of README.md, step 5, as they stand there but for the question."""
        step = README.read_text().split("\n## 5.")[1].split("```")[1]
        commands = step.removeprefix("sh").replace("ringtune apply", "ringtune apply --yes")
        said = self.inside(commands)
        queue = self.inside("cat /proc/sys/net/core/somaxconn")
        listens = [line.split()[2] for line in said.splitlines() if line.startswith("LISTEN")]
        self.assertEqual(listens, [queue] * 2, said)
        self.assertGreater(int(queue), 4096, said)  # the kernel's own
        self.assertEqual(self.status_of_site(), "200")
        file = "/etc/sysctl.d/90-ringserve.conf"
        self.inside(f"ringtune apply --yes --anyway {file}.undo && rm {file} {file}.undo*")
        self.assertLess(int(self.inside("cat /proc/sys/net/core/somaxconn")), int(queue))

    def removal_leaves_the_configuration_and_purging_nothing(self):
        remove = "DEBIAN_FRONTEND=noninteractive apt-get -y"
        self.inside(f"{remove} remove ringserve")
        self.assertEqual(self.status_of_site(), "000")
        self.assertTrue((self.root / "etc/ringserve/ringserve.toml").exists())
        self.assertFalse((self.root / "usr/bin/ringserve").exists())
        self.inside(f"{remove} purge ringserve; {remove} autoremove --purge")
        left = {path for path in self.files() - self.before
                if "ring" in path.rsplit("/", 1)[-1]}
        self.assertEqual(left, set())
        self.assertFalse((self.root / "etc/ringserve").exists())


if __name__ == "__main__":
    deploying.main()
