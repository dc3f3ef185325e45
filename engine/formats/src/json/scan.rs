//! A cursor over the bytes of one JSON text.

use crate::lanes;

/// The text is not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    /// Offset within the record.
    pub at: usize,
    pub wanted: &'static str,
}

/// Where the cursor is and what it goes over.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'a> {
    pub bytes: &'a [u8],
    pub at: usize,
}

/// The inside of a string, escapes not yet resolved.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawString<'a> {
    pub raw: &'a [u8],
    pub escaped: bool,
}

/// What a value starts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Object,
    Array,
    String,
    Number,
    True,
    False,
    Null,
}

/// Deeper nesting than this in a value that is skipped is refused.
const MAX_DEPTH: u32 = 128;

impl<'a> Cursor<'a> {
    pub fn new(bytes: &'a [u8]) -> Cursor<'a> {
        Cursor { bytes, at: 0 }
    }

    pub fn fail<T>(&self, wanted: &'static str) -> Result<T, SyntaxError> {
        Err(SyntaxError { at: self.at, wanted })
    }

    pub fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    pub fn peek(&mut self) -> Option<u8> {
        self.skip_space();
        self.bytes.get(self.at).copied()
    }

    /// Steps over `byte` when it is next.
    pub fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    pub fn expect(&mut self, byte: u8, wanted: &'static str) -> Result<(), SyntaxError> {
        if self.eat(byte) { Ok(()) } else { self.fail(wanted) }
    }

    pub fn kind(&mut self) -> Result<Kind, SyntaxError> {
        match self.peek() {
            Some(b'{') => Ok(Kind::Object),
            Some(b'[') => Ok(Kind::Array),
            Some(b'"') => Ok(Kind::String),
            Some(b't') => Ok(Kind::True),
            Some(b'f') => Ok(Kind::False),
            Some(b'n') => Ok(Kind::Null),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            _ => self.fail("a value"),
        }
    }

    pub fn word(&mut self, word: &'static [u8], wanted: &'static str) -> Result<(), SyntaxError> {
        if self.bytes[self.at..].starts_with(word) {
            self.at += word.len();
            return Ok(());
        }
        self.fail(wanted)
    }

    /// The string that starts here.
    pub fn string(&mut self) -> Result<RawString<'a>, SyntaxError> {
        self.expect(b'"', "a string")?;
        let start = self.at;
        let mut escaped = false;
        loop {
            self.at += plain_length(&self.bytes[self.at..]);
            match self.bytes.get(self.at) {
                Some(b'"') => break,
                Some(b'\\') if self.at + 1 < self.bytes.len() => {
                    escaped = true;
                    self.at += 2;
                }
                _ => return self.fail("the end of a string"),
            }
        }
        let raw = &self.bytes[start..self.at];
        self.at += 1;
        Ok(RawString { raw, escaped })
    }

