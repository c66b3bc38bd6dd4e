"""Judges requests to AWS by AWS's own words: the service models and the signature code of the distribution's python3-botocore.

A request is taken apart by the model's input shape, validated, put together again by botocore's serializer and compared with
what came; constraints.py looks at values, signatures.py at the signature. What differs is Refused, as AWS would.
"""

import base64
import contextlib
import json
import re
import urllib.parse
import xml.etree.ElementTree as tree

import botocore.serialize
import botocore.session
import botocore.validate

import constraints
import signatures
from refused import Refused

SIGNING_HEADERS = {"x-amz-date", "x-amz-content-sha256", "x-amz-security-token"}


class Request:
    """What came over the wire. 'headers' have lower-case names."""

    def __init__(self, method, target, headers, body):
        self.method, self.target, self.headers, self.body = method, target, headers, body
        self.path, _, self.query = target.partition("?")
        self.arguments = dict(urllib.parse.parse_qsl(self.query, keep_blank_values=True))


@contextlib.contextmanager
def _what_can_not_be_read_is_refused(service):
    try:
        yield
    except (ValueError, tree.ParseError) as error:  # no number, no JSON, no UTF-8 …
        raise Refused(400, {"ebs": "SerializationException", "s3": "MalformedXML"}.get(service, "MalformedQueryString"), str(error)) from error


