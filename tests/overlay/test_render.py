"""What the files say; read by the programs they are for where those are installed (tests/run installs them)."""
import shutil
import subprocess

import pytest
from appliance import apply, environment, peers, render, roles
from conftest import OVERLAYS, change_environment


def rendered(host):
    found = environment.load(host)
    return {file.path: file.content for file in render.files(host, found, roles.load(host, found.machine.role))}


def rendered_as(host, role):
    """The common files on a machine of another role."""
    host.write(f"/usr/lib/appliance/roles.d/{role}.yml", "{}")
    own = 'machine: {name: "prod-s1", role: "web-master", private_ip: "192.168.50.4", public_ip: "203.0.113.4"}'
    change_environment(host, own, f'machine: {{name: "prod-a1", role: "{role}", private_ip: "192.168.50.6", director: true}}')
    return rendered(host)


def lines(text):
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def test_hosts_on_a_web_node_send_the_domain_to_itself(host):
    assert lines(rendered(host)["/etc/hosts"])[4:] == ["192.168.50.4 prod-s1 vote.example.org", "192.168.50.5 prod-s2",
                                                       "192.168.50.6 prod-a1", "192.168.50.7 prod-a2"]


def test_hosts_on_an_authority_send_the_domain_to_the_master(host):
    found = rendered_as(host, "authority")["/etc/hosts"]
    assert "192.168.50.4 prod-s1 vote.example.org" in lines(found)
    assert found.count("vote.example.org") == 1


def test_hosts_never_hold_127_0_1_1(host):
    assert not [line for line in lines(rendered(host)["/etc/hosts"]) if line.startswith("127.0.1.1")]


def test_a_domain_that_is_the_machine_name_is_there_once(host):
    change_environment(host, 'domain: "vote.example.org"', 'domain: "prod-s1"')
    assert "192.168.50.4 prod-s1" in lines(rendered(host)["/etc/hosts"])


def test_the_firewall_lets_in_exactly_the_matrix(host):
    found = rendered(host)
    always = found["/etc/nftables.conf"].split("chain always {")[1].split("}\n\n")[0]
    assert lines(always) == ["ip saddr { 192.168.50.1/32 } tcp dport 22 accept", "ip6 saddr { 2001:db8::/64 } tcp dport 22 accept",
                             "ip saddr { 192.168.50.5/32 } tcp dport 22 accept", "tcp dport 80 accept", "tcp dport 443 accept"]
    assert lines(found["/etc/appliance/role.nft"]) == ["table inet appliance {", "chain role {",
                                                       "ip saddr { 192.168.50.5/32 } tcp dport 5432 accept",
                                                       "ip saddr { 192.168.50.5/32 } tcp dport 11211 accept",
                                                       "ip saddr { 192.168.50.6/31 } tcp dport 14453 accept", "}", "}"]


def test_the_firewall_of_an_authority_lets_in_ops_only(host):
    found = rendered_as(host, "authority")
    assert "dport 443" not in found["/etc/nftables.conf"] and "dport" not in found["/etc/appliance/role.nft"]


def test_a_single_web_node_keeps_its_database_to_itself(host):
    change_environment(host, '  - {name: "prod-s2", role: "web-slave", private_ip: "192.168.50.5"}\n', "")
    found = rendered(host)
    assert "listen_addresses = 'localhost'\n" in found["/etc/postgresql/15/main/conf.d/appliance.conf"]
    assert "hostssl" not in found["/etc/postgresql/15/main/pg_hba.conf"]
    assert "synchronous_standby_names = ''\n" in found["/etc/postgresql/15/main/conf.d/synchronous.conf"]
    assert 'DATABASE_HOST="localhost"\n' in found["/etc/appliance/application.env"]
    assert "5432" not in found["/etc/appliance/role.nft"]


