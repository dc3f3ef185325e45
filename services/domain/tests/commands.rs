//! Commands: facts in, a change or a reject out.

use std::collections::BTreeMap;

use millrace_domain::change::{ApplicationWrite, Change};
use millrace_domain::commands::{
    Call, CheckpointPatch, CodeLocationPatch, Command, ConfigurationPatch, CreateApplication,
    ExpectedVersion, Facts, MonitoringPatch, ParallelismPatch, UpdateApplication,
    merge_code_location,
};
use millrace_domain::configuration::{
    Code, CodeOrigin, Configuration, ConfigurationType, PropertyGroup, Restore, RunConfiguration,
};
use millrace_domain::maintenance::WindowStart;
use millrace_domain::quota::Quotas;
use millrace_domain::{
    Application, ApplicationId, ApplicationName, ArtifactId, Operation, OperationId, OperationKind,
    OperationStatus, Reject, Snapshot, SnapshotName, SnapshotStatus, Status, Timestamp, Version,
    VersionId,
};

const OFFERED: &[&str] = &["FLINK-1_15", "FLINK-1_18", "FLINK-1_19"];
const NOW: Timestamp = Timestamp(1_000_500);

fn create() -> CreateApplication {
    CreateApplication {
        id: ApplicationId::new("id-1").unwrap(),
        account: "000000000000".into(),
        region: "us-east-1".into(),
        name: ApplicationName::new("app").unwrap(),
        description: String::new(),
        runtime_environment: "FLINK-1_18".into(),
        service_execution_role: "arn:aws:iam::000000000000:role/r".into(),
        configuration: ConfigurationPatch { code: Some(code()), ..Default::default() },
        tags: BTreeMap::new(),
    }
}

fn code() -> Code {
    Code {
        origin: CodeOrigin::Text("SELECT 1".into()),
        artifact: ArtifactId::new("ab").unwrap(),
        size_bytes: 8,
        md5: "00".into(),
    }
}

fn put(change: &Change) -> &Application {
    match &change.application {
        ApplicationWrite::Put(application) => application,
        ApplicationWrite::Delete(_) => panic!("no command deletes at once"),
    }
}

/// An application in a status, with what belongs to it.
struct World {
    application: Application,
    version: Version,
    open: Option<Operation>,
    snapshots: Vec<Snapshot>,
}

impl World {
    fn new(status: Status) -> World {
        let change = create().decide((0, &Quotas::AWS), OFFERED, Timestamp(1_000_000)).unwrap();
        let mut application = put(&change).clone();
        application.status = status;
        let version = change.new_version.unwrap();
        World { application, version, open: None, snapshots: Vec::new() }
    }

    fn with_open(mut self, kind: OperationKind) -> World {
        let id = OperationId::new("open").unwrap();
        self.application.open_operation = Some(id.clone());
        self.open = Some(Operation {
            application: self.application.id.clone(),
            id,
            kind,
            status: OperationStatus::InProgress,
            started_at: Timestamp(1_000_000),
            ended_at: None,
            from_version: VersionId(1),
            to_version: VersionId(1),
            request: Default::default(),
            failure: None,
            evidence: serde_json::Value::Null,
        });
        self
    }

    fn with_snapshot(mut self, name: &str, status: SnapshotStatus) -> World {
        self.snapshots.push(Snapshot {
            application: self.application.id.clone(),
            name: SnapshotName::new(name).unwrap(),
            status,
            created_at: Timestamp(1_000_999),
            version: VersionId(1),
            runtime_environment: "FLINK-1_18".into(),
            location: None,
            automatic: false,
            enhanced: false,
        });
        self
    }

