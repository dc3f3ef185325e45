//! Values of options that no message may show (Flink: `GlobalConfiguration.SENSITIVE_KEYS`).

/// Parts of the names of such options.
const SENSITIVE: [&str; 11] = [
    "password",
    "secret",
    "account.key",
    "apikey",
    "api-key",
    "access-key",
    "auth-params",
    "service-key",
    "token",
    "basic-auth",
    "jaas.config",
];

/// Whether an option's value is not to be shown.
pub fn is_sensitive(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    SENSITIVE.iter().any(|part| key.contains(part))
}

/// The script with a star for each character of the value of such an option, `'key' = '…'`,
/// and of a password within a URL.
pub(crate) fn masked(script: &str) -> String {
    let mut literals = Literals { script, at: 0 };
    let (mut text, mut done) = (String::with_capacity(script.len()), 0);
    let mut key_before: Option<(usize, bool)> = None;
    while let Some((start, end)) = literals.next_literal() {
        let value = &script[start..end];
        let follows = key_before.is_some_and(|(key_end, sensitive)| {
            sensitive && script[key_end..start].trim_matches(['\'', ' ', '\t', '\r', '\n']) == "="
        });
        text.push_str(&script[done..start]);
        match follows {
            true => text.extend(value.chars().map(|c| if c == '\n' { c } else { '*' })),
            false => text.push_str(&without_passwords(value)),
        }
        done = end;
        key_before = Some((end, is_sensitive(value)));
    }
    text.push_str(&script[done..]);
    text
}

/// `?user=a&password=***`.
fn without_passwords(value: &str) -> String {
    let Some(at) = value.find("password=") else { return value.to_owned() };
    let (before, rest) = value.split_at(at + "password=".len());
    let end = rest.find(['&', ';']).unwrap_or(rest.len());
    let stars: String = rest[..end].chars().map(|_| '*').collect();
    format!("{before}{stars}{}", &rest[end..])
}

/// The texts between single quotes, with their places.
struct Literals<'a> {
    script: &'a str,
    at: usize,
}

impl Literals<'_> {
    /// The next quote that stands in no comment.
    fn next_quote(&mut self) -> Option<usize> {
        loop {
            let rest = &self.script[self.at..];
            let quote = rest.find('\'')?;
            let comment = [("--", "\n"), ("/*", "*/")]
                .into_iter()
                .filter_map(|(begin, end)| Some((rest.find(begin)?, end)))
                .min();
            match comment.filter(|(begin, _)| *begin < quote) {
                None => return Some(self.at + quote),
                Some((begin, end)) => self.at += begin + rest[begin..].find(end)? + end.len(),
            }
        }
    }

    fn next_literal(&mut self) -> Option<(usize, usize)> {
        let start = self.next_quote()? + 1;
        let mut end = start;
        loop {
            end += self.script[end..].find('\'').unwrap_or(self.script.len() - end);
            // Two quotes stand for one.
            if !self.script[end..].starts_with("''") {
                break;
            }
            end += 2;
        }
        self.at = (end + 1).min(self.script.len());
        Some((start, end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_sensitive_options_are_stars() {
        let check = |script: &str, expected: &str| {
            assert_eq!(masked(script), expected);
            assert_eq!(script.chars().count(), expected.chars().count());
        };
        check("('a' = 'b', 'password' = 'hü''x')", "('a' = 'b', 'password' = '*****')");
        check("'ssl.key.Password'\n  ='p'", "'ssl.key.Password'\n  ='*'");
        check("SELECT 'password', 'x'", "SELECT 'password', 'x'");
        check("'url' = 'h?user=a&password=xyz&b=c'", "'url' = 'h?user=a&password=***&b=c'");
        check("'secret' = 'open", "'secret' = '****");
        check("it''s '", "it''s '");
        check(
            "-- don't\n'secret'='x' /* ' */ 'token' = 'y'",
            "-- don't\n'secret'='*' /* ' */ 'token' = '*'",
        );
    }
}
