#!/usr/bin/python3
"""How fast an upload is: a 10 GiB disk with 1.2 GB of data against server.py on loopback. speed.py [FOLDER]

Three uploads: a clean one, one after a file changed, and one with 5 % throttles, 1 % silent sockets and 120 s of "snapshot not
found". Prints seconds, MB/s, requests, memory, and how much processor each side took: which of the two is the limit.
FOLDER should be in memory (default: /dev/shm).
"""
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

from conftest import BLOCK, Server, imgbuild, make_disk, same

DATA_BLOCKS = 2289  # 1.2 GB
HZ = os.sysconf("SC_CLK_TCK")


def processor(pid):
    """Seconds a process has computed."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / HZ


def fill(path):
    chance = random.Random(3)
    with open(path, "r+b") as file:
        for index in sorted(chance.sample(range(2, 20000), DATA_BLOCKS)):
            file.seek(index * BLOCK)
            file.write(chance.randbytes(BLOCK))


def upload(server, disk, what):
    before, server_before, began = server.state(), processor(server.process.pid), time.monotonic()
    out = server.folder / "out"
    with open(out, "w") as file:
        process = subprocess.Popen([imgbuild.BUILD / "imgbuild", "--json", "ami", "upload", disk], stdout=file, stderr=subprocess.DEVNULL,
                                   env={**imgbuild.environment(**server.environment), "IMGBUILD_ROOT": str(imgbuild.ROOT)})
        _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - began
    assert status == 0, f"exit status {status}"
    after = server.state()
    puts = after["counts"]["PutSnapshotBlock"] - before["counts"].get("PutSnapshotBlock", 0)
    requests = sum(after["counts"].values()) - sum(before["counts"].values())
    sent = (after["bytes"] - before["bytes"]) / 1e6
    [image] = json.loads(out.read_text())["images"]
    print(f"{what}: {seconds:.1f} s, {sent:.0f} MB arrived, {sent / seconds:.0f} MB/s, {image['blocks']} blocks, {requests} requests ({puts} puts), "
          f"memory {usage.ru_maxrss / 1024:.0f} MiB, processor: imgbuild {usage.ru_utime + usage.ru_stime:.1f} s, server {processor(server.process.pid) - server_before:.1f} s",
          flush=True)
    snapshot = after["images"][image["ami"]]["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    copy = server.disk(snapshot)
    assert same(copy, disk), "the disk read back is another"
    copy.unlink()
    return seconds


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="ec2-speed.", dir=sys.argv[1] if len(sys.argv) > 1 else "/dev/shm"))
    server = Server(folder)
    try:
        disk = make_disk(folder / "web-master.raw", 0, gib=10)
        fill(disk)
        clean = upload(server, disk, "clean")
        with open(disk, "r+b") as file:
            file.seek(5000 * BLOCK)
            file.write(os.urandom(3 << 20))
        upload(server, disk, "a file changed")
        server.stop()
        shutil.rmtree(folder / "server")
        shutil.rmtree(folder / "state")
        server = Server(folder, not_found_s=120, faults=[{"operation": "PutSnapshotBlock", "fault": "throttle", "rate": 0.05},
                                                         {"operation": "PutSnapshotBlock", "fault": "hang", "rate": 0.01}])
        hard = upload(server, disk, "with faults")
        print(f"with faults: {hard - 120:.1f} s besides the 120, {(hard - 120) / clean:.2f} times the clean time")
    finally:
        server.stop()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