class Oracle:
    def __init__(self):
        session = botocore.session.get_session()
        self.models = {name: session.get_service_model(name) for name in ("ebs", "ec2", "s3", "sts")}
        self.serializers = {name: botocore.serialize.create_serializer(model.metadata["protocol"], include_validation=False)
                            for name, model in self.models.items()}

    def find_operation(self, request, service):
        """(operation's model, the parameters that told it: those of a query, or those in the path)."""
        with _what_can_not_be_read_is_refused(service):
            return self._query_operation(request, service) if service in ("ec2", "sts") else self._rest_operation(request, service)

    def read(self, request, service, operation, told):
        """The parameters, after the model has agreed with every byte of them; the rest as find_operation gave it."""
        with _what_can_not_be_read_is_refused(service):
            signatures.check_payload(request, service, operation)
            if service in ("ec2", "sts"):
                return self._query_parameters(service, operation, told)
            parameters = self._rest_parameters(request, service, operation, told)
            self._agree(request, service, operation, parameters)
            return parameters

    def _validated(self, service, operation, parameters):
        report = botocore.validate.ParamValidator().validate(parameters, operation.input_shape)
        if report.has_errors():
            raise constraints.invalid(service, report.generate_report())
        constraints.check(service, operation, parameters)
        return self.serializers[service].serialize_to_request(parameters, operation)

    def _query_operation(self, request, service):
        if request.headers.get("content-type") != "application/x-www-form-urlencoded; charset=utf-8":
            raise Refused(400, "MalformedQueryString", "wrong content type")
        pairs = urllib.parse.parse_qsl(bytes(request.body).decode(), keep_blank_values=True, strict_parsing=True)
        flat = dict(pairs)
        if len(flat) != len(pairs):
            raise Refused(400, "MalformedQueryString", "a parameter is repeated")
        name = flat.get("Action")
        if name not in self.models[service].operation_names:
            raise Refused(400, "InvalidAction", f"{name}")
        return self.models[service].operation_model(name), flat

    def _query_parameters(self, service, operation, flat):
        parameters = self._structure(operation.input_shape, flat, "") or {}
        again = self._validated(service, operation, parameters)["body"]
        again = {key: str(value) for key, value in again.items()}
        if again != flat:
            differing = sorted(set(again.items()) ^ set(flat.items()))
            raise Refused(400, "UnknownParameter", f"the model does not know {differing}")
        return parameters

    def _structure(self, shape, flat, prefix):
        """The value of 'shape' below 'prefix', or None if nothing is there."""
        kind = shape.type_name
        if kind == "structure":
            members = {}
            for key, member in shape.members.items():
                name = self.serializers["ec2"]._get_serialized_name(member, key)
                value = self._structure(member, flat, f"{prefix}.{name}" if prefix else name)
                if value is not None:
                    members[key] = value
            return members or None
        if kind == "list":
            items = []
            while (value := self._structure(shape.member, flat, f"{prefix}.{len(items) + 1}")) is not None:
                items.append(value)
            return items or None
        if prefix not in flat:
            return None
        return self._scalar(kind, flat[prefix])

    @staticmethod
    def _scalar(kind, text):
        if kind == "boolean":
            if text not in ("true", "false"):
                raise Refused(400, "InvalidParameterValue", f"'{text}' is no boolean")
            return text == "true"
        if kind in ("integer", "long"):
            return int(text)
        if kind == "blob":
            return base64.b64decode(text, validate=True)
        return text

    def _rest_operation(self, request, service):
        found = []
        for name in self.models[service].operation_names:
            operation = self.models[service].operation_model(name)
            path, _, query = operation.http["requestUri"].partition("?")
            if operation.http["method"] != request.method:
                continue
            pattern = re.sub(r"\\\{(\w+)\\\+\\\}", r"(?P<\1>.+)", re.escape(path).replace(r"\{Key\+\}", r"\{Key\+\}"))
            pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", pattern)
            match = re.fullmatch(pattern, request.path)
            if match and self._query_fits(operation, query, request.arguments):
                found.append((self._rank(operation, query), operation, match.groupdict()))
        if not found:
            unknown = (405, "MethodNotAllowed") if service == "s3" else (404, "UnknownOperationException")
            raise Refused(*unknown, f"{request.method} {request.target}")
        _, operation, uri = max(found, key=lambda item: item[0])
        return operation, uri

    @staticmethod
    def _names_in_query(operation):
        return {member.serialization["name"]: key for key, member in operation.input_shape.members.items()
                if member.serialization.get("location") == "querystring"}

    def _query_fits(self, operation, query, arguments):
        fixed = {part.partition("=")[0] for part in query.split("&") if part}
        known = self._names_in_query(operation)
        needed = {name for name, key in known.items() if key in operation.input_shape.required_members}
        return fixed | needed <= set(arguments) and set(arguments) <= fixed | set(known)

    def _rank(self, operation, query):
        return (len(query), len([k for k in self._names_in_query(operation).values()
                                 if k in operation.input_shape.required_members]), operation.name == "PutObject")

    def _rest_parameters(self, request, service, operation, uri):
        parameters = {}
        payload = operation.input_shape.serialization.get("payload")
        known = set(SIGNING_HEADERS)
        for key, member in operation.input_shape.members.items():
            where, name = member.serialization.get("location"), member.serialization.get("name", key)
            if where == "uri" and name in uri:
                parameters[key] = self._scalar(member.type_name, urllib.parse.unquote(uri[name]))
            elif where == "querystring" and name in request.arguments:
                parameters[key] = self._scalar(member.type_name, request.arguments[name])
            elif where == "header" and name.lower() in request.headers:
                known.add(name.lower())
                parameters[key] = self._scalar(member.type_name, request.headers[name.lower()])
        unknown = {name for name in request.headers if name.startswith("x-amz-")} - known
        if unknown:
            raise constraints.invalid(service, f"the model does not know {sorted(unknown)}")
        if payload and operation.input_shape.members[payload].type_name == "blob":
            parameters[payload] = request.body
        elif payload:
            parameters[payload] = self._xml(operation.input_shape.members[payload], bytes(request.body))
        elif operation.metadata["protocol"] == "rest-json" and request.body:
            parameters.update(json.loads(bytes(request.body)))
        return parameters

    @staticmethod
    def _xml(shape, text):
        """CompleteMultipartUpload's body, the only one in XML: <CompleteMultipartUpload><Part>…"""
        strip = lambda tag: tag.rpartition("}")[2]
        part = shape.members["Parts"].member
        return {"Parts": [{strip(field.tag): Oracle._scalar(part.members[strip(field.tag)].type_name, field.text)
                           for field in item} for item in tree.fromstring(text)]}

    def _agree(self, request, service, operation, parameters):
        small = {key: (b"" if operation.input_shape.members[key].type_name == "blob" else value)
                 for key, value in parameters.items()}  # the serializer would copy half a megabyte
        again = self._validated(service, operation, small)
        target, _, fixed = again["url_path"].partition("?")
        query = {str(key): str(value) for key, value in again["query_string"].items()}
        query.update({part.partition("=")[0]: part.partition("=")[2] for part in fixed.split("&") if part})
        differing = []
        if target != request.path or query != request.arguments:
            differing.append(f"{target} {query}")
        for name, value in again["headers"].items():
            if request.headers.get(name.lower()) != str(value):
                differing.append(f"{name}: {value}")
        if operation.metadata["protocol"] == "rest-json" and again["body"] and not operation.input_shape.serialization.get("payload"):
            if json.loads(again["body"]) != json.loads(bytes(request.body)):
                differing.append(again["body"])
        if differing:
            raise constraints.invalid(service, f"botocore would send {differing}")
