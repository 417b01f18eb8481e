"""Completions for bash, zsh and fish, from --help."""

import re


def _words(options):
    return [name for option in options for name in option.names]


def _quote(text):
    return "'" + text.replace("'", "'\\''") + "'"


def _short(option):
    """What a shell shows beside an option: the first clause of its help."""
    return re.split(r"[:;]", option.text)[0].strip()


def _cases(options):
    """Lines of a bash `case`: what follows an option."""
    text = ""
    for option in options:
        names = "|".join(option.names)
        if option.values:
            text += f"      {names}) COMPREPLY=($(compgen -W {_quote(' '.join(option.values))} "
            text += '-- "$current")); return ;;\n'
        elif option.is_path:
            text += f'      {names}) compopt -o filenames; '
            text += 'COMPREPLY=($(compgen -f -- "$current")); return ;;\n'
        elif option.argument:
            text += f"      {names}) return ;;\n"
    return text


def bash(name, found):
    function = f"_{name}"
    text = f"# bash completion for {name}, made from its --help.\n{function}() {{\n"
    text += '  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}\n'
    text += '  local command=${COMP_WORDS[1]}\n  COMPREPLY=()\n  case $command in\n'
    for sub, command in found.commands.items():
        text += f"  {sub})\n    case $previous in\n{_cases(command.options())}    esac\n"
        text += '    if [[ $current == -* ]]; then\n      COMPREPLY=($(compgen -W '
        text += f'{_quote(" ".join(_words(command.options())))} -- "$current"))\n'
        text += '    else\n      compopt -o filenames\n'
        text += '      COMPREPLY=($(compgen -f -- "$current"))\n    fi\n    return ;;\n'
    text += f"  esac\n  case $previous in\n{_cases(found.options())}  esac\n"
    text += '  if [[ $current == -* ]]; then\n'
    text += f'    COMPREPLY=($(compgen -W {_quote(" ".join(_words(found.options())))} '
    text += '-- "$current"))\n    return\n  fi\n  compopt -o filenames\n'
    text += '  COMPREPLY=($(compgen -f -- "$current"))\n'
    if found.commands:
        text += '  if ((COMP_CWORD == 1)); then\n    COMPREPLY+=($(compgen -W '
        text += f'{_quote(" ".join(found.commands))} -- "$current"))\n  fi\n'
    return text + f"}}\ncomplete -F {function} {name}\n"


def _zsh_argument(option):
    if option.values:
        return f":value:({' '.join(option.values)})"
    if option.is_path:
        return ":file:_files"
    return f":{re.sub(r'[^A-Za-z]+', ' ', option.argument).strip()}:" if option.argument else ""


def _zsh_specs(options):
    specs = []
    for option in options:
        what = re.sub(r"([\[\]:])", r"\\\1", _short(option))
        for name in option.names:
            repeat = "*" if "epeatable" in option.text else ""
            specs.append(_quote(f"{repeat}{name}[{what}]{_zsh_argument(option)}"))
    return specs


def _zsh_function(name, specs, last):
    lines = " \\\n    ".join([*specs, last])
    return f"{name}() {{\n  _arguments -s \\\n    {lines}\n}}\n"


def zsh(name, found):
    text = f"#compdef {name}\n# zsh completion for {name}, made from its --help.\n"
    for sub, command in found.commands.items():
        text += _zsh_function(f"_{name}_{sub}", _zsh_specs(command.options()), "'*:file:_files'")
    text += _zsh_function(f"_{name}_options", _zsh_specs(found.options()), "'*:file:_files'")
    text += f"_{name}() {{\n"
    if found.commands:
        names = " ".join(found.commands)
        text += f"  if ((CURRENT > 2)) && [[ -n ${{(M)${{:-{names}}}:#*}} && "
        text += f'" {names} " == *" $words[2] "* ]]; then\n'
        text += f'    local function="_{name}_$words[2]"\n    shift words\n    ((CURRENT--))\n'
        text += '    $function\n    return\n  fi\n'
        text += f"  ((CURRENT != 2)) || compadd -- {names}\n"
    return text + f'  _{name}_options\n}}\n_{name} "$@"\n'


def _fish_line(name, option, condition):
    line = f"complete -c {name}{condition}"
    for one in option.names:
        line += f" -l {one[2:]}" if one.startswith("--") else f" -s {one[1:]}"
    if option.values:
        line += f" -x -a {_quote(' '.join(option.values))}"
    elif option.argument:
        line += " -r" + (" -F" if option.is_path else " -f")
    return f"{line} -d {_quote(_short(option))}\n"


def fish(name, found):
    text = f"# fish completion for {name}, made from its --help.\n"
    names = " ".join(found.commands)
    outside = f" -n 'not __fish_seen_subcommand_from {names}'" if names else ""
    text += "".join(_fish_line(name, option, outside) for option in found.options())
    for sub, command in found.commands.items():
        text += f"complete -c {name}{outside} -a {sub} -d {_quote(command.description)}\n"
        inside = f" -n '__fish_seen_subcommand_from {sub}'"
        text += "".join(_fish_line(name, option, inside) for option in command.options())
    return text
