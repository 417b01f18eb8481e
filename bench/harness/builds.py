"""The server as it is at a commit, or in the working tree: built once below build/guard/.

Only the target ringserve, RelWithDebInfo. A commit's sources are unpacked by git-archive(1), which
leaves nothing registered in the repository when a build is interrupted; the sources go when the
binary is there. Never touches the working tree, the index or build/release.
"""

import os
import pathlib
import shutil
import signal
import subprocess
import tarfile

from harness import process

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
KEPT = TOP / "build" / "guard"
JOBS = 2
LOG_LINES = 12
GIT = ("git", "-c", f"safe.directory={TOP}", "-C", str(TOP))  # whoever owns the clone


class BuildFailed(RuntimeError):
    """What could not be built, the end of what the tool said, and where all of it is."""


class UnknownCommit(ValueError):
    pass


def git(*words):
    """What it printed. Throws UnknownCommit with its first line."""
    try:
        done = subprocess.run([*GIT, *words], capture_output=True, text=True)
    except FileNotFoundError:
        raise BuildFailed("git is not installed (apt-get install git)") from None
    if done.returncode != 0:
        raise UnknownCommit(done.stderr.strip().partition("\n")[0])
    return done.stdout.strip()


def resolve(commit):
    """The full hash of a commit, a tag or a branch. Throws UnknownCommit."""
    try:
        return git("rev-parse", "--verify", "--quiet", "--end-of-options", commit + "^{commit}")
    except UnknownCommit as error:
        raise UnknownCommit(f"{commit} is not a commit of this repository"
                            + (f" ({error})" if str(error) else "")) from None


def describe(commit):
    return git("log", "-1", "--format=%h %s", commit)


def describe_working_tree():
    changed = git("status", "--porcelain", "--untracked-files=normal")
    return f"working tree on {git('rev-parse', '--short', 'HEAD')}, " + (
        f"{len(changed.splitlines())} files changed" if changed else "nothing changed")


def of_commit(commit):
    """The path of ringserve at this full hash; built when it is not there."""
    directory = KEPT / commit[:16]
    binary = directory / "ringserve"
    if os.access(binary, os.X_OK):
        return binary
    source, build = directory / "source", directory / "build"
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir(parents=True)
    unpack(commit, source)
    built = compile_server(source, build)
    built.rename(binary)  # last, as the sign that it is whole
    shutil.rmtree(source)
    shutil.rmtree(build)
    return binary


def of_working_tree():
    return compile_server(TOP, KEPT / "working-tree")


def unpack(commit, directory):
    archive = subprocess.Popen([*GIT, "archive", "--format=tar", commit],
                               stdout=subprocess.PIPE)
    with archive, tarfile.open(fileobj=archive.stdout, mode="r|") as files:
        files.extractall(directory, filter="data")
    if archive.returncode != 0:
        raise BuildFailed(f"git archive {commit}: status {archive.returncode}")


def compile_server(source, build):
    """The same sources give the same code wherever they are: no path gets into the binary."""
    build.mkdir(parents=True, exist_ok=True)
    log = build / "guard.log"
    log.write_text("")
    run(["cmake", "-S", source, "-B", build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=RelWithDebInfo",
         "-DRINGSERVE_TESTS=OFF", "-DRINGSERVE_BENCH=OFF",
         f"-DCMAKE_CXX_FLAGS=-ffile-prefix-map={source}=."], log)
    run(["ninja", "-C", build, "-j", JOBS, "ringserve"], log)
    return build / "ringserve"


def end_with_us():
    """By SIGTERM, at which ninja ends its compilers too."""
    process.die_with_parent(signal.SIGTERM)


def run(command, log):
    words = [str(word) for word in command]
    try:
        with open(log, "ab") as output:
            done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                  preexec_fn=end_with_us)
    except FileNotFoundError:
        raise BuildFailed(f"{words[0]} is not installed; deploy/packages.txt lists the packages, "
                          "./demo installs them") from None
    if done.returncode != 0:
        end = "\n".join(log.read_text(errors="replace").splitlines()[-LOG_LINES:])
        raise BuildFailed(f"{' '.join(words[:3])}: status {done.returncode}; all of it is in "
                          f"{log}\n{end}")
