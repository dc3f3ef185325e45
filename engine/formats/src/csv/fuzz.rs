//! Records read the quick way are what the long way reads: random tables and records,
//! damaged at random, with every option.

use millrace_dataflow::types::{Schema, TypeRoot};

use super::{Csv, CsvDecoder, CsvOptions, check_type};
use crate::fuzz::{Dice, any_type, check_same, in_lines, one_by_one, seeds, some_columns};

fn any_options(dice: &mut Dice) -> CsvOptions {
    CsvOptions {
        delimiter: *dice.pick(b",,;\t|"),
        quote: *dice.pick(&[Some(b'"'), Some(b'"'), Some(b'\''), None]),
        comments: dice.one_in(3),
        ignore_parse_errors: dice.one_in(2),
        escape: *dice.pick(&[None, None, None, Some(b'\\')]),
        null_literal: dice.pick(&[None, None, Some(""), Some("n/a")]).map(str::to_owned),
        ..CsvOptions::default()
    }
}

const TEXTS: &[&str] = &[
    "",
    "",
    "x",
    "plain text",
    " padded ",
    "# no comment",
    "seventeen bytes..",
    "12",
    "+7",
    "007",
    "-0",
    "128",
    "70000",
    "2147483648",
    "123456789012345",
    "9223372036854775807",
    "1.5",
    "1e3",
    "true",
    "n/a",
    "2024-02-30",
    "2024-02-29",
    "10:11:12",
    "2024-02-29 10:11:12.123",
    "aGk=",
    "2024-02-29 10:11:12Z",
    " 2024-02-29 10:11:12",
    "é and 😀 among more bytes than sixteen",
    "a;b",
    "a \" quote",
    "'",
    "a,b",
    "\r",
    "back\\slash",
];

fn line(dice: &mut Dice, width: usize, options: &CsvOptions) -> Vec<u8> {
    let width = if dice.one_in(12) { dice.below(width + 2) } else { width };
    let mut line = Vec::new();
    for at in 0..width {
        if at > 0 {
            line.push(options.delimiter);
        }
        let text = if dice.one_in(2) {
            dice.below(300).to_string()
        } else {
            (*dice.pick(TEXTS)).to_owned()
        };
        match options.quote.filter(|_| dice.one_in(3)) {
            Some(quote) => {
                let quoted = text
                    .bytes()
                    .flat_map(|byte| std::iter::repeat_n(byte, 1 + usize::from(byte == quote)));
                line.push(quote);
                line.extend(quoted);
                line.push(quote);
            }
            None => line.extend_from_slice(text.as_bytes()),
        }
    }
    if dice.one_in(5) {
        line.push(b'\r');
    }
    line
}

fn check(seed: u64) {
    let mut dice = Dice::new(seed);
    let width = 1 + dice.below(5);
    let column = |at: usize| {
        let data_type = any_type(&mut dice, 1);
        let fits = check_type("", &data_type).is_ok();
        let data_type = if fits { data_type } else { TypeRoot::string().nullable() };
        millrace_dataflow::types::Field::new(format!("f{at}"), data_type)
    };
    let schema = Schema::new((0..width).map(column).collect());
    let options = any_options(&mut dice);
    let mut records: Vec<Vec<u8>> = (0..20).map(|_| line(&mut dice, width, &options)).collect();
    for at in 0..records.len() {
        if dice.one_in(8) {
            let other = records[dice.below(20)].clone();
            dice.damage(&mut records[at], &other);
        }
    }
    let columns = some_columns(&mut dice, &schema);
    let decoder = || CsvDecoder::new(&schema, &columns, options.clone());
    let lines: Vec<u8> = records.iter().flat_map(|record| [record, &b"\n"[..]].concat()).collect();
    let fields = columns.iter().map(|at| schema.fields[*at].clone()).collect();
    let written = Csv { options: CsvOptions::default(), schema: Schema::new(fields) };
    let what = |way: &str| {
        format!("{way}, seed {seed}, {options:?}, {schema:?}\n{}", String::from_utf8_lossy(&lines))
    };
    let expected = one_by_one(&mut decoder().without_quick_way(), &records);
    let alone = one_by_one(&mut decoder(), &records);
    check_same(&written, &expected, &alone, &what("each alone"));
    // An open quote joins lines, so these are compared with lines.
    let expected = in_lines(&mut decoder().without_quick_way(), &lines, &mut Dice::new(seed));
    let together = in_lines(&mut decoder(), &lines, &mut Dice::new(seed));
    check_same(&written, &expected, &together, &what("in lines"));
}

#[test]
fn random_records_are_read_as_if_each_were_read_the_long_way() {
    seeds().for_each(check);
}
