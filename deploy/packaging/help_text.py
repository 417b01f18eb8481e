"""Reads what a program says of itself with --help, so that man pages and completions cannot fall
behind it."""

import dataclasses
import re
import subprocess

# Groups that are about the whole command, not about its work.
POSITIONALS, SUBCOMMANDS = "Positionals", "Subcommands"
_GROUP = re.compile(r"^([A-Z][A-Za-z ]*):$")
_LIST = re.compile(r"(?<![\w-])[a-z][a-z-]*(?:, [a-z][a-z-]*){2,}")
# Where the help says in sentences what there is to choose from. packaging_test.py looks
# whether it still does.
CHOICES = {
    "--body": ["discard", "copy", "verify:"],
    "--close": ["server", "client", "reset"],
    "--close-by": ["client", "server", "reset"],
    "--etag": ["size-mtime", "inode", "off"],
    "--follow-symlinks": ["within", "never", "always"],
    "--for": ["serve", "load", "both"],
    "--live": ["auto", "plain", "off"],
    "--sandbox": ["on", "auto", "off"],
}


@dataclasses.dataclass
class Option:
    names: list      # "-c", "--connections"; of a positional its name
    argument: str    # "N", "" for a flag
    text: str = ""

    @property
    def values(self):
        """What the argument may be, where the help lists it."""
        if re.fullmatch(r"[a-z]+(\|[a-z]+)+", self.argument):
            return self.argument.split("|")
        if self.names[-1] in CHOICES and self.argument:
            return CHOICES[self.names[-1]]
        if self.argument in ("NAME", "MODE", "WHO", "WHAT", "LAW"):
            lists = _LIST.findall(self.text)
            if lists:
                return max(lists, key=len).split(", ")
        return []

    @property
    def is_path(self):
        return bool(re.match(r"(FILE|PATH|ROOT|DIR)\b", self.argument or self.names[0]))


@dataclasses.dataclass
class Help:
    description: str
    usage: str
    groups: dict     # title to [Option], in the order of the help
    footer: list     # paragraphs
    commands: dict   # name to Help

    def options(self):
        return [option for title, group in self.groups.items()
                if title not in (POSITIONALS, SUBCOMMANDS) for option in group]


def _option(left, text):
    left = re.sub(r" (Excludes|Needs): .*", "", left)
    names, _, argument = left.partition(" ")
    return Option(names.split(",") if left.startswith("-") else [names], argument.strip("'"),
                  text or "")


def parse(text):
    lines = text.rstrip("\n").split("\n")
    start = next(i for i, line in enumerate(lines) if line.startswith("Usage: "))
    found = Help(" ".join(lines[:start]).strip(), lines[start][len("Usage: "):].strip(), {}, [], {})
    column = max(lines[start:], key=lambda line: "-h,--help" in line).index("Print this help")
    group, paragraph = None, []
    for line in [*lines[start + 1:], ""]:
        title = _GROUP.match(line)
        if title:
            group = found.groups.setdefault(title[1], [])
        elif group is not None and line.startswith("  ") and line[2] != " ":
            # Names that reach into the column of the texts stand alone on their line.
            has_text = line[column - 1:column] in (" ", "")
            group.append(_option(line[2:column].strip() if has_text else line.strip(),
                                 line[column:] if has_text else ""))
        elif group and line.startswith("   "):
            group[-1].text = f"{group[-1].text} {line.strip()}".strip()
        elif line:
            group = None
            paragraph.append(line.strip())
        elif paragraph:
            found.footer.append(" ".join(paragraph))
            paragraph = []
    return found


def of(program, *command):
    """Runs it; subcommands are asked too."""
    text = subprocess.run([program, *command, "--help"], check=True, capture_output=True,
                          text=True).stdout
    found = parse(text)
    for sub in found.groups.get(SUBCOMMANDS, []):
        found.commands[sub.names[0]] = of(program, *command, sub.names[0])
    return found
