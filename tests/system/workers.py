"""Processes that take tests from lists and hand back what came of them.

A list of jobs is a pipe that was filled before the workers were forked, so it needs no lock and ends by itself. A worker hands back
the number of its job by one pipe and the rows by a file, as they may be long.
"""
import ctypes
import os
import pickle
import select
import signal
import struct
import sys
import traceback

RECORD = struct.Struct("=I")
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def end_with_parent(signo=signal.SIGKILL):
    """What a killed run leaves behind must not slow down the next one."""
    _libc.prctl(PR_SET_PDEATHSIG, int(signo), 0, 0, 0)


class Crew:
    """done(job, rows, retry) is called here, in the parent, for each job."""

    def __init__(self, ctx, done):
        self.ctx, self.done = ctx, done
        self.folder = os.path.join(ctx.folder, "rows")
        os.makedirs(self.folder)
        self.told, self.tell = os.pipe()
        self.jobs, self.open, self.pids = [], set(), set()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for pid in self.pids:
            os.kill(pid, signal.SIGTERM)
        for pid in self.pids:
            os.waitpid(pid, 0)
        os.close(self.told)

    def start(self, count, jobs):
        """COUNT more workers for JOBS."""
        source, fill = os.pipe()
        first = len(self.jobs)
        self.jobs += jobs
        self.open.update(range(first, len(self.jobs)))
        os.write(fill, b"".join(RECORD.pack(first + i) for i in range(len(jobs))))
        os.close(fill)
        for _ in range(min(count, len(jobs))):
            sys.stdout.flush()
            sys.stderr.flush()
            pid = os.fork()
            if pid == 0:
                self.work(source)
            self.pids.add(pid)
        os.close(source)

    def work(self, source):
        """In the worker: never returns."""
        code = 1
        try:
            end_with_parent(signal.SIGTERM)
            # What the control plane runs belongs to the parent; a test says what it wants on standard error.
            os.dup2(2, 1)
            while True:
                record = os.read(source, RECORD.size)
                if len(record) < RECORD.size:
                    break
                number = RECORD.unpack(record)[0]
                outcome = self.jobs[number].run(self.ctx)
                with open(os.path.join(self.folder, str(number)), "wb") as f:
                    pickle.dump(outcome, f)
                os.write(self.tell, record)
            code = 0
        except SystemExit:
            pass
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)

    def finish(self, meanwhile):
        """Until each job is done or every worker is gone; meanwhile() is called now and then."""
        os.close(self.tell)
        poll = select.poll()
        poll.register(self.told, select.POLLIN)
        while True:
            if not poll.poll(2000):
                meanwhile()
                continue
            record = os.read(self.told, RECORD.size)
            if not record:
                break
            self.take(RECORD.unpack(record)[0])
        for number in sorted(self.open):
            self.done(self.jobs[number], [(self.jobs[number].name, False, None, "its worker died")], True)

    def take(self, number):
        self.open.discard(number)
        with open(os.path.join(self.folder, str(number)), "rb") as f:
            rows, retry = pickle.load(f)
        self.done(self.jobs[number], rows, retry)
