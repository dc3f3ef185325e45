//! What the output files say: which events, when they were written.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use chrono::NaiveDateTime;
use millrace_test_support::files::{difference, lines};
use millrace_test_support::nexmark;

/// One output row.
struct Event {
    nexmark: nexmark::Event,
    /// Kind, id, bidder, price: what an undisturbed run must give as well.
    identity: String,
    event_ms: i64,
    written_ms: i64,
}

pub struct Evidence {
    events: Vec<Event>,
    /// Counted bids by the second of event time, in milliseconds.
    bids_per_second: Vec<(i64, u64)>,
}

impl Evidence {
    /// # Errors
    /// A finished file holds something else than the script writes.
    pub fn read(out: &Path) -> anyhow::Result<Evidence> {
        let events = lines(&out.join("events"))?;
        let counts = lines(&out.join("bids"))?;
        Ok(Evidence {
            events: events.iter().map(|line| event(line)).collect::<anyhow::Result<_>>()?,
            bids_per_second: counts
                .iter()
                .map(|line| count(line))
                .collect::<anyhow::Result<_>>()?,
        })
    }

    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// The longest time without a row, among the rows written in the given time (wall
    /// clock, milliseconds) and those just before and after; in seconds.
    pub fn longest_silence(&self, from_ms: i64, to_ms: i64) -> f64 {
        let mut written: Vec<i64> = self.events.iter().map(|event| event.written_ms).collect();
        written.sort_unstable();
        let pairs = written.windows(2).filter(|pair| pair[1] >= from_ms && pair[0] <= to_ms);
        let longest = pairs.map(|pair| pair[1] - pair[0]).max().unwrap_or(0);
        std::time::Duration::from_millis(u64::try_from(longest).unwrap_or(0)).as_secs_f64()
    }

    /// How many persons, auctions and bids there are.
    ///
    /// # Errors
    /// They are not a beginning of the stream: an event is missing or came twice.
    pub fn whole_beginning(&self) -> anyhow::Result<[usize; 3]> {
        let events: Vec<nexmark::Event> = self.events.iter().map(|event| event.nexmark).collect();
        nexmark::whole_beginning(&events)
    }

    /// # Errors
    /// The events are not those of the undisturbed run.
    pub fn equals(&self, undisturbed: &Path) -> anyhow::Result<()> {
        let actual: Vec<String> = self.events.iter().map(|event| event.identity.clone()).collect();
        let differing = difference(&lines(undisturbed)?, &actual);
        ensure!(differing.is_empty(), "not the undisturbed run:\n{}", differing.join("\n"));
        Ok(())
    }

    /// Every window that was written counts what the rows of its second say.
    ///
    /// # Errors
    /// One does not, or came twice.
    pub fn counts_agree(&self) -> anyhow::Result<usize> {
        let mut bids: BTreeMap<i64, u64> = BTreeMap::new();
        for bid in self.events.iter().filter(|event| event.nexmark.kind == 2) {
            *bids.entry(bid.event_ms.div_euclid(1000) * 1000).or_default() += 1;
        }
        for (second, counted) in &self.bids_per_second {
            let rows = bids.remove(second).context("a second was counted twice, or has no rows")?;
            ensure!(
                rows == *counted,
                "the second {second} has {rows} bids, and {counted} were counted"
            );
        }
        Ok(self.bids_per_second.len())
    }
}

fn event(line: &str) -> anyhow::Result<Event> {
    let fields: Vec<&str> = line.split(',').collect();
    let [kind, id, bidder, price, event_time, written_at] = fields.as_slice() else {
        bail!("not an event: {line}");
    };
    Ok(Event {
        nexmark: nexmark::Event { kind: kind.parse()?, id: id.parse()? },
        identity: [*kind, id, bidder, price].join(","),
        event_ms: milliseconds(event_time)?,
        written_ms: milliseconds(written_at)?,
    })
}

fn count(line: &str) -> anyhow::Result<(i64, u64)> {
    let (second, bids) = line.split_once(',').with_context(|| format!("not a count: {line}"))?;
    Ok((milliseconds(second)?, bids.parse()?))
}

fn milliseconds(text: &str) -> anyhow::Result<i64> {
    let text = text.trim_matches('"').replace('T', " ");
    let time = NaiveDateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S%.f")
        .with_context(|| format!("not a time: {text}"))?;
    Ok(time.and_utc().timestamp_millis())
}

#[cfg(test)]
mod tests {
    use super::{Evidence, event};

    /// The first `total` events as the generator orders them.
    fn beginning(total: usize) -> Evidence {
        let line = |n: usize| {
            let (group, place) = (n / 50, n % 50);
            let at = format!("2024-01-01 00:00:{:02}.000", n / 1000);
            match place {
                0 => format!("0,{},,,{at},{at}", 1000 + group),
                1..4 => format!("1,{},,,{at},{at}", 1000 + group * 3 + place - 1),
                _ => format!("2,1000,1000,{n},{at},{at}"),
            }
        };
        let events = (0..total).map(|n| event(&line(n)).expect("an event")).collect();
        Evidence { events, bids_per_second: Vec::new() }
    }

    #[test]
    fn the_longest_silence_is_between_neighbours() {
        let evidence = beginning(3000);
        assert!((evidence.longest_silence(i64::MIN, i64::MAX) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn counts_are_held_against_the_rows() {
        let mut evidence = beginning(1000);
        let second = evidence.events[0].event_ms;
        evidence.bids_per_second = vec![(second, 920)];
        assert_eq!(evidence.counts_agree().expect("920 bids"), 1);
        evidence.bids_per_second = vec![(second, 919)];
        assert!(evidence.counts_agree().is_err());
        evidence.bids_per_second = vec![(second, 920), (second, 920)];
        assert!(evidence.counts_agree().is_err());
    }
}
