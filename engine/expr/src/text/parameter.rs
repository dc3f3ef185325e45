//! The commonest of regular expressions, `(&|^)name=([^&]*)`: a parameter of a URL. It is
//! found by looking for what stands before a name, a tenth of the work of an engine.

/// `(S|^)LITERAL([^U]*)`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Parameter<'a> {
    separator: u8,
    literal: &'a [u8],
    until: u8,
}

/// From and to, of group 0, 1 and 2.
pub(crate) type Groups = [(usize, usize); 3];

impl<'a> Parameter<'a> {
    /// `None`: the pattern is another one.
    pub fn parse(pattern: &'a str) -> Option<Parameter<'a>> {
        let (before, rest) = pattern.strip_prefix('(')?.split_once(')')?;
        let separator = match before.as_bytes() {
            [separator, b'|', b'^'] | [b'^', b'|', separator] => *separator,
            _ => return None,
        };
        let (literal, class) = rest.split_once("([^")?;
        let [until, b']', b'*', b')'] = class.as_bytes() else { return None };
        let in_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_=-".contains(&byte);
        let stands_for_itself = |byte: u8| in_name(byte) || b"&;,/#:".contains(&byte);
        let is_plain = !literal.is_empty()
            && literal.bytes().all(in_name)
            && b"&;,/#:".contains(&separator)
            && *until != b'-'
            && stands_for_itself(*until);
        is_plain.then_some(Parameter { separator, literal: literal.as_bytes(), until: *until })
    }

    /// The first match.
    pub fn find(&self, text: &str) -> Option<Groups> {
        let text = text.as_bytes();
        if text.starts_with(self.literal) {
            return Some(self.groups(text, (0, 0)));
        }
        let mut from = 0;
        loop {
            let at = from + text[from..].iter().position(|byte| *byte == self.separator)?;
            from = at + 1;
            if text[from..].starts_with(self.literal) {
                return Some(self.groups(text, (at, from)));
            }
        }
    }

    fn groups(&self, text: &[u8], before: (usize, usize)) -> Groups {
        let from = before.1 + self.literal.len();
        let length = text[from..].iter().position(|byte| *byte == self.until);
        let to = length.map_or(text.len(), |length| from + length);
        [(before.0, to), before, (from, to)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_found_where_the_regular_expression_finds_it() {
        let texts = [
            "",
            "id=",
            "id=1",
            "id=1&id=2",
            "&id=1&x",
            "xid=3&id=4",
            "x=1&&id=é&id=6",
            "no",
            "a;id=7;b",
            "&",
            "id",
            "&id",
            "a\n&id=b\nc",
        ];
        for pattern in ["(&|^)id=([^&]*)", "(^|;)id=([^;]*)", "(&|^)id([^=]*)", "(&|^)i([^d]*)"] {
            let parameter = Parameter::parse(pattern).expect("a parameter");
            let regex = regex::Regex::new(pattern).expect("a regular expression");
            for text in texts {
                let want = regex.captures(text).map(|found| {
                    let group = |at| found.get(at).map_or((0, 0), |it| (it.start(), it.end()));
                    [group(0), group(1), group(2)]
                });
                assert_eq!(parameter.find(text), want, "{pattern} in {text:?}");
            }
        }
    }

    #[test]
    fn any_other_pattern_is_left_to_the_engine() {
        let others = [
            "(&|^)id=([^&]+)",
            "(&|^)id=(.*)",
            "(&|^)i.=([^&]*)",
            "(.|^)id=([^&]*)",
            "(&|^)id=([^^]*)",
            "(&|^)id=([^&;]*)",
            "(&|^)id=([^&]*)$",
            "(&|^)([^&]*)",
            "(&|^)id=([^\\]*)",
            "id=([^&]*)",
            "(?|^)id=([^&]*)",
        ];
        for pattern in others {
            assert_eq!(Parameter::parse(pattern), None, "{pattern}");
        }
    }
}
