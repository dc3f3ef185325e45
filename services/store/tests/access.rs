//! Access keys, policies and the audit log, on both databases.

use millrace_auth::seal::SealingKey;
use millrace_auth::{AccessKeyId, KeyStatus, NewAccessKey, Principal};
use millrace_domain::Timestamp;
use millrace_store::{AuditEntry, Store, StoredKey, StoredPolicy};
use millrace_test_support::postgres::Postgres;

const ONE: &str = "111111111111";
const TWO: &str = "222222222222";

/// A store, and what must live as long.
struct Fixture {
    store: Store,
    _database: Box<dyn std::any::Any>,
}

async fn sqlite() -> Option<Fixture> {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("millrace.db")).await.unwrap();
    Some(Fixture { store, _database: Box::new(directory) })
}

/// `None` where there is no PostgreSQL.
async fn postgres() -> Option<Fixture> {
    let server = Postgres::start().unwrap()?;
    let store = Store::connect(&server.url()).await.unwrap();
    Some(Fixture { store, _database: Box::new(server) })
}

macro_rules! on_both {
    ($($test:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $test() {
                let fixture = super::sqlite().await.expect("it needs nothing");
                super::$test(&fixture.store).await;
            })*
        }

        mod postgres {
            $(#[tokio::test]
            async fn $test() {
                let Some(fixture) = super::postgres().await else { return };
                super::$test(&fixture.store).await;
            })*
        }
    };
}

on_both! {
    a_key_is_used_disabled_and_deleted_for_ever,
    keys_are_listed_by_their_owners,
    a_policy_is_one_of_its_user_and_name,
    the_audit_log_has_what_began_and_how_it_ended,
    the_audit_log_is_read_in_parts_by_account_and_forgets,
}

fn principal(account: &str, user: &str) -> Principal {
    Principal::of(account, Some(user).filter(|user| !user.is_empty())).unwrap()
}

fn key(account: &str, user: &str, byte: u8) -> StoredKey {
    let made = NewAccessKey::generate(&[byte; 40]);
    let sealed = SealingKey::new(&[1; 32]).seal(&made.id, &made.secret, [byte; 12]);
    StoredKey {
        id: made.id,
        owner: principal(account, user),
        sealed,
        status: KeyStatus::Active,
        created_at: Timestamp(i64::from(byte)),
    }
}

async fn a_key_is_used_disabled_and_deleted_for_ever(store: &Store) {
    let made = key(ONE, "alice", 1);
    assert!(!store.had_access_keys(ONE).await.unwrap());
    assert!(store.add_access_key(&made).await.unwrap());
    assert!(!store.add_access_key(&key(TWO, "", 1)).await.unwrap(), "the id is taken");
    assert_eq!(store.access_key(&made.id).await.unwrap().as_ref(), Some(&made));
    let other = AccessKeyId::new("AKIANOBODYHASTHISONE").unwrap();
    assert_eq!(store.access_key(&other).await.unwrap(), None);

    assert!(store.set_access_key(&made.id, KeyStatus::Inactive).await.unwrap());
    let disabled = store.access_key(&made.id).await.unwrap().unwrap();
    assert_eq!(disabled, StoredKey { status: KeyStatus::Inactive, ..made.clone() });
    assert!(!store.set_access_key(&other, KeyStatus::Active).await.unwrap());

    assert!(store.delete_access_key(&made.id).await.unwrap());
    assert!(!store.delete_access_key(&made.id).await.unwrap());
    assert!(!store.set_access_key(&made.id, KeyStatus::Active).await.unwrap());
    assert_eq!(store.access_key(&made.id).await.unwrap(), None);
    assert!(!store.add_access_key(&made).await.unwrap(), "an id does not come back");
    assert!(
        store.had_access_keys(ONE).await.unwrap() && !store.had_access_keys(TWO).await.unwrap()
    );
}

async fn keys_are_listed_by_their_owners(store: &Store) {
    let all = [key(ONE, "", 3), key(ONE, "alice", 2), key(ONE, "bob", 1), key(TWO, "alice", 4)];
    for index in [2, 0, 3, 1] {
        assert!(store.add_access_key(&all[index]).await.unwrap());
    }
    assert_eq!(store.access_keys(None).await.unwrap(), all);
    assert_eq!(store.access_keys(Some(ONE)).await.unwrap(), all[..3]);
    store.delete_access_key(&all[3].id).await.unwrap();
    assert_eq!(store.access_keys(Some(TWO)).await.unwrap(), []);
}

