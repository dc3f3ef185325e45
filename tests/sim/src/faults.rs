//! What fails, and when: counted, so that a seed says it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use futures::stream::{BoxStream, StreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// A counter that trips at some of its counts.
#[derive(Debug, Default)]
pub struct Trips {
    count: AtomicU64,
    at: BTreeSet<u64>,
}

impl Trips {
    pub fn at(counts: impl IntoIterator<Item = u64>) -> Trips {
        Trips { count: AtomicU64::new(0), at: counts.into_iter().collect() }
    }

    /// Counts, and says whether this one fails.
    pub fn trip(&self) -> bool {
        let count = self.count.fetch_add(1, Ordering::SeqCst);
        self.at.contains(&count)
    }
}

/// Passes calls on; some fail before they reach the store, some after it has obeyed.
#[derive(Debug)]
pub struct FlakyStore {
    inner: Arc<dyn ObjectStore>,
    seed: u64,
    /// Of 1000 calls.
    failing: u32,
    calls: AtomicU64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Fine,
    Before,
    After,
}

impl FlakyStore {
    pub fn new(inner: Arc<dyn ObjectStore>, seed: u64, failing: u32) -> FlakyStore {
        FlakyStore { inner, seed, failing, calls: AtomicU64::new(0) }
    }

    fn fate(&self) -> Fate {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        let mut random = StdRng::seed_from_u64(self.seed ^ call.wrapping_mul(0x9E37_79B9));
        match random.random_range(0..1000) < self.failing {
            false => Fate::Fine,
            true if random.random_bool(0.5) => Fate::Before,
            true => Fate::After,
        }
    }

    async fn pass<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        let fate = self.fate();
        if fate == Fate::Before {
            return Err(lost());
        }
        let result = call.await;
        if fate == Fate::After { Err(lost()) } else { result }
    }
}

fn lost() -> Error {
    Error::Generic { store: "flaky", source: "the connection was lost".into() }
}

impl fmt::Display for FlakyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FlakyStore({})", self.inner)
    }
}

#[async_trait]
impl ObjectStore for FlakyStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        self.pass(self.inner.put_opts(location, payload, options)).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.pass(self.inner.put_multipart_opts(location, options)).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.pass(self.inner.get_opts(location, options)).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        match self.fate() {
            Fate::Fine => self.inner.delete_stream(locations),
            _ => futures::stream::once(async { Err(lost()) }).boxed(),
        }
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.fate() {
            Fate::Fine => self.inner.list(prefix),
            _ => futures::stream::once(async { Err(lost()) }).boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.pass(self.inner.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.pass(self.inner.copy_opts(from, to, options)).await
    }
}
