//! Random sequences of actions against SQLite, PostgreSQL and a model in memory: every
//! answer is the same. `MILLRACE_STORE_SEEDS=FROM..TO` chooses the seeds.

mod actions;
mod model;

use std::ops::Range;

use millrace_store::Store;
use millrace_test_support::postgres::Postgres;
use rand::SeedableRng;
use rand::rngs::StdRng;

use actions::Action;
use model::Model;

/// Of one sequence. Long enough for names to be taken, freed and taken again.
const ACTIONS: usize = 120;

fn seeds(default: Range<u64>) -> Range<u64> {
    let Ok(text) = std::env::var("MILLRACE_STORE_SEEDS") else { return default };
    let (from, to) = text.split_once("..").expect("MILLRACE_STORE_SEEDS=FROM..TO");
    from.parse().expect("a number")..to.parse().expect("a number")
}

/// The store answers to every action as the model does.
async fn check(store: &Store, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut model = Model::default();
    for number in 0..ACTIONS {
        let action = Action::random(&mut random, &model, seed, number);
        let wanted = action.on_model(&mut model);
        let answered = action.on_store(store).await;
        assert_eq!(answered, wanted, "seed {seed}, action {number}: {action:?}");
    }
}

#[tokio::test]
async fn sqlite_answers_as_the_model_does() {
    for seed in seeds(0..12) {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let store = Store::open(&directory.path().join("millrace.db")).await.expect("it opens");
        // Of two seeds, one with what is known taken on trust.
        let store = if seed.is_multiple_of(2) { store } else { store.held_alone() };
        check(&store, seed).await;
        store.close().await;
    }
}

/// One server, and a database for each seed.
#[tokio::test]
async fn postgresql_answers_as_the_model_does() {
    let Some(server) = Postgres::start().expect("it starts") else { return };
    for seed in seeds(0..12) {
        let name = format!("seed_{seed}");
        server.psql(&format!("CREATE DATABASE {name}")).expect("a database");
        let store = Store::connect(&server.url_of(&name)).await.expect("it opens");
        check(&store, seed).await;
        store.close().await;
    }
}
