//! What happens in event number `n`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use millrace_dataflow::catalog::OptionError;

use super::OPTIONS;
use super::words::{
    CITIES, Channel, FIRST_NAMES, LAST_NAMES, STATES, channel, pick, push_letters, push_word,
};
use crate::generator::{Dice, mix};
use crate::options::{TableOptions, bad_value};

/// Ids do not begin at 0, so that small samples have matches between tables.
const FIRST_PERSON_ID: i64 = 1_000;
const FIRST_AUCTION_ID: i64 = 1_000;
const FIRST_CATEGORY_ID: i64 = 10;
const CATEGORIES: u64 = 5;
/// Of so many persons or auctions one is hot.
const HOT_EVERY: i64 = 100;
/// Bids and auctions may name persons and auctions that come this much later.
const ID_LEAD: i64 = 10;
const AUCTIONS_IN_FLIGHT: i64 = 100;
const ACTIVE_PEOPLE: i64 = 1_000;
const SEED: u64 = 0x6d69_6c6c_7261_6365;

/// What the options say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `None`: no end.
    pub events: Option<u64>,
    /// Events a second, in event time and, unless unthrottled, in processing time.
    pub rate: u64,
    pub unthrottled: bool,
    pub keep_alive: bool,
    pub base_ms: Option<i64>,
    person_proportion: i64,
    auction_proportion: i64,
    bid_proportion: i64,
    hot_auctions: u64,
    hot_bidders: u64,
    hot_sellers: u64,
    person_size: usize,
    auction_size: usize,
    bid_size: usize,
}

/// Which of the three kinds an event is; its value in `event_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    Person = 0,
    Auction = 1,
    Bid = 2,
}

pub struct Person {
    pub name: String,
    pub email: String,
    pub credit_card: String,
    pub city: &'static str,
    pub state: &'static str,
    pub extra: usize,
    pub dice: Dice,
}

/// Its texts are drawn from `dice`, in the order of the table's columns.
pub struct Auction {
    pub id: i64,
    pub initial_bid: i64,
    pub reserve: i64,
    pub expires_ms: i64,
    pub seller: i64,
    pub category: i64,
    pub dice: Dice,
}

pub struct Bid {
    pub auction: i64,
    pub bidder: i64,
    pub price: i64,
    pub channel: &'static Channel,
    /// Letters to draw from `dice`.
    pub extra: usize,
    pub dice: Dice,
}

/// The ids (from 0) of the newest person and auction as of an event; its own when it is one.
#[derive(Clone, Copy, Debug)]
pub struct Newest {
    person: i64,
    auction: i64,
}

/// Times of events one after another, without a division for each.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    ms: i64,
    rest: u64,
    rate: u64,
}

impl Iterator for Times {
    type Item = i64;

    /// Milliseconds after the first event.
    fn next(&mut self) -> Option<i64> {
        let now = self.ms;
        self.ms += (1_000 / self.rate) as i64;
        self.rest += 1_000 % self.rate;
        if self.rest >= self.rate {
            self.rest -= self.rate;
            self.ms += 1;
        }
        Some(now)
    }
}

impl Settings {
    /// # Errors
    /// An option that no events can be made from.
    pub fn of(options: &BTreeMap<String, String>) -> Result<Settings, OptionError> {
        let options = TableOptions::new(options, OPTIONS);
        let at_least = |key: &str, least: i64| match options.long(key) {
            Some(value) if value >= least => Ok(value),
            _ => Err(bad_value(key, &format!("an integer of {least} or more"))),
        };
        let size = |key: &str| options.memory_size(key).unwrap_or(0).min(1 << 20) as usize;
        let events = Some(at_least("events.num", 0)? as u64).filter(|events| *events > 0);
        let stop_at = options.long("stop-at").and_then(|number| u64::try_from(number).ok());
        let settings = Settings {
            events: [events, stop_at].into_iter().flatten().min(),
            keep_alive: options.boolean("keep-alive"),
            rate: at_least("first-event.rate", 1)? as u64,
            unthrottled: options.boolean("max-emit-speed"),
            base_ms: options.long("base-time"),
            person_proportion: at_least("person.proportion", 0)?,
            auction_proportion: at_least("auction.proportion", 0)?,
            bid_proportion: at_least("bid.proportion", 0)?,
            hot_auctions: at_least("bid.hot-ratio.auctions", 1)? as u64,
            hot_bidders: at_least("bid.hot-ratio.bidders", 1)? as u64,
            hot_sellers: at_least("auction.hot-ratio.sellers", 1)? as u64,
            person_size: size("person.avg-size"),
            auction_size: size("auction.avg-size"),
            bid_size: size("bid.avg-size"),
        };
        at_least("next-event.rate", 1)?;
        if settings.total() == 0 {
            return Err(bad_value(
                "bid.proportion",
                "greater than 0 when the other proportions are 0",
            ));
        }
        Ok(settings)
    }

