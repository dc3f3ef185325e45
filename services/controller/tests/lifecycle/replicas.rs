//! The whole controller over the real store: wake-ups lost or not, one replica or two.

use std::sync::Arc;
use std::time::Duration;

use millrace_controller::{Clock, Controller, ControllerSettings, Looker, Records};
use millrace_domain::change::ApplicationWrite;
use millrace_domain::commands::{Call, Facts as CommandFacts};
use millrace_domain::configuration::RunConfiguration;
use millrace_domain::quota::Quotas;
use millrace_domain::{
    Application, ApplicationId, Change, OperationId, OperationStatus, Status, Timestamp, VersionId,
};
use millrace_store::{OperationFilter, Store};
use tokio::task::JoinHandle;

use crate::sim::{application, settings, version};
use crate::world::World;

struct Service {
    store: Store,
    world: World,
    running: Vec<(tokio::sync::oneshot::Sender<()>, JoinHandle<()>)>,
    clock: JoinHandle<()>,
    _directory: tempfile::TempDir,
}

impl Service {
    /// A READY application in a new database, and this many controllers.
    async fn begin(replicas: usize) -> Service {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let store = Store::open(&directory.path().join("millrace.db"))
            .await
            .expect("it opens")
            .held_alone();
        let created = Change {
            expected: None,
            application: ApplicationWrite::Put(Box::new(application())),
            new_version: Some(version("good")),
            operations: Vec::new(),
            snapshots: Vec::new(),
            deleted_snapshots: Vec::new(),
            enhanced: Vec::new(),
            wake_at: None,
            idempotency: None,
        };
        store.commit(&created, Timestamp(0)).await.expect("it is new");
        let world = World::default();
        let ticked = world.clone();
        let clock = tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_millis(1)).await;
                ticked.advance(1);
            }
        });
        let mut service =
            Service { store, world, running: Vec::new(), clock, _directory: directory };
        for replica in 0..replicas {
            service.spawn(replica);
        }
        service
    }

    fn spawn(&mut self, replica: usize) {
        let seen = self.world.clone();
        let clock: Clock = Arc::new(move || Timestamp(seen.now()));
        let looker = Looker {
            records: Arc::new(self.store.clone()),
            launcher: Arc::new(self.world.clone()),
            settings: settings(),
            clock,
        };
        let settings = ControllerSettings {
            holder: format!("replica-{replica}"),
            period: Duration::from_millis(20),
            lease: Duration::from_millis(300),
            ..ControllerSettings::default()
        };
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let controller = Controller::new(looker, settings);
        let run = tokio::spawn(async move {
            controller
                .run(async move {
                    let _ = stopped.await;
                })
                .await;
        });
        self.running.push((stop, run));
    }

    fn id(&self) -> ApplicationId {
        application().id
    }

    async fn command(&self, make: impl Fn(&CommandFacts<'_>, &Call) -> Change) {
        let loaded = self.store.load(&self.id()).await.expect("readable").expect("it is there");
        let now = Timestamp(self.world.now());
        let operation = OperationId::new(format!("op-{}", now.0)).expect("a valid id");
        let facts = CommandFacts {
            application: &loaded.application,
            version: loaded.current_version().expect("it has a version"),
            open_operation: loaded.open_operation.as_ref(),
            snapshots: &loaded.snapshots,
            quotas: &Quotas::AWS,
        };
        let change = make(&facts, &Call { operation, now });
        self.store.commit(&change, now).await.expect("nothing goes between");
    }

    /// Waits for the application to have no operation, in that status.
    async fn settled(&self, status: Status) -> Application {
        for _ in 0..2_000 {
            let stored = Records::load(&self.store, &self.id()).await.expect("readable");
            let application = stored.expect("it is there").application;
            if application.open_operation.is_none() && application.status == status {
                return application;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("it never became {}", status.name());
    }

    async fn end(self) {
        for (stop, run) in self.running {
            let _ = stop.send(());
            run.await.expect("the controller does not panic");
        }
        self.clock.abort();
        self.store.close().await;
    }
}

async fn start_crash_and_stop(replicas: usize) {
    let service = Service::begin(replicas).await;
    service
        .command(|facts, call| facts.start(RunConfiguration::default(), call).expect("legal"))
        .await;
    let running = service.settled(Status::Running).await;
    assert_eq!(running.version, VersionId(1));
    // Nobody wakes the controller: it looks by itself.
    service.world.kill(None);
    for _ in 0..3_000 {
        if service.world.healthy().is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(service.world.healthy().map(|generation| generation.0), Some(2));
    service.command(|facts, call| facts.stop(false, call).expect("legal")).await;
    let stopped = service.settled(Status::Ready).await;
    assert_eq!(service.world.alive(), []);
    let page = service
        .store
        .operations(&stopped.id, OperationFilter::default(), None, 10)
        .await
        .expect("readable");
    let all = page.items.iter().all(|o| o.status == OperationStatus::Successful);
    assert!(all && page.items.len() == 2, "{:#?}", page.items);
    service.world.exactly_once().expect("every row once");
    service.end().await;
}

#[tokio::test]
async fn one_controller_needs_no_wake_up() {
    start_crash_and_stop(1).await;
}

#[tokio::test]
async fn two_replicas_share_by_lease() {
    start_crash_and_stop(2).await;
}

/// The first controller goes away in the middle; the next one finds everything.
#[tokio::test]
async fn another_controller_goes_on() {
    let mut service = Service::begin(1).await;
    service
        .command(|facts, call| facts.start(RunConfiguration::default(), call).expect("legal"))
        .await;
    tokio::time::sleep(Duration::from_millis(30)).await;
    let (stop, run) = service.running.remove(0);
    let _ = stop.send(());
    run.await.expect("the controller does not panic");
    service.spawn(1);
    service.settled(Status::Running).await;
    assert_eq!(service.world.alive().len(), 1);
    service.end().await;
}
