#!/usr/bin/python3
"""The sim ring: every script is named by what it proves. `sim.py WORD...` runs those whose names hold one of the words."""
import os
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib")]
import clocks  # noqa: E402
import fleet  # noqa: E402
import foresight  # noqa: E402
import loopback  # noqa: E402
import outages  # noqa: E402
import tap  # noqa: E402
import world  # noqa: E402

PARTS = [loopback, fleet, foresight, clocks, outages]


def job(out, name, test):
    def run():
        started = time.monotonic()
        try:
            figures, *more = (test() or "").split("\n")
            out.say(True, name + (": " + figures if figures else ""))
            for line in more:
                out.note(line)
        except world.Skip as why:
            out.skip(name, str(why))
        except Exception as error:  # pylint: disable=broad-except
            out.say(False, name, traceback.format_exc() if not isinstance(error, AssertionError) else "%s\n%s" % (
                error, traceback.format_exc(limit=-1)))
        if time.monotonic() - started > 30:
            out.note("%s: %.0f s" % (name, time.monotonic() - started))
    return run


def main(words):
    out = tap.Tap()
    tests = [t for part in PARTS for t in part.tests()]
    tests = [t for t in tests if not words or any(w in t[0] for w in words)]
    tap.Tap.side_by_side([job(out, *t) for t in tests], workers=2 + max(2, os.cpu_count() or 2))  # two of them mostly wait
    return out.end()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
