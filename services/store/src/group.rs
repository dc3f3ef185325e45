//! Writes that wait for the disk together.
//!
//! SQLite has one writer at a time, and an answered write must survive a power cut: each
//! transaction alone would wait for the disk alone. So the writes that have come while
//! the last transaction was under way share the next one, each within a savepoint of its
//! own: one that fails takes back what it did, and nothing of the others. All are told
//! when the transaction is committed, or that it was not.
//!
//! A write that has begun is carried out also when whoever asked for it has gone.
//!
//! PostgreSQL does as much by itself: there each write is a transaction.

use std::pin::Pin;

use sqlx::{AnyConnection, AnyPool, Executor};
use tokio::sync::{mpsc, oneshot};

use crate::known::{Known, Touched};
use crate::open::{Dialect, Store};

/// Of one transaction: bounds how long the first one waits for the others.
const MOST: usize = 64;

/// What a write does, on the connection of its transaction.
pub(crate) type Working<'c, T> = Pin<Box<dyn Future<Output = T> + Send + 'c>>;

type Work = Box<dyn for<'c> FnOnce(&'c mut AnyConnection) -> Working<'c, Ran> + Send>;

/// A write that was carried out and is not committed yet.
struct Ran {
    /// Whether what it did shall stay.
    keeps: bool,
    /// Not known any more before anybody is told.
    touched: Touched,
    /// Tells whoever asked.
    tell: Box<dyn FnOnce(Result<(), sqlx::Error>) + Send>,
}

/// The way to the one writer.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    writes: mpsc::UnboundedSender<Work>,
}

impl Group {
    /// Writes on the pool's connection, one after another, until the last sender has gone.
    pub(crate) fn start(writer: AnyPool, known: Known) -> Group {
        let (writes, waiting) = mpsc::unbounded_channel();
        tokio::spawn(write_all(writer, known, waiting));
        Group { writes }
    }

    async fn write<T, E>(
        &self,
        touched: Touched,
        work: impl for<'c> FnOnce(&'c mut AnyConnection) -> Working<'c, Result<T, E>> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<sqlx::Error> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let work: Work = Box::new(move |connection| {
            let working = work(connection);
            Box::pin(async move {
                let outcome = working.await;
                let keeps = outcome.is_ok();
                let tell = move |committed: Result<(), sqlx::Error>| {
                    // Whoever asked may have gone.
                    let _ = answer.send(outcome.and_then(|value| Ok(committed.map(|()| value)?)));
                };
                Ran { keeps, touched, tell: Box::new(tell) }
            })
        });
        if self.writes.send(work).is_err() {
            return Err(sqlx::Error::PoolClosed.into());
        }
        answered.await.unwrap_or_else(|_| Err(sqlx::Error::WorkerCrashed.into()))
    }
}

impl Store {
    /// Carries `work` out in a transaction: all of it stays, or nothing when it fails. It
    /// changes nothing of applications.
    pub(crate) async fn write<T, E>(
        &self,
        work: impl for<'c> FnOnce(&'c mut AnyConnection) -> Working<'c, Result<T, E>> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<sqlx::Error> + Send + 'static,
    {
        self.write_touching(Touched::Nothing, work).await
    }

    /// As [`Store::write`], of work that changes these applications.
    pub(crate) async fn write_touching<T, E>(
        &self,
        touched: Touched,
        work: impl for<'c> FnOnce(&'c mut AnyConnection) -> Working<'c, Result<T, E>> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<sqlx::Error> + Send + 'static,
    {
        if let Some(group) = &self.group {
            return group.write(touched, work).await;
        }
        let mut tx = self.begin_write().await?;
        let value = work(&mut tx).await?;
        tx.commit().await?;
        Ok(value)
    }
}