    /// As after an update that succeeded.
    fn updated(mut self) -> World {
        self.application.latest_version = VersionId(2);
        self.application.version_updated_from = Some(VersionId(1));
        self.application.show_version(VersionId(2));
        self.version.id = VersionId(2);
        self
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            application: &self.application,
            version: &self.version,
            open_operation: self.open.as_ref(),
            snapshots: &self.snapshots,
            quotas: &Quotas::AWS,
        }
    }

    fn decide(&self, command: Command) -> Result<Change, Reject> {
        let (facts, call) = (self.facts(), call());
        let name = SnapshotName::new("s").unwrap();
        match command {
            Command::Start => facts.start(RunConfiguration::default(), &call),
            Command::Stop => facts.stop(false, &call),
            Command::ForceStop => facts.stop(true, &call),
            Command::Update => self.update(UpdateApplication::default()),
            Command::Rollback => facts.roll_back(self.application.version, &call),
            Command::Delete => facts.delete(Timestamp(1_000_000), &call),
            Command::CreateSnapshot => facts.create_snapshot(name, &call),
            Command::DeleteSnapshot => facts.delete_snapshot(&name, Timestamp(1_000_000), NOW),
            Command::Tag => facts.tag(BTreeMap::new(), NOW),
            Command::Maintain => facts.set_maintenance(WindowStart::parse("01:00").unwrap(), NOW),
        }
    }

    fn update(&self, update: UpdateApplication) -> Result<Change, Reject> {
        let expected = ExpectedVersion { version: Some(self.application.version), token: None };
        UpdateApplication { expected, ..update }.decide(&self.facts(), OFFERED, &call())
    }
}

fn call() -> Call {
    Call { operation: OperationId::new("op-2").unwrap(), now: NOW }
}

#[test]
fn each_command_is_refused_outside_of_its_statuses_and_begins_its_operation_inside() {
    for command in Command::ALL {
        for status in Status::ALL {
            let mut world = World::new(status).updated();
            let name = if command == Command::CreateSnapshot { "other" } else { "s" };
            world = world.with_snapshot(name, SnapshotStatus::Ready);
            let decided = world.decide(command);
            let legal = command.allowed().contains(&status);
            assert_eq!(decided.is_ok(), legal, "{command:?} {status:?}: {decided:?}");
            if let Err(reject) = decided {
                assert!(matches!(reject, Reject::Status { .. }), "{reject}");
                assert!(reject.to_string().contains(status.name()), "{reject}");
            }
        }
    }
}

fn check_begins(command: Command, from: Status, to: Status, kind: OperationKind) {
    let world = World::new(from).updated().with_snapshot("t", SnapshotStatus::Ready);
    let change = world.decide(command).unwrap();
    let application = put(&change);
    assert_eq!(application.status, to, "{command:?}");
    let [operation] = change.operations.as_slice() else { panic!("one operation: {change:?}") };
    assert_eq!((operation.kind, operation.status), (kind, OperationStatus::InProgress));
    assert_eq!(application.open_operation.as_ref(), Some(&operation.id));
    assert_eq!(change.wake_at, Some(NOW), "the controller must look at once");
    assert_eq!(change.expected, Some(world.application.revision));
}

#[test]
fn a_command_leaves_the_status_that_says_what_goes_on() {
    use OperationKind as Kind;
    check_begins(Command::Start, Status::Ready, Status::Starting, Kind::StartApplication);
    check_begins(Command::Stop, Status::Running, Status::Stopping, Kind::StopApplication);
    check_begins(Command::ForceStop, Status::Running, Status::ForceStopping, Kind::StopApplication);
    check_begins(Command::Update, Status::Running, Status::Updating, Kind::UpdateApplication);
    check_begins(Command::Update, Status::Ready, Status::Updating, Kind::UpdateApplication);
    check_begins(
        Command::Rollback,
        Status::Running,
        Status::RollingBack,
        Kind::RollbackApplication,
    );
    check_begins(Command::Delete, Status::Running, Status::Deleting, Kind::DeleteApplication);
    let snapshot = Kind::CreateApplicationSnapshot;
    check_begins(Command::CreateSnapshot, Status::Running, Status::Running, snapshot);
}

#[test]
fn one_operation_is_open_at_a_time() {
    let snapshotting = || {
        World::new(Status::Running).updated().with_open(OperationKind::CreateApplicationSnapshot)
    };
    for command in Command::ALL.into_iter().filter(|c| c.allowed().contains(&Status::Running)) {
        let world = snapshotting().with_snapshot("s", SnapshotStatus::Ready);
        let decided = world.decide(command);
        match command {
            Command::ForceStop | Command::Tag | Command::Maintain => {
                assert!(decided.is_ok(), "{decided:?}")
            }
            _ => assert!(matches!(decided, Err(Reject::OperationOpen { .. })), "{decided:?}"),
        }
    }
}

