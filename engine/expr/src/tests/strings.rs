use super::{check, check_types};

#[test]
fn d3_1_concat() {
    check(&[
        ("||('a', 'b')", "ab"),
        ("||('a', NULL:STRING)", "NULL"),
        ("CONCAT('a', 'b', 'c')", "abc"),
        ("CONCAT('a', NULL)", "NULL"),
        ("CONCAT_WS('-', 'a', NULL:STRING, '', 'b')", "a--b"),
        ("CONCAT_WS(NULL:STRING, 'a', 'b')", "NULL"),
    ]);
    check_types(&[
        ("||('a', 'bc')", "CHAR(3) NOT NULL"),
        ("||('a', CAST('b' AS VARCHAR(4)))", "VARCHAR(5) NOT NULL"),
        ("||('a', NULL:STRING)", "STRING"),
    ]);
}

#[test]
fn d3_3_lengths_count_code_points() {
    check(&[
        ("CHAR_LENGTH('añ𝄞')", "3"),
        ("CHARACTER_LENGTH('')", "0"),
        ("UPPER('añb')", "AÑB"),
        ("LOWER('AÑB')", "añb"),
    ]);
}

#[test]
fn c8_6_upper_of_sharp_s() {
    check(&[("UPPER('ß')", "S"), ("UPPER(CAST('ß' AS STRING))", "SS")]);
}

#[test]
fn d3_5_positions() {
    check(&[
        ("POSITION('b', 'abcb')", "2"),
        ("POSITION('x', 'abc')", "0"),
        ("POSITION('', 'abc')", "1"),
        ("POSITION('c', 'ñbc')", "3"),
        ("INSTR('abc', 'c')", "3"),
        ("LOCATE('b', 'abcb', 3)", "4"),
        ("LOCATE('b', 'abcb', 4)", "4"),
        ("LOCATE('a', 'abcb', 0)", "1"),
        ("LOCATE('a', 'abcb', 9)", "0"),
    ]);
}

#[test]
fn d3_6_trim_takes_a_set() {
    check(&[
        ("TRIM(LEADING, 'yx', 'xyxaxy')", "axy"),
        ("TRIM(TRAILING, 'yx', 'xyxaxy')", "xyxa"),
        ("TRIM(BOTH, ' ', '  a b  ')", "a b"),
        ("TRIM(BOTH, 'a', 'aaa')", ""),
        ("LTRIM('  a ')", "a "),
        ("RTRIM('  a ')", "  a"),
        ("TRIM(BOTH, ' ', NULL:STRING)", "NULL"),
    ]);
}

#[test]
fn d3_8_substring() {
    check(&[
        ("SUBSTRING('hello', 2)", "ello"),
        ("SUBSTRING('hello', 2, 3)", "ell"),
        ("SUBSTR('hello', 0, 2)", "he"),
        ("SUBSTRING('hello', -3)", "llo"),
        ("SUBSTRING('hello', -3, 2)", "ll"),
        ("SUBSTRING('hello', -9, 5)", ""),
        ("SUBSTRING('hello', 9)", ""),
        ("SUBSTRING('hello', 2, -1)", "NULL"),
        ("SUBSTRING('hello', 2, 0)", ""),
        ("SUBSTRING('héllo', 2, 2)", "él"),
        ("SUBSTRING(NULL:STRING, 1)", "NULL"),
        ("SUBSTRING('hello', 2, 2147483647)", "ello"),
    ]);
    check_types(&[("SUBSTRING('hello', 2)", "VARCHAR(5)")]);
}

#[test]
fn d3_9_left_and_right() {
    check(&[
        ("LEFT('hello', 2)", "he"),
        ("LEFT('hello', -1)", ""),
        ("LEFT('hello', 9)", "hello"),
        ("RIGHT('hello', 2)", "lo"),
        ("RIGHT('hello', -1)", ""),
        ("RIGHT('hello', 9)", "hello"),
    ]);
}

