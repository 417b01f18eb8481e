"""What a measurement depends on: the machine, the kernel, the programs and the commit."""

import hashlib
import os
import pathlib
import platform
import re
import subprocess

from harness import namespace, process, servers

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
VULNERABILITIES = pathlib.Path("/sys/devices/system/cpu/vulnerabilities")
GENERATORS = {"wrk": "-v"}


def first_line_of(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=TOP)
    except OSError:
        return ""
    return (done.stdout or done.stderr).strip().split("\n")[0]


def commit():
    """With "-dirty" when the tree differs from it; "" outside of a repository."""
    return first_line_of("git", "-c", f"safe.directory={TOP}", "describe", "--always", "--dirty",
                         "--exclude=*", "--abbrev=12") if (TOP / ".git").exists() else ""


def versions(build, peers=(), generators=("ringload",)):
    """{program: version}; ours by --version."""
    found = {name: first_line_of(str(build / name), "--version") for name in
             ("ringserve", *(name for name in generators if name not in GENERATORS))}
    for name, option in {**servers.VERSION_OPTIONS, **GENERATORS}.items():
        if name in (*peers, *generators):
            found[name] = first_line_of(process.find_program(name), option)
    return found


def digest(program):
    """Tells one build from another."""
    return hashlib.sha256(pathlib.Path(program).read_bytes()).hexdigest()[:16]


def facts(congestion, directory):
    """`congestion`: of the samples; `directory`: where the files are that are served."""
    return {
        "cpu_model": field_of("/proc/cpuinfo", "model name"),
        "cpus": os.cpu_count(),
        "memory_bytes": int(field_of("/proc/meminfo", "MemTotal").split()[0]) * 1024,
        "kernel": platform.release(),
        "mitigations": mitigations(),
        "congestion_control": congestion,
        "congestion_control_host": namespace.congestion_control(),
        "disk": file_system_of(directory),
        "user": "root" if os.geteuid() == 0 else "ordinary",
    }


def field_of(file, name):
    """The value of the first `name: value` line; "" for none."""
    found = re.search(rf"^{re.escape(name)}\s*:\s*(.*)$", pathlib.Path(file).read_text(),
                      re.MULTILINE)
    return found.group(1) if found else ""


def mitigations():
    """The vulnerabilities of the CPU against which the kernel does something."""
    if not VULNERABILITIES.is_dir():
        return ""
    found = {file.name: file.read_text().strip() for file in sorted(VULNERABILITIES.iterdir())}
    return ", ".join(f"{name}: {text}" for name, text in found.items() if "Mitigation" in text)


def file_system_of(directory):
    """Type of the file system and what it is on."""
    best = ("", "", "")
    for line in pathlib.Path("/proc/self/mounts").read_text().splitlines():
        source, point, kind = line.split()[:3]
        inside = pathlib.Path(directory).resolve().is_relative_to(point)
        if inside and len(point) >= len(best[1]):
            best = (source, point, kind)
    return f"{best[2]} on {best[0]}"
