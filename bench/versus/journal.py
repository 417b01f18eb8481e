"""samples.jsonl: a header that says what is measured, then every sample, written at once. It is
what an interrupted run goes on from."""

import json
import os

FORMAT = "ringserve-versus-samples 1"
# What must be the same for samples to be compared with each other.
BINDING = ("format", "plan", "commit", "digests", "versions", "kernel")


class CannotResume(ValueError):
    pass


class Journal:
    def __init__(self, path, header, records):
        self.path, self.header, self.records = path, header, records

    @classmethod
    def begin(cls, path, header):
        """Throws OSError; FileExistsError when a run has been kept there."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "x") as file:
            file.write(json.dumps(header, ensure_ascii=False) + "\n")
        return cls(path, header, [])

    @classmethod
    def load(cls, path):
        """Throws CannotResume. A last line that was cut off is dropped."""
        try:
            lines = path.read_text().split("\n")
            header, records = json.loads(lines[0]), [json.loads(line) for line in lines[1:-1]]
        except (OSError, ValueError) as error:
            raise CannotResume(f"{path}: {error}; begin a new run") from None
        if header.get("format") != FORMAT:
            raise CannotResume(f"{path}: not samples of this program; begin a new run")
        if lines[-1]:
            with open(path, "r+") as file:
                file.truncate(len("\n".join(lines[:-1]).encode()) + 1)
        return cls(path, header, records)

    def require_same(self, header):
        """Throws CannotResume when what is measured now is something else."""
        for key in BINDING:
            if self.header.get(key) != header[key]:
                raise CannotResume(f"{self.path}: {key} was {self.header.get(key)}, is now "
                                   f"{header[key]}; begin a new run")

    def add(self, record):
        with open(self.path, "a") as file:
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
