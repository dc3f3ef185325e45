"""The service model of the client, walked: no operation is without an answer, and no
constraint of it without a case.

The cases are made from the model, so that one that it gains is one that must hold here.
"""

import json
import unittest
import urllib.error
import urllib.request

import botocore.session

from millrace_server import ServerTest

MODEL = botocore.session.get_session().get_service_model("kinesisanalyticsv2")

# Texts of the patterns for which "x" is none.
EXAMPLES = {
    "arn:.*": "arn:aws:any:us-east-1:000000000000:thing",
    "UTF-8": "UTF-8",
    r"([01][0-9]|2[0-3]):[0-5][0-9]": "23:59",
    r"^(?=^\$)(?=^\S+$).*$": "$",
}
# Refused by every pattern: a space and a control character.
BAD = "bad \x07name"
# A list of the model without a bound has one here.
BIG = 1_000_000


def sample(shape):
    """The least value that the model allows."""
    kind, rules = shape.type_name, shape.metadata
    if kind == "structure":
        return {name: sample(shape.members[name]) for name in shape.required_members}
    if kind == "list":
        return [sample(shape.member)] * rules.get("min", 0)
    if kind == "map":
        return {f"key{at}": sample(shape.value) for at in range(rules.get("min", 0))}
    if kind == "string":
        if shape.enum:
            return shape.enum[0]
        return EXAMPLES.get(rules.get("pattern"), "x" * max(rules.get("min", 1), 1))
    return {"integer": rules.get("min", 1), "long": rules.get("min", 1), "boolean": True,
            "timestamp": 1_795_356_208, "blob": ""}[kind]


def violations(shape):
    """Pairs of a value that breaks one constraint, and the path of what is wrong in it."""
    kind, rules = shape.type_name, shape.metadata
    if kind == "structure":
        yield from members(shape)
    elif kind == "list":
        item = sample(shape.member)
        if rules.get("min", 0) > 0:
            yield [], ""
        if "max" in rules:
            yield [item] * (rules["max"] + 1), ""
        for value, path in violations(shape.member):
            yield [value], f"[0]{path}"
    elif kind == "map":
        if rules.get("min", 0) > 0:
            yield {}, ""
        if "max" in rules:
            yield {f"k{at}": sample(shape.value) for at in range(rules["max"] + 1)}, ""
    elif kind == "string":
        yield from texts(shape, rules)
    elif kind in ("integer", "long"):
        if "min" in rules:
            yield rules["min"] - 1, ""
        if "max" in rules:
            yield rules["max"] + 1, ""


def texts(shape, rules):
    if shape.enum:
        yield "NONSENSE", ""
        return
    if rules.get("min", 0) > 0:
        yield "", ""
    if rules.get("max", BIG) < BIG:
        yield "x" * (rules["max"] + 1), ""
    if "pattern" in rules:
        yield BAD, ""


def members(shape):
    whole = sample(shape)
    for name in shape.required_members:
        yield {key: value for key, value in whole.items() if key != name}, f".{name}"
    for name, member in shape.members.items():
        for value, path in violations(member):
            yield {**whole, name: value}, f".{name}{path}"


class ServiceModel(ServerTest):
    options = ("--call-rate", "10000")

    def call(self, operation, request):
        """The answer's code, `None` when there is none, and its message."""
        http = self.server.signed(operation, json.dumps(request).encode())
        try:
            with urllib.request.urlopen(http) as answer:
                json.load(answer)
                return None, ""
        except urllib.error.HTTPError as refusal:
            body = json.load(refusal)
            self.assertEqual(refusal.code, 400, f"{operation}: {body}")
            return body["__type"].rsplit("#")[-1], body["message"]

    def test_every_operation_answers(self):
        self.assertEqual(len(MODEL.operation_names), 41)
        for operation in MODEL.operation_names:
            with self.subTest(operation=operation):
                model = MODEL.operation_model(operation)
                code, message = self.call(operation, sample(model.input_shape))
                self.assertNotIn(code, ("UnknownOperationException", "SerializationException"))
                declared = {error.name for error in model.error_shapes}
                allowed = {None, "UnsupportedOperationException"} | declared
                self.assertIn(code, allowed, message)

    def test_every_constraint_of_every_request_holds(self):
        cases = 0
        for operation in MODEL.operation_names:
            model = MODEL.operation_model(operation)
            refusal = {"InvalidRequestException"} if operation == "ListApplications" \
                else {"InvalidArgumentException"}
            for request, path in violations(model.input_shape):
                cases += 1
                code, message = self.call(operation, request)
                place = f"{operation} {path}: {message}"
                self.assertIn(code, refusal, place)
                self.assertIn(path.lstrip("."), message, place)
        # Fewer would mean that the walk lost a part of the model.
        self.assertGreater(cases, 600)


if __name__ == "__main__":
    unittest.main()
