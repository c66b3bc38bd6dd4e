"""The job of formats: streamOptimized VMDK of web-master's disk, beside qemu-img on the same disk."""
import subprocess
from dataclasses import asdict

from measure import measure

STAGE = "writing web-master.vmdk"


def vmdk(bench, environment):
    """The cost of a recipe, with the seconds and bytes of its VMDK and of qemu-img's, medians of runs one after the other."""
    raw = bench.output()
    bench.run("recipe", "web-master", "--env", environment, "--format", "raw", "-o", raw, "--json")
    raw = raw / "bench/web-master.raw"
    costs, ours, theirs = [], [], []
    for _ in range(bench.runs):
        folder = bench.output()
        costs.append(bench.run("recipe", "web-master", "--env", environment, "--format", "vmdk", "-o", folder, "--json"))
        own, other = folder / "bench/web-master.vmdk", folder / "qemu.vmdk"
        convert = ["qemu-img", "convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=streamOptimized", raw, other]
        theirs.append(measure(convert).seconds)
        ours.append(costs[-1].stages[STAGE])
        sizes = own.stat().st_size, other.stat().st_size
        check(raw, own)
        own.unlink()
        other.unlink()
    row = asdict(sorted(costs, key=lambda cost: cost.seconds)[len(costs) // 2])
    return {**row, "all_seconds": [cost.seconds for cost in costs], "vmdk_seconds": median(ours), "vmdk_bytes": sizes[0],
            "qemu_seconds": median(theirs), "qemu_bytes": sizes[1], "all_vmdk_seconds": ours, "all_qemu_seconds": theirs}


def check(raw, vmdk):
    """A fast file that is wrong counts for nothing."""
    subprocess.run(["qemu-img", "check", "-q", "-f", "vmdk", vmdk], check=True)
    subprocess.run(["qemu-img", "compare", "-q", "-f", "raw", "-F", "vmdk", raw, vmdk], check=True)


def median(numbers):
    return sorted(numbers)[len(numbers) // 2]
