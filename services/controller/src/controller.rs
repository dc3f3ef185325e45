//! The loop: which application to look at, how many at once, until told to stop.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use millrace_domain::{ApplicationId, Timestamp};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::look::{Look, Looker};
use crate::schedule::Schedule;

#[derive(Clone, Debug)]
pub struct ControllerSettings {
    /// Names this replica in leases. The same name after a restart takes its own leases
    /// back at once.
    pub holder: String,
    pub lease: Duration,
    /// Applications looked at at once.
    pub concurrency: usize,
    /// Between two questions to the store when nobody wakes.
    pub period: Duration,
    /// A look that has this much to wait for gives its place away.
    pub patience: Duration,
    /// One turn of looks at an application.
    pub turn: Duration,
    /// How long a stop waits for looks under way.
    pub stop_grace: Duration,
}

impl Default for ControllerSettings {
    fn default() -> ControllerSettings {
        ControllerSettings {
            holder: "controller".to_owned(),
            lease: Duration::from_secs(30),
            concurrency: 32,
            period: Duration::from_millis(500),
            patience: Duration::from_millis(60),
            turn: Duration::from_secs(2),
            stop_grace: Duration::from_secs(5),
        }
    }
}

/// Looks at every application that is due, for ever.
#[derive(Clone)]
pub struct Controller {
    looker: Looker,
    settings: Arc<ControllerSettings>,
    schedule: Arc<Mutex<Schedule>>,
    notify: Arc<Notify>,
}

/// Shortens the wait of the controller; losing it costs latency only.
#[derive(Clone)]
pub struct Wake {
    schedule: Arc<Mutex<Schedule>>,
    notify: Arc<Notify>,
}

impl Wake {
    /// Something was stored for this application.
    pub fn application(&self, id: &ApplicationId) {
        lock(&self.schedule).wake(id);
        self.notify.notify_one();
    }

    /// Something was stored.
    pub fn all(&self) {
        lock(&self.schedule).wake_all();
        self.notify.notify_one();
    }
}

impl Controller {
    pub fn new(looker: Looker, settings: ControllerSettings) -> Controller {
        Controller {
            looker,
            settings: Arc::new(settings),
            schedule: Arc::default(),
            notify: Arc::default(),
        }
    }

    pub fn wake(&self) -> Wake {
        Wake { schedule: self.schedule.clone(), notify: self.notify.clone() }
    }

    /// Runs until `shutdown` resolves; then waits for looks under way, within bounds, and
    /// gives its leases back. What was under way is picked up by the next run.
    pub async fn run(&self, shutdown: impl Future<Output = ()>) {
        let mut looks = JoinSet::new();
        tokio::pin!(shutdown);
        loop {
            self.begin_looks(&mut looks).await;
            tokio::select! {
                () = &mut shutdown => break,
                () = self.notify.notified() => {}
                () = tokio::time::sleep(self.pause()) => {}
                Some(_) = looks.join_next(), if !looks.is_empty() => {}
            }
        }
        let finish = async { while looks.join_next().await.is_some() {} };
        if tokio::time::timeout(self.settings.stop_grace, finish).await.is_err() {
            looks.abort_all();
        }
        self.release_leases().await;
    }

    async fn begin_looks(&self, looks: &mut JoinSet<()>) {
        while looks.try_join_next().is_some() {}
        let now = self.now();
        let due = match self.looker.records.due(now, u32::MAX).await {
            Ok(due) => due,
            Err(error) => {
                tracing::warn!(error = %chain(&error), "the due applications could not be read");
                return;
            }
        };
        for id in due {
            if looks.len() >= self.settings.concurrency {
                return;
            }
            if self.schedule().take(&id, now) {
                let controller = self.clone();
                looks.spawn(async move { controller.turn(id).await });
            }
        }
    }

