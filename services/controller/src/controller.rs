//! The loop: which application to look at, how many at once, until told to stop.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use millrace_domain::{ApplicationId, Timestamp};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::Clock;
use crate::look::{Look, Looker};
use crate::pulse::Pulse;
use crate::schedule::{Lease, Schedule, Urgency};

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
    pulse: Arc<Pulse>,
    notify: Arc<Notify>,
}

/// Shortens the wait of the controller; losing it costs latency only.
#[derive(Clone)]
pub struct Wake {
    schedule: Arc<Mutex<Schedule>>,
    clock: Clock,
    notify: Arc<Notify>,
}

impl Wake {
    /// Something was stored for this application.
    pub fn application(&self, id: &ApplicationId) {
        lock(&self.schedule).wake(id, (self.clock)());
        self.notify.notify_one();
    }
}

impl Controller {
    pub fn new(looker: Looker, settings: ControllerSettings) -> Controller {
        Controller {
            looker,
            settings: Arc::new(settings),
            schedule: Arc::default(),
            pulse: Arc::default(),
            notify: Arc::default(),
        }
    }

    pub fn wake(&self) -> Wake {
        let clock = self.looker.clock.clone();
        Wake { schedule: self.schedule.clone(), clock, notify: self.notify.clone() }
    }

    /// Runs until `shutdown` resolves; then waits for looks under way, within bounds, and
    /// gives its leases back. What was under way is picked up by the next run.
    pub async fn run(&self, shutdown: impl Future<Output = ()>) {
        let mut looks = JoinSet::new();
        tokio::pin!(shutdown);
        let mut asked = None;
        loop {
            self.beat().await;
            if asked.is_none_or(|asked| self.now().0 - asked >= self.period_ms()) {
                asked = Some(self.now().0);
                self.find_due().await;
            }
            self.begin_looks(&mut looks);
            tokio::select! {
                () = &mut shutdown => break,
                () = self.notify.notified() => {}
                () = tokio::time::sleep(self.pause(looks.len())) => {}
                Some(_) = looks.join_next(), if !looks.is_empty() => {}
            }
        }
        let finish = async { while looks.join_next().await.is_some() {} };
        if tokio::time::timeout(self.settings.stop_grace, finish).await.is_err() {
            looks.abort_all();
        }
        if let Err(error) = self.looker.records.retire(&self.settings.holder).await {
            tracing::debug!(error = %chain(&error), "the leases run out by themselves");
        }
    }

    /// Tells the store that this replica lives, when it is time.
    async fn beat(&self) {
        let (now, lease_ms) = (self.now(), self.lease_ms());
        if self.pulse.left_ms(now) > lease_ms * 2 / 3 {
            return;
        }
        let until = Timestamp(now.0.saturating_add(lease_ms));
        match self.looker.records.heartbeat(&self.settings.holder, now, until).await {
            Ok(()) => self.pulse.beat(self.now(), until),
            Err(error) => tracing::warn!(error = %chain(&error), "no heartbeat"),
        }
    }

    /// Asks the store what is due: what others stored, and wake-ups that were lost.
    async fn find_due(&self) {
        let now = self.now();
        match self.looker.records.due(&self.settings.holder, now).await {
            Ok(due) => {
                let mut schedule = self.schedule();
                due.iter().for_each(|due| schedule.found(&due.application, due.revision, now));
            }
            Err(error) => {
                tracing::warn!(error = %chain(&error), "the due applications could not be read");
            }
        }
    }

    fn begin_looks(&self, looks: &mut JoinSet<()>) {
        while looks.try_join_next().is_some() {}
        let now = self.now();
        while looks.len() < self.settings.concurrency {
            let Some(id) = self.schedule().take(now) else { return };
            let controller = self.clone();
            looks.spawn(async move { controller.turn(id).await });
        }
    }

