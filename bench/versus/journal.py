"""samples.jsonl: a header that says what is measured, then every sample, written at once. It is
what an interrupted run goes on from."""

import json
import os

FORMAT = "ringserve-versus-samples 1"
# What must be the same for samples to be compared with each other, and what to do when it is not.
BINDING = {
    "format": "use the program that began it",
    "plan": "install or build what is missing now (bench/setup)",
    "commit": "check out that commit and build it (bench/setup)",
    "digests": "build that commit as it was built then",
    "versions": "install those versions",
    "kernel": "boot that kernel",
}
DIGEST_CHARS = 8


class CannotResume(ValueError):
    pass


class Journal:
    def __init__(self, path, header, records):
        self.path, self.header, self.records = path, header, records

    @classmethod
    def begin(cls, path, header):
        """Throws OSError; FileExistsError when a run has been kept there."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "x", encoding="utf-8") as file:
            file.write(json.dumps(header, ensure_ascii=False) + "\n")
        return cls(path, header, [])

    @classmethod
    def load(cls, path):
        """Throws CannotResume. A last line that was cut off, wherever that was, is dropped."""
        try:
            written = path.read_bytes()
            *lines, cut_off = written.split(b"\n")
            if not lines:
                raise ValueError("it ends before its first line does")
            header, *records = [json.loads(line.decode()) for line in lines]
        except (OSError, ValueError) as error:
            raise CannotResume(f"{path}: {error}; begin a new run") from None
        if header.get("format") != FORMAT:
            raise CannotResume(f"{path}: not samples of this program; begin a new run")
        if cut_off:
            os.truncate(path, len(written) - len(cut_off))
        return cls(path, header, records)

    def require_same(self, header):
        """Throws CannotResume when what is measured now is something else."""
        differing = [key for key in BINDING if self.header.get(key) != header.get(key)]
        if differing:
            raise CannotResume(
                f"{self.path}: {'; '.join(differences(self.header, header))}. To go on: "
                f"{', '.join(BINDING[key] for key in differing)}; or else begin a new run")

    def add(self, record):
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.records.append(record)

    def samples(self):
        return [record for record in self.records if "metrics" in record]

    def failures(self):
        return [record for record in self.records if "failed" in record]

    def left_out(self):
        """Peers, or "all", that could not be measured in a workload; of each the last word."""
        return list({(record["workload"], record.get("subject")): record for record in self.records
                     if "left_out" in record}.values())

    def rates(self):
        """{workload: {"rate_per_s", "slowest"}} of the open loops."""
        return {record["rate_of"]: record for record in self.records if "rate_of" in record}


def differences(was, now):
    """A sentence for each option, program or fact in which two headers differ."""
    found = []
    for key in BINDING:
        before, after = was.get(key), now.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            found += [difference(key, name, before.get(name), after.get(name))
                      for name in dict.fromkeys([*before, *after])
                      if before.get(name) != after.get(name)]
        elif before != after:
            found.append(difference(key, "", before, after))
    return found


def difference(key, name, before, after):
    if key == "digests":
        return (f"{name} is another build ({shown(before)[:DIGEST_CHARS]}, now "
                f"{shown(after)[:DIGEST_CHARS]})")
    what = {"plan": f"--{name}", "versions": f"the version of {name}"}.get(key, key)
    return f"{what} was {shown(before)}, is now {shown(after)}"


def shown(value):
    if isinstance(value, (list, tuple)):
        return ",".join(map(str, value)) or "nothing"
    return "nothing" if value in (None, "") else str(value)
