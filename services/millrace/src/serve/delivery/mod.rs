//! What jobs log goes to CloudWatch Logs, for applications that have a logging option.
//!
//! How far each option has got is a file beside the application's runs, written once the
//! events were taken: a server that dies in between delivers some of them again, and none is
//! left out. A stream that cannot be written to holds up no other.

mod cloud_watch;
mod records;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::future::Future;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use millrace_api::{LogChunk, LogFrom, LogPlace};
use millrace_domain::configuration::LoggingOption;
use millrace_domain::{ApplicationId, Generation};
use millrace_store::{Loaded, Store};

pub use self::cloud_watch::CloudWatchLogs;
use self::cloud_watch::{Event, PutError, Stream};
use self::records::{Of, records};
use super::logs;
use crate::edge;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(2);
/// Looks that a stream which refused is left alone for: a minute.
const REST: u32 = 30;
/// AWS: of one call.
const BATCH_EVENTS: usize = 10_000;
const BATCH_BYTES: usize = 1_048_576;
/// AWS: that each event counts for beside its message.
const EVENT_BYTES: usize = 26;
/// AWS: the events of one call are of one day.
const BATCH_MS: i64 = 24 * 60 * 60 * 1000;

/// Delivers until told to stop.
pub struct Delivery {
    pub store: Store,
    pub cloud_watch: CloudWatchLogs,
    /// With a directory for each application.
    pub applications: PathBuf,
}

/// Looks still to leave an option alone.
type Resting = HashMap<(ApplicationId, String), u32>;

/// An application's logging option, and how far it has got.
struct Way<'a> {
    loaded: &'a Loaded,
    stream: Stream,
    run: PathBuf,
}

impl Delivery {
    pub async fn run(&self, shutdown: impl Future<Output = ()>) {
        tokio::pin!(shutdown);
        // What stopped while no server looked may have logged more.
        let mut known: BTreeSet<ApplicationId> =
            self.store.application_ids().await.unwrap_or_default().into_iter().collect();
        let mut resting = Resting::new();
        loop {
            tokio::select! {
                () = &mut shutdown => return,
                () = tokio::time::sleep(EVERY) => {}
            }
            tokio::select! {
                () = &mut shutdown => return,
                () = self.round(&mut resting, &mut known) => {}
            }
        }
    }

    /// Every application that has a job, or had one a look ago: its last words count, too.
    async fn round(&self, resting: &mut Resting, known: &mut BTreeSet<ApplicationId>) {
        let running: BTreeSet<ApplicationId> = match self.store.jobs().await {
            Ok(jobs) => jobs.into_iter().map(|(application, _)| application).collect(),
            Err(error) => return tracing::debug!(%error, "the running jobs could not be listed"),
        };
        resting.retain(|_, looks| {
            *looks -= 1;
            *looks > 0
        });
        for application in running.union(known) {
            if let Ok(Some(loaded)) = self.store.load(application).await {
                self.deliver_all(&loaded, resting).await;
            }
        }
        *known = running;
    }

    async fn deliver_all(&self, loaded: &Loaded, resting: &mut Resting) {
        let Some(version) = loaded.current_version() else { return };
        for option in &version.configuration.logging {
            let key = (loaded.application.id.clone(), option.id.clone());
            if resting.contains_key(&key) {
                continue;
            }
            if let Err(error) = self.deliver(loaded, option).await {
                tracing::warn!(application.name = %loaded.application.name,
                    stream = option.log_stream_arn, error = format!("{error:#}"),
                    "the log is not delivered; it is tried again in a minute");
                resting.insert(key, REST);
            }
        }
    }

    /// All that was logged since.
    async fn deliver(&self, loaded: &Loaded, option: &LoggingOption) -> anyhow::Result<()> {
        let stream =
            Stream::of_arn(&option.log_stream_arn).context("the ARN is of no log stream")?;
        // Our key writes it: an application reaches no other account by that.
        if stream.account != loaded.application.account {
            anyhow::bail!("the log stream is of account {}", stream.account);
        }
        let run = self.applications.join(loaded.application.id.as_str()).join("run");
        let way = Way { loaded, stream, run };
        let Some(_held) = held(&way.run)? else { return Ok(()) };
        let mut places = Places::read(&way.run);
        while let Some((text, next)) = way.next(places.of(&option.id))? {
            self.put_all(&way, &text).await?;
            places.note(&way.run, &option.id, next)?;
        }
        Ok(())
    }

    async fn put_all(&self, way: &Way<'_>, text: &str) -> Result<(), PutError> {
        let now_ms = edge::now_ms();
        let application = &way.loaded.application;
        let arn = application.arn();
        let of = Of { arn: &arn, version: application.version.0 };
        let mut events: Vec<Event> =
            records(text, now_ms).iter().map(|it| (it.at_ms, it.message(of))).collect();
        // In order of time, as AWS wants them; those of one time stay in theirs.
        events.sort_by_key(|(at_ms, _)| *at_ms);
        for batch in batches(&events) {
            let left_out = self.cloud_watch.put(&way.stream, batch, now_ms).await?;
            if left_out > 0 {
                tracing::warn!(application.name = %application.name, left_out,
                    "log events are too old or too new for CloudWatch Logs");
            }
        }
        Ok(())
    }
}

