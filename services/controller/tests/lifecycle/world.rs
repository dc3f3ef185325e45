//! A simulated launcher: engines that read one row each millisecond, a checkpoint log with
//! its fence, and output that becomes visible with a checkpoint. What a version does
//! wrong is said by its property `behaviour`; with `scaled: ` before it, at a parallelism
//! above 1 alone, with `held: `, while its output is held back.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use millrace_domain::care::measure::{CPU_TIME, MAX_PARALLELISM};
use millrace_domain::lifecycle::{
    CheckVerdict, Health, Launch, Observed, Outcome, RestoreFrom, SnapshotRequest,
};
use millrace_domain::reading::JobReading;
use millrace_domain::{ApplicationId, Generation, Timestamp};
use millrace_launcher::{Launcher, LauncherError};

#[derive(Clone, Default)]
pub struct World {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
pub struct Inner {
    pub now: i64,
    engines: BTreeMap<Generation, Engine>,
    log: Vec<Entry>,
    snapshots: BTreeMap<String, Point>,
    /// The rows that readers of the sink see, as ranges of positions, in order.
    pub visible: Vec<(i64, i64)>,
    pub deleted: bool,
    /// How much of its KPUs a running job uses, in percent; and what it has used.
    pub cpu_percent: f64,
    cpu_ns: f64,
    /// Which release of the engine starts, and which runs.
    pub release: &'static str,
    /// No job completes a checkpoint.
    pub stalled: bool,
}

/// State: how far the source was read, and what was prepared but is not visible.
#[derive(Clone, Debug, Default, PartialEq)]
struct Point {
    position: i64,
    held: Vec<(i64, i64)>,
}

struct Entry {
    generation: Generation,
    point: Point,
    is_claim: bool,
}

struct Engine {
    launch: Launch,
    release: &'static str,
    state: State,
    hold: bool,
    /// Of the last checkpoint, and of now.
    at_checkpoint: Point,
    position: i64,
    checkpoints: u64,
    next_checkpoint: i64,
    running_since: i64,
    savepoint: Option<Savepoint>,
}

#[derive(Clone, PartialEq)]
enum State {
    Starting { until: i64 },
    Staged,
    Running,
    Restarting,
    Failed(&'static str),
    Finished(Option<String>),
    Exited(Option<i32>),
}

struct Savepoint {
    trigger: String,
    done_at: i64,
    stop: bool,
    target: String,
    outcome: Option<Result<String, &'static str>>,
}

const START_MS: i64 = 8;
const SAVEPOINT_MS: i64 = 12;
const CHECKPOINT_MS: i64 = 400;

impl World {
    pub fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no test panics while it holds the world")
    }

    pub fn now(&self) -> i64 {
        self.lock().now
    }

    pub fn advance(&self, ms: i64) {
        for _ in 0..ms {
            self.lock().tick();
        }
    }

    /// SIGKILL to every engine that lives, or to one.
    pub fn kill(&self, only: Option<Generation>) {
        for (generation, engine) in &mut self.lock().engines {
            if engine.alive() && only.is_none_or(|only| only == *generation) {
                engine.state = State::Exited(None);
            }
        }
    }

    pub fn alive(&self) -> Vec<Generation> {
        let inner = self.lock();
        let alive = inner.engines.iter().filter(|(_, engine)| engine.alive());
        alive.map(|(generation, _)| *generation).collect()
    }

    /// The generation that runs with a completed checkpoint, shown to everybody.
    pub fn healthy(&self) -> Option<Generation> {
        let inner = self.lock();
        let mut engines = inner.engines.iter();
        engines
            .find(|(_, e)| e.state == State::Running && e.checkpoints > 0 && !e.hold)
            .map(|(generation, _)| *generation)
    }

    /// Whether what is visible is every row from the first, once.
    pub fn exactly_once(&self) -> Result<i64, String> {
        let inner = self.lock();
        let mut end = 0;
        for (from, to) in &inner.visible {
            if *from != end {
                return Err(format!("rows {from}..{to} follow {end} in {:?}", inner.visible));
            }
            end = *to;
        }
        Ok(end)
    }
}

impl Engine {
    fn alive(&self) -> bool {
        !matches!(self.state, State::Exited(_))
    }

