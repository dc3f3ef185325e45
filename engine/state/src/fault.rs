//! An object store that dies at the n-th call: for tests and simulation.

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

/// Where a call dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// Before it reaches the store.
    Before,
    /// After the store has done it: the caller never learns.
    After,
}

/// Passes calls on until the `at`-th; from then on every call fails, as for a
/// process that is dead or cut off.
#[derive(Debug)]
pub struct MortalStore {
    inner: Arc<dyn ObjectStore>,
    calls: AtomicU64,
    at: u64,
    death: Death,
}

impl MortalStore {
    pub fn new(inner: Arc<dyn ObjectStore>, at: u64, death: Death) -> MortalStore {
        MortalStore { inner, calls: AtomicU64::new(0), at, death }
    }

    /// Calls so far.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    pub fn is_dead(&self) -> bool {
        self.calls() >= self.at
    }

    async fn pass<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        let number = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        if number > self.at || (number == self.at && self.death == Death::Before) {
            return Err(dead());
        }
        let result = call.await;
        if number == self.at { Err(dead()) } else { result }
    }
}

fn dead() -> Error {
    Error::Generic { store: "mortal", source: "the store died".into() }
}

impl fmt::Display for MortalStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MortalStore({})", self.inner)
    }
}

#[async_trait]
impl ObjectStore for MortalStore {
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
        let number = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        if number >= self.at {
            return futures::stream::once(async { Err(dead()) }).boxed();
        }
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let number = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        if number >= self.at {
            return futures::stream::once(async { Err(dead()) }).boxed();
        }
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.pass(self.inner.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.pass(self.inner.copy_opts(from, to, options)).await
    }
}
