//! What policies decide, and which are refused.

use std::collections::BTreeMap;

use millrace_auth::policy::{Ask, Context, Decision, NamedPolicy, Policy, decide, refusal};
use millrace_auth::{Principal, actions};
use serde_json::{Value, json};

const APP: &str = "arn:aws:kinesisanalytics:us-east-1:123456789012:application/orders";
const NOW_MS: i64 = 1_795_356_204_683;

fn alice() -> Principal {
    Principal::user("123456789012", "alice").expect("of the form")
}

fn policy(statements: &Value) -> Policy {
    let document = json!({"Version": "2012-10-17", "Statement": statements});
    Policy::parse(&document.to_string()).unwrap_or_else(|error| panic!("{error}: {document}"))
}

fn tags(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn ask<'a>(action: &'a str, resource: &'a str) -> Ask<'a> {
    let context = Context { region: "us-east-1", now_ms: NOW_MS, ..Context::default() };
    Ask { action, resource, context }
}

fn decided(statements: &Value, ask: &Ask<'_>) -> Decision {
    let policies = [NamedPolicy { name: "p".into(), policy: policy(statements) }];
    decide(&alice(), &policies, ask)
}

#[track_caller]
fn check(statements: &Value, ask: &Ask<'_>, allowed: bool) {
    let decision = decided(statements, ask);
    assert_eq!(decision.is_allowed(), allowed, "{decision:?}: {ask:?}\n{statements}");
}

fn allow(action: &str, resource: &str) -> Value {
    json!({"Effect": "Allow", "Action": action, "Resource": resource})
}

const START: &str = "kinesisanalytics:StartApplication";

#[test]
fn nothing_is_allowed_by_default_and_everything_to_the_root() {
    let ask = ask(START, APP);
    assert_eq!(decide(&alice(), &[], &ask), Decision::NotAllowed);
    let root = Principal::root("123456789012").expect("twelve digits");
    assert_eq!(decide(&root, &[], &ask), Decision::Root);
}

#[test]
fn actions_match_by_name_and_wildcard_without_regard_to_case() {
    let on = |action: &str, allowed| check(&allow(action, "*"), &ask(START, APP), allowed);
    on("*", true);
    on("kinesisanalytics:*", true);
    on("kinesisanalytics:Start*", true);
    on("kinesisanalytics:startapplication", true);
    on("kinesisanalytics:St?rtApplication", true);
    on("kinesisanalytics:Start", false);
    on("kinesisanalytics:*Snapshot", false);
    on("s3:*", false);
}

#[test]
fn resources_match_by_arn_and_wildcard() {
    let on = |resource: &str, allowed| {
        check(&allow("*", resource), &ask(START, APP), allowed);
    };
    on("*", true);
    on(APP, true);
    on("arn:aws:kinesisanalytics:*:*:application/*", true);
    on("arn:aws:kinesisanalytics:us-east-1:123456789012:application/ord*", true);
    on("arn:aws:kinesisanalytics:us-east-1:123456789012:application/Orders", false);
    on("arn:aws:kinesisanalytics:eu-west-1:123456789012:application/*", false);
    on("arn:aws:kinesisanalytics:us-east-1:123456789012:snapshot/*", false);
    let own = "arn:aws:kinesisanalytics:*:*:application/${aws:username}-*";
    check(&allow("*", own), &ask(START, &APP.replace("orders", "alice-1")), true);
    check(&allow("*", own), &ask(START, &APP.replace("orders", "bob-1")), false);
}

#[test]
fn an_explicit_deny_wins_wherever_it_stands() {
    let deny = json!({"Sid": "no", "Effect": "Deny", "Action": START, "Resource": APP});
    let all = allow("*", "*");
    check(&json!([all, deny]), &ask(START, APP), false);
    check(&json!([deny, all]), &ask(START, APP), false);
    check(&json!([deny, all]), &ask("kinesisanalytics:StopApplication", APP), true);
    let denied = Decision::Denied { policy: "p".into(), statement: "no".into() };
    assert_eq!(decided(&json!([all, deny]), &ask(START, APP)), denied);
    let two = [
        NamedPolicy { name: "a".into(), policy: policy(&all) },
        NamedPolicy { name: "b".into(), policy: policy(&deny) },
    ];
    assert!(!decide(&alice(), &two, &ask(START, APP)).is_allowed());
}

#[test]
fn not_action_and_not_resource_are_all_the_others() {
    let but = json!({"Effect": "Allow", "NotAction": "kinesisanalytics:Delete*", "Resource": "*"});
    check(&but, &ask(START, APP), true);
    check(&but, &ask("kinesisanalytics:DeleteApplication", APP), false);
    let but = json!({"Effect": "Allow", "Action": "*", "NotResource": ["arn:aws:kinesisanalytics:*:*:application/prod-*"]});
    check(&but, &ask(START, APP), true);
    check(&but, &ask(START, &APP.replace("orders", "prod-1")), false);
}

/// One condition, the tags of resource and request, and whether it holds.
#[track_caller]
fn condition(condition: Value, resource: &[(&str, &str)], request: &[(&str, &str)], holds: bool) {
    let statement =
        json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition});
    let mut ask = ask(START, APP);
    ask.context.resource_tags = tags(resource);
    ask.context.request_tags = tags(request);
    check(&statement, &ask, holds);
}