    fn behaviour(&self) -> String {
        behaviour(&self.launch)
    }
}

fn behaviour(launch: &Launch) -> String {
    let group = launch.properties.first();
    let said = group.and_then(|group| group.properties.get("behaviour"));
    let said = said.map(String::as_str).unwrap_or_default();
    let (when, then) = said.split_once(": ").unwrap_or(("always", said));
    let applies = match when {
        "scaled" => launch.parallelism > 1,
        "held" => launch.hold_commits,
        _ => true,
    };
    if applies { then.to_owned() } else { "good".to_owned() }
}

impl Inner {
    fn tick(&mut self) {
        self.now += 1;
        for generation in self.engines.keys().copied().collect::<Vec<_>>() {
            self.tick_one(generation);
        }
    }

    fn tick_one(&mut self, generation: Generation) {
        let now = self.now;
        let engine = self.engines.get_mut(&generation).expect("just listed");
        match engine.state {
            State::Starting { until } if until <= now => {
                match (engine.behaviour().as_str(), engine.launch.standby) {
                    ("exits", _) | ("exits_staged", true) => {
                        engine.state = State::Exited(Some(1));
                    }
                    (_, true) => engine.state = State::Staged,
                    (_, false) => {
                        let (restore, since) =
                            (engine.launch.restore.clone(), engine.launch.since_generation);
                        self.claim(generation, &restore, since);
                    }
                }
            }
            State::Running => self.tick_running(generation),
            _ => {}
        }
    }

    fn tick_running(&mut self, generation: Generation) {
        let now = self.now;
        let engine = self.engines.get_mut(&generation).expect("just listed");
        engine.position += 1;
        // One millisecond of this part of so many processors.
        self.cpu_ns += self.cpu_percent * 1e4 * f64::from(engine.launch.kpus);
        let uptime = now - engine.running_since;
        match engine.behaviour().as_str() {
            "fails" if uptime >= 70 => {
                engine.state = State::Failed("Division by zero in operator Calc");
                return;
            }
            "restarts" if uptime >= 120 => {
                engine.state = State::Restarting;
                return;
            }
            // A bounded input: ends after a last checkpoint, unless that is held.
            "bounded" if uptime >= 300 => {
                self.checkpoint(generation);
                let engine = self.engines.get_mut(&generation).expect("just listed");
                if engine.alive() && !engine.hold {
                    engine.state = State::Finished(None);
                }
                return;
            }
            "no_checkpoint" => {}
            _ if self.stalled => {}
            _ if engine.next_checkpoint <= now => self.checkpoint(generation),
            _ => {}
        }
        self.tick_savepoint(generation);
    }

    fn tick_savepoint(&mut self, generation: Generation) {
        let now = self.now;
        let engine = self.engines.get_mut(&generation).expect("just listed");
        let fails = engine.behaviour() == "savepoint_fails";
        let Some(savepoint) = &mut engine.savepoint else { return };
        if savepoint.outcome.is_some() || savepoint.done_at > now {
            return;
        }
        if fails {
            savepoint.outcome = Some(Err("The savepoint was declined: disk full"));
            return;
        }
        let (target, stop) = (savepoint.target.clone(), savepoint.stop);
        self.checkpoint(generation);
        let mut location = target;
        while self.snapshots.contains_key(&location) {
            location.push('+');
        }
        let engine = self.engines.get_mut(&generation).expect("just listed");
        if !engine.alive() {
            return;
        }
        self.snapshots.insert(location.clone(), engine.at_checkpoint.clone());
        if let Some(savepoint) = &mut engine.savepoint {
            savepoint.outcome = Some(Ok(location.clone()));
        }
        if stop {
            engine.state = State::Finished(Some(location));
        }
    }

    /// One conditional create: the newest generation alone makes output visible.
    fn checkpoint(&mut self, generation: Generation) {
        let newest = self.log.iter().map(|entry| entry.generation).max();
        let engine = self.engines.get_mut(&generation).expect("just listed");
        if newest.is_some_and(|newest| newest > generation) {
            engine.state = State::Exited(Some(3));
            return;
        }
        let mut held = engine.at_checkpoint.held.clone();
        held.push((engine.at_checkpoint.position, engine.position));
        if !engine.hold {
            self.visible.append(&mut held);
        }
        engine.at_checkpoint = Point { position: engine.position, held };
        engine.checkpoints += 1;
        engine.next_checkpoint = self.now + CHECKPOINT_MS;
        let point = engine.at_checkpoint.clone();
        self.log.push(Entry { generation, point, is_claim: false });
    }

