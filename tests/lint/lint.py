#!/usr/bin/python3
"""House rules over the tracked sources; one TAP line per rule."""
import fnmatch
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import tap  # noqa: E402

# Who may include whom: a room and the rooms below it. An arrow the other way is a bug.
MAY_INCLUDE = {
    "core": set(),
    "auth": {"core"},
    "metadata": {"core", "auth"},
    "hooks": {"core"},
    "sample": {"core"},
    "predict": {"core", "sample"},
    "signal": {"core", "auth", "sample", "predict"},
    "sink": {"core", "auth", "sample", "predict", "signal"},
    "command": {"core", "auth", "metadata", "hooks", "sample", "predict", "signal", "sink"},
    "main": {"command"},
}
FILE_LINES, FUNCTION_LINES, COLUMNS = 600, 80, 112
CODE = (".c", ".h", ".py", ".sh")
OWN = re.compile(r"^(agent|metadata|hooks)/.*\.[ch]$")
FORBIDDEN_CALLS = re.compile(r"\b(sscanf|atoi|atol|strtok|strcpy|strcat|sprintf|system|popen|alloca|gets)\s*\(")


def tracked():
    out = subprocess.run(["git", "-C", TOP, "ls-files", "-co", "--exclude-standard"], stdout=subprocess.PIPE, text=True).stdout
    return [p for p in out.split("\n") if p and os.path.isfile(os.path.join(TOP, p))]


def text_of(path):
    with open(os.path.join(TOP, path), errors="replace") as f:
        return f.read()


def room_of(path):
    parts = path.split("/")
    if parts[0] == "agent":
        return "main" if len(parts) == 2 else parts[1]
    return parts[0]


def wrong_arrows(files):
    for path in files:
        if not OWN.match(path):
            continue
        room = room_of(path)
        for include in re.findall(r'^#include "([a-z_]+)/', text_of(path), re.M):
            if include != room and include not in MAY_INCLUDE.get(room, set()):
                yield "%s includes %s/" % (path, include)


def long_files(files):
    for path in files:
        if path.endswith(CODE) and text_of(path).count("\n") > FILE_LINES:
            yield "%s: %d lines" % (path, text_of(path).count("\n"))


def wide_lines(files):
    for path in files:
        if OWN.match(path):
            for number, line in enumerate(text_of(path).split("\n"), 1):
                if len(line.expandtabs(8)) > COLUMNS:
                    yield "%s:%d" % (path, number)


def long_functions(files):
    own = [p for p in files if OWN.match(p) and p.endswith(".c")]
    out = subprocess.run(["ctags", "-o", "-", "--fields=+ne", "--c-kinds=f"] + own, cwd=TOP, stdout=subprocess.PIPE, text=True).stdout
    if out.count("\tend:") < 500:
        yield "ctags tells the ends of %d functions only: this rule sees nothing" % out.count("\tend:")
    for row in out.split("\n"):
        fields = dict(f.split(":", 1) for f in row.split("\t")[3:] if ":" in f)
        if "end" in fields and int(fields["end"]) - int(fields["line"]) > FUNCTION_LINES:
            yield "%s: %d lines" % ("\t".join(row.split("\t")[:2]), int(fields["end"]) - int(fields["line"]))


def without_licence(files):
    for path in files:
        if path.endswith((".c", ".h", ".def")) and "SPDX-License-Identifier: Apache-2.0" not in text_of(path)[:120]:
            yield path


def folders_without_readme(files):
    for folder in ["agent/" + r for r in ("core", "auth", "sample", "predict", "signal", "sink", "command")] + \
            ["metadata", "hooks", "packaging"] + sorted({"/".join(p.split("/")[:2]) for p in files if p.startswith("tests/") and p.count("/") > 1}):
        if folder + "/README.md" not in files:
            yield folder


def unnamed_sources(files):
    """By name, or by one with * in it, in backticks; a header and its source have one name."""
    for readme in (f for f in files if re.match(r"(agent/|hooks|metadata)(.*/)?README\.md$", f)):
        quoted = " ".join(re.findall(r"`([^`\n]+)`", text_of(readme)))
        names = {re.sub(r"\.(c|h|def|\[ch\]|\*)$", "", word) for word in re.split(r"[\s,]+", quoted)}
        own = {os.path.splitext(f)[0] for f in files if os.path.dirname(f) == os.path.dirname(readme) and f.endswith((".c", ".h", ".def"))}
        for stem in sorted(os.path.basename(f) for f in own if not f.endswith("_private")):
            if not any(fnmatch.fnmatchcase(stem, name) for name in names if name[:1].isalpha()):
                yield "%s says nothing of %s" % (readme, stem)


def forbidden_calls(files):
    for path in files:
        if OWN.match(path):
            for number, line in enumerate(text_of(path).split("\n"), 1):
                found = FORBIDDEN_CALLS.search(re.sub(r'"([^"\\]|\\.)*"|/\*.*?\*/', "", line))
                if found and not line.lstrip().startswith(("*", "/*")):
                    yield "%s:%d: %s" % (path, number, found.group(1))


def unnamed_options(files):
    """The README's table of options is whole."""
    readme = text_of("README.md")
    keys = re.findall(r'^\t[A-Z]+\((?:\w+,\s*)?"[a-z]+",\s*"([a-z0-9-]+)"', text_of("agent/core/conf_options.c"), re.M)
    if len(keys) < 40:
        yield "only %d options found: this rule no longer reads the table" % len(keys)
    for key in keys:
        if "`%s`" % key not in readme:
            yield key


RULES = [
    ("rooms include only what is below them", wrong_arrows),
    ("no file over %d lines" % FILE_LINES, long_files),
    ("no function over %d lines" % FUNCTION_LINES, long_functions),
    ("no line of code over %d columns" % COLUMNS, wide_lines),
    ("each source names its licence", without_licence),
    ("each folder says what lives in it", folders_without_readme),
    ("each folder of the program says what its files are for", unnamed_sources),
    ("no unbounded or shell-running call", forbidden_calls),
    ("the README names every option", unnamed_options),
]


def main():
    t = tap.Tap()
    files = tracked()
    for name, rule in RULES:
        finds = list(rule(files))
        t.say(not finds, name, "\n".join(finds))
    return t.end()


if __name__ == "__main__":
    sys.exit(main())
