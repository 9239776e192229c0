"""The manual pages: tables from the program, and the sentences that no table holds."""
import tables
from roff import Page, bold, escape, italic

ALL = ("heat-pulse(8)", "heat-pulse.conf(5)", "heat-pulse-hooks(5)", "heat-pulse-metrics(7)")
COMMON = ("root", "help")

FILES = (
    ("/etc/heat-pulse/heat-pulse.conf, /etc/heat-pulse/conf.d/*.conf", "Settings, see **heat-pulse.conf**(5)."),
    ("/etc/heat-pulse/hooks.disabled", "Where this file is, no hook and no deployment runs. The kernel's command line has the same switch: **heat-pulse.hooks=0**."),
    ("/etc/cfn/", "Hooks, as cfn-hup reads them, see **heat-pulse-hooks**(5)."),
    ("/var/lib/heat-cfntools/cfn-init-data", "What Heat left at boot, credentials among it."),
    ("/var/lib/heat-pulse/", "State: signing key, last documents, signals that wait, runs of hooks. A clone of this machine sets it aside."),
    ("/run/heat-pulse/control.sock", "Where the running agent is asked; root and group heat-pulse."),
)
EXITS = (("0", "good"), ("1", "configuration"), ("2", "usage"), ("3", "network or server"), ("4", "a hook or a check failed"),
         ("5", "the agent is not running"))
SIGNALS = (("SIGTERM, SIGINT", "Stop. Hooks that run go on; their results are taken over by the next agent."),
           ("SIGHUP", "Read the configuration again. Changed files are noticed without it."))


def put_files(page):
    page.head("Files")
    for path, text in FILES:
        page.item(italic(path), text)


def put_exits(page):
    page.head("Exit status")
    for code, text in EXITS:
        page.item(bold(code), text)


def put_options(page, command, left_out=()):
    for option in command.options:
        if option.name not in left_out:
            names = ([bold("-" + option.letter)] if option.letter else []) + [bold("--" + option.name)]
            page.item(", ".join(names) + (" " + italic(option.value) if option.value else ""), option.text)


def put_about(page, command):
    for block in command.about:
        plain = [line for line in block if not line.startswith(" ")]
        if plain:
            page.text(*plain)
        if len(plain) < len(block):
            page.verbatim([line for line in block if line.startswith(" ")])


