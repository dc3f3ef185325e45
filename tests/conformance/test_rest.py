"""The REST surface as its OpenAPI document describes it, to clients that know only that.

Schemathesis makes requests from the document, good and bad. It is installed into a virtual
environment of its own below `~/.cache/millrace`; where that cannot be done its test is
skipped, with the reason printed.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import unittest
import urllib.error
import urllib.request

from millrace_server import ServerTest, until

SCHEMATHESIS = "schemathesis==4.32.5"
BOTOCORE = "botocore==1.44.5"
# Signs whatever schemathesis is about to send.
HOOKS = """
import os
import requests
import schemathesis
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


class Signed(requests.auth.AuthBase):
    def __call__(self, request):
        request.headers.pop("Authorization", None)
        signed = AWSRequest(request.method, request.url, data=request.body or b"")
        keys = Credentials(os.environ["KEY_ID"], os.environ["KEY_SECRET"])
        SigV4Auth(keys, "kinesisanalytics", "us-east-1").add_auth(signed)
        request.headers.update(dict(signed.headers))
        return request


schemathesis.auth.set_from_requests(Signed())
"""
SCRIPT = """
CREATE TABLE numbers (n BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '10');
CREATE TABLE nowhere (n BIGINT) WITH ('connector' = 'blackhole');
INSERT INTO nowhere SELECT n FROM numbers;
"""

# What an answer must be. Not among them: whether every request that fits the document is
# accepted, as rules between members (one source of code, not several) are not in it.
CHECKS = ["not_a_server_error", "status_code_conformance", "content_type_conformance",
          "response_headers_conformance", "response_schema_conformance", "unsupported_method"]


def schemathesis():
    """The installed program, or why there is none."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    venv = pathlib.Path(base) / "millrace" / f"{SCHEMATHESIS}-{BOTOCORE}".replace("==", "-")
    program, ready = venv / "bin" / "schemathesis", venv / "ready"
    if ready.exists():
        return program, None
    shutil.rmtree(venv, ignore_errors=True)
    for command in ([sys.executable, "-m", "venv", str(venv)],
                    [str(venv / "bin" / "pip"), "install", "--quiet", SCHEMATHESIS, BOTOCORE]):
        try:
            ran = subprocess.run(command, capture_output=True, text=True, timeout=300)
        except (OSError, subprocess.TimeoutExpired) as error:
            return None, f"{command[-1]}: {error}"
        if ran.returncode != 0:
            return None, f"{' '.join(command[-2:])}: {ran.stderr.strip()[-300:]}"
    ready.touch()
    return program, None


class Rest(ServerTest):
    def call(self, method, path, body=None, **headers):
        """Status, headers and body of an answer."""
        data = None if body is None else json.dumps(body).encode()
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if data is not None:
            headers.setdefault("content-type", "application/json")
        request = self.server.sign(method, path, data, headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                status, found, text = answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            status, found, text = error.code, error.headers, error.read()
        return status, found, json.loads(text) if text else None

    def new(self, name):
        status, _, created = self.call("POST", "/v1/applications", {
            "name": name, "runtimeEnvironment": "FLINK-1_18",
            "configuration": {"code": {"text": SCRIPT},
                              "checkpoints": {"intervalMs": 200, "minPauseMs": 0}}})
        self.assertEqual(status, 201, created)
        return created

    def begin(self, path, body=None, **headers):
        """The operation that a call begins, once it has ended."""
        status, _, changed = self.call("POST", path, body, **headers)
        self.assertEqual(status, 202, changed)
        name = changed["application"]["name"]
        operation = f"/v1/applications/{name}/operations/{changed['operationId']}"

        def look():
            found = self.call("GET", operation)[2]
            return found if found["status"] != "IN_PROGRESS" else None
        return until(operation, look)

    def test_boto3_and_rest_see_one_application(self):
        name = self.name()
        created = self.new(name)
        detail = self.detail(name)
        self.assertEqual(detail["ConditionalToken"], created["conditionalToken"])
        self.assertEqual(detail["ApplicationARN"], created["arn"])
        begun = self.begin(f"/v1/applications/{name}/start")
        self.assertEqual(begun["status"], "SUCCESSFUL", begun)
        operations = self.client.list_application_operations(ApplicationName=name)
        self.assertEqual(operations["ApplicationOperationInfoList"][0]["OperationId"], begun["id"])
        self.client.stop_application(ApplicationName=name, Force=True)
        until("READY", lambda: self.call(
            "GET", f"/v1/applications/{name}")[2]["status"] == "READY")

    def test_an_update_on_the_condition_that_nobody_was_faster(self):
        name = self.name()
        self.new(name)
        path = f"/v1/applications/{name}"
        _, headers, _ = self.call("GET", path)
        upgrade = {"runtimeEnvironment": "FLINK-1_19"}
        updated = self.begin(f"{path}/updates", upgrade, if_match=headers["etag"])
        self.assertEqual(updated["status"], "SUCCESSFUL", updated)
        status, found, problem = self.call(
            "POST", f"{path}/updates", upgrade, if_match=headers["etag"])
        self.assertEqual((status, problem["code"]), (412, "PreconditionFailedException"))
        self.assertEqual(found["content-type"], "application/problem+json")

    def test_a_request_sent_twice_is_done_once(self):
        name = self.name()
        self.new(name)
        path = f"/v1/applications/{name}/start"
        first = self.call("POST", path, None, idempotency_key="k")
        again = self.call("POST", path, None, idempotency_key="k")
        self.assertEqual((first[0], first[2]), (again[0], again[2]))
        until("RUNNING", lambda: self.call(
            "GET", f"/v1/applications/{name}")[2]["status"] == "RUNNING")
        self.assertEqual(len(self.call("GET", f"/v1/applications/{name}/operations")[2]["operations"]), 1)

    def test_requests_made_from_the_document_are_answered_as_it_says(self):
        program, absent = schemathesis()
        if absent:
            print(f"skipped: schemathesis cannot be installed: {absent}", file=sys.stderr)
            self.skipTest(absent)
        self.new("target")
        self.begin("/v1/applications/target/start")
        # Following a log would wait for what is logged next.
        config = self.work / "schemathesis.toml"
        config.write_text('[parameters]\n"path.name" = "target"\n"query.follow" = false\n')
        (self.work / "signing.py").write_text(HOOKS)
        keys = self.server.keys()
        ran = subprocess.run(
            [str(program), "--config-file", str(config), "run",
             self.server.url + "/v1/openapi.json", "--no-color", "--seed", "1",
             "--phases", "coverage,fuzzing", "--max-examples", "8", "--request-timeout", "30",
             "--checks", ",".join(CHECKS), "--exclude-operation-id", "deleteApplication",
             "--warnings", "off"],
            cwd=self.work, capture_output=True, text=True, timeout=400,
            env={**os.environ, "HOME": str(self.work), "PYTHONPATH": str(self.work),
                 "SCHEMATHESIS_HOOKS": "signing", "KEY_ID": keys["aws_access_key_id"],
                 "KEY_SECRET": keys["aws_secret_access_key"]})
        self.assertEqual(ran.returncode, 0, ran.stdout[-6000:] + ran.stderr[-2000:])
        self.assertNotIn("panicked", self.server.log_text())


if __name__ == "__main__":
    unittest.main()
