use expect_test::expect_file;
use millrace_dataflow::RuntimeLevel;
use millrace_dataflow::catalog::ConnectorCatalog;
use millrace_dataflow::types::{Field, TypeRoot};

use super::events::{EventKind, Settings};
use super::table::{AUCTION, BID, Holds, PERSON};
use crate::testing::{INT, Job, check_resumes, connectors, scan, table};

fn row(members: &[(&str, Holds)]) -> TypeRoot {
    let field = |(name, holds): &(&str, Holds)| {
        let root = match holds {
            Holds::Long => TypeRoot::BigInt,
            Holds::Text => TypeRoot::string(),
            Holds::Time => TypeRoot::Timestamp { precision: 3 },
        };
        Field::new(*name, root.nullable())
    };
    TypeRoot::Row(members.iter().map(field).collect())
}

fn nexmark(options: &[(&str, &str)]) -> millrace_dataflow::table::TableSpec {
    let columns = [
        ("event_type", INT),
        ("person", row(PERSON)),
        ("auction", row(AUCTION)),
        ("bid", row(BID)),
    ];
    let fixed = [("connector", "nexmark"), ("base-time", "1577836800000")];
    let options: Vec<_> = fixed.iter().chain(options).copied().collect();
    table(&columns, &options)
}

fn settings(options: &[(&str, &str)]) -> Settings {
    Settings::of(&nexmark(options).options).expect("good options")
}

#[test]
fn the_first_events() {
    let table = nexmark(&[("events.num", "51"), ("max-emit-speed", "true")]);
    let rows = Job::start(&scan(&table, 7), 1, None).finish().expect("51 events");
    expect_file!["golden.txt"].assert_eq(&(rows.join("\n") + "\n"));
}

#[test]
fn proportions_and_ids_over_50_000_events() {
    let settings = settings(&[]);
    let (mut persons, mut auctions, mut hot_bids, mut hot_channels) = (0, 0, 0, 0);
    let (mut sizes, mut sellers) = (0, 0);
    for number in 0..50_000 {
        match settings.kind(number) {
            EventKind::Person => {
                assert_eq!(settings.person_id(number), 1_000 + persons);
                persons += 1;
            }
            EventKind::Auction => {
                let auction = settings.auction(number);
                assert_eq!(auction.id, 1_000 + auctions);
                assert!(auction.reserve > auction.initial_bid);
                assert!((10..15).contains(&auction.category));
                assert!((1_000..1_000 + persons + 10).contains(&auction.seller));
                sellers += i64::from(auction.seller % 100 == 0);
                auctions += 1;
            }
            EventKind::Bid => {
                let bid = settings.bid(number);
                assert!((1_000..1_000 + auctions + 10).contains(&bid.auction));
                assert!((1_000..1_000 + persons + 10).contains(&bid.bidder));
                assert!((100..=100_000_000).contains(&bid.price));
                hot_bids += u32::from(bid.auction % 100 == 0);
                hot_channels += u32::from(!bid.channel.name.starts_with("channel-"));
                sizes += 32 + bid.extra;
            }
        }
    }
    assert_eq!((persons, auctions), (1_000, 3_000));
    // 46,000 bids: half go to hot auctions (plus the odd chance hit), half come over
    // hot channels, 100 bytes on average; three in four auctions are of hot sellers.
    assert!((23_000..24_000).contains(&hot_bids), "{hot_bids}");
    assert!((22_500..23_500).contains(&hot_channels), "{hot_channels}");
    assert!((99..=101).contains(&(sizes / 46_000)), "{}", sizes / 46_000);
    assert!((2_200..2_350).contains(&sellers), "{sellers}");
}

#[test]
fn event_times_follow_the_rate() {
    let settings = settings(&[("first-event.rate", "3")]);
    let times: Vec<i64> = (0..5).map(|number| settings.offset_ms(number)).collect();
    assert_eq!(times, [0, 333, 666, 1_000, 1_333]);
}

#[test]
fn any_proportions() {
    let kinds = |options: &[(&str, &str)]| -> Vec<i32> {
        let settings = settings(options);
        (0..6).map(|number| settings.kind(number) as i32).collect()
    };
    let some = [("person.proportion", "2"), ("auction.proportion", "1"), ("bid.proportion", "2")];
    assert_eq!(kinds(&some), [0, 0, 1, 2, 2, 0]);
    let only_bids = [("person.proportion", "0"), ("auction.proportion", "0")];
    assert_eq!(kinds(&only_bids), [2; 6]);
    let bid = settings(&only_bids).bid(1_000_000);
    assert!((1_000..1_200).contains(&bid.auction));
}

#[test]
fn columns_of_any_choice_hold_the_same_events() {
    let table = nexmark(&[("events.num", "200"), ("max-emit-speed", "true")]);
    let whole = Job::start(&scan(&table, 64), 1, None).finish().expect("events");
    let mut only_bids = scan(&table, 64);
    only_bids.columns = vec![only_bids.columns[3].clone()];
    let bids = Job::start(&only_bids, 1, None).finish().expect("events");
    assert_eq!(whole.len(), bids.len());
    for (whole, bid) in whole.iter().zip(&bids) {
        let bid = bid.strip_prefix("+I[").expect("a row");
        assert!(whole.ends_with(bid), "{whole} {bid}");
    }
}

#[test]
fn every_event_once_from_every_snapshot_at_any_parallelism() {
    let options = [("events.num", "700"), ("first-event.rate", "20000")];
    let all = check_resumes(&scan(&nexmark(&options), 40));
    assert_eq!(all.len(), 700);
}

#[test]
fn it_waits_for_its_rate_and_can_stay_after_its_end() {
    let table =
        nexmark(&[("events.num", "10"), ("keep-alive", "true"), ("first-event.rate", "10")]);
    let mut job = Job::start(&scan(&table, 64), 1, None);
    let mut given = 0;
    while given < 10 {
        given += job.step().expect("events").len();
    }
    assert!((900..=1_000).contains(&job.now_ms), "{}", job.now_ms);
    for _ in 0..20 {
        assert!(job.step().expect("nothing").is_empty());
    }
    assert!(!job.is_finished());
}

#[test]
fn bad_tables_are_refused() {
    let check = |table| {
        let usage = millrace_dataflow::catalog::TableUsage::Source;
        connectors().check_options(&table, usage, RuntimeLevel::Flink1_18)
    };
    assert_eq!(check(nexmark(&[])), Ok(()));
    for (key, value) in [
        ("events.num", "-1"),
        ("first-event.rate", "0"),
        ("bid.hot-ratio.auctions", "0"),
        ("person.proportion", "-1"),
        ("rate.shape", "ROUND"),
        ("bid.size", "1"),
    ] {
        let error = check(nexmark(&[(key, value)])).expect_err(key);
        assert_eq!(error.key.as_deref(), Some(key), "{error}");
    }
    let none = ["person.proportion", "auction.proportion", "bid.proportion"].map(|key| (key, "0"));
    assert!(check(nexmark(&none)).is_err());
    let mut table = nexmark(&[]);
    table.physical.fields[3].name = "bids".to_owned();
    assert!(check(table).expect_err("no such column").message.contains("'bids'"));
    let mut table = nexmark(&[]);
    table.physical.fields[3].data_type = row(PERSON).nullable();
    assert!(check(table).expect_err("not a bid").message.contains("price BIGINT"));
}
