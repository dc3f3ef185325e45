use super::language::parse_type;
use crate::aggregate_type;

#[track_caller]
fn check(rows: &[(&str, &[&str], &str)]) {
    for (function, arguments, expected) in rows {
        let types: Vec<_> = arguments.iter().map(|text| parse_type(text)).collect();
        let found = match aggregate_type(function, &types) {
            Ok(data_type) => data_type.to_string(),
            Err(error) => format!("error: {error}"),
        };
        assert!(super::agrees(&found, expected), "{function}: expected {expected}, found {found}");
    }
}

#[test]
fn d8_result_types() {
    check(&[
        ("COUNT", &[], "BIGINT NOT NULL"),
        ("COUNT", &["INT"], "BIGINT NOT NULL"),
        ("SUM", &["TINYINT"], "TINYINT"),
        ("SUM", &["FLOAT"], "FLOAT"),
        ("SUM", &["DECIMAL(5,2)"], "DECIMAL(38, 2)"),
        ("AVG", &["INT"], "INT"),
        ("AVG", &["DECIMAL(5,2)"], "DECIMAL(38, 6)"),
        ("MIN", &["STRING"], "STRING"),
        ("MAX", &["TIMESTAMP(3)"], "TIMESTAMP(3)"),
        ("STDDEV_POP", &["INT"], "INT"),
        ("VAR_SAMP", &["DOUBLE"], "DOUBLE"),
        ("FIRST_VALUE", &["STRING"], "STRING"),
        ("LISTAGG", &["STRING", "STRING"], "STRING"),
        ("COLLECT", &["INT"], "MULTISET<INT> NOT NULL"),
        ("sum", &["INT"], "INT"),
    ]);
}

#[test]
fn d8_refusals() {
    check(&[
        ("SUM", &["STRING"], "error: SUM does not take STRING"),
        ("SUM", &["INT", "INT"], "error: takes one argument"),
        ("MAX", &["ARRAY<INT>"], "error: no order"),
        ("LISTAGG", &["INT"], "error: cast it to STRING"),
        ("MEDIAN", &["INT"], "error: no aggregate function is named MEDIAN"),
    ]);
}
