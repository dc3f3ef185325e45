//! Regular joins end to end on the nexmark source: the changelog of a script folds to
//! what nested loops over the tables give.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use arrow::util::display::{ArrayFormatter, FormatOptions};
use millrace_dataflow::RuntimeLevel;
use millrace_worker::run_foreground;

type Row = Vec<String>;
type Bag = BTreeMap<Row, i64>;

const TABLES: &str = "
CREATE TABLE events (
  event_type int,
  person ROW<id BIGINT, name VARCHAR, emailAddress VARCHAR, creditCard VARCHAR, city VARCHAR,
             state VARCHAR, dateTime TIMESTAMP(3), extra VARCHAR>,
  auction ROW<id BIGINT, itemName VARCHAR, description VARCHAR, initialBid BIGINT, reserve BIGINT,
              dateTime TIMESTAMP(3), expires TIMESTAMP(3), seller BIGINT, category BIGINT,
              extra VARCHAR>,
  bid ROW<auction BIGINT, bidder BIGINT, price BIGINT, channel VARCHAR, url VARCHAR,
          dateTime TIMESTAMP(3), extra VARCHAR>,
  dateTime AS CASE WHEN event_type = 0 THEN person.dateTime
                   WHEN event_type = 1 THEN auction.dateTime ELSE bid.dateTime END,
  WATERMARK FOR dateTime AS dateTime - INTERVAL '4' SECOND
) WITH ('connector' = 'nexmark', 'events.num' = '3000', 'first-event.rate' = '100',
        'max-emit-speed' = 'true', 'base-time' = '1577836800000');
CREATE VIEW person AS SELECT person.id, person.name, person.state, dateTime FROM events
  WHERE event_type = 0;
CREATE VIEW auction AS SELECT auction.id, auction.itemName, dateTime, auction.expires,
  auction.seller, auction.category FROM events WHERE event_type = 1;
CREATE VIEW bid AS SELECT bid.auction, bid.bidder, bid.price, dateTime FROM events
  WHERE event_type = 2;
";

/// The rows that are there when the script has ended.
async fn run(query: &str, parallelism: u16) -> Bag {
    let seen: Arc<Mutex<Bag>> = Arc::default();
    let sink = Arc::clone(&seen);
    let script = format!("{TABLES}{query};");
    let settings = BTreeMap::new();
    let level = RuntimeLevel::Flink1_18;
    let mut job = run_foreground(&script, level, parallelism, &settings, move |rows| {
        let options = FormatOptions::default().with_null("NULL");
        let columns = rows.batch.record.columns().iter();
        let columns: Vec<ArrayFormatter<'_>> =
            columns.map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
        let mut seen = sink.lock().unwrap();
        for at in 0..rows.batch.num_rows() {
            let row = columns.iter().map(|column| column.value(at).to_string()).collect();
            let by = if rows.batch.kind(at).is_accumulate() { 1 } else { -1 };
            *seen.entry(row).or_insert(0) += by;
        }
    })
    .unwrap_or_else(|error| panic!("{query}: {error:?}"));
    job.wait().await.unwrap();
    let mut bag = seen.lock().unwrap().clone();
    bag.retain(|_, count| *count != 0);
    bag
}

async fn table(query: &str) -> Vec<Row> {
    run(query, 1).await.into_iter().flat_map(|(row, count)| vec![row; count as usize]).collect()
}

async fn check(query: &str, expected: Vec<Row>) {
    let mut bag = Bag::new();
    expected.into_iter().for_each(|row| *bag.entry(row).or_insert(0) += 1);
    assert!(bag.len() > 3, "{query}: only {bag:?} is expected");
    for parallelism in [1, 3] {
        assert_eq!(run(query, parallelism).await, bag, "{query}");
    }
}

fn number(text: &str) -> i64 {
    text.parse().unwrap()
}

/// Auctions (id, name, from, to, category) with the bids (auction, bidder, price, time)
/// within their time.
async fn bids_in_time() -> Vec<(Row, Row)> {
    let auctions = table("SELECT id, itemName, dateTime, expires, category FROM auction").await;
    let bids = table("SELECT auction, bidder, price, dateTime FROM bid").await;
    let mut pairs = Vec::new();
    for auction in &auctions {
        let times = auction[2].as_str()..=auction[3].as_str();
        let of_auction = bids.iter().filter(|bid| bid[0] == auction[0]);
        let in_time = of_auction.filter(|bid| times.contains(&bid[3].as_str()));
        pairs.extend(in_time.map(|bid| (auction.clone(), bid.clone())));
    }
    pairs
}

