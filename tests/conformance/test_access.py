"""Who may do what, as unchanged clients meet it: boto3's own signatures and errors."""

import datetime
import json
import os
import stat
import unittest
from unittest import mock

import botocore
import botocore.auth
from botocore.exceptions import ClientError

from millrace_server import ROLE, ServerTest
from test_validation import SCRIPT

OTHER = "111111111111"


class Access(ServerTest):
    # What is logged at all must hold no secret.
    options = ("--more-regions", "eu-west-1", "--log-level", "trace")

    def refusal(self, client, operation="list_applications", **arguments):
        with self.assertRaises(ClientError) as caught:
            getattr(client, operation)(**arguments)
        answer = caught.exception.response
        self.assertEqual(answer["ResponseMetadata"]["HTTPStatusCode"], 400, answer)
        return answer["Error"]["Code"], answer["Error"]["Message"]

    def keys(self, *owner):
        """A new access key as boto3 takes it."""
        made = json.loads(self.server.millrace("keys", "create", *owner, "--output", "json").stdout)
        return {"aws_access_key_id": made["AccessKeyId"],
                "aws_secret_access_key": made["SecretAccessKey"]}

    def put(self, user, *statements):
        file = self.work / f"{user}.json"
        file.write_text(json.dumps({"Version": "2012-10-17", "Statement": statements}))
        return self.server.millrace("policy", "put", "--user", user, "main", str(file))

    def make(self, client, name, **more):
        return client.create_application(
            ApplicationName=name, RuntimeEnvironment="FLINK-1_18", ServiceExecutionRole=ROLE,
            ApplicationConfiguration={"ApplicationCodeConfiguration": {
                "CodeContentType": "PLAINTEXT", "CodeContent": {"TextContent": SCRIPT}}}, **more)

    def arn(self, name, account="000000000000"):
        return f"arn:aws:kinesisanalytics:us-east-1:{account}:application/{name}"

    def test_the_first_start_wrote_the_root_key_for_its_owner_alone(self):
        for name in ("credentials", "secret.key"):
            mode = stat.S_IMODE(os.stat(self.server.data / name).st_mode)
            self.assertEqual(mode, 0o600, name)
        said = self.server.log_text()
        self.assertIn(f"{self.server.data}/credentials", said)
        self.assertNotIn(self.server.keys()["aws_secret_access_key"], said)
        self.assertEqual(self.client.list_applications()["ResponseMetadata"]["HTTPStatusCode"], 200)

    def test_unsigned(self):
        client = self.server.boto(signature_version=botocore.UNSIGNED)
        self.assertEqual(self.refusal(client)[0], "MissingAuthenticationTokenException")

    def test_wrong_secret(self):
        keys = {**self.server.keys(), "aws_secret_access_key": "x" * 40}
        code, message = self.refusal(self.server.boto(keys))
        self.assertEqual(code, "InvalidSignatureException")
        self.assertIn("The request signature we calculated does not match", message)

    def test_unknown_key(self):
        keys = {**self.server.keys(), "aws_access_key_id": "AKIAIOSFODNN7EXAMPLE"}
        self.assertEqual(self.refusal(self.server.boto(keys))[0], "UnrecognizedClientException")

    def test_session_token(self):
        keys = {**self.server.keys(), "aws_session_token": "token"}
        self.assertEqual(self.refusal(self.server.boto(keys))[0], "UnrecognizedClientException")

    def test_expired(self):
        then = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=10)
        with mock.patch.object(botocore.auth, "get_current_datetime", lambda *_, **__: then):
            code, message = self.refusal(self.server.boto(retries={"total_max_attempts": 1}))
        self.assertEqual(code, "InvalidSignatureException")
        self.assertIn("Signature expired", message)

    def test_disabled_key(self):
        keys = self.keys()
        client = self.server.boto(keys)
        client.list_applications()
        self.server.millrace("keys", "disable", keys["aws_access_key_id"])
        self.assertEqual(self.refusal(client)[0], "UnrecognizedClientException")
        self.server.millrace("keys", "enable", keys["aws_access_key_id"])
        client.list_applications()
        self.server.millrace("keys", "delete", keys["aws_access_key_id"])
        self.assertEqual(self.refusal(client)[0], "UnrecognizedClientException")
        self.assertNotIn(keys["aws_access_key_id"], self.server.millrace("keys", "list").stdout)

    def test_regions(self):
        self.assertIn("eu-west-1", self.make(self.server.boto(region="eu-west-1"), self.name())
                      ["ApplicationDetail"]["ApplicationARN"])
        code, message = self.refusal(self.server.boto(region="us-west-2"))
        self.assertEqual(code, "InvalidSignatureException")
        self.assertIn("us-west-2", message)

    def test_denied_action(self):
        name = self.name()
        self.make(self.client, name)
        client = self.server.boto(self.keys("--user", "denied"))
        code, message = self.refusal(client, "describe_application", ApplicationName=name)
        self.assertEqual(code, "AccessDeniedException")
        self.assertEqual(
            message,
            "User: arn:aws:iam::000000000000:user/denied is not authorized to perform: "
            f"kinesisanalytics:DescribeApplication on resource: {self.arn(name)} because no "
            "identity-based policy allows the kinesisanalytics:DescribeApplication action")
        self.put("denied", {"Effect": "Allow", "Action": "kinesisanalytics:Describe*",
                            "Resource": self.arn(name)})
        client.describe_application(ApplicationName=name)
        self.assertEqual(self.refusal(client, "start_application", ApplicationName=name)[0],
                         "AccessDeniedException")
        self.assertEqual(self.refusal(client, "describe_application", ApplicationName="other")[0],
                         "AccessDeniedException")

    def test_tag_condition(self):
        for name, team in (("tagged-a", "a"), ("tagged-b", "b")):
            self.make(self.client, name, Tags=[{"Key": "team", "Value": team}])
        client = self.server.boto(self.keys("--user", "of-team-a"))
        self.put("of-team-a", {
            "Effect": "Allow", "Action": "kinesisanalytics:*", "Resource": "*",
            "Condition": {"StringEquals": {"aws:ResourceTag/team": "a"}}})
        client.describe_application(ApplicationName="tagged-a")
        self.assertEqual(self.refusal(client, "describe_application", ApplicationName="tagged-b")[0],
                         "AccessDeniedException")

    def test_another_account_sees_nothing(self):
        name = self.name()
        self.make(self.client, name)
        client = self.server.boto(self.keys("--account", OTHER))
        self.assertEqual(client.list_applications()["ApplicationSummaries"], [])
        there = self.refusal(client, "describe_application", ApplicationName=name)
        absent = self.refusal(client, "describe_application", ApplicationName="absent")
        self.assertEqual(there[0], "ResourceNotFoundException")
        self.assertEqual(there[1].replace(name, "absent"), absent[1])
        detail = self.make(client, name)["ApplicationDetail"]
        self.assertEqual(detail["ApplicationARN"], self.arn(name, OTHER))

    def test_what_is_no_policy_is_refused_and_simulations_say_what_decides(self):
        file = self.work / "bad.json"
        file.write_text('{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*",'
                        ' "Resource": "*", "Condition": {"StringEqual": {"aws:username": "a"}}}]}')
        ran = self.server.millrace("policy", "put", "--user", "u", "p", str(file), check=False)
        self.assertEqual(ran.returncode, 1)
        self.assertIn("Statement[0].Condition.StringEqual.aws:username: StringEqual is no operator",
                      ran.stderr)
        self.put("simulated", {"Sid": "mine", "Effect": "Allow", "Action": "kinesisanalytics:*",
                               "Resource": self.arn("${aws:username}-*")})

        def simulate(name):
            return self.server.millrace(
                "policy", "simulate", "--user", "simulated", "--action",
                "kinesisanalytics:StartApplication", "--resource", self.arn(name), check=False)
        allowed = simulate("simulated-1")
        self.assertEqual((allowed.returncode, allowed.stdout),
                         (0, "allowed by statement mine of main\n"))
        denied = simulate("other")
        self.assertEqual(denied.returncode, 1)
        self.assertIn("implicitDeny", denied.stdout)
        self.assertIn("simulated", self.server.millrace("policy", "list").stdout)
        shown = self.server.millrace("policy", "get", "--user", "simulated", "main").stdout
        self.assertEqual(json.loads(shown)["Version"], "2012-10-17")
        self.server.millrace("policy", "delete", "--user", "simulated", "main")
        self.assertEqual(simulate("simulated-1").returncode, 1)

    def test_the_audit_log_tells_who_did_what(self):
        name = self.name()
        keys = self.keys("--user", "audited")
        self.put("audited", {"Effect": "Allow", "Action": "kinesisanalytics:CreateApplication",
                             "Resource": "*"})
        client = self.server.boto(keys)
        self.make(client, name)
        self.refusal(client, "start_application", ApplicationName=name)
        lines = self.server.millrace("audit", "--output", "json", "--limit", "1000").stdout
        entries = [json.loads(line) for line in lines.splitlines()]
        user = "arn:aws:iam::000000000000:user/audited"
        calls = [(e["action"], e["outcome"]) for e in entries if e["principal"] == user]
        self.assertEqual(calls, [("kinesisanalytics:CreateApplication", "Success"),
                                 ("kinesisanalytics:StartApplication", "AccessDeniedException")])
        own = [e["action"] for e in entries if user in e["resource"]]
        self.assertEqual(own, ["iam:CreateAccessKey", "iam:PutUserPolicy"])
        for secret in (keys, self.server.keys()):
            self.assertNotIn(secret["aws_secret_access_key"], lines)
            self.assertNotIn(secret["aws_secret_access_key"], self.server.log_text())

    def test_no_secret_is_in_the_clear_in_the_database(self):
        keys = [self.keys(), self.server.keys()]
        for path in self.server.data.glob("millrace.db*"):
            content = path.read_bytes()
            for key in keys:
                self.assertNotIn(key["aws_secret_access_key"].encode(), content)


class Throttled(ServerTest):
    options = ("--call-rate", "1")

    def test_calls_beyond_the_rate_are_refused_and_only_those(self):
        other = json.loads(self.server.millrace("keys", "create", "--account", OTHER,
                                                "--output", "json").stdout)
        client = self.server.boto(retries={"total_max_attempts": 1})
        with self.assertRaises(ClientError) as caught:
            for _ in range(100):
                client.list_applications()
        self.assertEqual(caught.exception.response["Error"]["Code"], "ThrottlingException")
        keys = {"aws_access_key_id": other["AccessKeyId"],
                "aws_secret_access_key": other["SecretAccessKey"]}
        self.server.boto(keys).list_applications()
        # An SDK waits and tries again by itself.
        self.server.boto(retries={"max_attempts": 10}).list_applications()


if __name__ == "__main__":
    unittest.main()