    fn claim(&mut self, generation: Generation, restore: &RestoreFrom, since: Option<Generation>) {
        let newest = self.log.iter().map(|entry| entry.generation).max();
        let latest = self.log.last().map(|entry| entry.point.clone()).unwrap_or_default();
        let retried = self
            .log
            .iter()
            .any(|entry| entry.is_claim && since.is_some_and(|since| entry.generation >= since));
        let mut point = match restore {
            _ if retried => latest,
            RestoreFrom::Latest => latest,
            RestoreFrom::None => Point::default(),
            RestoreFrom::Snapshot { location } => {
                self.snapshots.get(location).cloned().expect("the snapshot exists")
            }
        };
        let engine = self.engines.get_mut(&generation).expect("just listed");
        if newest.is_some_and(|newest| newest > generation) {
            engine.state = State::Exited(Some(3));
            return;
        }
        if !engine.hold {
            // A commit that is repeated after a crash changes nothing, as in a real sink.
            self.visible.append(&mut point.held);
        }
        self.log.push(Entry { generation, point: point.clone(), is_claim: true });
        engine.position = point.position;
        engine.at_checkpoint = point;
        engine.running_since = self.now;
        engine.next_checkpoint = self.now + CHECKPOINT_MS;
        engine.state = State::Running;
    }

    fn running(&mut self, generation: Generation) -> Result<&mut Engine, LauncherError> {
        let engine = self.engines.get_mut(&generation).filter(|e| e.state == State::Running);
        engine.ok_or(LauncherError::NoJob { generation })
    }

    fn newer(&self, generation: Generation) -> Option<Generation> {
        self.engines.keys().copied().max().filter(|newest| *newest > generation)
    }

    fn observe_one(&self, engine: &Engine) -> Observed {
        match &engine.state {
            State::Starting { until } => Observed::Starting { since: Timestamp(until - START_MS) },
            State::Staged => Observed::Staged,
            State::Running => Observed::Running(Health {
                checkpoints_completed: engine.checkpoints,
                last_checkpoint_at: None,
                restarts: 0,
                last_failure: None,
                uptime_ms: self.now - engine.running_since,
                held: engine.hold,
                cannot_hold: false,
            }),
            State::Restarting => Observed::Restarting { cause: "Bad row".to_owned() },
            State::Failed(cause) => Observed::Failed { cause: (*cause).to_owned() },
            State::Finished(savepoint) => Observed::Finished { savepoint: savepoint.clone() },
            State::Exited(code) => {
                Observed::Exited { code: *code, cause: "The engine exited".to_owned() }
            }
        }
    }
}

#[async_trait]
impl Launcher for World {
    async fn observe(
        &self,
        _application: &ApplicationId,
        _now: Timestamp,
    ) -> Result<BTreeMap<Generation, Observed>, LauncherError> {
        let inner = self.lock();
        let seen = inner.engines.iter();
        Ok(seen.map(|(generation, engine)| (*generation, inner.observe_one(engine))).collect())
    }

    async fn measure(
        &self,
        _application: &ApplicationId,
        generation: Generation,
        now: Timestamp,
    ) -> Result<JobReading, LauncherError> {
        let mut inner = self.lock();
        let (cpu_ns, checkpoints) = (inner.cpu_ns, inner.running(generation)?.checkpoints);
        let values = [
            (CPU_TIME, cpu_ns),
            (MAX_PARALLELISM, 128.0),
            ("numRestarts", 0.0),
            ("numberOfCompletedCheckpoints", checkpoints as f64),
        ];
        let job = values.map(|(name, value)| (name.to_owned(), value)).into();
        Ok(JobReading { at: now, generation, job, vertices: Vec::new() })
    }

    async fn release(
        &self,
        _application: &ApplicationId,
        generation: Generation,
    ) -> Result<String, LauncherError> {
        Ok(self.lock().running(generation)?.release.to_owned())
    }

    async fn check(&self, launch: &Launch) -> Result<CheckVerdict, LauncherError> {
        let refuse = |message: &str| Ok(CheckVerdict { ok: false, message: message.to_owned() });
        let has_state = !self.lock().log.is_empty();
        match (behaviour(launch).as_str(), &launch.restore) {
            ("bad_plan", _) => refuse("Line 1, column 8: unknown column x."),
            ("misfit", restore) if *restore != RestoreFrom::None && has_state => {
                refuse("Operator agg is incompatible: the key changed.")
            }
            ("old", RestoreFrom::Snapshot { .. }) => {
                refuse("Operator agg is incompatible: the key changed.")
            }
            _ => Ok(CheckVerdict { ok: true, message: String::new() }),
        }
    }