    fn total(&self) -> i64 {
        self.person_proportion + self.auction_proportion + self.bid_proportion
    }

    /// Milliseconds after the first event.
    pub fn offset_ms(&self, number: u64) -> i64 {
        (u128::from(number) * 1_000 / u128::from(self.rate)) as i64
    }

    /// Of this event and those that follow.
    pub fn times(&self, number: u64) -> Times {
        let rest = (u128::from(number) * 1_000 % u128::from(self.rate)) as u64;
        Times { ms: self.offset_ms(number), rest, rate: self.rate }
    }

    /// The kind of an event, and how many of that kind come one after another from it on.
    pub fn run(&self, number: u64) -> (EventKind, u64) {
        let place = number as i64 % self.total();
        let auctions_end = self.person_proportion + self.auction_proportion;
        let (kind, end) = if place < self.person_proportion {
            (EventKind::Person, self.person_proportion)
        } else if place < auctions_end {
            (EventKind::Auction, auctions_end)
        } else {
            (EventKind::Bid, self.total())
        };
        (kind, (end - place) as u64)
    }

    #[cfg(test)]
    pub fn kind(&self, number: u64) -> EventKind {
        self.run(number).0
    }

    pub fn newest(&self, number: u64) -> Newest {
        let (epoch, place) = (number as i64 / self.total(), number as i64 % self.total());
        let begun = (place - self.person_proportion).clamp(-1, self.auction_proportion - 1);
        Newest {
            person: (epoch * self.person_proportion + place.min(self.person_proportion - 1)).max(0),
            auction: (epoch * self.auction_proportion + begun).max(0),
        }
    }

    /// A person among the active ones, or one that is about to come.
    fn any_person(newest: Newest, dice: &mut Dice) -> i64 {
        let people = newest.person + 1;
        let active = people.min(ACTIVE_PEOPLE);
        people - active + dice.below((active + ID_LEAD) as u64) as i64
    }

    /// An auction that is likely to be open, or one that is about to come.
    fn any_auction(newest: Newest, dice: &mut Dice) -> i64 {
        let last = newest.auction;
        let first = (last - AUCTIONS_IN_FLIGHT).max(0);
        first + dice.below((last - first + 1 + ID_LEAD) as u64) as i64
    }

    pub fn person_id(&self, number: u64) -> i64 {
        self.newest(number).person + FIRST_PERSON_ID
    }

    pub fn person(&self, number: u64) -> Person {
        let mut dice = Dice::new(mix(SEED, number));
        let name = format!("{} {}", pick(&FIRST_NAMES, &mut dice), pick(&LAST_NAMES, &mut dice));
        let email = format!("{}@{}.com", word(&mut dice, 7), word(&mut dice, 5));
        let group = |dice: &mut Dice| dice.below(10_000);
        let credit_card = format!(
            "{:04} {:04} {:04} {:04}",
            group(&mut dice),
            group(&mut dice),
            group(&mut dice),
            group(&mut dice)
        );
        let city = pick(&CITIES, &mut dice);
        let state = pick(&STATES, &mut dice);
        let size = 8 + name.len() + email.len() + credit_card.len() + city.len() + state.len();
        let extra = extra_length(&mut dice, size, self.person_size);
        Person { name, email, credit_card, city, state, extra, dice }
    }

