//! From the command line to the members of a request.

use std::path::Path;

use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::args::{
    CodeArguments, CreateArguments, RestoreArguments, SettingArguments, SnapshotSwitch, Switch,
    UpdateArguments,
};

const RUNTIME_GROUP: &str = "millrace.runtime";
/// The groups of the service's own settings, whose names have a dot.
const OWN_GROUPS: [&str; 2] = [RUNTIME_GROUP, "millrace.flink"];

/// Where the bytes of the code are, before they are named as create or update does.
pub enum Code {
    Text(String),
    Zip(String),
    S3 { bucket: String, key: String },
}

pub fn create(arguments: &CreateArguments) -> anyhow::Result<Value> {
    let mut configuration = settings(&arguments.settings, "")?;
    if let Some(code) = read_code(&arguments.code)? {
        configuration.insert("ApplicationCodeConfiguration".into(), code_of_create(code));
    }
    let mut input = json!({
        "ApplicationName": arguments.name,
        "RuntimeEnvironment": arguments.runtime,
        "ServiceExecutionRole": arguments.role,
        "ApplicationDescription": arguments.description,
        "ApplicationConfiguration": configuration,
    });
    let tags = arguments.tags.iter().map(|tag| tag_of(tag)).collect::<anyhow::Result<Vec<_>>>()?;
    if !tags.is_empty() {
        input["Tags"] = Value::Array(tags);
    }
    Ok(input)
}

/// `described`: the application, of whose version the change is meant, so that a change made
/// by somebody else meanwhile is not overwritten.
pub fn update(arguments: &UpdateArguments, described: &Value) -> anyhow::Result<Value> {
    let mut configuration = settings(&arguments.settings, "Update")?;
    if arguments.settings.engine.is_some() && arguments.settings.properties.is_empty() {
        // Groups are replaced all together: those there are stay beside the engine.
        let chosen = &mut configuration["EnvironmentPropertyUpdates"]["PropertyGroups"];
        add_groups(chosen, described);
    }
    if let Some(code) = read_code(&arguments.code)? {
        configuration.insert("ApplicationCodeConfigurationUpdate".into(), code_of_update(code));
    }
    let mut input = json!({
        "ApplicationName": arguments.target.name,
        "CurrentApplicationVersionId": described["ApplicationVersionId"],
    });
    if !configuration.is_empty() {
        input["ApplicationConfigurationUpdate"] = Value::Object(configuration);
    }
    if let Some(runtime) = &arguments.runtime {
        input["RuntimeEnvironmentUpdate"] = json!(runtime);
    }
    if let Some(run) = restore(&arguments.restore) {
        input["RunConfigurationUpdate"] = run;
    }
    if input.as_object().is_some_and(|members| members.len() == 2) {
        bail!("nothing to update: give --sql, --runtime, --parallelism or another setting");
    }
    Ok(input)
}

/// Names of snapshots have no colon.
pub fn is_arn(snapshot: &str) -> bool {
    snapshot.starts_with("arn:")
}

/// `None` when all is as it is without saying so.
pub fn restore(arguments: &RestoreArguments) -> Option<Value> {
    let mut run = Map::new();
    if let Some(snapshot) = &arguments.from_snapshot {
        let member = if is_arn(snapshot) { "SnapshotArn" } else { "SnapshotName" };
        run.insert(
            "ApplicationRestoreConfiguration".into(),
            json!({"ApplicationRestoreType": "RESTORE_FROM_CUSTOM_SNAPSHOT", member: snapshot}),
        );
    } else if arguments.skip_restore {
        run.insert(
            "ApplicationRestoreConfiguration".into(),
            json!({"ApplicationRestoreType": "SKIP_RESTORE_FROM_SNAPSHOT"}),
        );
    }
    if arguments.allow_non_restored_state {
        run.insert("FlinkRunConfiguration".into(), json!({"AllowNonRestoredState": true}));
    }
    (!run.is_empty()).then_some(Value::Object(run))
}