#[test]
fn d3_10_overlay() {
    check(&[
        ("OVERLAY('abcdef', 'XX', 3)", "abXXef"),
        ("OVERLAY('abcdef', 'X', 3, 2)", "abXef"),
        ("OVERLAY('abcdef', 'X', 0)", "abcdef"),
        ("OVERLAY('abcdef', 'X', 7)", "abcdef"),
        ("OVERLAY('abcdef', 'XYZ', 6)", "abcdeXYZ"),
    ]);
}

#[test]
fn d3_11_replace() {
    check(&[
        ("REPLACE('aXbX', 'X', '--')", "a--b--"),
        ("REPLACE('abc', '', 'z')", "zazbzcz"),
        ("REPLACE('aaa', 'aa', 'b')", "ba"),
    ]);
}

#[test]
fn d3_12_regular_expressions() {
    check(&[
        ("REGEXP_REPLACE('foobar', 'o+', '$1')", "f$1bar"),
        ("REGEXP_REPLACE('foobar', '(', 'x')", "NULL"),
        ("REGEXP_EXTRACT('foothebar', 'foo(.*?)(bar)', 2)", "bar"),
        ("REGEXP_EXTRACT('foothebar', 'o+')", "oo"),
        ("REGEXP_EXTRACT('foothebar', 'x')", "NULL"),
        ("REGEXP_EXTRACT('foothebar', 'o(t)', 5)", "NULL"),
        ("REGEXP_EXTRACT('foothebar', '(')", "NULL"),
        ("REGEXP_EXTRACT('channel_id=12&x', '(&|^)channel_id=([^&]*)', 2)", "12"),
        ("REGEXP_EXTRACT('a&channel_id=12&x', '(&|^)channel_id=([^&]*)', 2)", "12"),
        ("REGEXP('foobar', 'ob')", "TRUE"),
        ("REGEXP('foobar', '^ob')", "FALSE"),
        ("REGEXP('foobar', '(')", "FALSE"),
        ("REGEXP('٣', '\\d')", "FALSE"),
        ("REGEXP('a-3', '[\\w-]+')", "TRUE"),
        ("REGEXP('a.b', '\\Q.\\E')", "TRUE"),
        ("REGEXP('ab', 'a(?=b)')", "error: look-around"),
        ("REGEXP('aa', '(a)\\1')", "error: back-references"),
    ]);
}

#[test]
fn d3_15_repeat_reverse_pad() {
    check(&[
        ("REPEAT('ab', 3)", "ababab"),
        ("REPEAT('ab', 0)", ""),
        ("REPEAT('ab', -1)", ""),
        ("REPEAT('ab', 2000000000)", "error: longer than"),
        ("REVERSE('añc')", "cña"),
        ("LPAD('hi', 4, '??')", "??hi"),
        ("LPAD('hi', 5, 'ab')", "abahi"),
        ("LPAD('hi', 1, '??')", "h"),
        ("LPAD('hi', -1, '?')", "NULL"),
        ("LPAD('hi', 4, '')", "NULL"),
        ("RPAD('hi', 5, 'ab')", "hiaba"),
    ]);
}

#[test]
fn d3_18_initcap_splits_at_what_is_no_letter_or_digit() {
    check(&[("INITCAP('hello WORLD foo_bar-baz 1abc')", "Hello World Foo_Bar-Baz 1abc")]);
}

#[test]
fn d3_19_split_index_is_0_based() {
    check(&[
        ("SPLIT_INDEX('a,b,,c', ',', 0)", "a"),
        ("SPLIT_INDEX('a,b,,c', ',', 2)", ""),
        ("SPLIT_INDEX('a,b,,c', ',', 4)", "NULL"),
        ("SPLIT_INDEX('a,b', ',', -1)", "NULL"),
        ("SPLIT_INDEX('a.b', '.', 1)", "b"),
        ("SPLIT_INDEX('a,b', 44, 1)", "b"),
        ("SPLIT_INDEX('https://host/a/b/c', '/', 3)", "a"),
    ]);
}