    /// The text of the number that starts here, shaped as JSON wants it.
    pub fn number(&mut self) -> Result<&'a [u8], SyntaxError> {
        let start = self.at;
        self.at += usize::from(self.bytes.get(self.at) == Some(&b'-'));
        let leading_zero = self.bytes.get(self.at) == Some(&b'0');
        let whole = self.digits();
        if whole == 0 || (leading_zero && whole > 1) {
            return self.fail("a number");
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return self.fail("digits after the decimal point");
            }
        }
        if let Some(b'e' | b'E') = self.bytes.get(self.at) {
            self.at += 1;
            self.at += usize::from(matches!(self.bytes.get(self.at), Some(b'+' | b'-')));
            if self.digits() == 0 {
                return self.fail("digits of an exponent");
            }
        }
        Ok(&self.bytes[start..self.at])
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        self.at - start
    }

    /// Steps over the value that starts here.
    pub fn skip_value(&mut self) -> Result<(), SyntaxError> {
        // One bit a level, set for objects.
        let (mut depth, mut objects) = (0_u32, 0_u128);
        loop {
            match self.kind()? {
                Kind::String => drop(self.string()?),
                Kind::Number => drop(self.number()?),
                Kind::True => self.word(b"true", "true")?,
                Kind::False => self.word(b"false", "false")?,
                Kind::Null => self.word(b"null", "null")?,
                kind @ (Kind::Object | Kind::Array) => {
                    self.at += 1;
                    let object = kind == Kind::Object;
                    if !self.eat(if object { b'}' } else { b']' }) {
                        if depth == MAX_DEPTH {
                            return self.fail("no more than 128 levels of nesting");
                        }
                        depth += 1;
                        objects = objects << 1 | u128::from(object);
                        self.key_if(object)?;
                        continue;
                    }
                }
            }
            if self.close(&mut depth, &mut objects)? {
                return Ok(());
            }
        }
    }

    fn key_if(&mut self, object: bool) -> Result<(), SyntaxError> {
        if object {
            self.string()?;
            self.expect(b':', "':' after a key")?;
        }
        Ok(())
    }

    // After a value: closes what ends here; true when nothing is open any more.
    fn close(&mut self, depth: &mut u32, objects: &mut u128) -> Result<bool, SyntaxError> {
        loop {
            if *depth == 0 {
                return Ok(true);
            }
            let object = *objects & 1 == 1;
            if self.eat(b',') {
                self.key_if(object)?;
                return Ok(false);
            }
            self.expect(if object { b'}' } else { b']' }, "',' or a closing bracket")?;
            *depth -= 1;
            *objects >>= 1;
        }
    }
}

/// Where text without quotes, backslashes and control characters ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plain {
    pub end: usize,
    pub ascii: bool,
}

/// The plain text from `at` on.
#[inline]
pub(super) fn plain_text(bytes: &[u8], mut at: usize) -> Plain {
    let mut high = 0;
    loop {
        // Behind the end come zeros, which are control characters.
        let found = lanes::ends_of_text(lanes::chunk(bytes, at));
        if found.special != 0 {
            let before = found.special.trailing_zeros();
            high |= found.high & ((1 << before) - 1);
            return Plain { end: at + before as usize, ascii: high == 0 };
        }
        high |= found.high;
        at += lanes::WIDTH;
    }
}

/// How many leading bytes are neither quote, backslash nor control character.
#[inline]
pub(super) fn plain_length(bytes: &[u8]) -> usize {
    plain_text(bytes, 0).end
}

impl RawString<'_> {
    /// Appends the string's text; `false` when an escape is not one of JSON's.
    pub fn unescape(self, out: &mut Vec<u8>) -> bool {
        if !self.escaped {
            out.extend_from_slice(self.raw);
            return true;
        }
        let mut rest = self.raw;
        while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
            out.extend_from_slice(&rest[..at]);
            let Some(used) = unescape_one(&rest[at..], out) else { return false };
            rest = &rest[at + used..];
        }
        out.extend_from_slice(rest);
        true
    }
}

// The bytes used by the escape that `text` starts with.
fn unescape_one(text: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    let byte = match text.get(1)? {
        b'n' => b'\n',
        b't' => b'\t',
        b'r' => b'\r',
        b'b' => 0x08,
        b'f' => 0x0c,
        b'u' => return unescape_unicode(text, out),
        other @ (b'"' | b'\\' | b'/') => *other,
        _ => return None,
    };
    out.push(byte);
    Some(2)
}

fn unescape_unicode(text: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    let first = hex4(text.get(2..6)?)?;
    let pair = text.get(6..12).filter(|next| next.starts_with(b"\\u")).and_then(|n| hex4(&n[2..]));
    let (code, used) = match (first, pair) {
        (0xD800..=0xDBFF, Some(second @ 0xDC00..=0xDFFF)) => {
            (0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00), 12)
        }
        _ => (first, 6),
    };
    // Half of a surrogate pair has no UTF-8 form; Java writes it as '?'.
    let character = char::from_u32(code).unwrap_or('?');
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    Some(used)
}

fn hex4(text: &[u8]) -> Option<u32> {
    text.iter().try_fold(0, |code, byte| Some(code << 4 | char::from(*byte).to_digit(16)?))
}
