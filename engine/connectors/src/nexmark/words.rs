//! The texts that events are made of.

use std::sync::OnceLock;

use crate::generator::{Dice, mix};

pub const STATES: [&str; 6] = ["AZ", "CA", "ID", "OR", "WA", "WY"];
pub const CITIES: [&str; 10] = [
    "Phoenix",
    "Los Angeles",
    "San Francisco",
    "Boise",
    "Portland",
    "Bend",
    "Redmond",
    "Seattle",
    "Kent",
    "Cheyenne",
];
pub const FIRST_NAMES: [&str; 11] = [
    "Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter",
];
pub const LAST_NAMES: [&str; 9] =
    ["Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris"];

/// Half of all bids come over one of these.
const HOT_CHANNELS: [&str; 4] = ["Google", "Facebook", "Baidu", "Apple"];
/// The other half over one of as many as this.
const COLD_CHANNELS: u32 = 10_000;
const CHANNEL_SEED: u64 = 0x6e65_786d_6172_6b00;
const SHORTEST_WORD: u64 = 3;

/// Where a bid came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    pub name: String,
    pub url: String,
}

pub fn pick<'a>(words: &[&'a str], dice: &mut Dice) -> &'a str {
    words[dice.below(words.len() as u64) as usize]
}

/// A word of 3 to `most - 1` letters, one in 13 a blank; blanks at its ends are
/// trimmed.
pub fn push_word(dice: &mut Dice, most: u64, blank: u8, out: &mut Vec<u8>) {
    let length = SHORTEST_WORD + dice.below(most - SHORTEST_WORD);
    let (start, mut random) = (out.len(), 0);
    for at in 0..length {
        if at % 4 == 0 {
            random = dice.next();
        }
        // 13 times 26 outcomes: the first 26 are the blank, the rest the letters evenly.
        let outcome = ((random & 0xffff) * 338) >> 16;
        random >>= 16;
        let character = if outcome < 26 { blank } else { b'a' + (outcome % 26) as u8 };
        if !(character == b' ' && out.len() == start) {
            out.push(character);
        }
    }
    while out.len() > start && out.last() == Some(&b' ') {
        out.pop();
    }
}

/// Exactly `length` letters: eight from each number, its bytes scaled to 26 side by side.
pub fn push_letters(dice: &mut Dice, length: usize, out: &mut Vec<u8>) {
    const EVEN: u64 = 0x00ff_00ff_00ff_00ff;
    let end = out.len() + length;
    while out.len() < end {
        let random = dice.next();
        let even = (((random & EVEN) * 26) >> 8) & EVEN;
        let odd = (((random >> 8) & EVEN) * 26) & !EVEN;
        let letters = (even | odd) + u64::from_le_bytes([b'a'; 8]);
        out.extend_from_slice(&letters.to_le_bytes());
    }
    out.truncate(end);
}

/// The channel of a bid.
pub fn channel(dice: &mut Dice) -> &'static Channel {
    let channels = channels();
    let random = dice.next();
    if random & 1 == 1 {
        return &channels[(random >> 1 & 3) as usize];
    }
    &channels[HOT_CHANNELS.len() + dice.below(COLD_CHANNELS.into()) as usize]
}

// Hot channels first. Made once a process: the same in every run.
fn channels() -> &'static [Channel] {
    static CHANNELS: OnceLock<Vec<Channel>> = OnceLock::new();
    CHANNELS.get_or_init(|| {
        let hot = HOT_CHANNELS.iter().enumerate().map(|(at, name)| Channel {
            name: (*name).to_owned(),
            url: base_url(&mut Dice::new(mix(CHANNEL_SEED, at as u64 + u64::from(COLD_CHANNELS)))),
        });
        hot.chain((0..COLD_CHANNELS).map(cold_channel)).collect()
    })
}

fn cold_channel(number: u32) -> Channel {
    let mut dice = Dice::new(mix(CHANNEL_SEED, number.into()));
    let mut url = base_url(&mut dice);
    if dice.below(10) > 0 {
        let id = (number.reverse_bits() as i32).unsigned_abs();
        url.push_str(&format!("&channel_id={id}"));
    }
    Channel { name: format!("channel-{number}"), url }
}

fn base_url(dice: &mut Dice) -> String {
    let mut word = || {
        let mut out = Vec::new();
        push_word(dice, 5, b'_', &mut out);
        String::from_utf8_lossy(&out).into_owned()
    };
    format!("https://www.nexmark.com/{}/{}/{}/item.htm?query=1", word(), word(), word())
}
