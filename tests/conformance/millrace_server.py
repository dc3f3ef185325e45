"""The built server as a child process, and what the suites share.

Only `endpoint_url` and the keys, which the server writes at its first start, set these
clients apart from ones that speak to AWS.
"""

import configparser
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

REGION = "us-east-1"
# For a stand-in of S3, which checks none.
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
ROLE = "arn:aws:iam::000000000000:role/any"

# Finished files must come within a test's patience: roll and commit within a second.
ROLLING = """
    'sink.rolling-policy.rollover-interval' = '500 ms',
    'sink.rolling-policy.check-interval' = '200 ms'"""


def until(what, look, timeout=60.0):
    """Looks until there is an answer that is not None or False."""
    deadline = time.monotonic() + timeout
    while True:
        found = look()
        if found is not None and found is not False:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {timeout} s")
        time.sleep(0.05)


class Server:
    def __init__(self, *more, environment=KEYS):
        self.environment = environment
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="millrace-conformance-"))
        self.data = self.directory / "data"
        self.data.mkdir()
        self.log = open(self.directory / "server.log", "ab")
        self.more = more
        self.start()

    def start(self):
        binary = os.environ["MILLRACE_BIN"]
        self.process = subprocess.Popen(
            [binary, "serve", "--listen", "127.0.0.1:0", "--data-dir", str(self.data),
             "--stability-window", "300ms", *self.more],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            env={**os.environ, **self.environment})
        self.url = "http://" + until("millrace serve listening", self._address, 30)

    def keys(self):
        """The root access key."""
        file = configparser.ConfigParser()
        file.read(self.data / "credentials")
        return dict(file["default"])

    def millrace(self, *arguments, check=True):
        """Runs the program's own command line against this server."""
        ran = subprocess.run(
            [os.environ["MILLRACE_BIN"], *arguments], capture_output=True, text=True, timeout=120,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "MILLRACE_DATA_DIR": str(self.data), "MILLRACE_ENDPOINT": self.url})
        if check and ran.returncode != 0:
            raise AssertionError(f"millrace {arguments}: {ran.stderr}")
        if arguments[0] in ("keys", "policy") and arguments[1] != "list":
            # The server may have looked a moment ago, and looks again after a second.
            time.sleep(1.05)
        return ran

    def _address(self):
        if self.process.poll() is not None:
            raise AssertionError("millrace serve ended at once: " + self.log_text())
        try:
            note = json.loads((self.data / "server.json").read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return None
        return note["address"] if note["pid"] == self.process.pid else None

    def log_text(self):
        return (self.directory / "server.log").read_text()

    def boto(self, keys=None, region=REGION, **config):
        """A client with the root access key, or with other keys."""
        return boto3.client(
            "kinesisanalyticsv2", endpoint_url=self.url, region_name=region,
            **(keys or self.keys()), config=Config(**config) if config else None)

    def signed(self, operation, body):
        """A request that is signed, whatever its body is."""
        return self.sign("POST", "/", body, {
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": f"KinesisAnalytics_20180523.{operation}"})

    def sign(self, method, path, body, headers):
        keys = self.keys()
        request = AWSRequest(method, self.url + path, data=body, headers=headers)
        credentials = Credentials(keys["aws_access_key_id"], keys["aws_secret_access_key"])
        SigV4Auth(credentials, "kinesisanalytics", REGION).add_auth(request)
        return urllib.request.Request(request.url, data=body, method=method,
                                      headers=dict(request.headers))

    def kill(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        """Ends the server and the engines of its data directory, and removes both."""
        self.kill()
        for process in pathlib.Path("/proc").iterdir():
            try:
                arguments = (process / "cmdline").read_bytes().decode().split("\0")
            except (OSError, UnicodeDecodeError):
                continue
            if "run" in arguments and any(f"{self.data}/" in a for a in arguments):
                os.kill(int(process.name), signal.SIGKILL)
        self.log.close()
        shutil.rmtree(self.directory, ignore_errors=True)


class ServerTest(unittest.TestCase):
    """A server for each class of tests, its log shown when the class fails to end well."""

    options = ()

    @classmethod
    def setUpClass(cls):
        cls.server = Server(*cls.options)
        cls.addClassCleanup(cls.server.close)
        cls.client = cls.server.boto()
        cls.work = cls.server.directory

    def name(self):
        return self.id().rsplit(".", 1)[1].replace("_", "-")

    def create(self, name, sql, runtime="FLINK-1_18", rollback=False, parallelism=1, **more):
        configuration = {
            "ApplicationCodeConfiguration": {
                "CodeContentType": "PLAINTEXT", "CodeContent": {"TextContent": sql}},
            "FlinkApplicationConfiguration": {
                "CheckpointConfiguration": {
                    "ConfigurationType": "CUSTOM", "CheckpointingEnabled": True,
                    "CheckpointInterval": 200, "MinPauseBetweenCheckpoints": 0},
                "ParallelismConfiguration": {
                    "ConfigurationType": "CUSTOM", "Parallelism": parallelism,
                    "ParallelismPerKPU": 1, "AutoScalingEnabled": False}},
            "ApplicationSystemRollbackConfiguration": {"RollbackEnabled": rollback}}
        answer = self.client.create_application(
            ApplicationName=name, RuntimeEnvironment=runtime, ServiceExecutionRole=ROLE,
            ApplicationConfiguration=configuration, **more)
        return answer["ApplicationDetail"]

    def detail(self, name):
        return self.client.describe_application(ApplicationName=name)["ApplicationDetail"]

    def operation(self, name, answer):
        found = self.client.describe_application_operation(
            ApplicationName=name, OperationId=answer["OperationId"])
        return found["ApplicationOperationInfoDetails"]

    def settled(self, name, answer, timeout=60):
        """The details of the operation that `answer` names, once it has ended."""
        def look():
            details = self.operation(name, answer)
            return details if details["OperationStatus"] != "IN_PROGRESS" else None
        return until(f"operation {answer['OperationId']} of {name}", look, timeout)

    def succeed(self, name, answer, timeout=60):
        details = self.settled(name, answer, timeout)
        self.assertEqual(details["OperationStatus"], "SUCCESSFUL", details)
        return details

    def run_application(self, name):
        self.succeed(name, self.client.start_application(ApplicationName=name))

    def update(self, name, **changes):
        return self.client.update_application(
            ApplicationName=name,
            CurrentApplicationVersionId=self.detail(name)["ApplicationVersionId"], **changes)

    def refused(self, code, call, **arguments):
        """The message of the refusal, which must carry `code` and status 400."""
        with self.assertRaises(self.client.exceptions.ClientError) as caught:
            call(**arguments)
        error = caught.exception.response
        self.assertEqual(error["Error"]["Code"], code, error)
        self.assertEqual(error["ResponseMetadata"]["HTTPStatusCode"], 400, error)
        return error["Error"]["Message"]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def moto(test_class, ready):
    """The endpoint of moto's server, a stand-in for services of AWS that ends with the class;
    `ready(endpoint)` prepares it, and fails until it listens."""
    endpoint = f"http://127.0.0.1:{free_port()}"
    program = os.path.join(os.path.dirname(sys.executable), "moto_server")
    process = subprocess.Popen([program, "-H", "127.0.0.1", "-p", endpoint.rsplit(":")[-1]],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    test_class.addClassCleanup(process.wait)
    test_class.addClassCleanup(process.kill)

    def prepared():
        try:
            ready(endpoint)
        except Exception:
            return False
        return True
    until("moto listening", prepared, 60)
    return endpoint


def code_update(sql):
    return {"ApplicationCodeConfigurationUpdate": {
        "CodeContentTypeUpdate": "PLAINTEXT", "CodeContentUpdate": {"TextContentUpdate": sql}}}


def drop_file(directory, name, text):
    """Puts a whole file into a watched directory: hidden while written, then renamed."""
    directory.mkdir(parents=True, exist_ok=True)
    hidden = directory / f".{name}.writing"
    hidden.write_text(text)
    hidden.rename(directory / name)


def finished_lines(directory):
    """The lines of finished output files: hidden and in-progress ones are not there yet."""
    lines = []
    for path in sorted(directory.rglob("*")) if directory.exists() else []:
        parts = path.relative_to(directory).parts
        hidden = any(p.startswith((".", "_")) or ".inprogress" in p for p in parts)
        if path.is_file() and not hidden:
            lines += path.read_text().splitlines()
    return lines


def aws(server, *arguments):
    """Runs the aws command line; its answer as JSON, `None` when it printed nothing."""
    command = [os.path.join(os.path.dirname(sys.executable), "aws"), "kinesisanalyticsv2",
               *arguments, "--output", "json", "--endpoint-url", server.url]
    environment = {"PATH": os.environ["PATH"], "HOME": str(server.directory),
                   "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION, "AWS_PAGER": "",
                   "AWS_SHARED_CREDENTIALS_FILE": str(server.data / "credentials")}
    ran = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    if ran.returncode != 0:
        raise AwsFailed(ran.stderr.strip())
    return json.loads(ran.stdout) if ran.stdout.strip() else None


class AwsFailed(Exception):
    """What the aws command line printed on stderr."""