async fn write_all(writer: AnyPool, known: Known, mut waiting: mpsc::UnboundedReceiver<Work>) {
    while let Some(first) = waiting.recv().await {
        let mut works = vec![first];
        while works.len() < MOST
            && let Ok(work) = waiting.try_recv()
        {
            works.push(work);
        }
        let mut ran = Vec::with_capacity(works.len());
        let committed = transaction(&writer, works, &mut ran).await;
        for Ran { tell, touched, .. } in ran {
            known.forget(&touched);
            tell(match &committed {
                Ok(()) => Ok(()),
                Err(error) => Err(sqlx::Error::Protocol(format!("nothing was committed: {error}"))),
            });
        }
    }
}

/// Each of them or, when this fails, none. Those that were not reached hear it as their
/// way back is dropped.
async fn transaction(
    writer: &AnyPool,
    works: Vec<Work>,
    ran: &mut Vec<Ran>,
) -> Result<(), sqlx::Error> {
    let mut tx = writer.begin_with(Dialect::Sqlite.begin_write()).await?;
    for work in works {
        tx.execute("SAVEPOINT one_write").await?;
        let one = work(&mut tx).await;
        let keeps = one.keeps;
        ran.push(one);
        if !keeps {
            tx.execute("ROLLBACK TO one_write").await?;
        }
        // Fails, too, when the database has given up the whole transaction.
        tx.execute("RELEASE one_write").await?;
    }
    tx.commit().await
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::error::StoreError;

    async fn store(directory: &Path) -> Store {
        let store = Store::open(&directory.join("millrace.db")).await.unwrap();
        sqlx::query("CREATE TABLE one (n INTEGER PRIMARY KEY)")
            .execute(&store.writer)
            .await
            .unwrap();
        store
    }

    /// Inserts two numbers; the second may be there already.
    async fn insert(store: Store, numbers: [i64; 2]) -> Result<i64, StoreError> {
        store
            .write(move |connection| {
                Box::pin(async move {
                    for number in numbers {
                        sqlx::query("INSERT INTO one VALUES ($1)")
                            .bind(number)
                            .execute(&mut *connection)
                            .await?;
                    }
                    Ok(numbers[0])
                })
            })
            .await
    }

    #[tokio::test]
    async fn of_writes_that_share_a_transaction_one_fails_alone() {
        let directory = tempfile::tempdir().unwrap();
        let store = store(directory.path()).await;
        let writes: Vec<_> = (0..200)
            .map(|number| {
                // Each tenth finds its second number taken: its first one must not stay.
                let second = if number % 10 == 3 { 1_000_000 } else { 1_000 + number };
                tokio::spawn(insert(store.clone(), [number, second]))
            })
            .collect();
        insert(store.clone(), [-1, 1_000_000]).await.unwrap_or_default();
        let mut kept = Vec::new();
        for write in writes {
            kept.extend(write.await.unwrap());
        }
        let sql = "SELECT count(*), count(*) FILTER (WHERE n BETWEEN 0 AND 999) FROM one";
        let (all, firsts): (i64, i64) = sqlx::query_as(sql).fetch_one(&store.reader).await.unwrap();
        assert_eq!(firsts, kept.len() as i64);
        // One of those that wanted the same number has it.
        assert!((180..=181).contains(&kept.len()), "{}", kept.len());
        assert_eq!(all, 2 * 181);
    }

    #[tokio::test]
    async fn a_write_whose_caller_leaves_is_whole() {
        let directory = tempfile::tempdir().unwrap();
        let store = store(directory.path()).await;
        let leaving = tokio::spawn(insert(store.clone(), [1, 2]));
        tokio::task::yield_now().await;
        leaving.abort();
        insert(store.clone(), [3, 4]).await.unwrap();
        let (all,): (i64,) =
            sqlx::query_as("SELECT count(*) FROM one").fetch_one(&store.reader).await.unwrap();
        assert!(all == 2 || all == 4, "{all}");
    }

    #[tokio::test]
    async fn a_closed_store_says_so() {
        let directory = tempfile::tempdir().unwrap();
        let store = store(directory.path()).await;
        store.close().await;
        insert(store.clone(), [1, 2]).await.unwrap_err();
    }
}
