//! What connectors need of the world: the time, ids, seeds and a console.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;

use crate::connectors::Connectors;
use crate::print::Console;

/// Handed to every connector; cheap to clone.
#[derive(Clone)]
pub struct World {
    /// Whose files these are: tells the unfinished files of one job from those of
    /// another that writes to the same directory.
    pub owner: Arc<str>,
    clock: Arc<dyn Fn() -> i64 + Send + Sync>,
    ids: Arc<dyn Fn() -> Uuid + Send + Sync>,
    pub console: Console,
}

impl World {
    /// Milliseconds since the epoch.
    pub fn now_ms(&self) -> i64 {
        (self.clock)()
    }

    /// An id never given before.
    pub fn new_id(&self) -> Uuid {
        (self.ids)()
    }

    /// A seed for generated rows.
    pub fn new_seed(&self) -> u64 {
        self.new_id().as_u64_pair().0
    }
}

/// Makes [`Connectors`]; what is not set comes from the machine.
#[must_use]
pub struct ConnectorsBuilder {
    world: World,
}

impl Default for ConnectorsBuilder {
    fn default() -> ConnectorsBuilder {
        let world = World {
            owner: Arc::from("local"),
            clock: Arc::new(machine_time_ms),
            ids: Arc::new(random_id),
            console: Console::machine(),
        };
        ConnectorsBuilder { world }
    }
}

impl ConnectorsBuilder {
    /// The id of the application whose job this is; the same in all its generations.
    pub fn owner(mut self, owner: &str) -> ConnectorsBuilder {
        self.world.owner = Arc::from(owner);
        self
    }

    /// Milliseconds since the epoch.
    pub fn clock(mut self, clock: impl Fn() -> i64 + Send + Sync + 'static) -> ConnectorsBuilder {
        self.world.clock = Arc::new(clock);
        self
    }

    pub fn ids(mut self, ids: impl Fn() -> Uuid + Send + Sync + 'static) -> ConnectorsBuilder {
        self.world.ids = Arc::new(ids);
        self
    }

    /// Ids counted from `first`, for tests and simulations.
    pub fn counted_ids(self, first: u64) -> ConnectorsBuilder {
        let next = AtomicU64::new(first);
        self.ids(move || Uuid::from_u64_pair(next.fetch_add(1, Ordering::Relaxed), 0))
    }

    /// Where the print connector writes.
    pub fn console(mut self, console: Console) -> ConnectorsBuilder {
        self.world.console = console;
        self
    }

    pub fn build(self) -> Connectors {
        Connectors::in_world(self.world)
    }
}

#[expect(clippy::disallowed_methods, reason = "the process edge: connectors take a clock")]
fn machine_time_ms() -> i64 {
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

#[expect(clippy::disallowed_methods, reason = "the process edge: connectors take a source of ids")]
fn random_id() -> Uuid {
    Uuid::new_v4()
}
