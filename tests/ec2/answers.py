"""Answers in the wire format of the service, written by the model's output shape."""

import json
import time
from xml.sax.saxutils import escape


def write(operation, result):
    """(status, headers, body)"""
    shape, protocol = operation.output_shape, operation.metadata["protocol"]
    status = operation.http.get("responseCode", 200)
    if protocol == "ec2":
        namespace = f"http://ec2.amazonaws.com/doc/{operation.metadata['apiVersion']}/"
        inside = _members(shape, result) if shape else "<return>true</return>"
        text = f'<?xml version="1.0" encoding="UTF-8"?>\n<{operation.name}Response xmlns="{namespace}"><requestId>r</requestId>{inside}</{operation.name}Response>'
        return 200, {"Content-Type": "text/xml;charset=UTF-8"}, text.encode()
    headers, rest = {}, {}
    payload = shape.serialization.get("payload") if shape else None
    for key, value in result.items():
        member = shape.members[key]
        if member.serialization.get("location") == "header":
            headers[member.serialization["name"]] = value
        else:
            rest[key] = value
    if payload:
        return status, headers, rest.get(payload, b"")
    if protocol == "rest-json":
        return status, {**headers, "Content-Type": "application/json"}, json.dumps(rest).encode()
    if not rest:
        return 204 if operation.name.startswith(("Delete", "Abort")) else 200, headers, b""
    inside = "".join(_flat(shape.members[k], shape.members[k].serialization.get("name", k), v) for k, v in rest.items())
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<{operation.name}Result xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{inside}</{operation.name}Result>'
    return 200, {**headers, "Content-Type": "application/xml"}, text.encode()


def _flat(shape, name, value):
    """S3's lists have no element around them."""
    if shape.type_name == "list":
        return "".join(f"<{name}>{_text(shape.member, item)}</{name}>" for item in value)
    return f"<{name}>{_text(shape, value)}</{name}>"


def _members(shape, value):
    parts = []
    for key, item in value.items():
        if key not in shape.members:
            continue
        name = shape.members[key].serialization.get("name", key)
        parts.append(f"<{name}>{_text(shape.members[key], item)}</{name}>")
    return "".join(parts)


def _text(shape, value):
    if shape.type_name == "structure":
        return _members(shape, value)
    if shape.type_name == "list":
        return "".join(f"<item>{_text(shape.member, item)}</item>" for item in value)
    if shape.type_name == "boolean":
        return "true" if value else "false"
    if shape.type_name == "timestamp":
        return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(value))
    return escape(str(value))


# Codes of EBS that no operation's model names: its front end's, and those of signatures.
EBS_COMMON = {"MissingAuthenticationTokenException": 403, "UnrecognizedClientException": 403, "InvalidSignatureException": 403, "ExpiredTokenException": 403,
              "UnknownOperationException": 404, "SerializationException": 400}


def _require_known(operation, refused):
    """Throws unless EBS could say so: a test that answers what AWS never does proves nothing."""
    shapes = {shape.name: shape for shape in operation.error_shapes} if operation else {}
    if refused.code not in shapes:
        assert EBS_COMMON.get(refused.code) == refused.status, f"EBS has no {refused}"
        return
    shape = shapes[refused.code]
    assert shape.metadata["error"]["httpStatusCode"] == refused.status, f"EBS has another status for {refused}"
    given = {"Message": refused.message, **refused.fields}
    assert set(shape.metadata.get("required", [])) <= set(given) <= set(shape.members), f"{refused}: has the fields {sorted(given)}"
    reasons = shape.members["Reason"].enum if "Reason" in shape.members else []
    assert given.get("Reason") in [*reasons, None], f"{refused}: EBS has no reason {given['Reason']}"


def write_refusal(service, refused, operation=None):
    """(status, headers, body); 'operation' is its model, as far as it was known."""
    message = escape(refused.message)
    if service == "ebs":
        _require_known(operation, refused)
        body = json.dumps({"Message": refused.message, **refused.fields}).encode()
        return refused.status, {"Content-Type": "application/json", "x-amzn-ErrorType": refused.code}, body
    if service == "ec2":
        text = f"<Response><Errors><Error><Code>{refused.code}</Code><Message>{message}</Message></Error></Errors><RequestID>r</RequestID></Response>"
    else:
        text = f"<Error><Code>{refused.code}</Code><Message>{message}</Message><RequestId>r</RequestId></Error>"
    return refused.status, {"Content-Type": "text/xml"}, ('<?xml version="1.0" encoding="UTF-8"?>\n' + text).encode()