    /// Looks at one application until it has to wait for longer, or its turn is over.
    async fn turn(&self, id: ApplicationId) {
        let ends = self.after(self.settings.turn);
        loop {
            let now = self.now();
            if !self.hold_lease(&id, now).await {
                return self.schedule().put_back(&id, Some(self.after(self.settings.period)));
            }
            match self.look(&id).await {
                Next::Now if now < ends => {}
                Next::Now => return self.schedule().put_back(&id, Some(now)),
                Next::At(at) => {
                    let wait_ms = at.0.saturating_sub(now.0);
                    if wait_ms > self.settings.patience.as_millis() as i64 || now >= ends {
                        return self.schedule().put_back(&id, Some(at));
                    }
                    tokio::time::sleep(Duration::from_millis(wait_ms.max(1) as u64)).await;
                }
                Next::WhenStored => return self.schedule().put_back(&id, None),
                Next::Never => return self.schedule().forget(&id),
            }
        }
    }

    async fn look(&self, id: &ApplicationId) -> Next {
        let problem = match self.looker.look(id).await {
            Ok(Look::Did(_)) => {
                self.schedule().succeeded(id);
                return Next::Now;
            }
            Ok(Look::Waits { until: Some(until), .. }) => {
                self.schedule().succeeded(id);
                return Next::At(until);
            }
            Ok(Look::Waits { until: None, seen }) => {
                self.schedule().succeeded(id);
                match self.looker.records.clear_wake_up(id, seen).await {
                    Ok(()) => return self.rest(id).await,
                    Err(error) => chain(&error),
                }
            }
            Ok(Look::Gone) => return Next::Never,
            Ok(Look::Failed(problem)) => problem,
            Err(error) => chain(&error),
        };
        let now = self.now();
        let at = self.schedule().failed(id, &self.looker.settings, now);
        tracing::warn!(application.id = %id, problem, retry_in_ms = at.0 - now.0, "a look failed");
        Next::At(at)
    }

    /// Nothing is left to do: another replica may have it.
    async fn rest(&self, id: &ApplicationId) -> Next {
        self.release_lease(id).await;
        Next::WhenStored
    }

    /// Takes or keeps the lease; written anew only when a third of it is used up.
    async fn hold_lease(&self, id: &ApplicationId, now: Timestamp) -> bool {
        let lease_ms = self.settings.lease.as_millis() as i64;
        let held = self.schedule().lease_until(id);
        if held.is_some_and(|until| until.0 - now.0 > lease_ms * 2 / 3) {
            return true;
        }
        let until = Timestamp(now.0.saturating_add(lease_ms));
        let holder = &self.settings.holder;
        let held = match self.looker.records.acquire_lease(id, holder, now, until).await {
            Ok(held) => held,
            Err(error) => {
                tracing::warn!(application.id = %id, error = %chain(&error), "no lease");
                false
            }
        };
        self.schedule().set_lease(id, held.then_some(until));
        held
    }

    async fn release_lease(&self, id: &ApplicationId) {
        self.schedule().set_lease(id, None);
        if let Err(error) = self.looker.records.release_lease(id, &self.settings.holder).await {
            tracing::debug!(application.id = %id, error = %chain(&error), "the lease runs out by itself");
        }
    }

    async fn release_leases(&self) {
        let leased = self.schedule().leased();
        for id in leased {
            self.release_lease(&id).await;
        }
    }

    fn pause(&self) -> Duration {
        let next = self.schedule().next().map(|at| at.0.saturating_sub(self.now().0).max(1));
        next.map_or(self.settings.period, |ms| {
            Duration::from_millis(ms as u64).min(self.settings.period)
        })
    }

    fn after(&self, wait: Duration) -> Timestamp {
        Timestamp(self.now().0.saturating_add(wait.as_millis() as i64))
    }

    fn now(&self) -> Timestamp {
        (self.looker.clock)()
    }

    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        lock(&self.schedule)
    }
}

enum Next {
    Now,
    At(Timestamp),
    /// When a commit sets its wake-up.
    WhenStored,
    Never,
}

fn lock(schedule: &Mutex<Schedule>) -> MutexGuard<'_, Schedule> {
    schedule.lock().unwrap_or_else(PoisonError::into_inner)
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
