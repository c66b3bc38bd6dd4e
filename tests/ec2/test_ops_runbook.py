"""imgbuild ops: what the runbook says can be done as it says."""
import json
import re
import shlex
import subprocess

import botocore
import botocore.session
import pytest
from ops_deployment import ALONE, THIRD, TRUSTEE, book, deployment, ops  # noqa: F401
from rehearsal import APPLIANCE, Rehearsal, blocks, chapter
from test_launch import ENVIRONMENT

import imgbuild_program as imgbuild


@pytest.fixture
def prod(deployment):
    return deployment(ENVIRONMENT)


def commands(text):
    return [line for block in blocks(text) for line in block.splitlines()]


def headings(text):
    return re.findall("^#+ (.*)$", text, re.M)


def test_the_runbook_has_this_deployments_names(prod):
    text = book(prod)
    assert re.findall("^## (.*)$", text, re.M) == ["In each terminal", "First start", "Exchange of peer packages", "Promotion", "Backups", "Restore", "Rotation of keys"]
    assert "Kept by somebody else: prod-a2." in text


@pytest.mark.parametrize("text", [ENVIRONMENT, ENVIRONMENT + THIRD, TRUSTEE, ALONE], ids=["two web servers", "three", "a trustee", "one"])
def test_links_lead_to_headings(deployment, text):
    text = book(deployment(text))
    known = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings(text)}
    links = set(re.findall(r"\]\(#(.*?)\)", text))
    assert links and links <= known


@pytest.mark.parametrize("text", [ENVIRONMENT, ENVIRONMENT.replace("public_ip: 203.0.113.4, ", ""), ENVIRONMENT + THIRD, TRUSTEE, ALONE],
                         ids=["two web servers", "no public address", "three", "a trustee", "one"])
def test_what_is_announced_follows(deployment, text):
    """After a colon comes more text, a block, a list or a table, and no other step; nothing is set apart by more than one blank line."""
    text = re.sub(r"^```\n.*?^```$", "```", book(deployment(text)), flags=re.M | re.S)
    ends = re.findall(r"^(.*:)\n(\n*)(.*)$", text, re.M)
    assert len([end for end in ends if end[2] == "```"]) > 20
    assert [end for end in ends if not end[2].startswith(("```", "- ", "| ")) and (end[1] or re.match(r"#|\d+\. ", end[2]))] == []
    assert "\n\n\n" not in text


def test_the_files_are_made_anew_as_they_were_made(prod, tmp_path):
    folder = ops(prod, "--public", "--cloudflare")
    before = {path.name: path.read_text() for path in folder.iterdir()}
    command = f"./builder/imgbuild ops --env {prod} -o {prod.parent}/output --public --cloudflare"
    assert commands(before["RUNBOOK.md"])[0] == command
    for path in folder.iterdir():
        path.unlink()
    Rehearsal(tmp_path / "rehearsal", prod).run(command)
    assert {path.name: path.read_text() for path in folder.iterdir()} == before


def test_the_output_folder_is_said_where_it_counts(prod):
    output = f"-o {prod.parent}/output"
    lines = [line for line in commands(book(prod)) if line.startswith("./builder/imgbuild ")]
    assert len(lines) > 10
    for line in lines:
        assert (output in line) != line.startswith("./builder/imgbuild peers "), line


def test_the_exchange_logs_in_as_the_configuration_says(prod):
    folder = prod.parent / "output/prod/ops"
    lines = [line for line in commands(book(prod, "--public")) if line.startswith("./builder/imgbuild peers ")]
    assert len(lines) > 1 and all(f" --ssh-config {folder}/ssh_config" in line for line in lines)
    assert "Host prod-s1\n  HostName 203.0.113.4\n" in (folder / "ssh_config").read_text()


def test_the_exchange_has_all_packages_at_once(deployment):
    """`peers` refuses where one is missing, so that one command for each could never end well."""
    prod = deployment(ENVIRONMENT + "  - {{name: prod-a3, role: authority, external: true, private_ip: 192.168.50.8}}\n")
    part = blocks(chapter(book(prod), "Exchange of peer packages"))
    output = prod.parent / "output/prod"
    packages = f" --package {output}/packages/prod-a2.pkg --package {output}/packages/prod-a3.pkg"
    common = f"--env {prod} --ssh-config {output}/ops/ssh_config{packages}"
    assert part == [f"mkdir -p {output}/packages", f"./builder/imgbuild peers exchange {common} --write {output}/for-others", f"./builder/imgbuild peers verify {common}"]
    assert all(packages in line for line in commands(book(prod)) if " peers " in line)