def test_the_database_lets_in_exactly_its_own_roles(host):
    expected = ["local all postgres peer", "local replication postgres peer", "hostssl replication repmgr 192.168.50.5/32 scram-sha-256"]
    for name in ("ballot_box", "iam", "repmgr"):
        expected += [f"local {name} {name} scram-sha-256", f"host {name} {name} 127.0.0.1/32 scram-sha-256",
                     f"host {name} {name} ::1/128 scram-sha-256", f"hostssl {name} {name} 192.168.50.4/32 scram-sha-256",
                     f"hostssl {name} {name} 192.168.50.5/32 scram-sha-256"]
    assert lines(rendered(host)["/etc/postgresql/15/main/pg_hba.conf"]) == expected


def test_overlapping_ops_networks_are_merged(host):
    change_environment(host, '"192.168.50.1/32", ', '"10.0.0.0/8", "10.1.0.0/16", ')
    assert "ip saddr { 10.0.0.0/8 } tcp dport 22 accept" in rendered(host)["/etc/nftables.conf"]


def test_nobody_in_ops_means_no_rule_for_it(host):
    change_environment(host, 'ops: ["192.168.50.1/32", "2001:db8::/64"]', "ops: []")
    assert "saddr {  }" not in rendered(host)["/etc/nftables.conf"]


def test_without_ipv6_nginx_does_not_ask_for_it(host):
    host.remove("/proc/net/if_inet6")
    assert "[::]" not in rendered(host)["/etc/nginx/nginx.conf"]


def test_a_missing_value_in_a_template_is_an_error(host):
    host.path("/usr/lib/appliance/templates/common/hostname").write_text("{{ nothing }}")
    with pytest.raises(Exception, match="^/usr/lib/appliance/templates/common/hostname: 'nothing' is undefined$"):
        rendered(host)


def nft_check(text, tmp_path):
    (tmp_path / "rules.nft").write_text(text)
    return subprocess.run(["unshare", "-n", "-r", "nft", "-c", "-f", str(tmp_path / "rules.nft")], capture_output=True, text=True)


