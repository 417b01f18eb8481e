"""The files for sysctl.d(5): ringtune makes the same of the same expectation, and what they set
ends what they were made against. Tried in network namespaces of their own: nothing of the machine
changes."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import unittest

import deploying
from deploying import DEPLOY, RINGTUNE, find, output_of

FILES = {"90-ringserve.conf": "serve", "90-ringload.conf": "load"}
# Applies a file where nobody else is, then says how things stand.
APPLY_AND_CHECK = ('"$1" apply --yes --undo "$2.undo" "$2" >&2 && '
                   '{ "$1" check --json --for "$3" --expect "$4"; [ $? -le 1 ]; }')


def assignments(text):
    return dict(re.findall(r"(?m)^([\w.]+) = (.*)$", text))


def expectation(text):
    return re.search(r"for\n# (\S+)\.$", text, re.MULTILINE)[1]


class SysctlTest(deploying.support.ClientTest):
    def setUp(self):
        super().setUp()
        if not os.access(RINGTUNE, os.X_OK):
            self.skipTest(f"{RINGTUNE} is not built")
        self.alone = [find("unshare"), "-rn"]
        if subprocess.run([*self.alone, "true"], capture_output=True, check=False).returncode:
            self.skipTest("no namespaces: unshare -rn fails")

    def test_each_line_has_its_reason(self):
        for name in FILES:
            text = (DEPLOY / "sysctl.d" / name).read_text()
            self.assertGreater(len(assignments(text)), 0, name)
            for setting in assignments(text):
                before = text[:text.index(f"\n{setting} = ")].rsplit("\n\n", 1)[-1]
                self.assertRegex(before, r"# was .*\d", (name, setting))
                note = re.search(r"kernel-notes/[\w-]+\.md", before)
                self.assertTrue(note and (deploying.TOP / note[0]).exists(), (name, setting))

    def test_ringtune_makes_the_same_again(self):
        """But for what is of the machine: the values that were there, and those that suffice."""
        copy = self.directory / "emit"
        shutil.copy(DEPLOY / "sysctl.d" / "emit", copy)
        output_of([copy, RINGTUNE])
        for name in FILES:
            kept = assignments((DEPLOY / "sysctl.d" / name).read_text())
            again = assignments((self.directory / name).read_text())
            self.assertEqual({setting: kept.get(setting) for setting in again}, again, name)
            for setting in set(kept) - set(again):
                self.assert_suffices(setting, kept[setting])

    def assert_suffices(self, setting, wanted):
        """This machine has as much already."""
        path = pathlib.Path("/proc/sys") / setting.replace(".", "/")
        present = output_of([*self.alone, "cat", path]).split()
        self.assertGreaterEqual([int(word) for word in present],
                                [int(word) for word in wanted.split()], setting)

    def test_what_they_set_is_enough_for_what_was_expected(self):
        for name, what in FILES.items():
            copy = self.directory / name
            text = (DEPLOY / "sysctl.d" / name).read_text()
            copy.write_text(text)
            report = json.loads(output_of([*self.alone, "sh", "-c", APPLY_AND_CHECK, "sh", RINGTUNE,
                                           copy, what, expectation(text)]))
            verdicts = {one["name"]: one["verdict"] for one in report["parameters"]}
            for setting in assignments(text):
                self.assertNotEqual(verdicts[setting], "breaks", (name, setting))

    def test_without_them_something_breaks(self):
        text = (DEPLOY / "sysctl.d" / "90-ringserve.conf").read_text()
        done = subprocess.run([*self.alone, RINGTUNE, "check", "--json", "--for", "serve",
                               "--expect", expectation(text)], capture_output=True, text=True,
                              timeout=deploying.DEADLINE_S, check=False)
        broken = {one["name"] for one in json.loads(done.stdout)["parameters"]
                  if one["verdict"] in ("breaks", "tight")}
        self.assertLessEqual({name for name in assignments(text)
                              if not self.is_satisfied(name, assignments(text)[name])}, broken)

    def is_satisfied(self, setting, wanted):
        try:
            self.assert_suffices(setting, wanted)
        except AssertionError:
            return False
        return True


if __name__ == "__main__":
    deploying.main()
