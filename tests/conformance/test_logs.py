"""Logs go to CloudWatch Logs; its endpoint is moto, a stand-in."""

import json

import boto3

from millrace_server import REGION, Server, ServerTest, moto, until
from test_validation import SCRIPT

# As long as AWS's: the service checks the form of its own.
KEYS = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}
GROUP = "/millrace/jobs"


class LogsToStandIn(ServerTest):
    @classmethod
    def setUpClass(cls):
        endpoint = moto(cls, cls.prepare)
        cls.server = Server("--logs-endpoint", endpoint, environment=KEYS)
        cls.addClassCleanup(cls.server.close)
        cls.client = cls.server.boto()
        cls.work = cls.server.directory

    @classmethod
    def prepare(cls, endpoint):
        cls.logs = boto3.client("logs", endpoint_url=endpoint, region_name=REGION,
                                aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
                                aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"])
        cls.logs.create_log_group(logGroupName=GROUP)

    def arn(self, stream, account="000000000000"):
        return f"arn:aws:logs:{REGION}:{account}:log-group:{GROUP}:log-stream:{stream}"

    def make(self, *streams):
        """A running application that logs there."""
        self.create(self.name(), SCRIPT, CloudWatchLoggingOptions=[
            {"LogStreamARN": arn} for arn in streams])
        self.run_application(self.name())

    def events(self, stream):
        found = self.logs.get_log_events(logGroupName=GROUP, logStreamName=stream,
                                         startFromHead=True)
        return [json.loads(event["message"]) for event in found["events"]]

    def test_what_a_job_logs_is_delivered_once(self):
        self.logs.create_log_stream(logGroupName=GROUP, logStreamName="orders")
        self.make(self.arn("missing"), self.arn("orders"))
        until("events", lambda: len(self.events("orders")) > 0)
        detail = self.detail(self.name())
        first = self.events("orders")[0]
        self.assertEqual(first["applicationARN"], detail["ApplicationARN"])
        self.assertEqual((first["applicationVersionId"], first["messageSchemaVersion"]), ("1", "1"))
        self.assertIn(first["messageType"], ("INFO", "WARN", "ERROR"))

        # A server that begins anew goes on where the last one was.
        self.server.kill()
        self.server.start()
        type(self).client = self.server.boto()
        self.succeed(self.name(), self.client.stop_application(ApplicationName=self.name()))
        logged = self.server.millrace("logs", self.name()).stdout.splitlines()
        wanted = sum(1 for line in logged if line[:2] == "20")
        until("all of it", lambda: len(self.events("orders")) >= wanted)
        self.assertEqual(len(self.events("orders")), wanted)
        self.assertIn("the log is not delivered", self.server.log_text())

    def test_a_stream_of_another_account_is_not_written_to(self):
        self.logs.create_log_stream(logGroupName=GROUP, logStreamName="other")
        self.make(self.arn("other", "111111111111"))
        until("told", lambda: "is of account 111111111111" in self.server.log_text())
        self.assertEqual(self.events("other"), [])
