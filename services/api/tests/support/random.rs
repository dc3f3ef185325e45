//! Numbers and bytes from a seed.

/// SplitMix64: the same seed, the same run.
pub struct Random(pub u64);

impl Random {
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.number() % n.max(1) as u64).expect("it is below n")
    }

    /// Once in `n`.
    pub fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    /// A text that a parser might trip over.
    pub fn text(&mut self) -> String {
        const HARD: &[&str] = &[
            "",
            "a",
            "app",
            "run",
            "\0",
            "\u{feff}",
            "💧",
            "../..",
            "%",
            "\"",
            "\\",
            "'; --",
            "null",
            "-1",
            "0",
            "18446744073709551616",
            "1e999",
            "NaN",
            "\r\n",
            "{",
            "arn:",
            "arn:aws:x",
            "FLINK-1_19",
            "🏴\u{200d}☠️",
            "\u{202e}x",
        ];
        let text = (*self.of(HARD)).to_owned();
        if self.once_in(8) { text.repeat(300) } else { text }
    }

    /// `bytes` with a few places changed.
    pub fn mutated(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len() + 1);
            match self.below(5) {
                0 if at < bytes.len() => bytes[at] = self.number().to_le_bytes()[0],
                1 if at < bytes.len() => drop(bytes.remove(at)),
                2 => bytes.truncate(at),
                3 => {
                    let text = self.text();
                    bytes.splice(at..at, text.bytes());
                }
                _ => {
                    let from = self.below(bytes.len() + 1);
                    let piece = bytes[from.min(at)..from.max(at)].to_vec();
                    bytes.splice(at..at, piece.into_iter().take(64));
                }
            }
        }
        bytes
    }
}