/// The configuration members other than code. `suffix` is empty for create and `Update`
/// for update: AWS names the twin of each member so.
fn settings(arguments: &SettingArguments, suffix: &str) -> anyhow::Result<Map<String, Value>> {
    let mut configuration = Map::new();
    let mut flink = Map::new();
    let name = |base: &str| format!("{base}{suffix}");
    if let Some(parallelism) = arguments.parallelism {
        flink.insert(
            name("ParallelismConfiguration"),
            json!({name("ConfigurationType"): "CUSTOM", name("Parallelism"): parallelism}),
        );
    }
    if let Some(interval) = arguments.checkpoint_interval {
        flink.insert(name("CheckpointConfiguration"), checkpointing(interval, &name));
    }
    if !flink.is_empty() {
        configuration.insert(name("FlinkApplicationConfiguration"), Value::Object(flink));
    }
    if let Some(switch) = arguments.system_rollback {
        let value = json!({name("RollbackEnabled"): switch == Switch::On});
        configuration.insert(name("ApplicationSystemRollbackConfiguration"), value);
    }
    if let Some(switch) = arguments.snapshots {
        let mut value = json!({name("SnapshotsEnabled"): switch != SnapshotSwitch::Off});
        if switch == SnapshotSwitch::Enhanced {
            value[name("SnapshotMode")] = json!("ENHANCED_SNAPSHOTS");
        }
        configuration.insert(name("ApplicationSnapshotConfiguration"), value);
    }
    let properties = properties(arguments);
    if !properties.is_empty() {
        let member =
            if suffix.is_empty() { "EnvironmentProperties" } else { "EnvironmentPropertyUpdates" };
        configuration.insert(member.into(), property_groups(&properties)?);
    }
    Ok(configuration)
}

/// The engine is a property like others.
fn properties(arguments: &SettingArguments) -> Vec<String> {
    let engine = arguments.engine.map(|it| format!("{RUNTIME_GROUP}.engine={}", it.word()));
    arguments.properties.iter().cloned().chain(engine).collect()
}

/// Adds what the application has to the group of the engine.
fn add_groups(chosen: &mut Value, described: &Value) {
    let configuration = &described["ApplicationConfigurationDescription"];
    let groups = &configuration["EnvironmentPropertyDescriptions"]["PropertyGroupDescriptions"];
    for group in groups.as_array().into_iter().flatten() {
        let id = &group["PropertyGroupId"];
        let Some(all) = chosen.as_array_mut() else { return };
        match all.iter_mut().find(|it| it["PropertyGroupId"] == *id) {
            None => all.push(group.clone()),
            Some(own) => {
                let engine = own["PropertyMap"]["engine"].clone();
                own["PropertyMap"] = group["PropertyMap"].clone();
                own["PropertyMap"]["engine"] = engine;
            }
        }
    }
}

/// The pause between checkpoints is at most the interval: a short interval means it.
fn checkpointing(interval_ms: u64, name: &dyn Fn(&str) -> String) -> Value {
    json!({
        name("ConfigurationType"): "CUSTOM",
        name("CheckpointingEnabled"): true,
        name("CheckpointInterval"): interval_ms,
        name("MinPauseBetweenCheckpoints"): min_pause_ms(interval_ms),
    })
}

pub fn min_pause_ms(interval_ms: u64) -> u64 {
    interval_ms.min(5_000) / 2
}

/// Group to key to value, in the order given.
pub fn groups(properties: &[String]) -> anyhow::Result<Vec<(String, Map<String, Value>)>> {
    let mut groups: Vec<(String, Map<String, Value>)> = Vec::new();
    for property in properties {
        let (name, value) = split_pair(property, "--property GROUP.KEY=VALUE")?;
        let (group, key) = OWN_GROUPS
            .iter()
            .find_map(|own| Some((*own, name.strip_prefix(own)?.strip_prefix('.')?)))
            .or_else(|| name.split_once('.'))
            .with_context(|| format!("{name:?} names no group: --property GROUP.KEY=VALUE"))?;
        if !groups.iter().any(|(id, _)| id == group) {
            groups.push((group.to_owned(), Map::new()));
        }
        let (_, map) = groups.iter_mut().find(|(id, _)| id == group).expect("put there if absent");
        map.insert(key.to_owned(), json!(value));
    }
    Ok(groups)
}

fn property_groups(properties: &[String]) -> anyhow::Result<Value> {
    let groups: Vec<Value> = groups(properties)?
        .into_iter()
        .map(|(id, map)| json!({"PropertyGroupId": id, "PropertyMap": map}))
        .collect();
    Ok(json!({ "PropertyGroups": groups }))
}

pub fn tag_of(tag: &str) -> anyhow::Result<Value> {
    let (key, value) = split_pair(tag, "--tag KEY=VALUE")?;
    Ok(json!({"Key": key, "Value": value}))
}

fn split_pair<'a>(text: &'a str, form: &str) -> anyhow::Result<(&'a str, &'a str)> {
    text.split_once('=').with_context(|| format!("{text:?} is not of the form {form}"))
}

