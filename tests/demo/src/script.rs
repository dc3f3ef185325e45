//! The application of the demo: the public benchmark's table, every event copied to files,
//! and bids counted by the second of event time, so that there is state to carry over.

use std::path::Path;

/// Events a second.
pub const RATE: u32 = 5_000;

/// What is wrong with the script, if anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    /// Names a column that is not there.
    UnknownColumn,
    /// Divides by zero on the bids whose price ends in 00.
    DivisionByZero,
}

/// `events`: `None` for a live stream at [`RATE`]; otherwise that many, as fast as they
/// can be made.
fn source(events: Option<usize>) -> String {
    let (number, rate) = events.map_or((0, RATE), |events| (events, 10_000_000));
    format!(
        "CREATE TABLE nexmark (
    event_type INT,
    person ROW<id BIGINT, name VARCHAR, emailAddress VARCHAR, creditCard VARCHAR, city VARCHAR,
        state VARCHAR, dateTime TIMESTAMP(3), extra VARCHAR>,
    auction ROW<id BIGINT, itemName VARCHAR, description VARCHAR, initialBid BIGINT,
        reserve BIGINT, dateTime TIMESTAMP(3), expires TIMESTAMP(3), seller BIGINT,
        category BIGINT, extra VARCHAR>,
    bid ROW<auction BIGINT, bidder BIGINT, price BIGINT, channel VARCHAR, url VARCHAR,
        dateTime TIMESTAMP(3), extra VARCHAR>,
    dateTime AS CASE WHEN event_type = 0 THEN person.dateTime
        WHEN event_type = 1 THEN auction.dateTime ELSE bid.dateTime END,
    WATERMARK FOR dateTime AS dateTime - INTERVAL '1' SECOND
) WITH (
    'connector' = 'nexmark', 'events.num' = '{number}',
    'first-event.rate' = '{rate}', 'next-event.rate' = '{rate}');
"
    )
}

/// What identifies an event: persons and auctions by their ids, which count up without a
/// gap; a bid by auction, bidder and price.
const EVENT: &str = "event_type,
    CASE WHEN event_type = 0 THEN person.id WHEN event_type = 1 THEN auction.id ELSE bid.auction END,
    bid.bidder, bid.price";

pub fn application(out: &Path, fault: Fault) -> String {
    let out = out.display();
    let source = source(None);
    let event = match fault {
        Fault::None => EVENT.to_owned(),
        Fault::UnknownColumn => EVENT.replace("bid.bidder", "bid.nobody"),
        Fault::DivisionByZero => EVENT.replace("bid.price", "bid.price / MOD(bid.price, 100)"),
    };
    let files = "'connector' = 'filesystem', 'format' = 'csv', \
                 'sink.rolling-policy.rollover-interval' = '100 ms', \
                 'sink.rolling-policy.check-interval' = '20 ms'";
    format!(
        "{source}CREATE TABLE events (kind INT, id BIGINT, bidder BIGINT, price BIGINT,
    event_time TIMESTAMP(3), written_at TIMESTAMP(3)) WITH ('path' = '{out}/events', {files});
CREATE TABLE bids_per_second (starts_at TIMESTAMP(3), bids BIGINT)
    WITH ('path' = '{out}/bids', {files});
EXECUTE STATEMENT SET BEGIN
INSERT INTO events SELECT {event}, dateTime, CAST(CURRENT_TIMESTAMP AS TIMESTAMP(3)) FROM nexmark;
INSERT INTO bids_per_second SELECT window_start, COUNT(*)
    FROM TABLE(TUMBLE(TABLE nexmark, DESCRIPTOR(dateTime), INTERVAL '1' SECOND))
    WHERE event_type = 2 GROUP BY window_start, window_end;
END;
"
    )
}

/// The same events in one undisturbed run from the first to number `events`.
pub fn undisturbed(out: &Path, events: usize) -> String {
    let out = out.display();
    let source = source(Some(events));
    format!(
        "{source}CREATE TABLE events (kind INT, id BIGINT, bidder BIGINT, price BIGINT)
    WITH ('connector' = 'filesystem', 'format' = 'csv', 'path' = '{out}');
INSERT INTO events SELECT {EVENT} FROM nexmark;
"
    )
}
