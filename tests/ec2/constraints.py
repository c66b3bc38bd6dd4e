"""Limits of parameters that botocore's own validator does not look at: enum, max and pattern of the models, and what AWS's
documentation says where EC2's model has nothing.
"""

import re

from refused import Refused

# Values that AWS added after the distribution's botocore.
NEWER = {"BootModeValues": {"uefi-preferred"}}

# The filters that this server carries out; others AWS would know are for whoever adds them to cloud_ec2.py too. All know tag:KEY.
FILTERS = {
    "DescribeImages": {"name", "image-id", "state", "block-device-mapping.snapshot-id", "tag-key"},
    "DescribeSnapshots": {"status", "snapshot-id", "tag-key"},
    "DescribeSecurityGroups": {"vpc-id", "group-name", "group-id", "tag-key"},
    "DescribeSubnets": {"subnet-id", "vpc-id", "tag-key"},
    "DescribeAddresses": {"public-ip", "allocation-id", "tag-key"},
    "DescribeInstances": {"instance-id", "instance-state-name", "tag-key"},
}
MOST_TAGS = 50


def check(service, operation, parameters):
    """Raises Refused in the service's words."""
    for tags in _tag_lists(parameters, operation.input_shape):
        _check_tags(service, tags)
    for problem in _problems(parameters, operation.input_shape, operation.name):
        raise invalid(service, problem)
    if service == "ec2":
        _check_ec2(operation.name, parameters)


def invalid(service, message, reason="INVALID_PARAMETER_VALUE"):
    if service == "ebs":
        return Refused(400, "ValidationException", message, Reason=reason)
    return Refused(400, "InvalidArgument" if service == "s3" else "InvalidParameterValue", message)


def _problems(value, shape, where):
    kind = shape.type_name
    if kind == "structure":
        for key, item in value.items():
            yield from _problems(item, shape.members[key], f"{where}.{key}")
    elif kind == "list":
        for number, item in enumerate(value, 1):
            yield from _problems(item, shape.member, f"{where}.{number}")
    yield from _own_problems(value, shape, where)


def _own_problems(value, shape, where):
    allowed = set(shape.metadata.get("enum", ())) | NEWER.get(shape.name, set())
    if allowed and value not in allowed:
        yield f"{where}: '{value}' is none of {sorted(allowed)}"
    if "max" in shape.metadata:
        size = value if shape.type_name in ("integer", "long") else len(value)
        if size > shape.metadata["max"]:
            yield f"{where}: {size} is more than {shape.metadata['max']}"
    if "pattern" in shape.metadata and not re.fullmatch(shape.metadata["pattern"], value):
        yield f"{where}: '{value}' does not match {shape.metadata['pattern']}"


def _tag_lists(value, shape):
    if shape.type_name == "structure":
        for key, item in value.items():
            yield from _tag_lists(item, shape.members[key])
    elif shape.type_name == "list" and shape.member.name == "Tag":
        yield value
    elif shape.type_name == "list":
        for item in value:
            yield from _tag_lists(item, shape.member)


def _check_tags(service, tags):
    def bad(message):
        return invalid(service, message, "INVALID_TAG")
    if len(tags) > MOST_TAGS:
        raise bad(f"{len(tags)} tags") if service == "ebs" else Refused(400, "TagLimitExceeded", f"{len(tags)} tags, and at most {MOST_TAGS} may be")
    for tag in tags:
        key, value = tag.get("Key", ""), tag.get("Value", "")
        if not 1 <= len(key) <= 128:
            raise bad(f"a tag's key has {len(key)} characters, not 1 to 128")
        if len(value) > 256:
            raise bad(f"the value of tag '{key}' has {len(value)} characters, more than 256")
        if key.lower().startswith("aws:"):
            raise bad(f"tag '{key}': keys that begin with aws: are AWS's own")
    if len({tag.get("Key") for tag in tags}) < len(tags):
        raise bad("a tag is given twice")


def _check_ec2(operation, parameters):
    token = parameters.get("ClientToken", "")
    if len(token) > 64 or not token.isascii():
        raise invalid("ec2", f"ClientToken: '{token}' is not at most 64 ASCII characters")
    if "KmsKeyId" in parameters and not parameters.get("Encrypted"):
        raise Refused(400, "InvalidParameterDependency", "The parameter KmsKeyId requires the parameter Encrypted to be set.")
    for item in parameters.get("Filters", []):
        name = item.get("Name", "")
        known = FILTERS.get(operation, set())
        if name not in known and not (known and name.startswith("tag:")):
            raise invalid("ec2", f"The filter '{name}' is invalid")
        if not 1 <= len(item.get("Values", [])) <= 200:
            raise invalid("ec2", f"The filter '{name}' has no values, or more than 200")
