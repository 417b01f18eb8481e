"""The Debian package, its man pages and its completions, made from the programs of this build. What
it does once installed is clean_root_test.py's."""

import gzip
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import deploying
from deploying import DEPLOY, RINGLOAD, RINGSERVE, RINGTUNE, find, output_of

sys.path.insert(0, str(DEPLOY / "packaging"))
import help_text  # noqa: E402
import roff  # noqa: E402

PROGRAMS = {"ringserve": RINGSERVE, "ringload": RINGLOAD, "ringtune": RINGTUNE}
PAGES = {"ringserve.1", "ringload.1", "ringtune.1", "ringserve.toml.5"}
COMMANDS = {"ringserve": ["check"], "ringload": ["ports", "merge"],
            "ringtune": ["check", "explain", "emit", "diff", "apply"]}
# Said only on the command line.
NO_SETTINGS = {"--help", "--version", "--config", "--print-tuning"}
# A package for one's own machines: it has no list of bugs, no address of a maintainer, and it asks
# systemctl itself, since debhelper's helpers are not everywhere.
LINTIAN_IS_RIGHT_BUT = ("bogus-mail-host,bogus-mail-host-in-debian-changelog,"
                        "initial-upload-closes-no-bugs,maintainer-script-calls-systemctl")


def long_options(text):
    """Read from the help by other means than help_text.py's."""
    return set(re.findall(r"^  (?:-\w,)?(--[a-z][a-z0-9-]+)", text, re.MULTILINE))


def help_of(name, *command):
    return output_of([PROGRAMS[name], *command, "--help"])


class PackageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        temporary = tempfile.TemporaryDirectory(prefix="ringserve-package-")
        cls.addClassCleanup(temporary.cleanup)
        cls.work = pathlib.Path(temporary.name)
        cls.package, cls.version = deploying.make_package(cls.work)
        cls.root = cls.work / "root"
        output_of(["dpkg-deb", "--raw-extract", cls.package, cls.root])

    def installed(self, path):
        return self.root / path.lstrip("/")

    def page(self, name):
        path = self.installed(f"/usr/share/man/man{name[-1]}/{name}.gz")
        return gzip.decompress(path.read_bytes()).decode()

    def rendered(self, name):
        """As a reader sees it: wide, so that no option is broken at the end of a line."""
        path = self.work / name
        path.write_text(self.page(name))
        done = subprocess.run([find("man"), "--warnings", "-l", path], capture_output=True,
                              text=True, timeout=deploying.DEADLINE_S, check=False,
                              env={**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "400",
                                   "MAN_KEEP_FORMATTING": "", "MANPAGER": "cat"})
        self.assertEqual((done.returncode, done.stderr), (0, ""), name)
        return done.stdout

    def test_it_says_what_it_is_and_needs(self):
        def field(name):
            return output_of(["dpkg-deb", "--field", self.package, name]).strip()
        self.assertEqual(field("Package"), "ringserve")
        self.assertEqual(field("Version"), f"{self.version}-1")
        for library in ("liburing2", "libc6", "media-types"):
            self.assertIn(library, field("Depends"))

    def test_its_programs_run_and_are_stripped(self):
        for name in PROGRAMS:
            path = self.installed(f"/usr/bin/{name}")
            self.assertEqual(output_of([path, "--version"]).split()[-1], self.version)
            self.assertLess(path.stat().st_size, os.stat(PROGRAMS[name]).st_size)

    def test_configuration_is_kept_by_an_upgrade_and_good(self):
        listed = self.installed("/DEBIAN/conffiles").read_text().split()
        in_etc = {f"/{path.relative_to(self.root)}"
                  for path in self.installed("/etc").rglob("*") if path.is_file()}
        self.assertEqual(set(listed), in_etc)
        text = self.installed("/etc/ringserve/ringserve.toml").read_text()
        moved = self.work / "ringserve.toml"
        moved.write_text(text.replace('"/usr/share', f'"{self.root}/usr/share'))
        output_of([RINGSERVE, "check", moved])

    def test_scripts_are_shell_and_may_run_without_systemd(self):
        for name in ("postinst", "prerm", "postrm"):
            script = self.installed(f"/DEBIAN/{name}")
            output_of(["sh", "-n", script])
            self.assertIn("[ -d /run/systemd/system ]", script.read_text())

    def test_lintian_has_nothing_to_say(self):
        output_of([find("lintian"), "--allow-root", "--fail-on", "error,warning",
                   "--suppress-tags", LINTIAN_IS_RIGHT_BUT, self.package])

    def test_man_pages_have_every_option_and_no_mistake(self):
        self.assertEqual({path.name.removesuffix(".gz") for path in
                          self.installed("/usr/share/man").rglob("*.gz")}, PAGES)
        for name in PROGRAMS:
            text = self.rendered(f"{name}.1")
            wanted = long_options(help_of(name))
            self.assertGreater(len(wanted), 1, name)
            for command in COMMANDS[name]:
                wanted |= long_options(help_of(name, command))
                self.assertRegex(text, rf"(?m)^ +{name} {command}\b")
            missing = {option for option in wanted
                       if not re.search(rf"(?m)^ +(-\w, )?{option}(?![\w-])", text)}
            self.assertEqual(missing, set(), name)

    def test_every_setting_is_in_the_page_of_the_configuration(self):
        text = self.rendered("ringserve.toml.5")
        settings = long_options(help_of("ringserve")) - NO_SETTINGS
        missing = {setting for setting in settings
                   if not re.search(rf"(?m)^ +{setting[2:]}(?![\w-])", text)}
        self.assertEqual(missing, set())

    def test_choices_written_by_hand_are_those_of_the_help(self):
        seen = set()
        for name in PROGRAMS:
            for command in ([], *([one] for one in COMMANDS[name])):
                for option in help_text.parse(help_of(name, *command)).options():
                    words = help_text.CHOICES.get(option.names[-1], []) if option.argument else []
                    missing = [word for word in words if word not in option.text]
                    self.assertEqual(missing, [], (name, option))
                    seen |= {option.names[-1]} if words else set()
        self.assertEqual(seen, set(help_text.CHOICES))

    def complete_in_bash(self, name, *words):
        """What bash would offer for the last word."""
        script = self.installed(f"/usr/share/bash-completion/completions/{name}")
        quoted = " ".join(f"'{word}'" for word in (name, *words))
        return output_of(["bash", "--norc", "-c", f"compopt() {{ :; }}; source '{script}'; "
                          f"COMP_WORDS=({quoted}); COMP_CWORD={len(words)}; _{name}; "
                          'printf "%s\\n" "${COMPREPLY[@]}"']).split()

    def test_bash_completes_options_values_and_commands(self):
        for name in PROGRAMS:
            options = long_options(help_of(name))
            self.assertLessEqual(options, set(self.complete_in_bash(name, "--")))
            self.assertLessEqual(set(COMMANDS[name]), set(self.complete_in_bash(name, "")))
            for command in COMMANDS[name]:
                self.assertLessEqual(long_options(help_of(name, command)),
                                     set(self.complete_in_bash(name, command, "--")))
        self.assertEqual(self.complete_in_bash("ringserve", "--send-path", "sp"), ["splice"])
        self.assertEqual(self.complete_in_bash("ringserve", "--threads", ""), [])

    def test_fish_completes_options_and_values(self):
        fish = find("fish")
        for name in PROGRAMS:
            script = self.installed(f"/usr/share/fish/vendor_completions.d/{name}.fish")
            offered = output_of([fish, "--no-config", "-c",
                                 f"source {script}; complete -C '{name} --'"],
                                env={**os.environ, "HOME": str(self.work)})
            words = {line.split("\t")[0].rstrip("=") for line in offered.splitlines()}
            self.assertLessEqual(long_options(help_of(name)), words)

    def test_zsh_reads_them_and_they_have_every_option(self):
        zsh = find("zsh")
        for name in PROGRAMS:
            script = self.installed(f"/usr/share/zsh/vendor-completions/_{name}")
            output_of([zsh, "-f", "-n", script])
            # The whole specification, as _arguments itself reads it.
            output_of([zsh, "-f", "-c", "autoload -U compinit; compinit -u -D; "
                       f"fpath=({script.parent} $fpath); autoload -U +X _{name}"])
            for option in long_options(help_of(name)):
                self.assertRegex(script.read_text(), rf"'\*?{option}\[")


class RoffTest(unittest.TestCase):
    def test_a_line_that_begins_with_a_dot_or_a_quote_is_text(self):
        self.assertEqual(roff.escape(".br --all"), r"\&.br \-\-all")
        self.assertEqual(roff.escape("'x"), r"\(aqx")

    def test_tables_are_lists_of_settings(self):
        text = roff.from_markdown("# T\n\n## S\n\n| setting | value | default | example |\n"
                                  "|---|---|---|---|\n| `a` ↻ | `x\\|y` | 1 | `a = 2` |\n")
        self.assertEqual(text, ".SH S\n.TP\n\\fBa\\fR \\[u21BB]\n\\fBx|y\\fR.\nDefault: 1.\n.br\n"
                               "\\fBa = 2\\fR")


if __name__ == "__main__":
    deploying.main()
