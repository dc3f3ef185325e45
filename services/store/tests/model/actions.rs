//! What can be done with a store, and what it answers.

use std::collections::BTreeMap;

use millrace_domain::change::{ApplicationWrite, IdempotencyRecord};
use millrace_domain::commands::{ConfigurationPatch, CreateApplication};
use millrace_domain::quota::Quotas;
use millrace_domain::{
    Application, ApplicationId, ApplicationName, Change, Operation, OperationId, OperationKind,
    OperationStatus, Revision, Snapshot, SnapshotName, SnapshotStatus, Status, Timestamp, Version,
    VersionId,
};
use millrace_store::{CommitError, OperationFilter, Store};
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::json;

use crate::model::{Model, Rows};

const REGION: &str = "us-east-1";
const ACCOUNTS: [&str; 2] = ["000000000000", "111111111111"];
const NAMES: [&str; 6] = ["a", "b", "B", "c-1", "c_1", "z.z"];
const HOLDERS: [&str; 3] = ["one", "two", "three"];

/// Kinds of a refused commit, as callers tell them apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    Stale,
    NameTaken,
    AlreadyDone(String),
    Other(String),
}

#[derive(Debug)]
pub enum Action {
    Commit(Box<Change>),
    Load(ApplicationId),
    Named { account: &'static str, name: &'static str },
    List { account: &'static str, after: Option<&'static str>, limit: u32 },
    Operations { application: ApplicationId, filter: OperationFilter, limit: u32 },
    Snapshots { application: ApplicationId, limit: u32 },
    Versions { application: ApplicationId, limit: u32 },
    Answered(IdempotencyRecord),
    Due { holder: &'static str, now: Timestamp, limit: u32 },
    NextWakeUp,
    SetWakeUp { application: ApplicationId, seen: Revision, at: Option<Timestamp> },
    Acquire { application: ApplicationId, holder: &'static str, now: Timestamp, until: Timestamp },
    Release { application: ApplicationId, holder: &'static str },
    Heartbeat { holder: &'static str, until: Timestamp },
    Retire { holder: &'static str },
}

/// What was answered, in a form to compare.
#[derive(Debug, PartialEq)]
pub enum Answer {
    Committed(Result<Revision, Refusal>),
    Rows(Option<Box<Seen>>),
    Listed(Vec<(Application, String)>, u64),
    Operations(Vec<Vec<Operation>>),
    Snapshots(Vec<Vec<Snapshot>>),
    Versions(Vec<Vec<Version>>),
    Answered(Option<IdempotencyRecord>),
    Due(Vec<(ApplicationId, Revision)>),
    Time(Option<Timestamp>),
    Taken(bool),
    Nothing,
}

/// An application as it is loaded.
#[derive(Debug, PartialEq)]
pub struct Seen {
    pub application: Application,
    pub current: Option<Version>,
    pub open: Option<Operation>,
    /// Newest first.
    pub snapshots: Vec<Snapshot>,
}

fn pick<T: Copy>(random: &mut StdRng, all: &[T]) -> T {
    *all.choose(random).expect("there is one")
}

impl Action {
    pub fn random(random: &mut StdRng, model: &Model, seed: u64, number: usize) -> Action {
        let at = |random: &mut StdRng| Timestamp(random.random_range(0..1_000));
        let limit = |random: &mut StdRng| random.random_range(1..4);
        let some_id = |random: &mut StdRng| {
            let known: Vec<&ApplicationId> = model.rows.keys().collect();
            match known.choose(random) {
                Some(id) if random.random_bool(0.9) => (*id).clone(),
                _ => application_id("nowhere"),
            }
        };
        match random.random_range(0..22) {
            0..=2 => Action::Commit(Box::new(creation(random, seed, number))),
            3..=8 => Action::Commit(Box::new(change(random, model, number))),
            9 => Action::Load(some_id(random)),
            10 => Action::Named { account: pick(random, &ACCOUNTS), name: pick(random, &NAMES) },
            11 => Action::List {
                account: pick(random, &ACCOUNTS),
                after: random.random_bool(0.5).then(|| pick(random, &NAMES)),
                limit: limit(random),
            },
            12 => Action::Operations {
                application: some_id(random),
                filter: OperationFilter {
                    kind: random.random_bool(0.5).then(|| pick(random, &OperationKind::ALL)),
                    status: random.random_bool(0.3).then(|| pick(random, &OperationStatus::ALL)),
                },
                limit: limit(random),
            },
            13 => Action::Snapshots { application: some_id(random), limit: limit(random) },
            14 => Action::Versions { application: some_id(random), limit: limit(random) },
            15 => Action::Answered(record(random)),
            16 => {
                let (holder, now) = (pick(random, &HOLDERS), at(random));
                Action::Due { holder, now, limit: limit(random) }
            }
            17 => match random.random_bool(0.3) {
                true => Action::NextWakeUp,
                false => Action::SetWakeUp {
                    application: some_id(random),
                    seen: Revision(random.random_range(1..6)),
                    at: random.random_bool(0.5).then(|| at(random)),
                },
            },
            18 => {
                let now = at(random);
                let until = Timestamp(now.0 + random.random_range(0..500));
                let holder = pick(random, &HOLDERS);
                Action::Acquire { application: some_id(random), holder, now, until }
            }
            19 => Action::Heartbeat { holder: pick(random, &HOLDERS), until: at(random) },
            20 => Action::Retire { holder: pick(random, &HOLDERS) },
            _ => Action::Release { application: some_id(random), holder: pick(random, &HOLDERS) },
        }
    }

    pub fn on_model(&self, model: &mut Model) -> Answer {
        let of = |model: &Model, id: &ApplicationId| model.rows.get(id).cloned();
        match self {
            Action::Commit(change) => Answer::Committed(model.commit(change)),
            Action::Load(id) => Answer::Rows(of(model, id).map(|rows| Box::new(seen(&rows)))),
            Action::Named { account, name } => {
                Answer::Rows(model.named(account, name).map(|rows| Box::new(seen(rows))))
            }
            Action::List { account, after, limit } => {
                let all = model.of_account(account);
                let listed = all
                    .iter()
                    .filter(|rows| rows.application.name.as_str() > after.unwrap_or_default())
                    .take(*limit as usize)
                    .map(|rows| (rows.application.clone(), current(rows).runtime_environment));
                Answer::Listed(listed.collect(), all.len() as u64)
            }
            Action::Operations { application, filter, limit } => {
                let all = of(model, application).map(|rows| rows.operations).unwrap_or_default();
                let kept = all.into_iter().rev().filter(|one| {
                    filter.kind.is_none_or(|kind| kind == one.kind)
                        && filter.status.is_none_or(|status| status == one.status)
                });
                Answer::Operations(pages(kept.collect(), *limit))
            }
            Action::Snapshots { application, limit } => {
                let all = of(model, application).map(|rows| rows.snapshots).unwrap_or_default();
                Answer::Snapshots(pages(all.into_iter().rev().collect(), *limit))
            }
            Action::Versions { application, limit } => {
                let all = of(model, application).map(|rows| rows.versions).unwrap_or_default();
                Answer::Versions(pages(all.into_values().rev().collect(), *limit))
            }
            Action::Answered(record) => Answer::Answered(model.answer(record).cloned()),
            Action::Due { holder, now, limit } => {
                let free = model.rows.iter().filter(|(_, rows)| model.is_free(rows, holder, *now));
                let due = free.filter_map(|(id, rows)| {
                    Some((rows.wake_at?, id.clone(), rows.application.revision))
                });
                let mut due: Vec<_> = due.filter(|(at, ..)| at <= now).collect();
                due.sort();
                let due = due.into_iter().map(|(_, id, revision)| (id, revision));
                Answer::Due(due.take(*limit as usize).collect())
            }
            Action::NextWakeUp => {
                Answer::Time(model.rows.values().filter_map(|rows| rows.wake_at).min())
            }
            Action::SetWakeUp { application, seen, at } => {
                if let Some(rows) = model.rows.get_mut(application)
                    && rows.application.revision == *seen
                {
                    rows.wake_at = *at;
                }
                Answer::Nothing
            }
            Action::Acquire { application, holder, now, until } => {
                let rows = model.rows.get(application);
                let free = rows.is_some_and(|rows| model.is_free(rows, holder, *now));
                if let Some(rows) = model.rows.get_mut(application).filter(|_| free) {
                    rows.lease = Some(((*holder).to_owned(), *until));
                }
                Answer::Taken(free)
            }
            Action::Release { application, holder } => {
                if let Some(rows) = model.rows.get_mut(application) {
                    rows.lease = rows.lease.take().filter(|(one, _)| one != holder);
                }
                Answer::Nothing
            }
            Action::Heartbeat { holder, until } => {
                model.alive.insert((*holder).to_owned(), *until);
                Answer::Nothing
            }
            Action::Retire { holder } => {
                model.alive.remove(*holder);
                for rows in model.rows.values_mut() {
                    rows.lease = rows.lease.take().filter(|(one, _)| one != holder);
                }
                Answer::Nothing
            }
        }
    }

    pub async fn on_store(&self, store: &Store) -> Answer {
        let name = |name: &str| ApplicationName::new(name).expect("a name");
        match self {
            Action::Commit(change) => {
                Answer::Committed(store.commit(change, Timestamp(0)).await.map_err(refusal))
            }
            Action::Load(id) => loaded(store.load(id).await),
            Action::Named { account, name: wanted } => {
                loaded(store.load_named(account, REGION, &name(wanted)).await)
            }
            Action::List { account, after, limit } => {
                let after = after.map(name);
                let listed = store.applications(account, REGION, after.as_ref(), *limit).await;
                let mut pairs = Vec::new();
                for one in listed.expect("a list") {
                    // A list shows no tags.
                    let whole = store.load(&one.application.id).await.expect("it loads");
                    let application = Application {
                        tags: whole.expect("it was listed").application.tags,
                        ..one.application
                    };
                    pairs.push((application, one.runtime_environment));
                }
                let count = store.count_applications(account, REGION).await.expect("a count");
                Answer::Listed(pairs, count)
            }
            Action::Operations { application, filter, limit } => {
                let mut all = Vec::new();
                let mut before = None;
                loop {
                    let page = store.operations(application, *filter, before, *limit).await;
                    let page = page.expect("a page");
                    all.push(page.items);
                    before = page.next;
                    if before.is_none() {
                        return Answer::Operations(all);
                    }
                }
            }
            Action::Snapshots { application, limit } => {
                let mut all = Vec::new();
                let mut before = None;
                loop {
                    let page = store.snapshots(application, before, *limit).await.expect("a page");
                    all.push(page.items);
                    before = page.next;
                    if before.is_none() {
                        return Answer::Snapshots(all);
                    }
                }
            }
            Action::Versions { application, limit } => {
                let mut all = Vec::new();
                let mut before = None;
                loop {
                    let page = store.versions(application, before, *limit).await.expect("a page");
                    all.push(page.items);
                    before = page.next;
                    if before.is_none() {
                        return Answer::Versions(all);
                    }
                }
            }
            Action::Answered(record) => {
                let IdempotencyRecord { account, invocation_id, request_digest, .. } = record;
                let answer = store.answered(account, invocation_id, request_digest).await;
                Answer::Answered(answer.expect("an answer"))
            }
            Action::Due { holder, now, limit } => {
                let due = store.due(holder, *now, *limit).await.expect("a list").into_iter();
                Answer::Due(due.map(|due| (due.application, due.revision)).collect())
            }
            Action::NextWakeUp => Answer::Time(store.next_wake_up().await.expect("a time")),
            Action::SetWakeUp { application, seen, at } => {
                store.set_wake_up(application, *seen, *at).await.expect("it is set");
                Answer::Nothing
            }
            Action::Acquire { application, holder, now, until } => {
                let taken = store.acquire_lease(application, holder, *now, *until).await;
                Answer::Taken(taken.expect("an answer"))
            }
            Action::Release { application, holder } => {
                store.release_lease(application, holder).await.expect("it is given back");
                Answer::Nothing
            }
            Action::Heartbeat { holder, until } => {
                store.heartbeat(holder, Timestamp(0), *until).await.expect("it is written");
                Answer::Nothing
            }
            Action::Retire { holder } => {
                store.retire(holder).await.expect("they are given back");
                Answer::Nothing
            }
        }
    }
}

fn loaded(answer: Result<Option<millrace_store::Loaded>, millrace_store::StoreError>) -> Answer {
    Answer::Rows(answer.expect("it loads").map(|loaded| {
        Box::new(Seen {
            current: loaded.current_version().cloned(),
            application: loaded.application,
            open: loaded.open_operation,
            snapshots: loaded.snapshots.to_vec(),
        })
    }))
}

fn seen(rows: &Rows) -> Seen {
    let open = rows.application.open_operation.as_ref();
    Seen {
        application: rows.application.clone(),
        current: Some(current(rows)),
        open: open.and_then(|id| rows.operations.iter().find(|one| one.id == *id).cloned()),
        snapshots: rows.snapshots.iter().rev().cloned().collect(),
    }
}

fn current(rows: &Rows) -> Version {
    rows.versions[&rows.application.version].clone()
}

/// A list in parts; always one, if only an empty one.
fn pages<T: Clone>(all: Vec<T>, limit: u32) -> Vec<Vec<T>> {
    let parts: Vec<Vec<T>> = all.chunks(limit as usize).map(<[T]>::to_vec).collect();
    if parts.is_empty() { vec![Vec::new()] } else { parts }
}

fn refusal(error: CommitError) -> Refusal {
    match error {
        CommitError::Stale => Refusal::Stale,
        CommitError::NameTaken => Refusal::NameTaken,
        CommitError::AlreadyDone(record) => Refusal::AlreadyDone(record.response),
        other => Refusal::Other(format!("{other:?}")),
    }
}

fn application_id(text: &str) -> ApplicationId {
    ApplicationId::new(text).expect("an id")
}

/// Few ids, so that calls come again.
fn record(random: &mut StdRng) -> IdempotencyRecord {
    IdempotencyRecord {
        account: pick(random, &ACCOUNTS).to_owned(),
        invocation_id: format!("i{}", random.random_range(0..12)),
        request_digest: pick(random, &["d", "e"]).to_owned(),
        response: format!("{{\"n\": {}}}", random.random_range(0..1_000)),
        created_at: Timestamp(random.random_range(0..1_000)),
    }
}

fn creation(random: &mut StdRng, seed: u64, number: usize) -> Change {
    let tags = (0..random.random_range(0..3)).map(|tag| (format!("k{tag}"), format!("v{number}")));
    let create = CreateApplication {
        id: application_id(&format!("id-{seed}-{number}")),
        account: pick(random, &ACCOUNTS).to_owned(),
        region: REGION.to_owned(),
        name: ApplicationName::new(pick(random, &NAMES)).expect("a name"),
        description: format!("it's \"{number}\" – größer ☂"),
        runtime_environment: pick(random, &["FLINK-1_18", "FLINK-1_20"]).to_owned(),
        service_execution_role: "arn:aws:iam::000000000000:role/r".to_owned(),
        configuration: ConfigurationPatch::default(),
        tags: tags.collect::<BTreeMap<_, _>>(),
    };
    let now = Timestamp(random.random_range(0..1_000));
    let mut change = create
        .decide((0, &Quotas::AWS), &["FLINK-1_18", "FLINK-1_20"], now)
        .expect("it is allowed");
    change.idempotency = random.random_bool(0.5).then(|| record(random));
    change.wake_at = random.random_bool(0.5).then(|| distinct_time(random, number));
    change
}

/// Of two that are due at one time, either may come first: no two are.
fn distinct_time(random: &mut StdRng, number: usize) -> Timestamp {
    Timestamp(random.random_range(0..8) * 128 + number as i64)
}

/// A later version of an application that is there, of a random one that was; with parts of it.
fn change(random: &mut StdRng, model: &Model, number: usize) -> Change {
    let known: Vec<&Rows> = model.rows.values().collect();
    let Some(rows) = known.choose(random) else { return creation(random, 99, number) };
    let mut application = rows.application.clone();
    let stale = random.random_bool(0.15);
    let expected =
        Revision(application.revision.0 - u64::from(stale && application.revision.0 > 1));
    let write = match random.random_bool(0.1) {
        true => ApplicationWrite::Delete(application.id.clone()),
        false => {
            application.status = pick(random, &Status::ALL);
            application.generation.0 += 1;
            application.updated_at = Timestamp(number as i64);
            if random.random_bool(0.3) {
                application.tags = BTreeMap::from([("only".to_owned(), number.to_string())]);
            }
            application.revision = expected;
            ApplicationWrite::Put(Box::new(application.clone()))
        }
    };
    let mut change = Change {
        expected: Some(expected),
        application: write,
        new_version: None,
        operations: Vec::new(),
        snapshots: snapshots(random, rows, number),
        deleted_snapshots: (0..random.random_range(0..2)).map(|_| snapshot_name(random)).collect(),
        enhanced: Vec::new(),
        wake_at: random.random_bool(0.5).then(|| distinct_time(random, number)),
        idempotency: random.random_bool(0.5).then(|| record(random)),
    };
    if let ApplicationWrite::Put(application) = &mut change.application {
        let operation = operation(random, rows, number);
        application.open_operation = random.random_bool(0.5).then(|| operation.id.clone());
        change.operations.push(operation);
        if random.random_bool(0.3) {
            let id = VersionId(application.latest_version.0 + 1);
            change.new_version = Some(Version { id, ..current(rows) });
            application.latest_version = id;
            application.version_updated_from = Some(application.version);
            application.show_version(id);
        }
    }
    change
}

fn snapshot_name(random: &mut StdRng) -> SnapshotName {
    SnapshotName::new(pick(random, &["s", "t", "u", "v"])).expect("a name")
}

/// What of a snapshot never changes stays as it is.
fn snapshots(random: &mut StdRng, rows: &Rows, number: usize) -> Vec<Snapshot> {
    if random.random_bool(0.5) {
        return Vec::new();
    }
    let name = snapshot_name(random);
    let status =
        pick(random, &[SnapshotStatus::Creating, SnapshotStatus::Ready, SnapshotStatus::Failed]);
    let location = random.random_bool(0.5).then(|| format!("file:///s/{number}"));
    let before = rows.snapshots.iter().find(|one| one.name == name).cloned();
    let base = before.unwrap_or_else(|| Snapshot {
        application: rows.application.id.clone(),
        name,
        status,
        created_at: Timestamp(number as i64),
        version: rows.application.version,
        runtime_environment: current(rows).runtime_environment,
        location: None,
        automatic: random.random_bool(0.5),
        enhanced: false,
    });
    vec![Snapshot { status, location, ..base }]
}

/// A new operation, or a later state of one that is there.
fn operation(random: &mut StdRng, rows: &Rows, number: usize) -> Operation {
    let base = match rows.operations.choose(random) {
        Some(one) if random.random_bool(0.5) => one.clone(),
        _ => Operation {
            application: rows.application.id.clone(),
            id: OperationId::new(format!("op-{number}")).expect("an id"),
            kind: pick(random, &OperationKind::ALL),
            status: OperationStatus::InProgress,
            started_at: Timestamp(number as i64),
            ended_at: None,
            from_version: rows.application.version,
            to_version: rows.application.version,
            request: millrace_domain::operation::OperationRequest::default(),
            failure: None,
            evidence: json!({}),
        },
    };
    Operation {
        status: pick(random, &OperationStatus::ALL),
        ended_at: random.random_bool(0.5).then_some(Timestamp(number as i64)),
        evidence: json!({"seen": number, "text": "a 'quote' and \u{1F30A}"}),
        ..base
    }
}