@pytest.mark.parametrize("stage", ["starting", "ready"])
def test_nft_takes_the_rules(host, tmp_path, stage):
    found = rendered(host)
    role = tmp_path / "open" / "role.nft"
    role.parent.mkdir()
    if stage == "ready":
        role.write_text(found["/etc/appliance/role.nft"])
    done = nft_check(found["/etc/nftables.conf"].replace("/run/appliance/open", str(role.parent)), tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_nft_takes_the_closed_rules(tmp_path):
    done = nft_check((OVERLAYS / "common/usr/lib/appliance/closed.nft").read_text(), tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_closed_rules_and_real_ones_share_their_base():
    """Everything before the two jumps is the same in both."""
    closed = (OVERLAYS / "common/usr/lib/appliance/closed.nft").read_text()
    real = (OVERLAYS / "common/usr/lib/appliance/templates/common/nftables.conf").read_text()
    cut = lambda text, end: lines(text.split("chain input {")[1].split(end)[0])  # noqa: E731
    assert cut(closed, "}\n\n") == cut(real, "jump")


def load(script, tmp_path):
    """Loads rules in a network of its own and lists what is there then."""
    done = subprocess.run(["unshare", "-n", "-r", "sh", "-euc", script], capture_output=True, text=True, cwd=tmp_path)
    return done.stdout, done.stderr


def test_loading_again_replaces_and_the_fence_opens_with_the_link(host, tmp_path):
    found = rendered(host)
    (tmp_path / "rules").write_text(found["/etc/nftables.conf"].replace("/run/appliance/open", f"{tmp_path}/open"))
    (tmp_path / "role.nft").write_text(found["/etc/appliance/role.nft"])
    (tmp_path / "open").mkdir()
    before, errors = load("nft -f rules; nft -f rules; nft list ruleset", tmp_path)
    assert errors == "" and before.count("tcp dport 443 accept") == 1 and "5432" not in before
    after, errors = load("nft -f rules; ln -s ../role.nft open/role.nft; nft -f rules; nft -f rules; nft list ruleset", tmp_path)
    assert errors == "" and after.count("tcp dport 5432 accept") == 1


def certificate(folder):
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                    "key-nopass.pem", "-out", "cert.pem", "-days", "2", "-subj", "/CN=prod-s1", "-addext",
                    "basicConstraints=critical,CA:FALSE"], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def site(host, tmp_path):
    """The rendered nginx.conf on unprivileged ports, with its paths below the temporary folder."""
    certificate(tmp_path / "srv/certs/selfsigned")
    peers.renew(host, *apply.load(host))
    text = rendered(host)["/etc/nginx/nginx.conf"]
    for old, new in ((" 80 ", " 127.0.0.1:18080 "), (" 443 ", " 127.0.0.1:18443 "), ("user www-data;", "user root;"),
                     ("/srv/certs", f"{tmp_path}/srv/certs"), ("/run/", f"{tmp_path}/run/"),
                     ("/var/lib/eopeers", f"{tmp_path}/var/lib/eopeers"),
                     ("syslog:server=unix:/dev/log,tag=nginx,nohostname", f"{tmp_path}/nginx.log")):
        assert old in text
        text = text.replace(old, new)
    text = "".join(line + "\n" for line in text.splitlines() if "[::]" not in line)
    (tmp_path / "nginx.conf").write_text(text)
    (tmp_path / "run/appliance/www").mkdir(parents=True)
    for file, content in (("503.html", "starting"), ("503.json", '{"ready": false}'), ("index.html", "in service"),
                          ("status.json", '{"ready": true}')):
        (tmp_path / "run/appliance/www" / file).write_text(content)
    return tmp_path


def fetch(site, *paths):
    """Starts nginx in a network of its own, fetches each path with curl, returns their output."""
    ask = "; ".join(f"curl -ski --max-time 10 {path}; echo; echo ======" for path in paths)
    done = subprocess.run(["unshare", "-n", "-r", "sh", "-euc", f"ip link set lo up; {shutil.which('nginx', path='/usr/sbin:/usr/bin')} "
                           f"-c {site}/nginx.conf; trap 'kill $(cat {site}/run/nginx.pid)' EXIT; {ask}"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.replace("\r", "").split("======\n")[:len(paths)]


def test_until_ready_the_site_answers_503_and_says_when_to_come_again(site):
    page, status = fetch(site, "https://127.0.0.1:18443/any/where", "https://127.0.0.1:18443/status")
    assert page.startswith("HTTP/1.1 503") and "\nRetry-After: 5\n" in page and page.rstrip().endswith("starting")
    assert status.startswith("HTTP/1.1 503") and "\nContent-Type: application/json\n" in status and '{"ready": false}' in status


def test_when_ready_the_site_serves_page_and_status(site):
    (site / "run/appliance/ready").touch()
    page, status, other = fetch(site, "https://127.0.0.1:18443/", "https://127.0.0.1:18443/status", "https://127.0.0.1:18443/no")
    assert page.startswith("HTTP/1.1 200") and page.rstrip().endswith("in service") and "Retry-After" not in page
    assert status.startswith("HTTP/1.1 200") and '{"ready": true}' in status
    assert other.startswith("HTTP/1.1 404")
    for header in ("Strict-Transport-Security: max-age=", "X-Content-Type-Options: nosniff", "X-Frame-Options: DENY",
                   "Content-Security-Policy: default-src 'none'"):
        assert f"\n{header}" in page
    assert "\nServer: nginx\n" in page


def test_plain_http_is_sent_to_the_domain_whatever_host_was_asked(site):
    answer, = fetch(site, "-H 'Host: evil.example' http://127.0.0.1:18080/a?b=c")
    assert answer.startswith("HTTP/1.1 301") and "\nLocation: https://vote.example.org/a?b=c\n" in answer


def test_old_tls_is_refused(site):
    old, new = fetch(site, "--tls-max 1.1 --tlsv1.1 https://127.0.0.1:18443/ || echo refused", "--tlsv1.3 https://127.0.0.1:18443/")
    assert old.strip() == "refused" and new.startswith("HTTP/1.1 503")