def test_what_is_expected_of_the_links_is_counted(prod, deployment):
    """a2, whom we can't log in to, connects to three; ten links are in all."""
    text = chapter(book(prod), "Exchange of peer packages")
    assert "expected: 3 lines" in text and "`3 of 10 links could not be tried`" in text
    said = "".join((imgbuild.ROOT / f"builder/{name}.cpp").read_text() for name in ("cli/peers", "cli/peers_report", "peers/prove"))
    for words in ("not tried", "we can't log in to ", "links could not be tried", "could not be asked", "proven", "failed"):
        assert words in said and words in text, words
    alone = chapter(book(deployment(ENVIRONMENT.replace("external: true, ", "keys: machine, "), "alone")), "Exchange of peer packages")
    assert "--package" not in alone and "not tried" not in alone and "`echo $?` afterwards `0`" in alone


def test_a_block_copied_as_it_stands_does_no_harm(prod):
    """Variables are empty, and where they are used a shell that has no value for them stops."""
    text = book(prod)
    assert len(re.findall("^set -eu$", text, re.M)) > 10
    for block in blocks(text):
        for name in re.findall(r"^([A-Z]+)=(?:'')?$", block, re.M):
            assert f"${{{name}:?}}" in text and f"${name}" not in block
        if " terminate-instances " in block or " detach-volume " in block or "prod.vault/index" in block:
            assert block.splitlines()[:2] == ["(", "set -eu"] and block.splitlines()[-1] == ")"


def test_ssh_leaves_the_lines_alone_that_were_pasted_after_it(prod):
    """It would read them, unless something else is given to it."""
    lines = [line for line in commands(book(prod)) if re.search(r"(?:^|[|{;] )ssh ", line)]
    assert len(lines) > 50
    for line in lines:
        calls = re.findall(r"(?:^|; |\{ )(.*?ssh (?:-n )?-F [^;]*)", line) if line.startswith("{ ") else [line]
        for call in calls:
            is_fed = "| ssh " in call or re.search(r" < \S+$", call) is not None
            assert (" -n " not in call.partition(" -F ")[0] + " ") == is_fed, call


def options_of(said):
    return set(re.findall(r"(?<![\w-])(--?[a-z][\w-]*)", said))


def test_every_command_of_the_runbook_exists(prod):
    """The words and options of imgbuild, as its help has them."""
    helps = {}
    lines = [line.partition(" #")[0] for line in commands(book(prod, "--public", "--cloudflare")) if "imgbuild " in line]
    assert len(lines) > 5
    for line in lines:
        assert line.startswith("./builder/imgbuild "), line
        words = re.match(r"(?:[a-z]+ )+", line.removeprefix("./builder/imgbuild "))[0].split()[:2]
        if words[0] not in ("ami", "peers"):
            words = words[:1]
        if tuple(words) not in helps:
            helps[tuple(words)] = imgbuild.run_ok(*words, "--help").stdout
        assert options_of(line) <= options_of(helps[tuple(words)]), line


def test_the_first_start_can_be_typed(prod):
    text = book(prod)
    folder = prod.parent / "output/prod/ops"
    assert commands(chapter(text, "In each terminal"))[:2] == [f"cd {imgbuild.ROOT}", "export AWS_REGION=eu-central-1 VPC=vpc-0123 SUBNET=subnet-0123"]
    found = commands(chapter(text, "First start"))
    assert [f"terraform -chdir={folder} {words}" for words in ("init", 'plan -var vpc_id="$VPC"', 'apply -var vpc_id="$VPC"')] == found[2:5]
    assert found[5] == (f"aws cloudformation deploy --stack-name imgbuild-prod --template-file {folder}/cloudformation.json --parameter-overrides Vpc=\"$VPC\" "
                        "--capabilities CAPABILITY_IAM")
    assert list(json.loads((folder / "cloudformation.json").read_text())["Parameters"]) == ["Vpc"]
    assert list(json.loads((folder / "terraform.tf.json").read_text())["variable"]) == ["vpc_id"]
    assert (folder / "cloudformation.json").stat().st_size < 51200   # what `deploy` takes without a bucket
    assert (ops(prod, "--cloudflare") / "cloudformation.json").stat().st_size < 51200


def test_what_cloudflare_does_not_close_is_said(prod):
    result = imgbuild.run_ok("ops", "--env", prod, "-o", prod.parent / "output", "--cloudflare")
    assert result.stderr == "note: only the security groups are closed to others: the machines' own firewalls stay open to all on 80, 443 and 8443\n"
    text = (prod.parent / "output/prod/ops/RUNBOOK.md").read_text()
    assert "own firewalls stay open to all there" in text
    assert [line.partition("ssh_config ")[2] for line in commands(text) if " -L " in line] == [f"{name} -N -L 8443:127.0.0.1:443" for name in ("prod-s1", "prod-s2")]
    assert imgbuild.run_ok("ops", "--env", prod, "-o", prod.parent / "output").stderr == "" and "-L 8443" not in book(prod)


