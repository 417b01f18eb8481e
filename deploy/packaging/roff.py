"""Man pages: options from --help, settings from a page in Markdown. What is about the program as a
whole is written by hand in man/*.in, with @OPTIONS@ and the like where these go."""

import re

import help_text


def escape(text):
    """Backslashes, hyphens that are typed and not set, and a line that begins like a request."""
    text = text.replace("\\", r"\e").replace("-", r"\-").replace("`", r"\(ga")
    text = text.replace("'", r"\(aq").replace("^", r"\(ha").replace("~", r"\(ti")
    text = "".join(c if ord(c) < 128 else f"\\[u{ord(c):04X}]" for c in text)
    return re.sub(r"^([.'])", r"\&\1", text, flags=re.MULTILINE)


def _entry(option):
    names = ", ".join(rf"\fB{escape(name)}\fR" for name in option.names)
    if not option.names[0].startswith("-"):
        names = rf"\fI{escape(option.names[0])}\fR"
    argument = rf" \fI{escape(option.argument)}\fR" if option.argument else ""
    return f".TP\n{names}{argument}\n{escape(option.text) or escape('(see the description)')}\n"


def _groups(found):
    text = ""
    for title, group in found.groups.items():
        if title != help_text.SUBCOMMANDS and group:
            text += f".SS {escape(title)}\n" + "".join(_entry(option) for option in group)
    return text


def options(found):
    return _groups(found).rstrip("\n")


def commands(found, footers=True):
    """A part for each subcommand; what the program's own page says at its end is not repeated."""
    text = ""
    for name, command in found.commands.items():
        text += f".SS {escape(name)}\n{escape(command.description)}.\n.PP\n"
        text += rf"\fB{escape(command.usage)}\fR" + "\n"
        text += "".join(_entry(option) for group in command.groups.values() for option in group
                        if "--help" not in option.names)
        text += "".join(f".PP\n{escape(paragraph)}\n" for paragraph in command.footer
                        if footers and paragraph not in found.footer)
    return text.rstrip("\n")


def footer(found):
    return "".join(f".PP\n{escape(paragraph)}\n" for paragraph in found.footer).rstrip("\n")


def _inline(text):
    """Code is bold; a link is its text. `|` in a table's cell is written \\|."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text.replace("\\|", "|"))
    parts = re.split(r"(`[^`]*`|\*\*[^*]*\*\*)", text)
    return "".join(rf"\fB{escape(part[1:-1] if part[0] == '`' else part[2:-2])}\fR"
                   if index % 2 else escape(part) for index, part in enumerate(parts))


def _row(line):
    cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
    name, value, default, example = (*cells, "", "", "")[:4]
    text = f".TP\n{_inline(name)}\n{_inline(value)}.\n"
    if default:
        text += f"Default: {_inline(default)}.\n"
    if example:
        text += f".br\n{_inline(example)}\n"
    return text


def from_markdown(page):
    """Headings, paragraphs, bullets, code blocks, and tables of four columns: a setting, its value,
    its default, an example."""
    text, code, last = "", False, ""
    for line in page.split("\n"):
        if line.startswith("```"):
            code = not code
            text += ".PP\n.RS 4\n.nf\n" if code else ".fi\n.RE\n"
        elif code:
            text += escape(line) + "\n"
        elif line.startswith("# "):
            continue
        elif line.startswith("#"):
            text += f".SH {_inline(line.lstrip('# ').upper())}\n"
        elif line.startswith("|"):
            if not re.match(r"\| *(setting|---)", line):
                text += _row(line)
        elif line.startswith("- "):
            text += f".IP \\(bu 2\n{_inline(line[2:])}\n"
        elif line.strip():
            text += (".PP\n" if not last.strip() else "") + f"{_inline(line.strip())}\n"
        last = line
    return re.sub(r"\.PP\n(?=\.(PP|SH|IP|TP))", "", text).rstrip("\n")