pub fn read_code(arguments: &CodeArguments) -> anyhow::Result<Option<Code>> {
    if let Some(path) = &arguments.sql {
        let text = String::from_utf8(read(path)?).with_context(|| {
            format!("{} is not UTF-8 text; for a zip use --zip", path.display())
        })?;
        return Ok(Some(Code::Text(text)));
    }
    if let Some(path) = arguments.zip.as_ref().or(arguments.jar.as_ref()) {
        return Ok(Some(Code::Zip(STANDARD.encode(read(path)?))));
    }
    let Some(url) = &arguments.s3 else { return Ok(None) };
    let location = url.strip_prefix("s3://").and_then(|rest| rest.split_once('/'));
    let (bucket, key) = location.with_context(|| format!("{url:?} is not s3://BUCKET/KEY"))?;
    Ok(Some(Code::S3 { bucket: format!("arn:aws:s3:::{bucket}"), key: key.to_owned() }))
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

fn code_of_create(code: Code) -> Value {
    let (kind, content) = match code {
        Code::Text(text) => ("PLAINTEXT", json!({"TextContent": text})),
        Code::Zip(bytes) => ("ZIPFILE", json!({"ZipFileContent": bytes})),
        Code::S3 { bucket, key } => (
            content_type(&key),
            json!({"S3ContentLocation": {"BucketARN": bucket, "FileKey": key}}),
        ),
    };
    json!({"CodeContentType": kind, "CodeContent": content})
}

fn code_of_update(code: Code) -> Value {
    let (kind, content) = match code {
        Code::Text(text) => ("PLAINTEXT", json!({"TextContentUpdate": text})),
        Code::Zip(bytes) => ("ZIPFILE", json!({"ZipFileContentUpdate": bytes})),
        Code::S3 { bucket, key } => {
            let location = json!({"BucketARNUpdate": bucket, "FileKeyUpdate": key});
            (content_type(&key), json!({"S3ContentLocationUpdate": location}))
        }
    };
    json!({"CodeContentTypeUpdate": kind, "CodeContentUpdate": content})
}

fn content_type(key: &str) -> &'static str {
    if key.ends_with(".zip") || key.ends_with(".jar") { "ZIPFILE" } else { "PLAINTEXT" }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{add_groups, property_groups, settings};
    use crate::app::args::{EngineName, SettingArguments, Switch};

    #[test]
    fn an_engine_is_chosen_beside_the_groups_there_are() {
        let chosen = SettingArguments { engine: Some(EngineName::Flink), ..some_settings() };
        let mut members = settings(&chosen, "Update").expect("well formed");
        let groups = &mut members["EnvironmentPropertyUpdates"]["PropertyGroups"];
        let group = |id: &str, map: Value| json!({"PropertyGroupId": id, "PropertyMap": map});
        assert_eq!(*groups, json!([group("millrace.runtime", json!({"engine": "flink"}))]));
        let there = [
            group("a", json!({"x": "1"})),
            group("millrace.runtime", json!({"engine": "auto", "more": "2"})),
        ];
        add_groups(
            groups,
            &json!({"ApplicationConfigurationDescription":
            {"EnvironmentPropertyDescriptions": {"PropertyGroupDescriptions": there}}}),
        );
        let own = json!({"engine": "flink", "more": "2"});
        assert_eq!(*groups, json!([group("millrace.runtime", own), group("a", json!({"x": "1"}))]));
    }

    fn some_settings() -> SettingArguments {
        SettingArguments {
            parallelism: Some(2),
            checkpoint_interval: None,
            system_rollback: Some(Switch::On),
            snapshots: None,
            engine: None,
            properties: Vec::new(),
        }
    }

    #[test]
    fn members_are_named_as_create_and_update_name_them() {
        let check = |suffix: &str, expected: Value| {
            let members = settings(&some_settings(), suffix).expect("well formed");
            assert_eq!(Value::Object(members), expected);
        };
        check(
            "",
            json!({
                "FlinkApplicationConfiguration":
                    {"ParallelismConfiguration": {"ConfigurationType": "CUSTOM", "Parallelism": 2}},
                "ApplicationSystemRollbackConfiguration": {"RollbackEnabled": true}
            }),
        );
        check(
            "Update",
            json!({
                "FlinkApplicationConfigurationUpdate": {"ParallelismConfigurationUpdate":
                    {"ConfigurationTypeUpdate": "CUSTOM", "ParallelismUpdate": 2}},
                "ApplicationSystemRollbackConfigurationUpdate": {"RollbackEnabledUpdate": true}
            }),
        );
    }

    #[test]
    fn properties_are_gathered_by_group() {
        let given = ["a.x=1", "b.y=2", "a.z.w=3=4", "millrace.flink.rest.x=4"].map(str::to_owned);
        let groups = property_groups(&given).expect("well formed");
        let expected = json!({"PropertyGroups": [
            {"PropertyGroupId": "a", "PropertyMap": {"x": "1", "z.w": "3=4"}},
            {"PropertyGroupId": "b", "PropertyMap": {"y": "2"}},
            {"PropertyGroupId": "millrace.flink", "PropertyMap": {"rest.x": "4"}},
        ]});
        assert_eq!(groups, expected);
        assert!(property_groups(&["x=1".to_owned()]).is_err());
    }
}