fn policy(account: &str, user: &str, name: &str, document: &str) -> StoredPolicy {
    StoredPolicy {
        owner: principal(account, user),
        name: name.into(),
        document: document.into(),
        updated_at: Timestamp(7),
    }
}

async fn a_policy_is_one_of_its_user_and_name(store: &Store) {
    let (first, other) = (policy(ONE, "alice", "p", "{1}"), policy(TWO, "alice", "p", "{2}"));
    for policy in [&other, &first, &policy(ONE, "alice", "a", "{3}"), &policy(ONE, "bob", "p", "")]
    {
        store.put_policy(policy).await.unwrap();
    }
    let replaced = StoredPolicy { document: "{4}".into(), updated_at: Timestamp(8), ..first };
    store.put_policy(&replaced).await.unwrap();
    let of_alice = store.policies(&replaced.owner).await.unwrap();
    assert_eq!(of_alice, [policy(ONE, "alice", "a", "{3}"), replaced.clone()]);
    assert_eq!(store.policies(&other.owner).await.unwrap(), [other]);
    assert_eq!(store.policies(&principal(ONE, "")).await.unwrap(), []);
    assert_eq!(store.all_policies(Some(ONE)).await.unwrap().len(), 3);
    assert_eq!(store.all_policies(None).await.unwrap().len(), 4);
    assert!(store.delete_policy(&replaced.owner, "p").await.unwrap());
    assert!(!store.delete_policy(&replaced.owner, "p").await.unwrap());
    assert_eq!(store.policies(&replaced.owner).await.unwrap().len(), 1);
}

fn entry(account: &str, number: i64) -> AuditEntry {
    AuditEntry {
        at: Timestamp(number),
        account: account.into(),
        region: "us-east-1".into(),
        principal: principal(account, "").to_string(),
        credential: "AKIAIOSFODNN7EXAMPLE".into(),
        request: format!("request-{number}"),
        action: "kinesisanalytics:StartApplication".into(),
        resource: "arn:aws:kinesisanalytics:us-east-1:1:application/a".into(),
        outcome: String::new(),
    }
}

async fn the_audit_log_has_what_began_and_how_it_ended(store: &Store) {
    let id = store.begin_audit(&entry(ONE, 1)).await.unwrap();
    let _lost = store.begin_audit(&entry(ONE, 2)).await.unwrap();
    store.end_audit(id, "Success").await.unwrap();
    let page = store.audit(None, None, 10).await.unwrap();
    let ended = AuditEntry { outcome: "Success".into(), ..entry(ONE, 1) };
    assert_eq!(page.items, [entry(ONE, 2), ended]);
    assert_eq!(page.next, None);
}

async fn the_audit_log_is_read_in_parts_by_account_and_forgets(store: &Store) {
    for number in 1..=5 {
        let _ = store.begin_audit(&entry(ONE, number)).await.unwrap();
        let _ = store.begin_audit(&entry(TWO, number)).await.unwrap();
    }
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let page = store.audit(Some(ONE), before, 2).await.unwrap();
        seen.extend(page.items.into_iter().map(|entry| entry.at.0));
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(seen, [5, 4, 3, 2, 1]);
    let ninety_days = 90 * 24 * 60 * 60 * 1000;
    for _ in 0..256 {
        let _ = store.begin_audit(&entry(TWO, ninety_days + 4)).await.unwrap();
    }
    let left = store.audit(Some(ONE), None, 10).await.unwrap();
    assert_eq!(left.items.iter().map(|entry| entry.at.0).collect::<Vec<_>>(), [5, 4]);
}

/// The tables came after those of a later number: a database that has these gets them too.
#[tokio::test]
async fn a_database_of_the_release_before_gets_the_tables() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("millrace.db");
    Store::open(&file).await.unwrap().close().await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file);
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    for statement in [
        "DROP TABLE access_keys",
        "DROP TABLE policies",
        "DROP TABLE audit",
        "DELETE FROM _sqlx_migrations WHERE version = 4",
    ] {
        sqlx::query(statement).execute(&pool).await.unwrap();
    }
    pool.close().await;
    let store = Store::open(&file).await.unwrap();
    assert!(store.add_access_key(&key(ONE, "", 1)).await.unwrap());
}
