#!/usr/bin/python3
"""Runs the unit tests. usage:

  unit.py BUILDS                                   three builds of them: with sanitizers, by clang, under valgrind
  unit.py --only BUILD [--under PROGRAM REASONS]   one build, what of it there is, plainly or by PROGRAM; REASONS is a file like
                                                   not-under-valgrind, which can name single tests, too: NAME: TEST # reason
"""
import glob
import os
import re
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import tap  # noqa: E402

SANITIZERS = {
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:exitcode=99:detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
}
# As tests/unit/meson.build has it.
PLAIN = {"CMOCKA_MESSAGE_OUTPUT": "TAP", "HEAT_PULSE_FIXTURES": os.path.join(os.path.dirname(HERE), "fixtures")}
LIMIT_S = 300
# Most tests wait for other processes most of the time.
WORKERS = 3 * (os.cpu_count() or 1)
# Errors are read from the log of the program itself: an exit code of valgrind's own would also be that of its forked children, which
# leave with _exit(2) and whatever they had in hand, and end for their parents as if they had failed.
VALGRIND = ["valgrind", "--leak-check=full", "--errors-for-leak-kinds=definite,indirect", "--show-leak-kinds=definite,indirect",
            "--trace-children=no", "--child-silent-after-fork=yes", "--suppressions=" + os.path.join(HERE, "valgrind.supp")]
SUMMARY = re.compile(r"^==(\d+)== ERROR SUMMARY: (\d+) errors", re.M)


def reasons_of(path):
    """Name -> reason why it is not run."""
    with open(path) as f:
        rows = [line.strip().partition("#") for line in f]
    return {name.strip(): why.strip() for name, _, why in rows if name.strip()}


def tests_of(build):
    return sorted(p for p in glob.glob(os.path.join(build, "tests", "unit", "test_*")) if os.access(p, os.X_OK) and os.path.isfile(p))


def name_of(path):
    return os.path.basename(path)[len("test_"):]


def read_log(folder):
    """Return: (clean?, the log)"""
    text = ""
    for path in sorted(glob.glob(os.path.join(folder, "*"))):
        with open(path, errors="replace") as f:
            text += f.read()
    counts = [int(n) for _, n in SUMMARY.findall(text)]
    return bool(counts) and not any(counts), text


def memory_check(t, path, reasons):
    name = "valgrind " + name_of(path)
    if name_of(path) in reasons:
        return t.skip(name, reasons[name_of(path)])
    with tempfile.TemporaryDirectory() as logs:
        t.program(name, VALGRIND + ["--log-file=" + os.path.join(logs, "%p"), path], 600, dict(PLAIN, HEAT_PULSE_VALGRIND="1"), tries=2,
                  fresh=lambda: [os.unlink(p) for p in glob.glob(os.path.join(logs, "*"))])
        clean, text = read_log(logs)
    return t.say(clean, name + ": no memory error, no leak", text)


def main(builds):
    t = tap.Tap()
    reasons = reasons_of(os.path.join(HERE, "not-under-valgrind"))
    asan, clang, release = (tests_of(os.path.join(builds, b)) for b in ("asan", "clang", "release"))
    if not (asan and len(asan) == len(clang) == len(release)):
        t.say(False, "unit", "not every build has its tests: %d, %d, %d" % (len(asan), len(clang), len(release)))
    jobs = [lambda p=p: memory_check(t, p, reasons) for p in release]
    jobs += [lambda p=p: t.program("asan " + name_of(p), [p], LIMIT_S, dict(PLAIN, **SANITIZERS), tries=2) for p in asan]
    jobs += [lambda p=p: t.program("clang " + name_of(p), [p], LIMIT_S, PLAIN, tries=2) for p in clang]
    t.side_by_side(jobs, WORKERS)
    return t.end()


def only(build, under=None, path=None):
    t = tap.Tap()
    reasons, run, tests = reasons_of(path) if path else {}, [under] if under else [], tests_of(build)
    if not tests:
        t.say(False, "unit", "no tests in " + build)

    def one(test):
        name = name_of(test)
        if name in reasons:
            t.skip(name, reasons[name])
        else:
            excused = {row.split(": ")[1]: why for row, why in reasons.items() if row.startswith(name + ": ")}
            t.program(name, run + [test], LIMIT_S, PLAIN, tries=2, excused=excused)
    t.side_by_side([lambda test=test: one(test) for test in tests], WORKERS)
    return t.end()


if __name__ == "__main__":
    if sys.argv[1] == "--only":
        sys.exit(only(sys.argv[2], *sys.argv[4:6]))
    sys.exit(main(sys.argv[1]))