    /// Looks at one application until it has to wait for longer, or its turn is over.
    async fn turn(&self, id: ApplicationId) {
        let ends = self.after(self.settings.turn);
        loop {
            let now = self.now();
            if !self.hold_lease(&id, now).await {
                // Another replica has it: the store says when it is free.
                return self.schedule().put_back(&id, Urgency::Work, None);
            }
            match self.look(&id).await {
                Next::Now if now < ends => {}
                Next::Now => return self.schedule().put_back(&id, Urgency::Work, Some(now)),
                Next::At(at) => {
                    let wait_ms = at.0.saturating_sub(now.0);
                    if wait_ms > self.settings.patience.as_millis() as i64 || now >= ends {
                        return self.schedule().put_back(&id, Urgency::Work, Some(at));
                    }
                    tokio::time::sleep(Duration::from_millis(wait_ms.max(1) as u64)).await;
                }
                Next::Rests(at) => return self.schedule().put_back(&id, Urgency::Rest, Some(at)),
                Next::WhenStored => return self.schedule().put_back(&id, Urgency::Work, None),
                Next::Never => return self.schedule().forget(&id),
            }
        }
    }

    async fn look(&self, id: &ApplicationId) -> Next {
        if let Some(next) = self.glance(id).await {
            return next;
        }
        let problem = match self.looker.look(id).await {
            Ok(Look::Did(_)) => {
                self.schedule().succeeded(id);
                return Next::Now;
            }
            Ok(Look::Waits { until: Some(until), rest, .. }) => {
                let mut schedule = self.schedule();
                schedule.succeeded(id);
                schedule.set_rest(id, rest);
                return if rest.is_some() { Next::Rests(until) } else { Next::At(until) };
            }
            Ok(Look::Waits { until: None, seen, .. }) => {
                self.schedule().succeeded(id);
                match self.looker.records.clear_wake_up(id, seen).await {
                    Ok(()) => return self.leave(id).await,
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

    /// Looks at nothing but the job of an application at rest; `None`: more is to be done.
    async fn glance(&self, id: &ApplicationId) -> Option<Next> {
        let rest = self.schedule().rest(id)?;
        let rests = self.looker.still_rests(id, rest).await;
        if rests.is_ok_and(|rests| rests) {
            let until = self.now().0.saturating_add(self.looker.settings.idle_ms);
            return Some(Next::Rests(Timestamp(until)));
        }
        self.schedule().set_rest(id, None);
        None
    }

    /// Nothing is left to do: another replica may have it.
    async fn leave(&self, id: &ApplicationId) -> Next {
        self.schedule().set_lease(id, None);
        if let Err(error) = self.looker.records.release_lease(id, &self.settings.holder).await {
            tracing::debug!(application.id = %id, error = %chain(&error), "the lease runs out by itself");
        }
        Next::WhenStored
    }

    /// Whether this replica has the lease; takes it when it does not know of one.
    async fn hold_lease(&self, id: &ApplicationId, now: Timestamp) -> bool {
        let held = self.schedule().lease(id);
        if held.is_some_and(|lease| self.pulse.holds(lease, now)) {
            return true;
        }
        let until = Timestamp(now.0.saturating_add(self.lease_ms()));
        let lease = Lease { until, life: self.pulse.life(now) };
        let holder = &self.settings.holder;
        let held = match self.looker.records.acquire_lease(id, holder, now, until).await {
            Ok(held) => held,
            Err(error) => {
                tracing::warn!(application.id = %id, error = %chain(&error), "no lease");
                false
            }
        };
        self.schedule().set_lease(id, held.then_some(lease));
        held
    }

    fn pause(&self, looks: usize) -> Duration {
        let period = self.settings.period;
        // With no place free, the end of a look is what comes next.
        let next = self.schedule().next().filter(|_| looks < self.settings.concurrency);
        let next = next.map(|at| at.0.saturating_sub(self.now().0).max(1));
        next.map_or(period, |ms| Duration::from_millis(ms as u64).min(period))
    }

    fn period_ms(&self) -> i64 {
        self.settings.period.as_millis() as i64
    }

    fn lease_ms(&self) -> i64 {
        self.settings.lease.as_millis() as i64
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
    /// At rest until then.
    Rests(Timestamp),
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