#[test]
fn d3_20_str_to_map() {
    check(&[
        ("STR_TO_MAP('k1=v1,k2=v2')", "{k1=v1, k2=v2}"),
        ("STR_TO_MAP('k1:v1;k2:v2', ';', ':')", "{k1=v1, k2=v2}"),
        ("STR_TO_MAP('a=1=2,b')", "{a=1=2, b=NULL}"),
    ]);
}

#[test]
fn d3_21_parse_url() {
    const URL: &str = "'http://u:p@example.com:80/p/a?q=1&r=2#frag'";
    let rows: Vec<(String, &str)> = [
        ("HOST", "example.com"),
        ("PATH", "/p/a"),
        ("QUERY", "q=1&r=2"),
        ("REF", "frag"),
        ("PROTOCOL", "http"),
        ("AUTHORITY", "u:p@example.com:80"),
        ("FILE", "/p/a?q=1&r=2"),
        ("USERINFO", "u:p"),
    ]
    .into_iter()
    .map(|(part, expected)| (format!("PARSE_URL({URL}, '{part}')"), expected))
    .collect();
    check(&rows.iter().map(|(text, expected)| (text.as_str(), *expected)).collect::<Vec<_>>());
    check(&[
        ("PARSE_URL('http://example.com/?q=1&r=2', 'QUERY', 'r')", "2"),
        ("PARSE_URL('http://example.com/?q=1&r=2', 'QUERY', 'x')", "NULL"),
        ("PARSE_URL('no url', 'HOST')", "NULL"),
        ("PARSE_URL('http://example.com', 'QUERY')", "NULL"),
    ]);
}

#[test]
fn d3_22_codes() {
    check(&[
        ("ASCII('é')", "-61"),
        ("ASCII('a')", "97"),
        ("ASCII('')", "0"),
        ("CHR(97)", "a"),
        ("CHR(353)", "a"),
        ("CHR(-1)", ""),
        ("CHAR_LENGTH(CHR(0))", "1"),
    ]);
}

#[test]
fn d3_24_charsets() {
    check(&[
        ("DECODE(ENCODE('é', 'UTF-8'), 'UTF-8')", "é"),
        ("DECODE(ENCODE('é', 'ISO-8859-1'), 'ISO-8859-1')", "é"),
        ("DECODE(ENCODE('é', 'US-ASCII'), 'US-ASCII')", "?"),
        ("DECODE(ENCODE('é', 'UTF-16'), 'UTF-16')", "é"),
        ("DECODE(ENCODE('é', 'UTF-16LE'), 'UTF-16LE')", "é"),
        ("ENCODE('a', 'KOI-7')", "error: unknown charset"),
    ]);
}

#[test]
fn d3_25_base64() {
    check(&[
        ("TO_BASE64('hello')", "aGVsbG8="),
        ("FROM_BASE64('aGVsbG8=')", "hello"),
        ("FROM_BASE64('%')", "error: Base64"),
    ]);
}

#[test]
fn d3_26_hashes() {
    check(&[
        ("MD5('abc')", "900150983cd24fb0d6963f7d28e17f72"),
        ("SHA1('abc')", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        ("SHA256('abc')", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ("SHA2('abc', 224)", "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7"),
        ("SHA2('abc', 0)", "error: SHA2 has no 0 bits"),
        ("MD5(NULL:STRING)", "NULL"),
        ("CHAR_LENGTH(SHA512('abc'))", "128"),
    ]);
}

#[test]
fn d3_27_character_classes() {
    check(&[
        ("IS_ALPHA('abcé')", "TRUE"),
        ("IS_ALPHA('a1')", "FALSE"),
        ("IS_ALPHA('')", "FALSE"),
        ("IS_ALPHA(NULL:STRING)", "FALSE"),
        ("IS_DIGIT('123')", "TRUE"),
        ("IS_DIGIT('1.5')", "FALSE"),
        ("IS_DECIMAL('-1.5e3')", "TRUE"),
        ("IS_DECIMAL('1.5x')", "FALSE"),
    ]);
}
