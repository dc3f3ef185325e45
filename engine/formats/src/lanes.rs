//! Sixteen bytes at a time: which of them are special, as one bit each.
//!
//! On x86-64 by SSE2, which every such processor has; elsewhere by arithmetic on two
//! words. Both give the same bits, and a test says so.

/// Bytes looked at in one step.
pub(crate) const WIDTH: usize = 16;

/// What a look found; bit `n` is for byte `n`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// The bytes that were looked for.
    pub special: u32,
    /// The bytes that are not ASCII.
    pub high: u32,
}

/// The sixteen bytes from `at` on, zeros behind the end.
#[inline]
pub(crate) fn chunk(bytes: &[u8], at: usize) -> [u8; WIDTH] {
    match bytes.get(at..).and_then(<[u8]>::first_chunk) {
        Some(chunk) => *chunk,
        None => padded(bytes, at),
    }
}

#[cold]
fn padded(bytes: &[u8], at: usize) -> [u8; WIDTH] {
    let rest = bytes.get(at..).unwrap_or(&[]);
    let mut chunk = [0; WIDTH];
    chunk[..rest.len()].copy_from_slice(rest);
    chunk
}

/// Quotes, backslashes and control characters.
#[inline]
pub(crate) fn ends_of_text(chunk: [u8; WIDTH]) -> Found {
    #[cfg(target_arch = "x86_64")]
    return sse2::ends_of_text(chunk);
    #[cfg(not(target_arch = "x86_64"))]
    words::ends_of_text(chunk)
}

/// Any of three bytes.
#[inline]
pub(crate) fn any_of(chunk: [u8; WIDTH], wanted: [u8; 3]) -> Found {
    #[cfg(target_arch = "x86_64")]
    return sse2::any_of(chunk, wanted);
    #[cfg(not(target_arch = "x86_64"))]
    words::any_of(chunk, wanted)
}

// The one place with `unsafe`: a call of functions that need SSE2, which is part of
// x86-64 itself. They take and give plain values; no pointer is involved. Compared with
// words, records of json are read one and a half times as fast, of csv twice as fast
// (tests/measure.rs).
#[cfg(target_arch = "x86_64")]
mod sse2 {
    #![expect(unsafe_code, reason = "SSE2 is part of x86-64; nothing else is asked for")]

    use std::arch::x86_64::{
        __m128i, _mm_cmpeq_epi8, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x,
        _mm_set1_epi8,
    };

    use super::{Found, WIDTH};

    #[inline]
    pub fn ends_of_text(chunk: [u8; WIDTH]) -> Found {
        // SAFETY: the target is x86-64, so the processor has SSE2.
        unsafe { ends_of_text_sse2(chunk) }
    }

    #[inline]
    pub fn any_of(chunk: [u8; WIDTH], wanted: [u8; 3]) -> Found {
        // SAFETY: the target is x86-64, so the processor has SSE2.
        unsafe { any_of_sse2(chunk, wanted) }
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn ends_of_text_sse2(chunk: [u8; WIDTH]) -> Found {
        let bytes = load(chunk);
        let quotes = _mm_cmpeq_epi8(bytes, splat(b'"'));
        let backslashes = _mm_cmpeq_epi8(bytes, splat(b'\\'));
        let controls = _mm_cmpeq_epi8(_mm_min_epu8(bytes, splat(0x1F)), bytes);
        found(bytes, _mm_or_si128(_mm_or_si128(quotes, backslashes), controls))
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn any_of_sse2(chunk: [u8; WIDTH], [a, b, c]: [u8; 3]) -> Found {
        let bytes = load(chunk);
        let (a, b) = (_mm_cmpeq_epi8(bytes, splat(a)), _mm_cmpeq_epi8(bytes, splat(b)));
        found(bytes, _mm_or_si128(_mm_or_si128(a, b), _mm_cmpeq_epi8(bytes, splat(c))))
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn load(chunk: [u8; WIDTH]) -> __m128i {
        let both = u128::from_le_bytes(chunk);
        _mm_set_epi64x((both >> 64) as i64, both as i64)
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn splat(byte: u8) -> __m128i {
        _mm_set1_epi8(byte as i8)
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn found(bytes: __m128i, special: __m128i) -> Found {
        Found { special: _mm_movemask_epi8(special) as u32, high: _mm_movemask_epi8(bytes) as u32 }
    }
}

#[cfg(any(test, not(target_arch = "x86_64")))]
mod words {
    use super::{Found, WIDTH};

    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    const LOWS: u64 = !HIGHS;

    pub fn ends_of_text(chunk: [u8; WIDTH]) -> Found {
        found(chunk, |word| {
            zeros(word ^ (ONES * u64::from(b'"')))
                | zeros(word ^ (ONES * u64::from(b'\\')))
                | zeros(word & (ONES * 0xE0))
        })
    }

    pub fn any_of(chunk: [u8; WIDTH], wanted: [u8; 3]) -> Found {
        found(chunk, |word| {
            let is = |byte: u8| zeros(word ^ (ONES * u64::from(byte)));
            is(wanted[0]) | is(wanted[1]) | is(wanted[2])
        })
    }

    fn found(chunk: [u8; WIDTH], special: impl Fn(u64) -> u64) -> Found {
        let both = u128::from_le_bytes(chunk);
        let words = [both as u64, (both >> 64) as u64];
        let bits = |of: &dyn Fn(u64) -> u64| gather(of(words[0])) | gather(of(words[1])) << 8;
        Found { special: bits(&special), high: bits(&|word| word & HIGHS) }
    }

    // The high bit of exactly the bytes that are zero.
    fn zeros(word: u64) -> u64 {
        !((word & LOWS).wrapping_add(LOWS) | word) & HIGHS
    }

    // The high bits of eight bytes as eight bits.
    fn gather(highs: u64) -> u32 {
        ((highs >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_looking_find_what_a_plain_look_finds() {
        let plain = |chunk: [u8; WIDTH], wanted: &dyn Fn(u8) -> bool| {
            (0..WIDTH).fold(0, |bits, at| bits | u32::from(wanted(chunk[at])) << at)
        };
        for byte in 0..=255_u8 {
            for at in 0..WIDTH {
                let mut chunk = *b"plain text, 16 b";
                chunk[at] = byte;
                chunk[(at * 7 + 3) % WIDTH] = byte.wrapping_mul(31);
                let high = plain(chunk, &|byte| byte >= 0x80);
                let text =
                    Found { special: plain(chunk, &|b| b < 0x20 || b == b'"' || b == b'\\'), high };
                assert_eq!(ends_of_text(chunk), text, "{chunk:?}");
                assert_eq!(words::ends_of_text(chunk), text, "{chunk:?}");
                let wanted = [b',', b'\n', byte];
                let any = Found { special: plain(chunk, &|b| wanted.contains(&b)), high };
                assert_eq!(any_of(chunk, wanted), any, "{chunk:?}");
                assert_eq!(words::any_of(chunk, wanted), any, "{chunk:?}");
            }
        }
    }

    #[test]
    fn behind_the_end_are_zeros() {
        assert_eq!(chunk(b"0123456789abcdef+", 1), *b"123456789abcdef+");
        assert_eq!(chunk(b"ab", 1), *b"b\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
        assert_eq!(chunk(b"ab", 3), [0; WIDTH]);
    }
}
