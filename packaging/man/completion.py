"""The bash completion: commands, their options, and the values that are words of a list."""
import re

HEAD = """# Completion of heat-pulse and of its old names in bash. Made by packaging/man/make from the program's own tables.
_heat_pulse()
{
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[0]##*/} words=
    COMPREPLY=()
    # --name=value comes as three words.
    if [ "$cur" = = ]; then
        cur=
    elif [ "$prev" = = ]; then
        prev=${COMP_WORDS[COMP_CWORD-2]}
    fi
    if [ "$command" = heat-pulse ]; then
        if [ "$COMP_CWORD" -eq 1 ]; then
            COMPREPLY=($(compgen -W '%s --help --version' -- "$cur"))
            return
        fi
        command=${COMP_WORDS[1]}
    fi
    case "$command $prev" in
"""
MIDDLE = """    esac
    case "$command" in
"""
TAIL = """        *) return ;;
    esac
    case "$cur" in
        -*) COMPREPLY=($(compgen -W "$words" -- "$cur")) ;;
        *) [ -z "$rest" ] || { COMPREPLY=($(compgen -W "$rest" -- "$cur")); return; }
           COMPREPLY=($(compgen -f -- "$cur")) ;;
    esac
}
complete -o filenames -F _heat_pulse %s
"""
# Values that are files or folders; anything else that is no list of words is typed by hand.
FILES, FOLDERS = ("FILE",), ("DIR",)


def choices(option):
    """The words of an option, from its value ("true|false") or its sentence ("text, json or x")."""
    if option.value and "|" in option.value:
        return option.value.split("|")
    if option.value in ("STATUS", "SOURCE", "LEVEL", "FORMAT"):
        return [w for w in re.findall(r"[A-Za-z]+", option.text.split(" from ")[-1]) if w not in ("or", "only", "if", "it", "came")]
    return []


def value_case(command, option):
    flags = ["%s --%s" % (command.name, option.name)] + (["%s -%s" % (command.name, option.letter)] if option.letter else [])
    pattern = "|".join("'%s'" % f for f in flags)
    if option.value in FILES:
        answer = "COMPREPLY=($(compgen -f -- \"$cur\"))"
    elif option.value in FOLDERS:
        answer = "COMPREPLY=($(compgen -d -- \"$cur\"))"
    else:
        answer = "COMPREPLY=($(compgen -W '%s' -- \"$cur\"))" % " ".join(choices(option)) if choices(option) else ":"
    return "        %s) %s; return ;;\n" % (pattern, answer)


def script(program):
    text = HEAD.replace("words=\n", "words= rest=\n") % " ".join(c.name for c in program.commands)
    for command in program.commands:
        text += "".join(value_case(command, o) for o in command.options if o.value)
    text += MIDDLE
    for command in program.commands:
        words = " ".join("--" + o.name for o in command.options)
        kinds = re.search(r"replay ([a-z|]+)", command.usage[0])
        rest = kinds.group(1).replace("|", " ") if kinds else " ".join(name for name, _ in program.groups) if command.name == "hook" else ""
        text += "        %s) words='%s'%s ;;\n" % (command.name, words, " rest='%s'" % rest if rest else "")
    return text + TAIL % " ".join(["heat-pulse"] + [c.name for c in program.commands if c.old])
