"""Every ordered pair of machines, and a stranger in their network: what is open, and that everything else is closed."""
import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from deployment import ADDRESSES, STRANGER, WEB

# The matrix as it must be, written down here a second time (the ports that services of an election use).
OPEN = {("web", "web"): {22, 80, 443, 5432, 11211}, ("authority", "web"): {80, 443, 14453}, ("stranger", "web"): {80, 443},
        ("web", "authority"): {5000}, ("authority", "authority"): {5000, 4081, 8000}, ("stranger", "authority"): set()}
TRIED = sorted({*range(1, 1025), 2222, 3306, 4080, 4081, 4082, 4083, 4444, 5000, 5001, 5432, 5433, 5672, 6379, 8000, 8001, 8080, 8081, 8443,
                9000, 9090, 10080, 10081, 10090, 10091, 10092, 11210, 11211, 14443, 14452, 14453, 14454})

# Tries many ports at once. A port that answers or refuses is open in the firewall; one that says nothing is closed.
SCAN = """
import errno, json, selectors, socket, sys, time
source, targets, ports = json.loads(sys.stdin.read())
found = {target: [] for target in targets}
for target in targets:
    for attempt in range(2):
        left = [port for port in ports if port not in found[target]]
        for start in range(0, len(left), 300):
            waiting = selectors.DefaultSelector()
            for port in left[start:start + 300]:
                link = socket.socket()
                link.setblocking(False)
                if source: link.bind((source, 0))
                error = link.connect_ex((target, port))
                if error == errno.EINPROGRESS: waiting.register(link, selectors.EVENT_WRITE, port)
                elif error in (0, errno.ECONNREFUSED): found[target].append(port); link.close()
            end = time.monotonic() + 4
            while waiting.get_map() and time.monotonic() < end:
                for key, _ in waiting.select(0.5):
                    error = key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                    if error in (0, errno.ECONNREFUSED): found[target].append(key.data)
                    waiting.unregister(key.fileobj); key.fileobj.close()
            for key in list(waiting.get_map().values()): key.fileobj.close()
print(json.dumps({target: sorted(set(open_)) for target, open_ in found.items()}))
"""


def group(name):
    return "web" if name in WEB else "authority"


def scan(machine, targets, source=""):
    machine.ssh(f"cat > /tmp/scan{source}.py", input=SCAN)
    said = machine.ssh(f"python3 /tmp/scan{source}.py", input=json.dumps([source, [ADDRESSES[name] for name in targets], TRIED]), timeout=900).stdout
    return {name: set(json.loads(said)[ADDRESSES[name]]) for name in targets}


@pytest.fixture(scope="module")
def scanned(fleet):
    """{(from, to): open ports}, all machines scanning at the same time."""
    fleet["prod-a2"].ssh(f"sudo ip address add {STRANGER}/24 dev $(ip -o route get {ADDRESSES['prod-a1']} | sed 's/.* dev \\([^ ]*\\).*/\\1/')")
    jobs = [(name, name, "") for name in ADDRESSES] + [("stranger", "prod-a2", STRANGER)]
    with ThreadPoolExecutor(len(jobs)) as pool:
        results = pool.map(lambda job: scan(fleet[job[1]], [to for to in ADDRESSES if to != job[1]], job[2]), jobs)
        found = {(job[0], to): ports for job, result in zip(jobs, results) for to, ports in result.items()}
    fleet["prod-a2"].ssh(f"sudo ip address del {STRANGER}/24 dev $(ip -o route get {ADDRESSES['prod-a1']} | sed 's/.* dev \\([^ ]*\\).*/\\1/')")
    return found


@pytest.mark.parametrize("source", [*ADDRESSES, "stranger"])
def test_exactly_the_ports_of_the_matrix_are_open(scanned, source):
    wrong = {}
    for target in ADDRESSES:
        if (source, target) not in scanned:
            continue
        expected = OPEN[(source if source == "stranger" else group(source), group(target))]
        if scanned[(source, target)] != expected:
            wrong[target] = (sorted(scanned[(source, target)] - expected), sorted(expected - scanned[(source, target)]))
    assert wrong == {}, "target: (open and should not be, closed and should be open)"


def test_the_printed_matrix_is_the_one_in_force(fleet):
    printed = json.loads(fleet.imgbuild("ops", "firewall", "--json").stdout)
    assert json.dumps(printed).count("14453") >= 1
    for port in (22, 80, 443, 5432, 11211, 14453, 5000, 4081, 8081, 8000):
        assert str(port) in json.dumps(printed)


def test_rules_were_loaded_before_the_first_listener(fleet):
    for machine in fleet.machines.values():
        moments = machine.ssh("systemctl show -p ExecMainExitTimestampMonotonic --value nftables; "
                              "systemctl show -p ExecMainStartTimestampMonotonic --value ssh; "
                              "systemctl show -p ExecMainStartTimestampMonotonic --value systemd-networkd").stdout.split()
        loaded, *listeners = map(int, moments)
        assert 0 < loaded and all(loaded <= started for started in listeners), (machine.name, moments)


def test_nothing_listens_beyond_the_list(fleet):
    """Besides loopback and the ports of the matrix."""
    for name, machine in fleet.machines.items():
        listeners = machine.ssh("sudo ss -Hltn").stdout
        ports = {int(line.split()[3].rpartition(":")[2]) for line in listeners.splitlines() if not line.split()[3].startswith(("127.", "[::1]"))}
        allowed = set().union(*[ports_ for (_, to), ports_ in OPEN.items() if to == group(name)], {22})
        assert ports <= allowed, (name, listeners)


def test_six_is_as_closed_as_four(fleet):
    """An IPv6 neighbour reaches what the world may, and nothing else."""
    for target in ("prod-s1", "prod-a1"):
        machine = fleet[target]
        rules = json.loads(machine.ssh("sudo nft -j list table inet appliance").stdout)["nftables"]
        chains = {rule["chain"]["name"]: rule["chain"].get("policy") for rule in rules if "chain" in rule}
        assert chains["input"] == "drop" and chains["forward"] == "drop"
        link_local = machine.ssh("ip -6 -o address show scope link | awk '{print $2, $4}'").stdout.split()
        address = next((a.partition("/")[0] for d, a in zip(link_local[::2], link_local[1::2]) if d != "lo"), None)
        assert address
    source = fleet["prod-a2"]
    device = source.ssh(f"ip -o route get {ADDRESSES['prod-a1']} | sed 's/.* dev \\([^ ]*\\).*/\\1/'").stdout.strip()
    inside = fleet["prod-a1"].ssh(f"ip -o route get {ADDRESSES['prod-a2']} | sed 's/.* dev \\([^ ]*\\).*/\\1/'").stdout.strip()
    address = fleet["prod-a1"].ssh(f"ip -6 -o address show dev {inside} scope link | awk '{{print $4}}'").stdout.split()[0].partition("/")[0]
    script = f"""
import socket
for port in (22, 5000, 4081):
    link = socket.socket(socket.AF_INET6); link.settimeout(4)
    try: link.connect(("{address}", port, 0, socket.if_nametoindex("{device}"))); print(port, "open")
    except ConnectionRefusedError: print(port, "open")
    except OSError: print(port, "closed")
"""
    assert source.python(script).split() == ["22", "closed", "5000", "closed", "4081", "closed"]
