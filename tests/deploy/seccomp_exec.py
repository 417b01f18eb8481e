"""Runs a command under a seccomp profile in the format of container engines, as one without any
capability would be: seccomp_exec.py PROFILE.json COMMAND... libseccomp makes the filter. With
--root DIRECTORY --user ID before PROFILE.json that is its root, and who it is."""

import argparse
import ctypes
import json
import os
import platform

ACTIONS = {"SCMP_ACT_ALLOW": 0x7FFF0000, "SCMP_ACT_ERRNO": 0x00050000}
COMPARISONS = {"SCMP_CMP_NE": 1, "SCMP_CMP_LT": 2, "SCMP_CMP_LE": 3, "SCMP_CMP_EQ": 4,
               "SCMP_CMP_GE": 5, "SCMP_CMP_GT": 6, "SCMP_CMP_MASKED_EQ": 7}
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


class Comparison(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64),
                ("b", ctypes.c_uint64)]


def library():
    """None where it is not installed."""
    try:
        found = ctypes.CDLL("libseccomp.so.2")
    except OSError:
        return None
    found.seccomp_init.restype = ctypes.c_void_p
    found.seccomp_init.argtypes = [ctypes.c_uint32]
    found.seccomp_rule_add_array.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int,
                                             ctypes.c_uint, ctypes.POINTER(Comparison)]
    found.seccomp_load.argtypes = [ctypes.c_void_p]
    found.seccomp_syscall_resolve_name.argtypes = [ctypes.c_char_p]
    return found


LIBRARY = library()  # before any chroot()


def action_of(rule, name, default_errno=1):
    action = ACTIONS[rule[name]]
    errno_key = "errnoRet" if name == "action" else "defaultErrnoRet"
    return action | rule.get(errno_key, default_errno) if action == 0x00050000 else action


def applies(rule):
    """Of a container without capabilities on this architecture."""
    here = ARCHITECTURES.get(platform.machine(), platform.machine())
    includes, excludes = rule.get("includes", {}), rule.get("excludes", {})
    return (not includes.get("caps") and here in includes.get("arches", [here])
            and here not in excludes.get("arches", []))


def load(profile):
    """Puts the calling process under it. OSError says what libseccomp refused."""
    seccomp = LIBRARY
    default = action_of(profile, "defaultAction")
    context = seccomp.seccomp_init(default)
    for rule in profile["syscalls"]:
        action = action_of(rule, "action")
        if not applies(rule) or action == default:
            continue
        compare = [Comparison(one["index"], COMPARISONS[one["op"]], one["value"],
                              one.get("valueTwo", 0)) for one in rule.get("args", [])]
        for name in rule["names"]:
            number = seccomp.seccomp_syscall_resolve_name(name.encode())
            if number < 0:
                continue  # of another architecture, or newer than the library
            result = seccomp.seccomp_rule_add_array(
                context, action, number, len(compare), (Comparison * len(compare))(*compare))
            if result < 0:
                raise OSError(-result, f"seccomp_rule_add {name}: {os.strerror(-result)}")
    result = seccomp.seccomp_load(context)
    if result < 0:
        raise OSError(-result, f"seccomp_load: {os.strerror(-result)}")


def main():
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--root")
    words.add_argument("--user", type=int)
    words.add_argument("profile")
    words.add_argument("command", nargs=argparse.REMAINDER)
    asked = words.parse_args()
    with open(asked.profile, encoding="utf-8") as file:
        profile = json.load(file)
    if asked.root:
        os.chroot(asked.root)
        os.chdir("/")
    if asked.user:
        os.setgroups([])
        os.setresgid(asked.user, asked.user, asked.user)
        os.setresuid(asked.user, asked.user, asked.user)
    load(profile)
    os.execvp(asked.command[0], asked.command)


if __name__ == "__main__":
    main()
