#!/usr/bin/python3
"""Runs the unit tests of three builds. usage: unit.py BUILD_FOLDER"""
import glob
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap  # noqa: E402

SANITIZERS = {
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:exitcode=99:detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    "CMOCKA_MESSAGE_OUTPUT": "TAP",
}
VALGRIND = ["valgrind", "-q", "--error-exitcode=98", "--leak-check=full", "--errors-for-leak-kinds=definite,indirect",
            "--trace-children=no", "--child-silent-after-fork=yes"]
# Tests whose subject valgrind changes: it makes its own system calls, descriptors and time.
NOT_UNDER_VALGRIND = open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "not-under-valgrind")).read().split()


def tests_of(build):
    return sorted(p for p in glob.glob(os.path.join(build, "tests", "unit", "test_*")) if os.access(p, os.X_OK) and os.path.isfile(p))


def name_of(path):
    return os.path.basename(path)[len("test_"):]


def main(builds):
    t = tap.Tap()
    plain = {"CMOCKA_MESSAGE_OUTPUT": "TAP"}
    t.programs([("asan " + name_of(p), [p], 300, SANITIZERS) for p in tests_of(os.path.join(builds, "asan"))] +
               [("clang " + name_of(p), [p], 120, plain) for p in tests_of(os.path.join(builds, "clang"))])
    if not tests_of(os.path.join(builds, "asan")):
        t.say(False, "unit", "no unit test was built")
    t.programs([("valgrind " + name_of(p), VALGRIND + [p], 600, dict(plain, HEAT_PULSE_VALGRIND="1"))
                for p in tests_of(os.path.join(builds, "release")) if name_of(p) not in NOT_UNDER_VALGRIND])
    return t.end()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