#[test]
fn tags_of_the_resource_decide() {
    let team = |operator: &str, values: Value| json!({operator: {"aws:ResourceTag/team": values}});
    condition(team("StringEquals", json!("a")), &[("team", "a")], &[], true);
    condition(team("StringEquals", json!("a")), &[("team", "b")], &[], false);
    condition(team("StringEquals", json!("a")), &[("Team", "a")], &[], false);
    condition(team("StringEquals", json!(["a", "b"])), &[("team", "b")], &[], true);
    condition(team("StringEquals", json!("a*")), &[("team", "ab")], &[], false);
    condition(team("StringLike", json!("a*")), &[("team", "ab")], &[], true);
    condition(team("StringNotLike", json!("a*")), &[("team", "ab")], &[], false);
    condition(team("StringEqualsIgnoreCase", json!("A")), &[("team", "a")], &[], true);
    condition(team("StringNotEqualsIgnoreCase", json!("A")), &[("team", "a")], &[], false);
    condition(team("StringNotEquals", json!(["a", "b"])), &[("team", "c")], &[], true);
    condition(team("StringNotEquals", json!(["a", "b"])), &[("team", "b")], &[], false);
    condition(team("StringEquals", json!("${aws:username}")), &[("team", "alice")], &[], true);
}

#[test]
fn a_key_without_a_value_fits_nothing_and_is_what_negations_ask_for() {
    let team = |operator: &str| json!({operator: {"aws:ResourceTag/team": "a"}});
    condition(team("StringEquals"), &[], &[], false);
    condition(team("StringLike"), &[], &[], false);
    condition(team("StringEqualsIfExists"), &[], &[], true);
    condition(team("StringEqualsIfExists"), &[("team", "b")], &[], false);
    condition(team("StringNotEquals"), &[], &[], true);
    condition(json!({"Null": {"aws:ResourceTag/team": "true"}}), &[], &[], true);
    condition(json!({"Null": {"aws:ResourceTag/team": true}}), &[("team", "")], &[], false);
    condition(json!({"Null": {"aws:ResourceTag/team": "false"}}), &[("team", "")], &[], true);
}

#[test]
fn all_operators_and_all_keys_must_hold() {
    let both = json!({
        "StringEquals": {"aws:ResourceTag/team": "a", "aws:RequestTag/team": "a"},
        "StringLike": {"aws:ResourceTag/stage": "dev*"},
    });
    let resource = [("team", "a"), ("stage", "dev1")];
    condition(both.clone(), &resource, &[("team", "a")], true);
    condition(both.clone(), &resource, &[], false);
    condition(both, &[("team", "a"), ("stage", "prod")], &[("team", "a")], false);
}