impl Way<'_> {
    /// The whole lines behind `place`, and where they end; `None`: there is nothing new.
    fn next(&self, place: Option<LogPlace>) -> anyhow::Result<Option<(String, LogPlace)>> {
        let Some(from) = place.or_else(|| self.first()) else { return Ok(None) };
        let read = logs::read(&self.run, LogFrom::Place(from)).context("the log cannot be read")?;
        let Some(chunk) = read else { return Ok(None) };
        // A job that was killed ended in the middle of a line.
        let job = self.loaded.application.job.as_ref();
        let is_over = job.is_none_or(|job| job.generation > chunk.place.generation);
        Ok(whole_lines(&chunk, is_over))
    }

    /// Where the job that runs began: what jobs before the option logged is not delivered.
    fn first(&self) -> Option<LogPlace> {
        let job = self.loaded.application.job.as_ref()?;
        Some(LogPlace { generation: job.generation, offset: 0 })
    }
}

/// A line that is longer than a piece is given in pieces; the last one of a log that `is_over`
/// as it is.
fn whole_lines(chunk: &LogChunk, is_over: bool) -> Option<(String, LogPlace)> {
    let ends = chunk.bytes.iter().rposition(|byte| *byte == b'\n').map(|at| at + 1);
    let end = match ends {
        Some(end) => end,
        None if chunk.bytes.len() >= logs::CHUNK || is_over => chunk.bytes.len(),
        None => return None,
    };
    if end == 0 {
        return None;
    }
    let text = String::from_utf8_lossy(&chunk.bytes[..end]).into_owned();
    Some((text, LogPlace { offset: chunk.place.offset + end as u64, ..chunk.place }))
}

/// Of replicas that share the data directory one delivers at a time; `None`: another does.
fn held(run: &Path) -> anyhow::Result<Option<File>> {
    let file = run.join("delivered.lock");
    let opened = File::options().create(true).truncate(false).write(true).open(&file);
    let opened = match opened {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened.with_context(|| format!("cannot write {}", file.display()))?,
    };
    Ok(opened.try_lock().is_ok().then_some(opened))
}

/// As many at once as one call takes.
fn batches(mut events: &[Event]) -> Vec<&[Event]> {
    let mut batches = Vec::new();
    while let Some((first_ms, _)) = events.first() {
        let mut bytes = 0;
        let fits = |(at_ms, message): &&Event| {
            bytes += message.len() + EVENT_BYTES;
            bytes <= BATCH_BYTES && at_ms - first_ms < BATCH_MS
        };
        let count = events.iter().take(BATCH_EVENTS).take_while(fits).count().max(1);
        let (batch, rest) = events.split_at(count);
        batches.push(batch);
        events = rest;
    }
    batches
}

/// How far each logging option of an application has got, by its id.
#[derive(Debug, Default)]
struct Places(BTreeMap<String, (u64, u64)>);

impl Places {
    fn file(run: &Path) -> PathBuf {
        run.join("delivered.json")
    }

    /// One that cannot be read is begun anew: better twice than not at all.
    fn read(run: &Path) -> Places {
        let text = std::fs::read(Places::file(run)).unwrap_or_default();
        Places(serde_json::from_slice(&text).unwrap_or_default())
    }

    fn of(&self, option: &str) -> Option<LogPlace> {
        let (generation, offset) = *self.0.get(option)?;
        Some(LogPlace { generation: Generation(generation), offset })
    }

    fn note(&mut self, run: &Path, option: &str, place: LogPlace) -> anyhow::Result<()> {
        self.0.insert(option.to_owned(), (place.generation.0, place.offset));
        let (file, draft) = (Places::file(run), run.join("delivered.json.tmp"));
        let text = serde_json::to_vec(&self.0)?;
        let written = std::fs::write(&draft, text).and_then(|()| std::fs::rename(&draft, &file));
        written.with_context(|| format!("cannot write {}", file.display()))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn a_batch_is_what_one_call_takes() {
        let check = |events: Vec<Event>, want: &[usize]| {
            let counts: Vec<usize> = batches(&events).iter().map(|batch| batch.len()).collect();
            assert_eq!(counts, want);
        };
        check(vec![], &[]);
        check(vec![(0, String::new()); 25_000], &[10_000, 10_000, 5_000]);
        check(vec![(0, "x".repeat(400_000)); 5], &[2, 2, 1]);
        check(vec![(0, "x".repeat(2_000_000)); 2], &[1, 1]);
        let day = |days: i64| (days * BATCH_MS, String::new());
        check(vec![day(0), (BATCH_MS - 1, String::new()), day(1), day(3)], &[2, 1, 1]);
    }

    #[test]
    fn a_line_is_given_when_it_is_whole() {
        let check = |text: &str, is_over: bool, want: Option<(&str, u64)>| {
            let place = LogPlace { generation: Generation(2), offset: 100 };
            let bytes = Bytes::copy_from_slice(text.as_bytes());
            let next = LogPlace { offset: 100 + bytes.len() as u64, ..place };
            let found = whole_lines(&LogChunk { bytes, place, next }, is_over);
            let found = found.as_ref().map(|(text, next)| (text.as_str(), next.offset));
            assert_eq!(found, want, "{text:.20}");
        };
        check("", false, None);
        check("", true, None);
        check("half of a li", false, None);
        check("half of a li", true, Some(("half of a li", 112)));
        check("one\ntwo\nhal", true, Some(("one\ntwo\n", 108)));
        let long = "x".repeat(logs::CHUNK);
        check(&long, false, Some((&long, 100 + logs::CHUNK as u64)));
    }

    #[test]
    fn how_far_it_got_is_found_again() {
        let run = tempfile::tempdir().expect("a temporary directory");
        let mut places = Places::read(run.path());
        assert_eq!(places.of("1.1"), None);
        let place = LogPlace { generation: Generation(3), offset: 17 };
        places.note(run.path(), "1.1", place).expect("writable");
        assert_eq!(Places::read(run.path()).of("1.1"), Some(place));
        std::fs::write(Places::file(run.path()), "{").expect("writable");
        assert_eq!(Places::read(run.path()).of("1.1"), None, "begun anew");
    }
}
