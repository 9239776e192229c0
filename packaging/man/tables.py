"""What the program says of itself, read back: commands and their options from --help, settings from --help-config, metrics from --reference, groups of
deployments from hook --list. Classes of findings are read from their table in the sources."""
import os
import re
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(HERE, "..", "old-names")) as names:
    OLD_NAMES = names.read().split()
with open(os.path.join(HERE, "..", "..", "agent", "core", "failure_class.c")) as classes:
    FAILURE_CLASSES = re.findall(r'^\t"([a-z_]+)",$', classes.read(), re.M)


class Option:
    def __init__(self, letter, name, value, text):
        self.letter, self.name, self.value, self.text = letter, name, value, text


class Command:
    """One command: its usage lines, paragraphs, options."""

    def __init__(self, name, summary, text):
        self.name, self.summary = name, summary
        blocks = text.rstrip("\n").split("\n\n")
        self.usage = [line.strip().replace("usage: ", "", 1) for line in blocks[0].split("\n")]
        self.about = [block.split("\n") for block in blocks[1:-1]]
        self.options = [Option(*found) for found in re.findall(r"^  (?:-(\w), |    )--([a-z-]+)(?: (\S+))? +(.*)$", blocks[-1], re.M)]

    @property
    def old(self):
        return self.name in OLD_NAMES


class Setting:
    def __init__(self, section, key, default, text, bounds):
        self.section, self.key, self.default, self.text, self.bounds = section, key, default, text, bounds


class Program:
    def __init__(self, binary):
        self.binary = binary
        self.version = self.say("--version").split()[1]
        overview = self.say("--help")
        self.commands = [Command(name, summary, self.say(name, "--help")) for name, summary in re.findall(r"^  ([a-z-]+) +(.*)$", overview, re.M)]
        self.settings = list(self.read_settings(self.say("run", "--help-config")))
        self.metrics = list(self.read_metrics(self.say("sample", "--reference")))
        self.groups = [(name, re.sub(r" \(not usable here\)$", "", about)) for name, about in re.findall(r"^([a-z-]+) +(.*)$", self.say("hook", "--list"), re.M)]
        if not (self.commands and self.settings and self.metrics and self.groups and FAILURE_CLASSES and all(c.options for c in self.commands)):
            raise SystemExit("%s does not say what it can do in the form expected here" % binary)

    def say(self, *arguments):
        return subprocess.run([self.binary, *arguments], stdout=subprocess.PIPE, check=True, text=True).stdout

    @staticmethod
    def read_settings(text):
        section, help_lines = None, []
        for line in text.split("\n"):
            key = re.match(r"#?([a-z][a-z0-9-]*) =\s*(.*)$", line)
            if line.startswith("["):
                section = line.strip("[]")
            elif key and not line.startswith("# "):
                bounds = [h for h in help_lines if re.match("(one of:|from ) *", h)]
                yield Setting(section, key.group(1), key.group(2), " ".join(h for h in help_lines if h not in bounds), "; ".join(bounds))
            if line.startswith("# "):
                help_lines.append(line[2:])
            else:
                help_lines = []

    @staticmethod
    def read_metrics(text):
        for line in text.split("\n")[2:]:
            cells = [c.strip().replace("\\|", "|") for c in re.split(r"(?<!\\)\|", line)[1:-1]]
            if cells:
                yield dict(zip(("name", "unit", "kind", "dimensions", "source", "prediction", "meaning"), [cells[0].strip("`")] + cells[1:]))
