"""What was found, kept as JSON and told as a table."""

import json

FORMAT = 1


def read(file):
    try:
        return json.loads(file.read_text())
    except FileNotFoundError:
        return None


def write(file, kernel, started, found):
    """Experiments that were not run now keep the results they had."""
    before = read(file) or {"experiments": []}
    kept = {each["experiment"]: each for each in before["experiments"]}
    kept |= {each["experiment"]: each for each in found}
    text = json.dumps({
        "format": FORMAT, "kernel": kernel, "started": started.isoformat(timespec="seconds"),
        "experiments": sorted(kept.values(), key=lambda each: (each["topic"], each["line"])),
    }, indent=1, ensure_ascii=False)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text + "\n")


def table(found):
    """One line an experiment, by topic."""
    text, topic = "", None
    for each in found:
        if each["topic"] != topic:
            topic = each["topic"]
            text += f"\n{topic.replace('-', '  ', 1).replace('-', ' ')}\n"
        name = each["experiment"].split(".", 1)[1].replace("_", " ")
        text += f"  {each['outcome']:<8} {name}\n"
        if each["measured"]:
            text += f"           {each['measured']}\n"
    return text


def summary(found):
    counts = {}
    for each in found:
        counts[each["outcome"]] = counts.get(each["outcome"], 0) + 1
    words = {"holds": "hold", "differs": "differ", "skipped": "skipped"}
    told = [f"{counts[outcome]} {word}" for outcome, word in words.items() if counts.get(outcome)]
    return f"{len(found)} claims: " + ", ".join(told)


def any_differs(found):
    return any(each["outcome"] == "differs" for each in found)