def heat_pulse(program, date):
    page = Page("heat-pulse", 8, "the agent inside an OpenStack guest: metadata, hooks, health, signals", program.version, date)
    page.head("Synopsis")
    page.usage(["heat-pulse COMMAND [OPTIONS]"])
    page.head("Description")
    page.text("Watches Heat metadata as cfn-hup does and runs hooks when they change; takes the guest's pulse (memory, disk, processes, pressure, kernel log);",
              "tells Heat, in signed signals to wait conditions, that the guest came up and how it is.", "No setting is needed where Heat left its credentials.")
    page.text("**heat-pulse run** is four processes: a runner (root: starts hooks, opens what only root may, reads nothing from the network), an agent without any",
              "right (network, TLS, parsing, deciding), a prober (asks what may hang or needs rights) and a store (writes state).",
              "The runner ends and starts again an agent that does not answer for three minutes.")
    page.head("Commands")
    for command in program.commands:
        if not command.old:
            page.sub(command.name)
            page.usage(command.usage)
            put_about(page, command)
            put_options(page, command, COMMON)
    page.head("Options of every command")
    put_options(page, program.commands[0], [o.name for o in program.commands[0].options if o.name not in COMMON])
    page.head("The old names")
    for command in program.commands:
        if command.old:
            page.item("\\fB%s\\fR(1)" % escape(command.name), command.summary)
    put_exits(page)
    page.head("Signals")
    for names, text in SIGNALS:
        page.item(bold(names), text)
    page.head("Environment")
    page.item(bold("HEAT_PULSE_ROOT"), "The same as --root.")
    page.item(", ".join(map(bold, ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"))), "As **sd_notify**(3) has them: **run** says when it is up, alive and stopping.")
    put_files(page)
    page.see(*ALL[1:], "cfn-hup(1)", "cfn-signal(1)")
    return page


def old_name(program, command, date):
    page = Page(command.name, 1, command.summary, program.version, date)
    page.head("Synopsis")
    page.usage(command.usage)
    page.head("Description")
    put_about(page, command)
    page.text("This is a name of **heat-pulse**(8).")
    page.head("Options")
    put_options(page, command)
    put_exits(page)
    page.see("heat-pulse(8)", *(["heat-pulse-hooks(5)"] if command.name == "cfn-hup" else []))
    return page


def conf(program, date):
    page = Page("heat-pulse.conf", 5, "settings of heat-pulse", program.version, date)
    page.head("Synopsis")
    page.text("**/etc/heat-pulse/heat-pulse.conf**")
    page.text("**/etc/heat-pulse/conf.d/*.conf**")
    page.head("Description")
    page.text("Sections in brackets, then lines of name = value; lines that start with # or ; are comments. The files of conf.d are read after the first, in the",
              "order of their names; later values win. A bad value keeps its default and is named with file and line.",
              "Files that others than root may write to are refused. A change is noticed at once.")
    page.text("Times are written 500ms, 30s, 10m, 2h, 1d; a bare number is seconds. Sizes are written 64KiB, 8MiB, 1GiB; a bare number is bytes.")
    section = None
    for setting in program.settings:
        if setting.section != section:
            section = setting.section
            page.head("[%s]" % section)
        page.item("%s = %s" % (bold(setting.key), italic(setting.default or "unset")), setting.text)
        if setting.bounds:
            page.more(setting.bounds[0].upper() + setting.bounds[1:] + ".")
    page.see("heat-pulse(8)", "heat-pulse-hooks(5)")
    return page


HOOK_KEYS = (
    ("triggers", "Comma list of post.add, post.update, post.remove and service.restarted. Needed."),
    ("path", "What is watched: Resources.NAME.Metadata.KEY.KEY..., or Resources.NAME.PhysicalResourceId or .LastUpdatedTimestamp. Needed."),
    ("action", "What is run, by /bin/sh. Needed."),
    ("runas", "The user that runs it, with that user's groups and nothing more. Default root. An unknown user is an error, never root."),
    ("timeout", "A run that takes longer is ended and has failed. Default: timeout of [hooks] in **heat-pulse.conf**(5)."),
)
MAIN_KEYS = (
    ("stack, region, url", "Where metadata are asked for, where Heat left nothing; in cfn-hup.conf alone."),
    ("credential-file", "File with AWSAccessKeyId and AWSSecretKey lines."),
    ("interval", "Time between two polls. A bare number is minutes, as cfn-hup has it; 30s is 30 seconds."),
    ("umask", "Of hooks, octal. Default 022."),
)
FINDING_KEYS = (
    ("levels", "Comma list of notice, warning and critical. Default warning, critical."),
    ("on", "Comma list of opened, raised and closed. Default opened, raised."),
)
FINDING_ENVIRONMENT = (
    ("HEAT_PULSE_CLASS, HEAT_PULSE_ENTITY", "The class, and what it is about: a process, mount, device. Others chose those names."),
    ("HEAT_PULSE_LEVEL, HEAT_PULSE_EVENT", "One of levels and one of on."),
    ("HEAT_PULSE_EVIDENCE, HEAT_PULSE_ETA_S", "One line of what was seen; the seconds that are left, empty where nobody knows."),
)
HOOK_ENVIRONMENT = (
    ("CFN_HOOK_NAME, CFN_TRIGGER, CFN_RESOURCE, HEAT_PULSE_RUN_ID", "Which hook, what fired it, of which resource; the id of this run."),
    ("CFN_SERVICE", "The service, with service.restarted."),
    ("CFN_OLD_METADATA_FILE, CFN_NEW_METADATA_FILE", "Files with the value before and after, as JSON; unset where there is none. Mode 0600, the hook's user."),
    ("CFN_OLD_METADATA, CFN_NEW_METADATA", "The same values, while they are not larger than env-max of [hooks]."),
    ("CFN_OLD_PHYSICAL_RESOURCE_ID, CFN_NEW_PHYSICAL_RESOURCE_ID, CFN_OLD_LAST_UPDATED, CFN_NEW_LAST_UPDATED",
     "The values instead, with a path that ends in PhysicalResourceId or LastUpdatedTimestamp."),
    ("PATH, HOME, USER, LOGNAME, SHELL", "As a login of the user has them. Nothing else is inherited; the folder is /, standard input /dev/null."),
)


def hooks(program, date):
    page = Page("heat-pulse-hooks", 5, "commands that heat-pulse runs when metadata change", program.version, date)
    page.head("Synopsis")
    for path in ("/etc/cfn/cfn-hup.conf", "/etc/cfn/hooks.conf", "/etc/cfn/hooks.d/*.conf"):
        page.text("**%s**" % path)
    page.head("Description")
    page.text("The files and the dialect of cfn-hup. Each section but [main] is a hook; a name that stands in several files is one hook, merged key by key, the",
              "later file wins. In hooks.d, files named *.conf and files without a dot in their name are read. A percent sign is written %%.",
              "Files that others than root may write to are refused. A change of these files is noticed at once.")
    page.head("Keys of a hook")
    for key, text in HOOK_KEYS:
        page.item(bold(key), text)
    page.head("Keys of [main]")
    for key, text in MAIN_KEYS:
        page.item(bold(key), text)
    page.head("Triggers")
    for trigger, text in (("post.add", "A value is there that was not."), ("post.update", "It is another one."), ("post.remove", "It is gone."),
                          ("service.restarted", "A service that metadata names was down and has been started.")):
        page.item(bold(trigger), text)
    page.head("Environment of a hook")
    for names, text in HOOK_ENVIRONMENT:
        page.item(bold(names), text)
    page.head("Hooks of findings")
    page.text("A section **[finding.**CLASS**]**, or **[finding.*]** for all classes, is run for what heat-pulse finds in this guest. It needs only action; runas and",
              "timeout are as above, triggers and path have no meaning there. The classes: %s." % ", ".join(tables.FAILURE_CLASSES))
    for rows in (FINDING_KEYS, FINDING_ENVIRONMENT):
        for key, text in rows:
            page.item(bold(key), text)
    page.text("CFN_NEW_METADATA_FILE holds the whole finding as JSON, and CFN_TRIGGER is finding.")
    page.head("Hooks of deployments")
    page.text("What a template deploys to this server is run as root by the hook of its group: the first executable of the group's name below the folders of",
              "hooks-path in [deployments] of **heat-pulse.conf**(5), as heat-agents have them, else one that is built in. It and the folders above it must be",
              "root's alone. **heat-pulse check** names them. The deployment is JSON on standard input, the result JSON on standard output. Built in:")
    for group, text in program.groups:
        page.item(bold(group), text[0].upper() + text[1:] + ".")
    page.head("When it runs")
    page.text("Once for a change, whatever happens to the agent meanwhile: killed, stopped or upgraded (by the hook itself, too) it lets a running hook finish and",
              "takes its result over; only a run that was cut off with the machine is run again.",
              "A hook that fails is tried again with growing waits and then left until the value changes.")
    page.head("Example")
    page.verbatim(["[nginx-reload]", "triggers = post.add, post.update", "path     = Resources.server.Metadata.app.vhosts",
                   'action   = /usr/local/sbin/write-vhosts "$CFN_NEW_METADATA_FILE" && systemctl reload nginx', "runas    = root", "timeout  = 5m"])
    page.see("heat-pulse(8)", "heat-pulse.conf(5)", "cfn-hup(1)")
    return page


def metrics(program, date):
    page = Page("heat-pulse-metrics", 7, "what heat-pulse measures", program.version, date)
    page.head("Description")
    page.text("What a kernel, a machine or the user's rights do not offer is absent, never zero. Rates need two samples.",
              "**heat-pulse sample** prints the values of now. A metric whose kind of prediction is exhaustion is forecast, level and growth are watched.")
    family = None
    for metric in program.metrics:
        if metric["name"].split(".")[0] != family:
            family = metric["name"].split(".")[0]
            page.head(family)
        about = "%s, %s" % (metric["kind"], metric["unit"])
        rest = [] if metric["dimensions"] == "-" else ["by %s" % metric["dimensions"]]
        rest += ["" if metric["prediction"] == "-" else "prediction: %s" % metric["prediction"], "from %s" % metric["source"]]
        page.item(bold(metric["name"]), metric["meaning"][0].upper() + metric["meaning"][1:] + ".")
        page.more("%s; %s." % (about[0].upper() + about[1:], "; ".join(r for r in rest if r)))
    page.see("heat-pulse(8)")
    return page


def all_pages(program, date):
    pages = [heat_pulse(program, date), conf(program, date), hooks(program, date), metrics(program, date)]
    pages += [old_name(program, c, date) for c in program.commands if c.old]
    return [(p.name, p.section, str(p)) for p in pages]
