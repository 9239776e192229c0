"""Control groups, loop devices and programs that misbehave, for the tests of this folder."""
import os
import subprocess
import sys
import time

from pulse import Skip


def write(path, text):
    with open(path, "w") as f:
        f.write(str(text))


def read(path):
    with open(path) as f:
        return f.read()


def sh(*argv, check=True):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if check and done.returncode:
        raise AssertionError("%s: %s" % (" ".join(argv), done.stdout))
    return done.stdout.strip()


def memory_group(ctx, name, limit):
    """A control group with a limit of memory; version 1 or 2. Returns its folder."""
    for root, files in (("/sys/fs/cgroup/memory", ("memory.limit_in_bytes", "memory.swappiness")), ("/sys/fs/cgroup", ("memory.max", None)),
                        ("/sys/fs/cgroup/unified", ("memory.max", None))):
        folder = os.path.join(root, name)
        try:
            if files[0] == "memory.max" and "memory" not in read(root + "/cgroup.subtree_control").split():
                write(root + "/cgroup.subtree_control", "+memory")
            os.mkdir(folder)
        except OSError:
            continue
        ctx.later(lambda: remove_group(folder))
        if os.path.exists(os.path.join(folder, files[0])):
            write(os.path.join(folder, files[0]), limit)
            return folder
    raise Skip("no control group for memory can be made here")


def remove_group(folder):
    for _ in range(50):
        try:
            os.rmdir(folder)
            return
        except OSError:
            for pid in read(folder + "/cgroup.procs").split():
                os.kill(int(pid), 9)
            time.sleep(0.1)


def run_in_group(ctx, folder, program, *args):
    """Python text as a process of that group."""
    child = subprocess.Popen([sys.executable, "-c", program, *args], preexec_fn=lambda: write(folder + "/cgroup.procs", os.getpid()))
    ctx.later(lambda: (child.kill(), child.wait()))
    return child


def loop_device(ctx, path, mib):
    with open(path, "wb") as f:
        f.truncate(mib << 20)
    try:
        device = sh("losetup", "--find", "--show", path)
    except (AssertionError, FileNotFoundError) as e:
        raise Skip("no loop device: %s" % e)
    ctx.later(lambda: sh("losetup", "--detach", device))
    return device


def mount(ctx, source, where, kind, options="defaults"):
    os.makedirs(where, exist_ok=True)
    try:
        sh("mount", "-t", kind, "-o", options, source, where)
    except AssertionError as e:
        raise Skip("cannot mount: %s" % e)
    ctx.later(lambda: sh("umount", "-l", where, check=False))
    return where