#[test]
fn tag_keys_are_counted_over_all_or_any() {
    let keys = |operator: &str| json!({operator: {"aws:TagKeys": ["team", "stage"]}});
    let all = "ForAllValues:StringEquals";
    condition(keys(all), &[], &[("team", "a"), ("stage", "b")], true);
    condition(keys(all), &[], &[("team", "a"), ("other", "b")], false);
    condition(keys(all), &[], &[], true);
    let any = "ForAnyValue:StringEquals";
    condition(keys(any), &[], &[("team", "a"), ("other", "b")], true);
    condition(keys(any), &[], &[("other", "b")], false);
    condition(keys(any), &[], &[], false);
    condition(keys("ForAllValues:StringNotEquals"), &[], &[("team", "a"), ("x", "b")], false);
    condition(keys("ForAnyValue:StringNotEquals"), &[], &[("team", "a"), ("x", "b")], true);
    // UntagResource sends keys alone.
    let statement =
        json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": keys(all)});
    let mut ask = ask(START, APP);
    ask.context.removed_tag_keys = vec!["owner".into()];
    check(&statement, &ask, false);
}

#[test]
fn who_where_and_when_decide() {
    let holds = |wanted: Value, expected| condition(wanted, &[], &[], expected);
    let arn = "arn:aws:iam::123456789012:user/alice";
    holds(json!({"ArnEquals": {"aws:PrincipalArn": arn}}), true);
    holds(json!({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:user/al*"}}), true);
    holds(json!({"ArnLike": {"aws:principalarn": "arn:aws:iam::*:role/*"}}), false);
    holds(json!({"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/*"}}), true);
    holds(json!({"StringEquals": {"aws:username": "alice"}}), true);
    holds(json!({"StringEquals": {"aws:PrincipalAccount": "123456789012"}}), true);
    holds(json!({"StringEquals": {"aws:RequestedRegion": ["eu-west-1", "us-east-1"]}}), true);
    holds(json!({"StringNotEquals": {"aws:RequestedRegion": "us-east-1"}}), false);
    // NOW_MS is 2026-11-22T14:03:24Z.
    holds(json!({"DateLessThan": {"aws:CurrentTime": "2026-11-23T00:00:00Z"}}), true);
    holds(json!({"DateLessThan": {"aws:CurrentTime": "2026-11-22"}}), false);
    holds(json!({"DateGreaterThanEquals": {"aws:EpochTime": "1795356204"}}), true);
    holds(json!({"DateGreaterThan": {"aws:EpochTime": 1795356205}}), false);
}

#[test]
fn what_is_no_policy_is_refused_with_the_place_and_what_is_wrong() {
    let refused = |text: &str, part: &str| {
        let error = Policy::parse(text).expect_err(text).to_string();
        assert!(error.contains(part), "{error}\ndoes not contain\n{part}");
    };
    refused("", "it is not JSON");
    refused("[]", "must be a JSON object");
    refused(&" ".repeat(6_145), "longer than 6144 characters");
    refused(r#"{"Statement": []}"#, r#"Version: it must be "2012-10-17""#);
    refused(r#"{"Version": "2008-10-17", "Statement": []}"#, "Version: it must be");
    refused(r#"{"Version": "2012-10-17"}"#, "it has no Statement");
    refused(r#"{"Version": "2012-10-17", "Statement": []}"#, "Statement: it is empty");
    refused(r#"{"Version": "2012-10-17", "statement": []}"#, "statement is not known");
    refused(r#"{"Version": "2012-10-17", "Version": "2012-10-17"}"#, r#""Version" is given twice"#);

    let statement = |more: Value, part: &str| {
        let mut one = allow("*", "*");
        let members = one.as_object_mut().expect("an object");
        for (name, value) in more.as_object().expect("an object") {
            match value {
                Value::Null => drop(members.remove(name)),
                value => drop(members.insert(name.clone(), value.clone())),
            }
        }
        refused(&json!({"Version": "2012-10-17", "Statement": [one]}).to_string(), part);
    };
    statement(json!({"Effect": "allow"}), "Statement[0].Effect: it must be Allow or Deny");
    statement(json!({"Effect": null}), "Statement[0].Effect");
    statement(json!({"Action": null}), "Statement[0]: it must have Action or NotAction");
    statement(json!({"NotAction": "*"}), "it must have Action or NotAction");
    statement(json!({"Resource": null}), "it must have Resource or NotResource");
    statement(json!({"Action": []}), "Statement[0].Action: it is empty");
    statement(json!({"Action": {}}), "a text or a list of texts");
    statement(json!({"Action": "StartApplication"}), "\"StartApplication\" is no action");
    statement(json!({"Action": "kinesisanalytics:"}), "is no action");
    statement(json!({"Resource": "orders"}), "\"orders\" is no resource");
    statement(json!({"Resource": "arn:aws:x"}), "is no resource");
    statement(json!({"Resource": "arn:aws:a:b:c:${aws:SourceIp}"}), "${aws:SourceIp} is not known");
    statement(json!({"Principal": "*"}), "Statement[0].Principal: a user's policy");
    statement(json!({"Conditions": {}}), "Conditions is not known");
    statement(json!({"Sid": "a b"}), "Statement[0].Sid: it must be letters and digits");

    let condition = |condition: Value, part: &str| statement(json!({"Condition": condition}), part);
    condition(json!([]), "Statement[0].Condition: it must be a JSON object");
    condition(
        json!({"StringEqual": {"aws:username": "a"}}),
        "Statement[0].Condition.StringEqual.aws:username: StringEqual is no operator",
    );
    condition(json!({"Some:StringEquals": {"aws:username": "a"}}), "is no operator");
    condition(json!({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}), "IpAddress is no operator");
    condition(json!({"StringEquals": {"aws:SourceVpc": "a"}}), "aws:SourceVpc is no key");
    condition(json!({"StringEquals": {"aws:ResourceTag/": "a"}}), "is no key");
    condition(json!({"StringEquals": {"aws:username": []}}), "it has no values");
    condition(json!({"StringEquals": {}}), "it has no key");
    condition(json!({"StringEquals": {"aws:TagKeys": "a"}}), "put ForAllValues: or ForAnyValue:");
    condition(json!({"DateLessThan": {"aws:username": "a"}}), "Date operators go with");
    condition(json!({"DateLessThan": {"aws:CurrentTime": "soon"}}), "\"soon\" is no time");
    condition(json!({"Null": {"aws:username": "yes"}}), "neither true nor false");
    condition(json!({"NullIfExists": {"aws:username": "true"}}), "Null stands alone");
    condition(json!({"StringEquals": {"aws:username": "${aws:x}"}}), "is not known");
}

#[test]
fn actions_that_no_operation_has_are_warned_of() {
    let statement = json!({"Effect": "Allow", "Resource": "*", "Action": [
        "kinesisanalytics:StartAplication", "kinesisanalytics:List*", "s3:GetObject", "*"]});
    let warnings = policy(&statement).warnings();
    assert_eq!(
        warnings,
        [
            "kinesisanalytics:StartAplication is no action of this service",
            "s3:GetObject is no action of this service"
        ]
    );
    assert!(policy(&allow(actions::READ_LOGS, "*")).warnings().is_empty());
}

#[test]
fn a_refusal_has_awss_words() {
    let ask = ask(START, APP);
    let nothing = refusal(&alice(), &ask, &Decision::NotAllowed).expect("refused");
    assert_eq!(
        nothing,
        format!(
            "User: arn:aws:iam::123456789012:user/alice is not authorized to perform: \
             kinesisanalytics:StartApplication on resource: {APP} because no identity-based \
             policy allows the kinesisanalytics:StartApplication action"
        )
    );
    let denied = Decision::Denied { policy: "p".into(), statement: "1".into() };
    let denied = refusal(&alice(), &ask, &denied).expect("refused");
    assert!(denied.ends_with("with an explicit deny in an identity-based policy"), "{denied}");
    assert_eq!(refusal(&alice(), &ask, &Decision::Root), None);
}
