"""Runs a command and tells what it cost: seconds, bytes written, memory of the program itself and of its largest helper.

It runs below a process of its own, for the kernel adds up what the ended descendants of a process have written.
"""
import json
import os
import pathlib
import resource
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field

SAMPLE_SECONDS = 0.03


@dataclass
class Cost:
    seconds: float
    own_bytes: int        # largest resident memory of one process of the program itself; 0 for programs of others
    largest_bytes: int    # the same of any process that it started
    written_bytes: int    # handed to the file systems for storage, caches and temporaries included
    stages: dict = field(default_factory=dict)   # seconds of each


def measure(argv, program="", **options):
    """The cost of a command that must succeed. `program`: the file whose processes count as its own."""
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder) / "report"
        argv = [sys.executable, __file__, str(report), str(program), *map(str, argv)]
        running = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   start_new_session=True, **options)
        try:
            out, err = running.communicate()
        except BaseException:
            os.killpg(running.pid, signal.SIGTERM)   # and wait, so that nothing writes any more where we clean up
            running.communicate()
            raise
        if running.returncode:
            raise RuntimeError(f"{' '.join(argv[4:])}: exit status {running.returncode}\n{out[-3000:]}\n{err[-6000:]}")
        return Cost(**json.loads(report.read_text()), stages=stages(err))


def stages(text):
    """Seconds of each stage, from the events of imgbuild."""
    found = {}
    for line in text.splitlines():
        if line.startswith('{"event":"end"'):
            event = json.loads(line)
            found[event["stage"]] = found.get(event["stage"], 0) + event["seconds"]
    return found


def processes(pid):
    """A process and its living descendants."""
    found = [pid]
    for one in found:
        try:
            for task in pathlib.Path(f"/proc/{one}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
        except OSError:
            continue
    return found


def own_memory(pid, program):
    """High-water mark of the processes that run `program`, in bytes."""
    largest = 0
    for one in processes(pid):
        try:
            if program and os.readlink(f"/proc/{one}/exe") == program:
                status = pathlib.Path(f"/proc/{one}/status").read_text()
                largest = max(largest, int(status.split("VmHWM:")[1].split()[0]) * 1024)
        except (OSError, IndexError):
            continue
    return largest


def main(report, program, *argv):
    begin = time.monotonic()
    child = subprocess.Popen(argv)
    own = 0
    while child.poll() is None:
        own = max(own, own_memory(child.pid, program))
        try:
            child.wait(SAMPLE_SECONDS)
        except subprocess.TimeoutExpired:
            pass
    seconds = time.monotonic() - begin
    written = dict(line.split(": ") for line in pathlib.Path("/proc/self/io").read_text().splitlines())["write_bytes"]
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    pathlib.Path(report).write_text(json.dumps({"seconds": seconds, "own_bytes": own, "largest_bytes": largest, "written_bytes": int(written)}))
    return child.returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