#[tokio::test(flavor = "multi_thread")]
async fn b6_1_nexmark_q3_joins_sellers_with_their_auctions() {
    let persons = table("SELECT id, name, state FROM person").await;
    let auctions = table("SELECT id, seller, category FROM auction").await;
    let mut expected = Vec::new();
    for auction in auctions.iter().filter(|auction| auction[2] == "10") {
        let sellers = persons.iter().filter(|person| person[0] == auction[1]);
        let sellers = sellers.filter(|person| ["OR", "ID", "CA"].contains(&person[2].as_str()));
        expected.extend(
            sellers.map(|seller| vec![seller[1].clone(), seller[2].clone(), auction[0].clone()]),
        );
    }
    let query = "SELECT P.name, P.state, A.id FROM auction AS A
        INNER JOIN person AS P ON A.seller = P.id
        WHERE A.category = 10 AND (P.state = 'OR' OR P.state = 'ID' OR P.state = 'CA')";
    check(query, expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b6_1_nexmark_q4_averages_the_highest_bids() {
    let mut finals: BTreeMap<(String, String), i64> = BTreeMap::new();
    for (auction, bid) in bids_in_time().await {
        let highest = finals.entry((auction[4].clone(), auction[0].clone())).or_insert(0);
        *highest = number(&bid[2]).max(*highest);
    }
    let mut categories: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for ((category, _), highest) in finals {
        categories.entry(category).or_default().push(highest);
    }
    let average = |of: &[i64]| of.iter().sum::<i64>() / of.len() as i64;
    let expected = categories.iter().map(|(c, of)| vec![c.clone(), average(of).to_string()]);
    let query = "SELECT Q.category, AVG(Q.final) FROM (
          SELECT MAX(B.price) AS final, A.category FROM auction A, bid B
          WHERE A.id = B.auction AND B.dateTime BETWEEN A.dateTime AND A.expires
          GROUP BY A.id, A.category) Q
        GROUP BY Q.category";
    check(query, expected.collect()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b6_1_nexmark_q9_finds_the_winning_bids() {
    let mut winners: BTreeMap<Row, i64> = BTreeMap::new();
    for (auction, bid) in bids_in_time().await {
        let highest = winners.entry(vec![auction[0].clone(), auction[1].clone()]).or_insert(0);
        *highest = number(&bid[2]).max(*highest);
    }
    let expected = winners.into_iter().map(|(mut row, price)| {
        row.push(price.to_string());
        row
    });
    let query = "SELECT id, itemName, price FROM (
          SELECT A.*, B.auction, B.price, ROW_NUMBER() OVER
            (PARTITION BY A.id ORDER BY B.price DESC, B.dateTime ASC) AS rownum
          FROM auction A, bid B
          WHERE A.id = B.auction AND B.dateTime BETWEEN A.dateTime AND A.expires)
        WHERE rownum <= 1";
    check(query, expected.collect()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b6_3_nexmark_q20_keeps_bids_without_an_auction_when_it_is_a_left_join() {
    let auctions = table("SELECT id, itemName FROM auction WHERE category = 10").await;
    let bids = table("SELECT auction, bidder, price FROM bid").await;
    let (mut inner, mut left) = (Vec::new(), Vec::new());
    for bid in &bids {
        let found: Vec<_> = auctions.iter().filter(|auction| auction[0] == bid[0]).collect();
        let joined = found.iter().map(|auction| [bid.clone(), vec![auction[1].clone()]].concat());
        inner.extend(joined.clone());
        left.extend(joined);
        if found.is_empty() {
            left.push([bid.clone(), vec!["NULL".to_owned()]].concat());
        }
    }
    let query = |kind: &str| {
        format!(
            "SELECT B.auction, B.bidder, B.price, A.itemName FROM bid AS B
             {kind} JOIN (SELECT * FROM auction WHERE category = 10) AS A ON B.auction = A.id"
        )
    };
    check(&query("INNER"), inner).await;
    check(&query("LEFT"), left).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b6_6_subqueries_are_semi_and_anti_joins() {
    let persons = table("SELECT id FROM person").await;
    let auctions = table("SELECT seller, category FROM auction").await;
    let sells = |person: &Row, category: &str| {
        auctions.iter().any(|auction| auction[0] == person[0] && auction[1] == category)
    };
    for (condition, category, negated) in [
        ("id IN (SELECT seller FROM auction WHERE category = 10)", "10", false),
        ("id NOT IN (SELECT seller FROM auction WHERE category = 10)", "10", true),
        ("EXISTS (SELECT 1 FROM auction A WHERE A.seller = P.id AND A.category = 11)", "11", false),
        (
            "NOT EXISTS (SELECT * FROM auction A WHERE A.seller = P.id AND A.category = 11)",
            "11",
            true,
        ),
    ] {
        let expected = persons.iter().filter(|person| sells(person, category) != negated);
        let expected = expected.cloned().collect();
        check(&format!("SELECT id FROM person P WHERE {condition}"), expected).await;
    }
}
