//! A Bloom filter whose probes for one key lie in one cache line: a miss costs one
//! look into memory.

/// Bits of one line.
const LINE_BITS: u32 = 512;
const LINE_WORDS: usize = 8;
const PROBES: usize = 6;

/// Of a full key.
pub(super) fn hash(key: &[u8]) -> u64 {
    twox_hash::XxHash64::oneshot(0, key)
}

#[derive(Debug, Default)]
pub(super) struct Bloom {
    words: Vec<u64>,
}

impl Bloom {
    /// 10 bits a key let about one absent key of 80 through.
    pub fn build(hashes: &[u64], bits_per_key: usize) -> Bloom {
        let lines = (hashes.len() * bits_per_key).div_ceil(LINE_BITS as usize);
        let mut bloom = Bloom { words: vec![0; lines * LINE_WORDS] };
        for hash in hashes {
            for (word, bit) in bloom.probes(*hash) {
                bloom.words[word] |= bit;
            }
        }
        bloom
    }

    /// What it takes in memory.
    pub fn memory_bytes(&self) -> usize {
        self.words.len() * size_of::<u64>()
    }

    /// False only if no key with this hash is there. A filter without bits knows nothing.
    pub fn may_hold(&self, hash: u64) -> bool {
        self.words.is_empty() || self.probes(hash).all(|(word, bit)| self.words[word] & bit != 0)
    }

    fn probes(&self, hash: u64) -> impl Iterator<Item = (usize, u64)> + use<> {
        let lines = (self.words.len() / LINE_WORDS) as u64;
        let line = ((hash >> 32) * lines) >> 32;
        let mut low = hash as u32;
        (0..PROBES).map(move |_| {
            let bit = low >> 23;
            low = low.wrapping_mul(0x9e37_79b9).rotate_left(5);
            (line as usize * LINE_WORDS + (bit / 64) as usize, 1 << (bit % 64))
        })
    }

    pub fn encode(&self) -> Vec<u8> {
        self.words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// # Errors
    /// The bytes are no filter, in words.
    pub fn decode(bytes: &[u8]) -> Result<Bloom, String> {
        let (words, rest) = bytes.as_chunks::<8>();
        if !rest.is_empty() || words.len() % LINE_WORDS != 0 {
            return Err("its filter has an odd length".into());
        }
        Ok(Bloom { words: words.iter().map(|word| u64::from_le_bytes(*word)).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_let_through_and_few_others() {
        let key = |n: u32| hash(&n.to_le_bytes());
        let hashes: Vec<u64> = (0..100_000).map(key).collect();
        let bloom = Bloom::decode(&Bloom::build(&hashes, 10).encode()).unwrap();
        assert!(hashes.iter().all(|hash| bloom.may_hold(*hash)));
        let strangers = (100_000..200_000).filter(|n| bloom.may_hold(key(*n))).count();
        assert!(strangers < 2_000, "{strangers} of 100000");
        assert!(Bloom::build(&[], 10).may_hold(7));
    }
}
