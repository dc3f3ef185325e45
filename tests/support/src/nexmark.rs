//! What the nexmark generator must have made, known without running it.

use anyhow::{bail, ensure};

pub const KINDS: [&str; 3] = ["persons", "auctions", "bids"];
/// The generator's order in each 50 events: one person, three auctions, then bids.
const GROUP: [usize; 3] = [1, 3, 46];

/// An event as far as its place in the stream tells: its kind (`event_type`) and, for
/// persons and auctions, its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    pub kind: usize,
    pub id: u64,
}

/// The generator counts persons and auctions up and mixes the kinds in a fixed order, so
/// the first `n` events are known: how many of each kind, and which ids. How many of
/// each there are, when `events`, in any order, are such a beginning of the stream.
///
/// # Errors
/// An event is missing or came twice.
pub fn whole_beginning(events: &[Event]) -> anyhow::Result<[usize; 3]> {
    let mut wanted = GROUP.map(|each| events.len() / 50 * each);
    let mut rest = events.len() % 50;
    for (kind, each) in GROUP.iter().enumerate() {
        wanted[kind] += rest.min(*each);
        rest -= rest.min(*each);
    }
    for (kind, name) in KINDS.iter().enumerate() {
        let found = events.iter().filter(|event| event.kind == kind).count();
        ensure!(found == wanted[kind], "{found} {name}, and {} were made", wanted[kind]);
    }
    ids_have_no_gap(events, 0)?;
    ids_have_no_gap(events, 1)?;
    Ok(wanted)
}

fn ids_have_no_gap(events: &[Event], kind: usize) -> anyhow::Result<()> {
    let of_kind = events.iter().filter(|event| event.kind == kind);
    let mut ids: Vec<u64> = of_kind.map(|event| event.id).collect();
    ids.sort_unstable();
    match ids.windows(2).find(|pair| pair[1] != pair[0] + 1) {
        Some(pair) if pair[0] == pair[1] => bail!("{} {} came twice", KINDS[kind], pair[0]),
        Some(pair) => bail!("{} between {} and {} are missing", KINDS[kind], pair[0], pair[1]),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Event, whole_beginning};

    fn event(n: u64) -> Event {
        let (group, place) = (n / 50, n % 50);
        match place {
            0 => Event { kind: 0, id: 1000 + group },
            1..4 => Event { kind: 1, id: 1000 + group * 3 + place - 1 },
            _ => Event { kind: 2, id: 1000 },
        }
    }

    #[test]
    fn a_whole_beginning_is_told_from_one_with_a_loss_or_a_repeat() {
        let whole: Vec<Event> = (0..103).map(event).collect();
        assert_eq!(whole_beginning(&whole).expect("whole"), [3, 8, 92]);
        for place in [0, 2, 77] {
            let mut lost = whole.clone();
            lost.remove(place);
            assert!(whole_beginning(&lost).is_err(), "without {place}");
            let mut repeated = whole.clone();
            repeated.push(whole[place]);
            assert!(whole_beginning(&repeated).is_err(), "twice {place}");
        }
        let mut instead = whole.clone();
        instead[51] = whole[1];
        assert!(whole_beginning(&instead).is_err(), "one auction twice, another never");
    }
}
