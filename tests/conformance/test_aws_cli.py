"""The aws command line drives the story with only --endpoint-url set."""

import json
import unittest

from millrace_server import ROLE, AwsFailed, ServerTest, aws, finished_lines, until
from test_lifecycle import orders
from millrace_server import drop_file


class AwsCommandLine(ServerTest):
    def aws(self, operation, *arguments):
        return aws(self.server, operation, *arguments)

    def wait(self, name, answer):
        def look():
            found = self.aws("describe-application-operation", "--application-name", name,
                             "--operation-id", answer["OperationId"])
            details = found["ApplicationOperationInfoDetails"]
            return details if details["OperationStatus"] != "IN_PROGRESS" else None
        details = until("operation", look, 60)
        self.assertEqual(details["OperationStatus"], "SUCCESSFUL", details)

    def test_the_story(self):
        name = self.name()
        code = {"ApplicationCodeConfiguration": {
            "CodeContentType": "PLAINTEXT",
            "CodeContent": {"TextContent": orders(self.work, name)}},
            "FlinkApplicationConfiguration": {"CheckpointConfiguration": {
                "ConfigurationType": "CUSTOM", "CheckpointingEnabled": True,
                "CheckpointInterval": 200, "MinPauseBetweenCheckpoints": 0}}}
        self.aws("create-application", "--application-name", name,
                 "--runtime-environment", "FLINK-1_15", "--service-execution-role", ROLE,
                 "--application-configuration", json.dumps(code))
        self.wait(name, self.aws("start-application", "--application-name", name))
        self.feed(name, 0, 100)
        self.wait(name, self.aws(
            "update-application", "--application-name", name,
            "--current-application-version-id", "1", "--runtime-environment-update", "FLINK-1_18"))
        self.feed(name, 100, 200)
        expected = sorted(f"{i},{i * 20}" for i in range(200))
        out = self.work / name / "out"
        until("the rows", lambda: len(finished_lines(out)) >= 200)
        self.assertEqual(sorted(finished_lines(out)), expected)
        self.wait(name, self.aws("stop-application", "--application-name", name))
        detail = self.aws("describe-application", "--application-name", name)["ApplicationDetail"]
        self.assertEqual((detail["ApplicationStatus"], detail["RuntimeEnvironment"]),
                         ("READY", "FLINK-1_18"))
        # This client sends the creation time back cut to the second.
        self.aws("delete-application", "--application-name", name,
                 "--create-timestamp", str(int(float(detail["CreateTimestamp"]))))
        until("gone", lambda: self.gone(name))

    def feed(self, name, first, last):
        text = "".join(f"{i},{i * 10}\n" for i in range(first, last))
        drop_file(self.work / name / "in", f"{first:09}.csv", text)

    def gone(self, name):
        try:
            self.aws("describe-application", "--application-name", name)
        except AwsFailed as failure:
            self.assertIn("ResourceNotFoundException", str(failure))
            return True
        return False


if __name__ == "__main__":
    unittest.main()