#[test]
fn a_force_stop_cancels_the_open_operation_and_its_snapshot() {
    let mut world = World::new(Status::Running)
        .with_open(OperationKind::CreateApplicationSnapshot)
        .with_snapshot("half", SnapshotStatus::Creating);
    world.open.as_mut().unwrap().request.snapshot = Some(SnapshotName::new("half").unwrap());
    let change = world.facts().stop(true, &call()).unwrap();
    let [cancelled, opened] = change.operations.as_slice() else { panic!("{change:?}") };
    assert_eq!(cancelled.status, OperationStatus::Cancelled);
    assert_eq!(cancelled.ended_at, Some(NOW));
    assert!(opened.request.force);
    assert_eq!(put(&change).open_operation.as_ref(), Some(&opened.id));
    let [snapshot] = change.snapshots.as_slice() else { panic!("{change:?}") };
    assert_eq!(snapshot.status, SnapshotStatus::Failed);
}

#[test]
fn a_rollback_takes_the_place_of_an_update_in_progress_and_of_nothing_else() {
    let world = |kind| {
        let world = World::new(Status::Updating).updated();
        world.with_open(kind).with_snapshot("s", SnapshotStatus::Ready)
    };
    let change = world(OperationKind::UpdateApplication).decide(Command::Rollback).unwrap();
    assert_eq!(change.operations[0].status, OperationStatus::Cancelled);
    let refused = world(OperationKind::CreateApplicationSnapshot).decide(Command::Rollback);
    assert!(matches!(refused, Err(Reject::OperationOpen { .. })));
}

#[test]
fn an_update_makes_the_next_version_and_a_new_token() {
    let world = World::new(Status::Running);
    let update = UpdateApplication {
        runtime_environment: Some("FLINK-1_19".into()),
        ..UpdateApplication::default()
    };
    let change = world.update(update).unwrap();
    let (before, after) = (&world.application, put(&change));
    assert_eq!((after.version, after.latest_version), (VersionId(2), VersionId(2)));
    assert_eq!(after.version_updated_from, Some(VersionId(1)));
    assert_ne!(after.conditional_token, before.conditional_token);
    let version = change.new_version.as_ref().unwrap();
    assert_eq!((version.id, version.runtime_environment.as_str()), (VersionId(2), "FLINK-1_19"));
    assert_eq!(version.configuration, world.version.configuration, "the rest stays");
    assert_eq!(change.operations[0].to_version, VersionId(2));
}

#[test]
fn a_version_number_is_not_used_twice() {
    // Version 2 failed, version 1 is shown again.
    let mut world = World::new(Status::Ready);
    world.application.latest_version = VersionId(2);
    let change = world.decide(Command::Update).unwrap();
    assert_eq!(put(&change).version, VersionId(3));
    assert_eq!(put(&change).version_updated_from, Some(VersionId(1)));
}

#[test]
fn an_update_needs_the_version_or_the_token_and_both_must_hold() {
    let world = World::new(Status::Ready);
    let token = world.application.conditional_token.clone();
    let check = |version: Option<u64>, token: Option<&str>, expected: Result<(), &str>| {
        let expected_version =
            ExpectedVersion { version: version.map(VersionId), token: token.map(str::to_owned) };
        let found = expected_version.check(&world.application).map_err(|reject| match reject {
            Reject::StaleVersion { .. } => "version",
            Reject::StaleToken => "token",
            Reject::NoVersionNorToken => "none",
            other => panic!("{other}"),
        });
        assert_eq!(found, expected, "{version:?} {token:?}");
    };
    check(None, None, Err("none"));
    check(Some(1), None, Ok(()));
    check(None, Some(&token), Ok(()));
    check(Some(1), Some(&token), Ok(()));
    check(Some(2), None, Err("version"));
    check(None, Some("other"), Err("token"));
    check(Some(1), Some("other"), Err("token"));
    check(Some(2), Some(&token), Err("version"));
}