    pub fn auction(&self, number: u64) -> Auction {
        let mut dice = Dice::new(mix(SEED, number));
        let newest = self.newest(number);
        // P(hot seller) = 1 - 1 / ratio; the first of each hundred persons is hot.
        let seller = if dice.below(self.hot_sellers) > 0 {
            newest.person / HOT_EVERY * HOT_EVERY
        } else {
            Settings::any_person(newest, &mut dice)
        };
        let category = FIRST_CATEGORY_ID + dice.below(CATEGORIES) as i64;
        let initial_bid = price(&mut dice);
        let reserve = initial_bid + price(&mut dice);
        Auction {
            id: newest.auction + FIRST_AUCTION_ID,
            initial_bid,
            reserve,
            expires_ms: self.expiry_ms(number, &mut dice),
            seller: seller + FIRST_PERSON_ID,
            category,
            dice,
        }
    }

    /// Letters to draw for an auction whose other texts have this length together.
    pub fn auction_extra(&self, dice: &mut Dice, texts: usize) -> usize {
        extra_length(dice, 48 + texts, self.auction_size)
    }

    // After the first event; on average when as many auctions as are in flight at a
    // time have been begun.
    fn expiry_ms(&self, number: u64, dice: &mut Dice) -> i64 {
        let now_ms = self.offset_ms(number);
        let events = AUCTIONS_IN_FLIGHT * self.total() / self.auction_proportion.max(1);
        let horizon_ms = self.offset_ms(number + events as u64) - now_ms;
        now_ms + 1 + dice.below((horizon_ms * 2).max(1) as u64) as i64
    }

    #[cfg(test)]
    pub fn bid(&self, number: u64) -> Bid {
        self.bid_after(self.newest(number), number)
    }

    /// `newest` is as of this event: bids one after another share it.
    #[inline]
    pub fn bid_after(&self, newest: Newest, number: u64) -> Bid {
        let mut dice = Dice::new(mix(SEED, number));
        // P(hot auction) = 1 - 1 / ratio; the first of each hundred auctions is hot.
        let auction = if dice.below(self.hot_auctions) > 0 {
            newest.auction / HOT_EVERY * HOT_EVERY
        } else {
            Settings::any_auction(newest, &mut dice)
        };
        // The second of each hundred persons, so that hot bidders are no hot sellers.
        let bidder = if dice.below(self.hot_bidders) > 0 {
            newest.person / HOT_EVERY * HOT_EVERY + 1
        } else {
            Settings::any_person(newest, &mut dice)
        };
        let price = price(&mut dice);
        let channel = channel(&mut dice);
        let extra = extra_length(&mut dice, 32, self.bid_size);
        Bid {
            auction: auction + FIRST_AUCTION_ID,
            bidder: bidder + FIRST_PERSON_ID,
            price,
            channel,
            extra,
            dice,
        }
    }
}

/// Steps of the table of powers.
const STEPS: usize = 1024;

/// 10 to the power of six times `0.0..1.0`, at the steps.
static POWERS: LazyLock<[f64; STEPS]> =
    LazyLock::new(|| std::array::from_fn(|at| 10_f64.powf(at as f64 * 6.0 / STEPS as f64)));

/// Cents, evenly spread over six orders of magnitude.
fn price(dice: &mut Dice) -> i64 {
    let steps = dice.fraction() * STEPS as f64;
    let at = steps as usize;
    // The rest of the exponent is so small that four terms of the series are enough.
    let rest = (steps - at as f64) * (6.0 * std::f64::consts::LN_10 / STEPS as f64);
    let factor = 1.0 + rest * (1.0 + rest * (0.5 + rest * (1.0 / 6.0)));
    (POWERS[at.min(STEPS - 1)] * factor * 100.0 + 0.5) as i64
}

fn word(dice: &mut Dice, most: u64) -> String {
    let mut out = Vec::with_capacity(most as usize);
    push_word(dice, most, b' ', &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// So that the event has the wished size on average, give or take a fifth.
fn extra_length(dice: &mut Dice, size: usize, wished: usize) -> usize {
    let missing = wished.saturating_sub(size) as u64;
    let delta = (2 * missing + 5) / 10;
    (missing - delta + dice.below(2 * delta)) as usize
}

/// Appends the filler of an event.
pub fn push_extra(mut dice: Dice, length: usize, out: &mut Vec<u8>) {
    push_letters(&mut dice, length, out);
}
