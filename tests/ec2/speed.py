#!/usr/bin/python3
"""How fast an upload is: a 10 GiB disk with 1.2 GB of data against server.py on loopback. speed.py [FOLDER]

Three uploads: a clean one, one after a file changed, and one with 5 % throttles, 1 % silent sockets and 120 s of "snapshot not
found". Prints seconds, MB/s, requests, memory, and how much processor each side took: which of the two is the limit.
FOLDER should be in memory (default: /dev/shm). test_upload_size.py asserts of a smaller disk what is no time.
"""
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import types

from conftest import BLOCK, Server, imgbuild, make_disk, same

DATA_BLOCKS = 2289  # 1.2 GB
HZ = os.sysconf("SC_CLK_TCK")
FAULTS = [{"operation": "PutSnapshotBlock", "fault": "throttle", "rate": 0.05}, {"operation": "PutSnapshotBlock", "fault": "hang", "rate": 0.01}]


def processor(pid):
    """Seconds a process has computed."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / HZ


def memory_kib(pid):
    """The most a running program had; wait4's figure has that of the program which it was forked from in it. 0: it has ended."""
    found = re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) if found else 0


def fill(path, count, last):
    """Writes 'count' blocks of data before block 'last'."""
    chance = random.Random(3)
    with open(path, "r+b") as file:
        for index in sorted(chance.sample(range(2, last), count)):
            file.seek(index * BLOCK)
            file.write(chance.randbytes(BLOCK))


def change_a_file(path, block):
    with open(path, "r+b") as file:
        file.seek(block * BLOCK)
        file.write(os.urandom(3 << 20))


def run(server, disk):
    """(seconds, KiB of memory, seconds computed) of an upload; its output goes to files 'out' and 'errors' of the server's folder."""
    began, most = time.monotonic(), 0
    with open(server.folder / "out", "w") as out, open(server.folder / "errors", "w") as errors:
        process = subprocess.Popen([imgbuild.BUILD / "imgbuild", "--json", "ami", "upload", disk], stdout=out, stderr=errors,
                                   env={**imgbuild.environment(**server.environment), "IMGBUILD_ROOT": str(imgbuild.ROOT)})
        server.started.append(process)
        while (ended := os.wait4(process.pid, os.WNOHANG))[0] == 0:
            most = max(most, memory_kib(process.pid))
            time.sleep(0.01)
    process.returncode = os.waitstatus_to_exitcode(ended[1])
    assert process.returncode == 0, (server.folder / "errors").read_text()
    return time.monotonic() - began, most, ended[2].ru_utime + ended[2].ru_stime


def measure(server, disk):
    """One upload, whose disk was read back and is the same."""
    before, server_before = server.state(), processor(server.process.pid)
    seconds, memory, computed = run(server, disk)
    after = server.state()
    [image] = json.loads((server.folder / "out").read_text())["images"]
    [requests, again] = re.search(r"(\d+) requests, (\d+) of them again", (server.folder / "errors").read_text()).groups()
    copy = server.disk(after["images"][image["ami"]]["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"])
    assert same(copy, disk), "the disk read back is another"
    copy.unlink()
    return types.SimpleNamespace(
        ami=image["ami"], seconds=seconds, memory_kib=memory, computed=computed, blocks=image["blocks"], requests=int(requests), again=int(again),
        puts=after["counts"]["PutSnapshotBlock"] - before["counts"].get("PutSnapshotBlock", 0), bytes=after["bytes"] - before["bytes"],
        server_computed=processor(server.process.pid) - server_before)


def show(what, figures):
    print(f"{what}: {figures.seconds:.1f} s, {figures.bytes / 1e6:.0f} MB arrived, {figures.bytes / 1e6 / figures.seconds:.0f} MB/s, {figures.blocks} blocks, "
          f"{figures.requests} requests ({figures.puts} puts, {figures.again} again), memory {figures.memory_kib / 1024:.0f} MiB, "
          f"processor: imgbuild {figures.computed:.1f} s, server {figures.server_computed:.1f} s", flush=True)


def forget(server, ami):
    """As if nothing had been uploaded."""
    server.ok("ami", "delete", ami)
    shutil.rmtree(server.state_folder, ignore_errors=True)


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="ec2-speed.", dir=sys.argv[1] if len(sys.argv) > 1 else "/dev/shm"))
    server = Server(folder)
    try:
        disk = make_disk(folder / "web-master.raw", 0, gib=10)
        fill(disk, DATA_BLOCKS, 20000)
        clean = measure(server, disk)
        show("clean", clean)
        change_a_file(disk, 5000)
        changed = measure(server, disk)
        show("a file changed", changed)
        forget(server, clean.ami)
        forget(server, changed.ami)
        server.set(not_found_s=120, faults=FAULTS)
        hard = measure(server, disk)
        show("with faults", hard)
        print(f"with faults: {hard.seconds - 120:.1f} s besides the 120, {(hard.seconds - 120) / clean.seconds:.2f} times the clean time")
    finally:
        server.stop()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