#[test]
fn a_runtime_goes_forward_among_those_offered() {
    let check = |wanted: &str, expected: Result<(), &str>| {
        let update = UpdateApplication {
            runtime_environment: Some(wanted.into()),
            ..UpdateApplication::default()
        };
        let decided = World::new(Status::Running).update(update).map(|_| ());
        match (decided, expected) {
            (Ok(()), Ok(())) => {}
            (Err(reject), Err(text)) => {
                assert!(reject.to_string().contains(text), "{reject} lacks {text}");
            }
            (decided, _) => panic!("{wanted}: {decided:?}"),
        }
    };
    check("FLINK-1_18", Ok(()));
    check("FLINK-1_19", Ok(()));
    check("FLINK-1_15", Err("RollbackApplication goes back"));
    check("FLINK-2_3", Err("offered are FLINK-1_15, FLINK-1_18, FLINK-1_19"));
}

#[test]
fn a_rollback_shows_the_version_before_again() {
    let world = World::new(Status::Running).updated().with_snapshot("s", SnapshotStatus::Ready);
    let change = world.decide(Command::Rollback).unwrap();
    let after = put(&change);
    assert_eq!((after.version, after.latest_version), (VersionId(1), VersionId(2)));
    assert_eq!(after.version_rolled_back_from, Some(VersionId(2)));
    assert_eq!(after.version_rolled_back_to, Some(VersionId(1)));
    assert!(change.new_version.is_none());
    let operation = &change.operations[0];
    assert_eq!((operation.from_version, operation.to_version), (VersionId(2), VersionId(1)));
}

#[test]
fn a_rollback_needs_a_version_and_a_snapshot_to_go_back_to() {
    let refused = |world: World| {
        let reject = world.decide(Command::Rollback).unwrap_err();
        assert!(matches!(reject, Reject::NothingToRollBackTo(_)), "{reject}");
    };
    refused(World::new(Status::Running).with_snapshot("s", SnapshotStatus::Ready));
    refused(World::new(Status::Running).updated());
    refused(World::new(Status::Running).updated().with_snapshot("s", SnapshotStatus::Failed));
}

#[test]
fn a_start_needs_code_and_the_snapshot_it_names() {
    let start = |world: &World, restore: Restore| {
        let run = RunConfiguration { restore, allow_non_restored_state: false };
        world.facts().start(run, &call())
    };
    let mut world = World::new(Status::Ready).with_snapshot("half", SnapshotStatus::Creating);
    let custom = |name: &str| Restore::Custom(SnapshotName::new(name).unwrap());
    assert!(matches!(start(&world, custom("none")), Err(Reject::NoSuchSnapshot(_))));
    assert!(matches!(start(&world, custom("half")), Err(Reject::SnapshotStatus { .. })));
    assert!(start(&world, Restore::Latest).is_ok(), "no snapshot at all is fine");
    world.version.configuration.code = None;
    assert!(matches!(start(&world, Restore::Latest), Err(Reject::Configuration(_))));
}

#[test]
fn times_are_compared_by_whole_second() {
    let world = World::new(Status::Ready).with_snapshot("s", SnapshotStatus::Ready);
    let name = SnapshotName::new("s").unwrap();
    let delete = |time| world.facts().delete(Timestamp(time), &call());
    assert!(delete(1_000_999).is_ok());
    assert!(matches!(delete(999_999), Err(Reject::CreationTime { .. })));
    let snapshot = |time| world.facts().delete_snapshot(&name, Timestamp(time), NOW);
    assert!(snapshot(1_000_000).is_ok(), "created at 1000.999 s");
    assert!(matches!(snapshot(1_001_000), Err(Reject::CreationTime { .. })));
}

#[test]
fn a_snapshot_is_deleted_only_when_it_is_at_rest() {
    for status in [
        SnapshotStatus::Creating,
        SnapshotStatus::Ready,
        SnapshotStatus::Deleting,
        SnapshotStatus::Failed,
    ] {
        let decided =
            World::new(Status::Ready).with_snapshot("s", status).decide(Command::DeleteSnapshot);
        let at_rest = matches!(status, SnapshotStatus::Ready | SnapshotStatus::Failed);
        assert_eq!(decided.is_ok(), at_rest, "{status:?}");
        if let Ok(change) = decided {
            assert_eq!(change.snapshots[0].status, SnapshotStatus::Deleting);
        }
    }
}

#[test]
fn a_snapshot_needs_its_own_name_and_snapshots_enabled() {
    let taken = World::new(Status::Running).with_snapshot("s", SnapshotStatus::Failed);
    assert!(matches!(taken.decide(Command::CreateSnapshot), Err(Reject::SnapshotExists(_))));
    let mut off = World::new(Status::Running);
    off.version.configuration.snapshots_enabled = false;
    assert!(matches!(off.decide(Command::CreateSnapshot), Err(Reject::Configuration(_))));
}

