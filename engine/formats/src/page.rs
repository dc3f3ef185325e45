//! A buffer that text is written into, with room behind what is written: short pieces
//! are stored sixteen bytes at once, whatever their length, and text is looked at and
//! copied in one pass.

use crate::lanes::{self, WIDTH};

/// Bytes under construction: `bytes[..at]` are written, the rest is room.
#[derive(Debug)]
pub(crate) struct Page {
    bytes: Vec<u8>,
    at: usize,
}

/// Some bytes that are written again and again.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    bytes: Vec<u8>,
    first: [u8; WIDTH],
}

impl Piece {
    pub fn new(bytes: Vec<u8>) -> Piece {
        Piece { first: lanes::chunk(&bytes, 0), bytes }
    }
}

impl Page {
    /// Goes on behind `bytes`.
    pub fn new(bytes: Vec<u8>) -> Page {
        Page { at: bytes.len(), bytes }
    }

    pub fn into_bytes(mut self) -> Vec<u8> {
        self.bytes.truncate(self.at);
        self.bytes
    }

    pub fn len(&self) -> usize {
        self.at
    }

    /// Room for so many bytes and one chunk.
    #[inline]
    fn make_room(&mut self, bytes: usize) {
        if self.bytes.len() < self.at + bytes + WIDTH {
            self.grow(bytes);
        }
    }

    #[cold]
    fn grow(&mut self, bytes: usize) {
        let wanted = (self.at + bytes + WIDTH).max(self.bytes.capacity()).max(4_096);
        let wanted = if wanted > self.bytes.capacity() { wanted * 2 } else { wanted };
        self.bytes.resize(wanted, 0);
    }

    #[inline]
    pub fn piece(&mut self, piece: &Piece) {
        let length = piece.bytes.len();
        if length > WIDTH {
            return self.push(&piece.bytes);
        }
        self.chunk(piece.first, length);
    }

    /// The first `length` bytes of a chunk.
    #[inline]
    pub fn chunk(&mut self, chunk: [u8; WIDTH], length: usize) {
        self.make_room(WIDTH);
        self.bytes[self.at..self.at + WIDTH].copy_from_slice(&chunk);
        self.at += length;
    }

    #[inline]
    pub fn byte(&mut self, byte: u8) {
        self.make_room(1);
        self.bytes[self.at] = byte;
        self.at += 1;
    }

    #[inline]
    pub fn push(&mut self, bytes: &[u8]) {
        self.make_room(bytes.len());
        self.bytes[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }

    /// `value` in decimal digits.
    #[inline]
    pub fn integer(&mut self, value: i64) {
        let mut digits = itoa::Buffer::new();
        self.push(digits.format(value).as_bytes());
    }

    /// `all[from..to]` between quotes, when nothing in it must be escaped for JSON;
    /// otherwise nothing, and `false`.
    #[inline]
    pub fn plain_text(&mut self, all: &[u8], from: usize, to: usize) -> bool {
        self.make_room(to - from + WIDTH);
        self.bytes[self.at] = b'"';
        let (mut read, mut write) = (from, self.at + 1);
        while read < to {
            let chunk = lanes::chunk(all, read);
            let special = lanes::ends_of_text(chunk).special;
            // What is behind the text is none of ours.
            if special != 0 && read + (special.trailing_zeros() as usize) < to {
                return false;
            }
            self.bytes[write..write + WIDTH].copy_from_slice(&chunk);
            (read, write) = (read + WIDTH, write + WIDTH);
        }
        self.at += 1 + to - from;
        self.byte(b'"');
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_and_texts_follow_each_other_wherever_the_room_ends() {
        let all = b"0123456789abcdefghijklmnopqrstuvwxyz\"and more than sixteen";
        for before in 4_060..4_100 {
            let mut page = Page::new(vec![b'x'; before]);
            page.piece(&Piece::new(b"{\"a\":".to_vec()));
            assert!(page.plain_text(all, 1, 36));
            assert!(!page.plain_text(all, 30, 37));
            page.integer(-17);
            assert!(page.plain_text(all, 5, 5));
            page.piece(&Piece::new(all[..20].to_vec()));
            page.byte(b'\n');
            let expected =
                "{\"a\":\"123456789abcdefghijklmnopqrstuvwxyz\"-17\"\"0123456789abcdefghij\n";
            assert_eq!(page.len(), before + expected.len());
            assert_eq!(page.into_bytes()[before..], *expected.as_bytes());
        }
    }
}
