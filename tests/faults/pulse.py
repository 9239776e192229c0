"""The sampler as a process whose samples and events a test can wait for."""
import json
import os
import subprocess
import threading
import time

PROGRAM = os.environ.get("HP_PULSE", "pulse")


class Skip(Exception):
    pass


class Sample:
    def __init__(self, line, tick, at):
        self.metrics, self.interval_ms, self.extra, self.at = line["metrics"], tick["interval_ms"], tick["extra"], at

    def get(self, name, **dims):
        """The value of the first metric with these dimensions (more may be there), or None."""
        for m in self.metrics:
            have = m.get("dimensions", {})
            if m["name"] == name and all(have.get(k) == v for k, v in dims.items()):
                return m["value"]
        return None


class Pulse:
    def __init__(self, interval_ms, *mounts, options=()):
        self.samples, self.events, self.findings = [], [], []
        self.news = threading.Condition()
        self.child = subprocess.Popen([PROGRAM, *options, str(interval_ms), *mounts], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
                                      text=True)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        tick = None
        for text in self.child.stdout:
            line = json.loads(text)
            with self.news:
                if line["kind"] == "tick":
                    tick = line
                elif line["kind"] == "event":
                    self.events.append(line)
                elif line["kind"] == "finding":
                    self.findings.append((time.monotonic(), line))
                elif line["kind"] == "sample":
                    self.samples.append(Sample(line, tick, time.monotonic()))
                self.news.notify_all()

    def wait(self, what, condition, seconds, after=0):
        """The first sample from number AFTER on that fulfils CONDITION."""
        end = time.monotonic() + seconds
        with self.news:
            while True:
                for one in self.samples[after:]:
                    if condition(one):
                        return one
                left = end - time.monotonic()
                if left <= 0 or self.child.poll() is not None:
                    last = self.samples[-1].metrics if self.samples else None
                    raise AssertionError("%s: not within %s s; %d samples, the last: %s" % (what, seconds, len(self.samples), last))
                self.news.wait(min(left, 0.5))

    def wait_event(self, kind, entity, seconds):
        end = time.monotonic() + seconds
        with self.news:
            while not any(e["event"] == kind and e["entity"] == entity for e in self.events):
                left = end - time.monotonic()
                assert left > 0, "no event %s of %s: %s" % (kind, entity, self.events)
                self.news.wait(min(left, 0.5))

    def foreseen(self, class_name, entity):
        """When a finding above a notice of that class and entity was first opened or raised, and its evidence; or None."""
        with self.news:
            for at, f in self.findings:
                if (f["class"], f["entity"]) == (class_name, entity) and f["level"] != "notice" and f["event"] in ("opened", "raised"):
                    return at, f["evidence"]
        return None

    def first(self):
        return self.wait("a first sample", lambda s: True, 10)

    def stop(self):
        self.child.terminate()
        self.child.wait(10)
