#!/usr/bin/python3
"""Runs the unit tests of three builds. usage: unit.py BUILD_FOLDER"""
import glob
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import tap  # noqa: E402

SANITIZERS = {
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:exitcode=99:detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
}
# As tests/unit/meson.build has it.
PLAIN = {"CMOCKA_MESSAGE_OUTPUT": "TAP", "HEAT_PULSE_FIXTURES": os.path.join(os.path.dirname(HERE), "fixtures")}
# Most tests wait for other processes most of the time.
WORKERS = 3 * (os.cpu_count() or 1)
VALGRIND = ["valgrind", "-q", "--error-exitcode=98", "--leak-check=full", "--errors-for-leak-kinds=definite,indirect",
            "--trace-children=no", "--child-silent-after-fork=yes"]
# Tests whose subject valgrind changes: it makes its own system calls, descriptors and time.
with open(os.path.join(HERE, "not-under-valgrind")) as f:
    NOT_UNDER_VALGRIND = f.read().split()


def tests_of(build):
    return sorted(p for p in glob.glob(os.path.join(build, "tests", "unit", "test_*")) if os.access(p, os.X_OK) and os.path.isfile(p))


def name_of(path):
    return os.path.basename(path)[len("test_"):]


def main(builds):
    t = tap.Tap()
    jobs = [("asan " + name_of(p), [p], 300, dict(PLAIN, **SANITIZERS)) for p in tests_of(os.path.join(builds, "asan"))]
    if not jobs:
        t.say(False, "unit", "no unit test was built")
    jobs += [("clang " + name_of(p), [p], 120, PLAIN) for p in tests_of(os.path.join(builds, "clang"))]
    jobs += [("valgrind " + name_of(p), VALGRIND + [p], 600, dict(PLAIN, HEAT_PULSE_VALGRIND="1"))
             for p in tests_of(os.path.join(builds, "release")) if name_of(p) not in NOT_UNDER_VALGRIND]
    t.programs(jobs, WORKERS)
    return t.end()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