#[test]
fn an_application_has_50_tags_at_most() {
    let tags = |count: usize| (0..count).map(|at| (format!("k{at}"), String::new())).collect();
    let created = |count| {
        CreateApplication { tags: tags(count), ..create() }.decide((0, &Quotas::AWS), OFFERED, NOW)
    };
    assert!(created(50).is_ok());
    assert_eq!(created(51).unwrap_err(), Reject::TooManyTags { count: 51, max: 50 });

    let mut world = World::new(Status::Ready);
    world.application.tags = tags(49);
    let tag = |key: &str| world.facts().tag([(key.to_owned(), String::new())].into(), NOW);
    assert!(tag("new").is_ok());
    world.application.tags = tags(50);
    let tag = |key: &str| world.facts().tag([(key.to_owned(), "v".to_owned())].into(), NOW);
    assert!(matches!(tag("new"), Err(Reject::TooManyTags { .. })));
    assert_eq!(put(&tag("k7").unwrap()).tags["k7"], "v", "a key that is there is replaced");
    let untagged = world.facts().untag(&["k7".to_owned(), "none".to_owned()], NOW).unwrap();
    assert_eq!(put(&untagged).tags.len(), 49);
}

#[test]
fn an_account_has_100_applications_at_most() {
    assert!(create().decide((99, &Quotas::AWS), OFFERED, NOW).is_ok());
    let reject = create().decide((100, &Quotas::AWS), OFFERED, NOW).unwrap_err();
    assert!(matches!(reject, Reject::Quota { max: 100, .. }), "{reject}");
    let more = Quotas { applications: 101, ..Quotas::AWS };
    assert!(create().decide((100, &more), OFFERED, NOW).is_ok());
}

#[test]
fn a_new_application_has_the_documented_defaults() {
    let bare = CreateApplication { configuration: ConfigurationPatch::default(), ..create() };
    let configuration =
        bare.decide((0, &Quotas::AWS), OFFERED, NOW).unwrap().new_version.unwrap().configuration;
    assert!(configuration.snapshots_enabled && !configuration.rollback_enabled);
    let checkpoint = &configuration.checkpoint;
    assert_eq!((checkpoint.interval_ms, checkpoint.min_pause_ms), (60_000, 5_000));
    assert!(checkpoint.enabled && configuration.parallelism.auto_scaling_enabled);
    assert_eq!(configuration.parallelism.parallelism, 1);
    assert_eq!(configuration.monitoring.metrics_level, "APPLICATION");
    assert_eq!(configuration.monitoring.log_level, "INFO");
    assert_eq!(configuration.code, None);
}

fn custom() -> Option<ConfigurationType> {
    Some(ConfigurationType::Custom)
}

/// Settings that all differ from the defaults.
fn all_custom() -> Configuration {
    let patch = ConfigurationPatch {
        checkpoint: Some(CheckpointPatch {
            configuration_type: custom(),
            enabled: Some(false),
            interval_ms: Some(1),
            min_pause_ms: Some(2),
        }),
        monitoring: Some(MonitoringPatch {
            configuration_type: custom(),
            metrics_level: Some("TASK".into()),
            log_level: Some("DEBUG".into()),
        }),
        parallelism: Some(ParallelismPatch {
            configuration_type: custom(),
            parallelism: Some(10),
            parallelism_per_kpu: Some(4),
            auto_scaling_enabled: Some(false),
        }),
        ..Default::default()
    };
    patch.onto(&Configuration::default(), &Quotas::AWS).unwrap()
}

#[test]
fn a_partial_update_leaves_the_rest() {
    let patch = ConfigurationPatch {
        checkpoint: Some(CheckpointPatch { interval_ms: Some(7), ..Default::default() }),
        parallelism: Some(ParallelismPatch { parallelism: Some(11), ..Default::default() }),
        monitoring: Some(MonitoringPatch { log_level: Some("WARN".into()), ..Default::default() }),
        ..Default::default()
    };
    let merged = patch.onto(&all_custom(), &Quotas::AWS).unwrap();
    assert_eq!((merged.checkpoint.interval_ms, merged.checkpoint.min_pause_ms), (7, 2));
    assert_eq!(merged.parallelism.parallelism, 11);
    assert_eq!(merged.parallelism.parallelism_per_kpu, 4);
    assert_eq!(merged.monitoring.log_level, "WARN");
    assert_eq!(merged.monitoring.metrics_level, "TASK");
}

