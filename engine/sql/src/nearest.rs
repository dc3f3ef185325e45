//! "Did you mean": names that are a few edits away.

/// The names nearest to `wanted`, best first, at most three; a difference in case
/// alone counts as nearest of all.
pub fn nearest<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    // One edit turns any one-letter name into any other: such names differ by case only.
    let limit = match wanted.chars().count() {
        0..=2 => 0,
        length => (length / 3).clamp(1, 4),
    };
    let mut close: Vec<(usize, &str)> = names
        .into_iter()
        .filter_map(|name| {
            let distance = distance(&wanted.to_lowercase(), &name.to_lowercase());
            (distance <= limit).then_some((distance, name))
        })
        .collect();
    close.sort();
    close.dedup();
    close.into_iter().take(3).map(|(_, name)| name).collect()
}

/// The hint for an unknown name: the nearest ones, or all when they are few.
pub fn hint<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let names: Vec<&str> = names.into_iter().collect();
    let close = nearest(wanted, names.iter().copied());
    match (close.as_slice(), names.as_slice()) {
        ([], []) => None,
        ([], all) if all.len() <= 12 => Some(format!("there is {}", list(all))),
        ([], _) => None,
        (close, _) => Some(format!("did you mean {}?", list(close))),
    }
}

fn list(names: &[&str]) -> String {
    names.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ")
}

fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let substitute = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = substitute.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_names_come_best_first() {
        for (wanted, names, expected) in [
            ("acution", vec!["auction", "action", "bid"], vec!["action", "auction"]),
            ("Price", vec!["price", "prize"], vec!["price", "prize"]),
            ("x", vec!["something", "y"], vec![]),
            ("X", vec!["x", "y"], vec!["x"]),
        ] {
            assert_eq!(nearest(wanted, names), expected, "{wanted}");
        }
    }
}
