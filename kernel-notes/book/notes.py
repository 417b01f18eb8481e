"""The notes as files: which there are, and the tables of claims in them."""

import dataclasses
import pathlib
import re

HERE = pathlib.Path(__file__).resolve().parent.parent

NAME = re.compile(r"^(\d\d)-(.+)\.md$")
HEADING = re.compile(r"^\| claim \| expected \| measured on \S+ \| experiment \|$")
COLUMNS, MEASURED, EXPERIMENT = 4, 2, 3


class UnknownTopic(Exception):
    pass


@dataclasses.dataclass(frozen=True)
class Topic:
    number: str
    slug: str

    @property
    def title(self):
        return self.slug.replace("-", " ")

    @property
    def note(self):
        return HERE / f"{self.number}-{self.slug}.md"

    @property
    def source(self):
        return HERE / f"{self.number}-{self.slug}_test.cc"

    @property
    def program(self):
        return f"note_{self.number}_{self.slug.replace('-', '_')}"


def all_topics():
    matches = (NAME.match(path.name) for path in sorted(HERE.glob("[0-9][0-9]-*.md")))
    return [Topic(*match.groups()) for match in matches if match]


def find(words):
    """The topics that the words name, in the order of the book; all of them for no word."""
    topics = all_topics()
    if not words:
        return topics
    wanted = set()
    for word in words:
        stem = pathlib.Path(word).name.removesuffix(".md")
        named = {topic for topic in topics
                 if stem in (topic.number, topic.slug, f"{topic.number}-{topic.slug}")
                 or (stem.isdigit() and int(stem) == int(topic.number))}
        if not named:
            raise UnknownTopic(word)
        wanted |= named
    return [topic for topic in topics if topic in wanted]


def cells(line):
    """The cells of a table's row; None for another line."""
    if not (line.startswith("| ") and line.endswith(" |")) and line.count("|") != COLUMNS + 1:
        return None
    found = [cell.strip() for cell in line.strip("|").split("|")]
    return found if len(found) == COLUMNS else None


def claims(text):
    """[(number of the line, cells)] of the rows of the table of claims."""
    rows, is_table = [], False
    for number, line in enumerate(text.splitlines()):
        if HEADING.match(line):
            is_table = True
        elif not line.startswith("|"):
            is_table = False
        elif is_table and not line.startswith("|---"):
            rows.append((number, cells(line)))
    return rows


def experiment_of(row):
    return row[EXPERIMENT].strip("`")


def cell_text(result):
    """What a table says of an experiment."""
    text = result["measured"].replace("|", "/").replace("\n", " ").strip()
    if result["outcome"] == "holds":
        return text
    if result["outcome"] == "skipped":
        return f"skipped: {text}"
    return f"**differs**: {text}"


def filled(text, kernel, found):
    """The note with its column of measurements rewritten, and experiments that have no result."""
    lines, missing = text.splitlines(), []
    for number, row in claims(text):
        name = experiment_of(row)
        if name not in found:
            missing.append(name)
            continue
        row[MEASURED] = cell_text(found[name])
        lines[number] = "| " + " | ".join(row) + " |"
    heading = f"| claim | expected | measured on {kernel} | experiment |"
    lines = [heading if HEADING.match(line) else line for line in lines]
    return "\n".join(lines) + "\n", missing


def fill(topics, found):
    """Rewrites the notes; how many changed, and which experiments have no result."""
    changed, all_missing = 0, []
    by_name = {each["experiment"]: each for each in found["experiments"]}
    for topic in topics:
        before = topic.note.read_text()
        after, missing = filled(before, found["kernel"], by_name)
        all_missing += missing
        if after != before:
            topic.note.write_text(after)
            changed += 1
    return changed, all_missing