#[test]
fn the_type_default_resets_whatever_else_is_sent() {
    let default = Some(ConfigurationType::Default);
    let patch = ConfigurationPatch {
        checkpoint: Some(CheckpointPatch {
            configuration_type: default,
            interval_ms: Some(7),
            ..Default::default()
        }),
        monitoring: Some(MonitoringPatch { configuration_type: default, ..Default::default() }),
        parallelism: Some(ParallelismPatch {
            configuration_type: default,
            parallelism: Some(7),
            ..Default::default()
        }),
        ..Default::default()
    };
    assert_eq!(patch.onto(&all_custom(), &Quotas::AWS).unwrap(), Configuration::default());
}

#[test]
fn values_without_a_type_are_refused_while_the_settings_are_default() {
    let patch = ConfigurationPatch {
        parallelism: Some(ParallelismPatch { parallelism: Some(2), ..Default::default() }),
        ..Default::default()
    };
    let reject = patch.onto(&Configuration::default(), &Quotas::AWS).unwrap_err();
    assert!(reject.to_string().contains("CUSTOM"), "{reject}");
}

#[test]
fn property_groups_are_replaced_whole() {
    let group = |id: &str| PropertyGroup { id: id.into(), properties: BTreeMap::new() };
    let groups = |groups: Vec<PropertyGroup>| ConfigurationPatch {
        property_groups: Some(groups),
        ..Default::default()
    };
    let two =
        groups(vec![group("a"), group("b")]).onto(&Configuration::default(), &Quotas::AWS).unwrap();
    assert_eq!(two.property_groups.len(), 2);
    let other = groups(vec![group("c")]).onto(&two, &Quotas::AWS).unwrap();
    assert_eq!(other.property_groups, [group("c")]);
    assert_eq!(ConfigurationPatch::default().onto(&two, &Quotas::AWS).unwrap(), two);
    assert_eq!(groups(vec![]).onto(&two, &Quotas::AWS).unwrap().property_groups, []);
    assert!(groups(vec![group("a"), group("a")]).onto(&two, &Quotas::AWS).is_err());
}

#[test]
fn parallelism_is_held_to_the_units_of_an_application() {
    let check = |parallelism: u32, per_kpu: u32, fits: bool| {
        let patch = ConfigurationPatch {
            parallelism: Some(ParallelismPatch {
                configuration_type: custom(),
                parallelism: Some(parallelism),
                parallelism_per_kpu: Some(per_kpu),
                auto_scaling_enabled: None,
            }),
            ..Default::default()
        };
        let found = patch.onto(&Configuration::default(), &Quotas::AWS);
        assert_eq!(found.is_ok(), fits, "{parallelism}/{per_kpu}: {found:?}");
    };
    check(10, 4, true);
    check(64, 1, true);
    check(65, 1, false);
    check(512, 8, true);
    check(513, 8, false);
    check(9, 9, false);
}

#[test]
fn an_s3_location_merges_what_changes() {
    let origin = |key: &str, version: Option<&str>| CodeOrigin::S3 {
        bucket_arn: "arn:aws:s3:::b".into(),
        file_key: key.into(),
        object_version: version.map(str::to_owned),
        zip: true,
    };
    let key = |key: &str| CodeLocationPatch { file_key: Some(key.into()), ..Default::default() };
    let current = origin("old", Some("v"));
    let merge = |patch| merge_code_location(Some(&current), patch).unwrap();
    assert_eq!(merge(key("new")), origin("new", None), "the version was the old object's");
    assert_eq!(merge(key("old")), origin("old", Some("v")));
    let version = CodeLocationPatch { object_version: Some("w".into()), ..Default::default() };
    assert_eq!(merge(version), origin("old", Some("w")));
    let reject = merge_code_location(Some(&CodeOrigin::Zip), key("new")).unwrap_err();
    assert!(reject.to_string().contains("BucketARNUpdate"), "{reject}");
}