    async fn start(&self, launch: &Launch, _now: Timestamp) -> Result<(), LauncherError> {
        let mut inner = self.lock();
        let (application, generation) = (launch.application.clone(), launch.generation);
        if let Some(newer) = inner.newer(generation) {
            return Err(LauncherError::Superseded { application, generation, newer });
        }
        match inner.engines.get(&generation).map(Engine::alive) {
            Some(true) => return Ok(()),
            Some(false) => return Err(LauncherError::Ended { application, generation }),
            None => {}
        }
        let until = inner.now + START_MS;
        let engine = Engine {
            launch: launch.clone(),
            release: inner.release,
            state: State::Starting { until },
            hold: launch.hold_commits,
            at_checkpoint: Point::default(),
            position: 0,
            checkpoints: 0,
            next_checkpoint: 0,
            running_since: 0,
            savepoint: None,
        };
        inner.engines.insert(generation, engine);
        Ok(())
    }

    async fn run_job(
        &self,
        application: &ApplicationId,
        generation: Generation,
        restore: &RestoreFrom,
        _allow_non_restored_state: bool,
    ) -> Result<(), LauncherError> {
        let mut inner = self.lock();
        match inner.engines.get(&generation).map(|engine| engine.state.clone()) {
            Some(State::Staged) => {
                inner.claim(generation, restore, None);
                Ok(())
            }
            Some(State::Running) => Ok(()),
            _ => Err(LauncherError::NoCluster { application: application.clone(), generation }),
        }
    }

    async fn take_snapshot(
        &self,
        _application: &ApplicationId,
        request: &SnapshotRequest,
    ) -> Result<Outcome, LauncherError> {
        let mut inner = self.lock();
        let now = inner.now;
        let engine = inner.running(request.generation)?;
        let under_way = engine.savepoint.as_ref();
        if let (Some(trigger), Some(savepoint)) = (&request.trigger, under_way)
            && savepoint.trigger == *trigger
        {
            return Ok(match savepoint.outcome.clone() {
                None => Outcome::SnapshotPending { trigger: trigger.clone() },
                Some(Ok(location)) => Outcome::SnapshotTaken { location },
                Some(Err(cause)) => Outcome::Refused { cause: cause.to_owned() },
            });
        }
        if under_way.is_some_and(|savepoint| savepoint.outcome.is_none()) {
            return Ok(Outcome::SnapshotBusy);
        }
        let trigger = format!("t{}-{now}", request.generation);
        engine.savepoint = Some(Savepoint {
            trigger: trigger.clone(),
            done_at: now + SAVEPOINT_MS,
            stop: request.stop,
            target: format!("/savepoints/{}", request.name),
            outcome: None,
        });
        Ok(Outcome::SnapshotPending { trigger })
    }

    async fn trigger_checkpoint(
        &self,
        _application: &ApplicationId,
        generation: Generation,
    ) -> Result<(), LauncherError> {
        let mut inner = self.lock();
        if inner.running(generation)?.behaviour() != "no_checkpoint" {
            inner.checkpoint(generation);
        }
        Ok(())
    }

    async fn release_commits(
        &self,
        _application: &ApplicationId,
        generation: Generation,
    ) -> Result<(), LauncherError> {
        let mut inner = self.lock();
        let engine = inner.running(generation)?;
        engine.hold = false;
        let mut held = std::mem::take(&mut engine.at_checkpoint.held);
        let point = engine.at_checkpoint.clone();
        inner.visible.append(&mut held);
        inner.log.push(Entry { generation, point, is_claim: false });
        Ok(())
    }

    async fn stop(
        &self,
        _application: &ApplicationId,
        generation: Generation,
    ) -> Result<(), LauncherError> {
        if let Some(engine) = self.lock().engines.get_mut(&generation) {
            engine.state = State::Exited(None);
        }
        Ok(())
    }

    async fn delete_snapshot(
        &self,
        _application: &ApplicationId,
        location: &str,
    ) -> Result<(), LauncherError> {
        if location.contains("stuck") {
            let message = "its files do not go".to_owned();
            return Err(LauncherError::Refused { message });
        }
        self.lock().snapshots.remove(location);
        Ok(())
    }

    async fn delete_application(&self, _application: &ApplicationId) -> Result<(), LauncherError> {
        self.lock().deleted = true;
        Ok(())
    }
}
