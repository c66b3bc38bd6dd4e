"""Terraform's and CloudFormation's files against the schemas of their makers."""
import copy
import json
import re

import jsonschema
import pytest
from ops_deployment import ops
from test_launch import ENVIRONMENT

import imgbuild_program as imgbuild

FILES = {"cloudformation": "cloudformation.json", "terraform": "terraform.tf.json"}


def schema(name):
    return json.loads((imgbuild.ROOT / "tests/data/cloud" / f"{name}.schema.json").read_text())


def complaints(name, document):
    return [f"{'/'.join(map(str, error.path))}: {error.message}" for error in jsonschema.Draft7Validator(schema(name)).iter_errors(document)]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """{name: document} without and with Cloudflare."""
    folder = tmp_path_factory.mktemp("ops")
    env = folder / "prod.yml"
    env.write_text(ENVIRONMENT.format(key=imgbuild.make_ssh_key(folder)[1]))
    imgbuild.run_ok("seed", "--env", env, "-o", folder / "output")

    def read(*options):
        written = ops(env, *options)
        return {name: json.loads((written / file).read_text()) for name, file in FILES.items()}
    return {"plain": read(), "behind Cloudflare": read("--cloudflare")}


@pytest.fixture
def documents(made):
    return made["plain"]


@pytest.mark.parametrize("kind", ["plain", "behind Cloudflare"])
@pytest.mark.parametrize("name", FILES)
def test_the_file_follows_the_schema_of_its_makers(made, name, kind):
    assert complaints(name, made[kind][name]) == []


def change_at(document, path, value):
    """A copy with another value at a path; None: without it."""
    changed = copy.deepcopy(document)
    *parents, last = path
    place = changed
    for key in parents:
        place = place[key]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return changed


GROUP = ["Resources", "MachineprodX2ds1"]
RULE = ["resource", "aws_backup_plan", "backup", "rule", 0]


@pytest.mark.parametrize("name, path, value", [
    ("cloudformation", [*GROUP, "Properties", "GroupDescription"], None),
    ("cloudformation", [*GROUP, "Properties", "SecurityGroupIngres"], []),
    ("cloudformation", [*GROUP, "Properties", "SecurityGroupIngress", 0, "FromPort"], "https"),
    ("cloudformation", [*GROUP, "Properties", "Tags", 0, "key"], "Name"),
    ("cloudformation", [*GROUP, "Type"], "AWS::EC2::SecurityGroups"),
    ("cloudformation", ["Resources", "BackupPlan", "Properties", "BackupPlan", "BackupPlanRule", 0, "Lifecycle", "DeleteAfter"], 3),
    ("terraform", [*RULE, "target_vault_name"], None),
    ("terraform", [*RULE, "lifecycle", 0, "delete_after_days"], 3),
    ("terraform", [*RULE, "lifecycle"], [{}, {}]),
    ("terraform", ["resource", "aws_security_groups"], {}),
    ("terraform", ["resource", "aws_backup_selection", "backup", "selection_tag", 0, "key"], None)])
def test_the_schema_sees_what_is_wrong(documents, name, path, value):
    assert complaints(name, change_at(documents[name], path, value)) != []


def test_cloudformation_refers_to_what_resources_give(documents):
    resources = documents["cloudformation"]["Resources"]
    found = re.findall(r'"Fn::GetAtt": \["(\w+)", "([\w.]+)"\]', json.dumps(documents["cloudformation"]))
    assert found == [("BackupRole", "Arn")]
    for resource, attribute in found:
        assert attribute in schema("cloudformation")["attributes"][resources[resource]["Type"]]


def test_terraform_refers_to_what_resources_give(documents):
    found = set(re.findall(r"\$\{(aws_\w+)\.([\w-]+)\.(\w+)\}", json.dumps(documents["terraform"])))
    assert {(kind, attribute) for kind, _, attribute in found} == {
        ("aws_security_group", "id"), ("aws_backup_vault", "name"), ("aws_backup_plan", "id"), ("aws_iam_role", "arn"), ("aws_iam_role", "name")}
    for kind, name, attribute in found:
        assert name in documents["terraform"]["resource"][kind] and attribute in schema("terraform")["attributes"][kind]
    assert set(re.findall(r"\$\{var\.(\w+)\}", json.dumps(documents["terraform"]))) == set(documents["terraform"]["variable"])