def test_the_configuration_goes_in_front_of_ones_own(prod, tmp_path):
    [_, include, hosts] = blocks(chapter(book(prod), "In each terminal"))
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/config").write_text("Host mine\n  Port 2222\n")
    subprocess.run(["bash", "-c", include], env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}, check=True)
    config = tmp_path / ".ssh/config"
    assert config.read_text() == f'Include "{prod.parent}/output/prod/ops/ssh_config"\nHost mine\n  Port 2222\n'
    said = [subprocess.run(["ssh", "-G", "-F", config, name], capture_output=True, text=True, check=True).stdout for name in ("prod-s1", "mine")]
    assert "hostname 192.168.50.4\n" in said[0] and "port 2222\n" in said[1]


# Of the ops machine, of EC2, of the restore and of the rotation itself.
ELSEWHERE = {"/etc/hosts", "/dev/null", "/dev/sda1", "/dev/sdf", "/root/selfsigned.before", "/root/new-key.pem", "/root/new-cert.pem"}


def test_every_path_in_the_machines_is_theirs(prod, deployment):
    """A file that the runbook names is in the overlays or the seeds, or its folder is."""
    files = [path for folder in ("overlays", "cidata") for path in sorted((imgbuild.ROOT / folder).rglob("*")) if path.is_file()]
    known = "".join(path.read_text() for path in files if path.suffix not in (".pyc", ".md"))
    home = re.search('^HOME = "(.*)"$', (APPLIANCE / "appliance/postgres.py").read_text(), re.M)[1]
    known = known.replace("{{ postgres.home }}", home)
    for text in (book(prod), book(deployment(ENVIRONMENT.replace("external: true, ", "keys: machine, "), "alone"))):
        text = text.replace(str(imgbuild.ROOT), "").replace(str(prod.parents[1]), "")
        paths = {path for path in re.findall(r"(?<![\w.~/-])/(?:etc|srv|var|run|root|home|dev|usr)/[\w./-]*\w", text) if "/deployment/" not in path and "/alone/" not in path}
        assert len(paths - ELSEWHERE) > 5
        for path in paths - ELSEWHERE:
            assert path in known or path.rpartition("/")[0] + "/" in known, path


def calls_of_aws(text):
    """(service, operation, options) of each call, those within another one too."""
    lines = "\n".join(commands(text))
    inner = re.findall(r"\$\((aws [^()]*)\)", lines)
    outer = re.findall(r"^(?:[A-Z]+=)?(aws .*)$", re.sub(r"\$\(aws [^()]*\)", "ID", lines), re.M)
    found = [re.match(r"aws ([a-z0-9]+) ((?:wait )?[a-z-]+)(.*)", call).groups() for call in inner + outer]
    return [(service, operation, set(re.findall(r" --([a-z-]+)", rest)) - {"query", "output"}) for service, operation, rest in found]


def test_every_call_of_aws_exists(prod):
    """Operations and their parameters, as botocore's models have them."""
    calls = calls_of_aws(book(prod))
    assert len(calls) > 4
    for service, operation, options in calls:
        if (service, operation) == ("cloudformation", "deploy"):
            continue   # of the command line alone
        if operation.startswith("wait "):
            assert operation.partition(" ")[2] in [botocore.xform_name(name, "-") for name in botocore.session.get_session().get_waiter_model(service).waiter_names]
            continue
        model = botocore.session.get_session().get_service_model(service)
        [name] = [name for name in model.operation_names if botocore.xform_name(name, "-") == operation]
        known = {botocore.xform_name(member, "-") for member in model.operation_model(name).input_shape.members}
        assert options <= known, (operation, options - known)


def test_every_command_in_the_machines_exists(prod):
    """`appliance` and `eopeers`, as their own parsers take them."""
    text = book(prod)
    for program, module in (("appliance", "cli"), ("eopeers", "eopeers_cli")):
        calls = set(re.findall(rf'{program}((?: (?:"[^"\n]*"|[\w$:.=/-]+))+)', "\n".join([*commands(text), *re.findall(r"`(.*?)`", text)])))
        assert calls or program == "eopeers"
        for call in calls:
            words = shlex.split(call)
            code = f"import sys; from appliance import {module}; {module}._parser().parse_args(sys.argv[1:])"
            known = subprocess.run(["/usr/bin/python3", "-B", "-c", code, *words], cwd=APPLIANCE, capture_output=True, text=True)
            assert known.returncode == 0, (call, known.stderr)
