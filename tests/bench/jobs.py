"""The jobs, done by imgbuild in a project and a cache of their own: the caller's cache gives the base and is not written."""
import shutil
import subprocess
from dataclasses import asdict

import imgbuild_program as imgbuild
from formats import vmdk
from measure import measure

OVERLAY_FILE = "overlays/web/usr/lib/appliance/roles.d/web-master.yml"   # of the last overlay step
FIRST_OVERLAY_FILE = "overlays/common/usr/lib/appliance/common.yml"      # of the first one
# Packages beside those of the role.
SMALL = ["git", "php-cli", "mariadb-server"]
MEDIUM = [*SMALL, "build-essential", "cmake", "default-jdk-headless"]
LARGE = [*MEDIUM, "imagemagick", "gnuplot-nox", "texlive-latex-base", "qemu-system-x86"]
MORE_PACKAGES = {2: SMALL, 4: MEDIUM, 8: LARGE}   # with what they depend on: 67, 136 and 248 packages to install instead of 30



def environment_text(key, machines, zone="Europe/Vienna"):
    rows = "".join(f"  - {{{machine}, memory: 1 GiB}}\n" for machine in machines)
    return (f"version: 1\ndeployment: bench\ndomain: {imgbuild.DOMAIN}\nbase: bootstrap\ntimezone: {zone}\nlab: true\n"
            f"ssh_authorized_keys: [\"{key}\"]\nnetwork:\n  internal: 192.168.50.0/24\n  ops: [192.168.50.1/32]\nmachines:\n{rows}")


MASTER = "name: bench-s1, role: web-master, private_ip: 192.168.50.4"
FOUR = [MASTER, "name: bench-s2, role: web-slave, private_ip: 192.168.50.5",
        "name: bench-a1, role: authority, private_ip: 192.168.50.6, director: true",
        "name: bench-a2, role: authority, private_ip: 192.168.50.7"]
TWENTY = [MASTER] + [f"name: bench-w{n}, role: web-slave, private_ip: 192.168.50.{100 + n}" for n in range(20)]


class Bench:
    def __init__(self, work, runs):
        self.work, self.runs = work, runs
        self.project = work / "project"
        for name in ("recipes", "overlays", "cidata"):
            shutil.copytree(imgbuild.ROOT / name, self.project / name, symlinks=True)
        self.cache = work / "cache"
        copy_bases(self.cache)
        self.key, self.public_key = imgbuild.make_ssh_key(work)
        self.outputs = 0

    def environment(self, name, machines, **options):
        folder = self.work / name
        folder.mkdir(exist_ok=True)
        (folder / "bench.yml").write_text(environment_text(self.public_key, machines, **options))
        return folder / "bench.yml"

    def run(self, *arguments, project=None):
        """One run of imgbuild, with the cost of the launcher."""
        env = imgbuild.environment(XDG_CACHE_HOME=self.cache, IMGBUILD_ROOT=project or self.project)
        return measure([imgbuild.LAUNCHER, *arguments], imgbuild.BUILD / "imgbuild", env=env)

    def output(self):
        self.outputs += 1
        return self.work / "output" / str(self.outputs)

    def forget_layers(self):
        shutil.rmtree(self.cache / "imgbuild" / "layers", ignore_errors=True)

    def repeated(self, action):
        """Median by time; single numbers of one computer at one moment say little."""
        costs = sorted((action() for _ in range(self.runs)), key=lambda cost: cost.seconds)
        return costs[len(costs) // 2], [cost.seconds for cost in costs]

    def cold(self, *arguments, **options):
        """Into a new folder, with the base and the downloads, and no layer."""
        def once():
            self.forget_layers()
            return self.run(*arguments, "-o", self.output(), "--json", **options)
        return once

    def edited(self, environment, name, folder):
        """A recipe whose layers are all there, after one more line in a file of an overlay."""
        self.run("recipe", "web-master", "--env", environment, "-o", folder, "--json")

        def once():
            with open(self.project / name, "a") as file:
                file.write("# edited\n")
            return self.run("recipe", "web-master", "--env", environment, "-o", folder, "--json")
        return once

    def grown(self, factor):
        """A project whose role has that many times the packages."""
        project = self.work / f"project{factor}"
        shutil.copytree(self.project, project, symlinks=True)
        role = project / "recipes" / "web-master.yml"
        more = ", ".join(MORE_PACKAGES[factor])
        role.write_text(role.read_text().replace("steps: []", f"steps:\n  - packages: {{install: [{more}]}}"))
        return project


def copy_bases(cache):
    """The bases that tests have made, if any; as links where that can be done."""
    target = cache / "imgbuild"
    target.mkdir(parents=True, mode=0o700)
    source = imgbuild.CACHE / "imgbuild" / "bases"
    if source.is_dir():
        linked = subprocess.run(["cp", "-a", "--link", source, target], capture_output=True).returncode == 0
        if not linked:
            shutil.rmtree(target / "bases", ignore_errors=True)
            subprocess.run(["cp", "-a", source, target], check=True)


def run_jobs(bench, wanted, say, found):
    """Adds {job: {"seconds": …, all that was measured}} of the wanted jobs to `found`."""
    one = bench.environment("one", [MASTER])
    say("imgbuild: base and downloads")
    bench.run("recipe", "web-master", "--env", one, "-o", bench.output(), "--json")
    makers = {"a": lambda: bench.cold("recipe", "web-master", "--env", one),
              "b": lambda: bench.edited(one, OVERLAY_FILE, bench.output()),
              "b, first overlay": lambda: bench.edited(one, FIRST_OVERLAY_FILE, bench.output()),
              "c": lambda: settings_changed(bench),
              "d": lambda: nothing_changed(bench, one),
              "e": lambda: deployment(bench),
              "f": lambda: bench.cold("recipe", "web-slave", "--env", bench.environment("twenty", TWENTY)),
              **{f"g, {factor} times": lambda factor=factor: many_packages(bench, one, factor) for factor in MORE_PACKAGES}}
    for job, maker in makers.items():
        if job[0] in wanted:
            say(f"imgbuild: job {job}")
            cost, all_seconds = bench.repeated(maker())
            found[job] = {**asdict(cost), "all_seconds": all_seconds}
    if "h" in wanted:
        say("imgbuild: job h")
        found["h"] = vmdk(bench, one)


def settings_changed(bench):
    zones = iter(["Europe/Berlin", "Europe/Paris", "Europe/Rome", "Europe/Madrid", "Europe/Oslo"] * bench.runs)
    folder = bench.output()
    bench.run("seed", "--env", bench.environment("one", [MASTER]), "-o", folder, "--json")
    return lambda: bench.run("seed", "--env", bench.environment("one", [MASTER], zone=next(zones)), "-o", folder, "--json")


def nothing_changed(bench, environment):
    folder = bench.output()
    bench.run("recipe", "web-master", "--env", environment, "-o", folder, "--json")
    return lambda: bench.run("recipe", "web-master", "--env", environment, "-o", folder, "--json")


def deployment(bench):
    environment = bench.environment("four", FOUR)
    bench.run("deployment", "--env", environment, "-o", bench.output(), "--json")   # its packages too are downloaded before
    return bench.cold("deployment", "--env", environment)


def many_packages(bench, environment, factor):
    project = bench.grown(factor)
    bench.run("recipe", "web-master", "--env", environment, "-o", bench.output(), "--json", project=project)
    return bench.cold("recipe", "web-master", "--env", environment, project=project)
