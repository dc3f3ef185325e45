//! Every aggregate function against a recomputation over all rows of its group.

use std::collections::BTreeMap;

use millrace_dataflow::catalog::ChangelogMode;
use millrace_dataflow::graph::{
    AggregateCall, AggregateFunction as F, GroupAggregate, MiniBatchMode, Operator as Node,
    WindowAggregate, WindowAssigner, WindowInput, WindowKind, WindowTime,
};
use millrace_dataflow::{Field, Schema};

use super::group_aggregate::call;
use super::mini_batch::mini_batch;
use super::naive::{Dice, KeyedTable};
use super::stage::{Spec, Stage, check};
use super::text::{data_type, schema};

pub(super) const COLUMNS: &str = "k STRING, t TINYINT, i INT, b BIGINT, d DOUBLE, n DECIMAL(10,2), s STRING, c BOOLEAN, \
     at TIMESTAMP(3)";
const ARGUMENTS: [(usize, &str); 5] =
    [(1, "TINYINT"), (2, "INT"), (3, "BIGINT"), (4, "DOUBLE"), (5, "DECIMAL(10,2)")];

pub(super) fn row(dice: &mut Dice, at: i64) -> Vec<String> {
    let key = ["a", "b", "c", "NULL"][dice.roll(4) as usize].to_owned();
    let mut value = |text: String| if dice.one_in(5) { "NULL".to_owned() } else { text };
    let mut small = Dice::new(at as u64 + 1);
    let mut number = |n: u64| small.roll(n) as i64 - n as i64 / 2;
    let values = [
        number(256).to_string(),
        (number(2000) * 2_000_000).to_string(),
        number(9).to_string(),
        format!("{:?}", number(9) as f64 * 0.25),
        format!("{:.2}", number(9) as f64 * 0.25),
        ["x", "y", "zz", "a text that is longer than twenty-four bytes"][(number(4) + 2) as usize]
            .to_owned(),
        (number(2) == 0).to_string(),
    ];
    let mut row = vec![key];
    row.extend(values.map(&mut value));
    row.push(at.to_string());
    row
}

/// All functions over all the types they take.
pub(super) fn calls() -> Vec<AggregateCall> {
    let mut calls = vec![call(F::CountStar, None, "BIGINT")];
    for argument in ARGUMENTS {
        let same = argument.1;
        let (sum, average) = match same {
            "DECIMAL(10,2)" => ("DECIMAL(38,2)", "DECIMAL(38,6)"),
            _ => (same, same),
        };
        calls.push(call(F::Count, Some(argument), "BIGINT"));
        calls.push(call(F::Sum, Some(argument), sum));
        calls.push(call(F::Avg, Some(argument), average));
        for function in [F::Min, F::Max, F::FirstValue, F::LastValue] {
            calls.push(call(function, Some(argument), same));
        }
        for function in [F::VarPop, F::VarSamp, F::StddevPop, F::StddevSamp] {
            if matches!(same, "BIGINT" | "DOUBLE") {
                calls.push(call(function, Some(argument), same));
            }
        }
    }
    let text = Some((6, "STRING"));
    for function in [F::Min, F::Max, F::FirstValue, F::LastValue] {
        calls.push(call(function, text, "STRING"));
    }
    calls.push(call(F::Min, Some((8, "TIMESTAMP(3)")), "TIMESTAMP(3)"));
    calls.push(call(F::ListAgg { separator: "|".into() }, text, "STRING"));
    for function in [F::Count, F::Sum, F::Max] {
        let output = if function == F::Count { "BIGINT" } else { "INT" };
        let mut distinct = call(function, Some((2, "INT")), output);
        distinct.distinct = true;
        calls.push(distinct.clone());
        distinct.filter = Some(7);
        calls.push(distinct);
    }
    let mut filtered = call(F::Sum, Some((3, "BIGINT")), "BIGINT");
    filtered.filter = Some(7);
    calls.push(filtered);
    calls
}

/// The rows that are there. A retraction takes a row, but what a function that looks
/// at the order loses is the earliest equal value: the changelog does not say which.
#[derive(Default)]
pub(super) struct Live {
    pub(super) rows: Vec<Vec<String>>,
    /// Values of a group and column in order of arrival.
    ordered: BTreeMap<(String, usize), Vec<String>>,
}

impl Live {
    pub(super) fn add(&mut self, row: Vec<String>) {
        for (at, value) in row.iter().enumerate().filter(|(_, value)| *value != "NULL") {
            self.ordered.entry((row[0].clone(), at)).or_default().push(value.clone());
        }
        self.rows.push(row);
    }

    pub(super) fn take(&mut self, index: usize) -> Vec<String> {
        let row = self.rows.remove(index);
        for (at, value) in row.iter().enumerate().filter(|(_, value)| *value != "NULL") {
            let values = self.ordered.get_mut(&(row[0].clone(), at)).expect("added before");
            let first = values.iter().position(|held| held == value).expect("added before");
            values.remove(first);
        }
        row
    }

    fn ordered(&self, key: &str, at: usize) -> &[String] {
        self.ordered.get(&(key.to_owned(), at)).map_or(&[], Vec::as_slice)
    }
}

/// The function over the group's values in order of arrival.
fn expected_in_order(call: &AggregateCall, values: &[String]) -> Option<String> {
    let value = match &call.function {
        F::FirstValue => values.first().cloned(),
        F::LastValue => values.last().cloned(),
        F::ListAgg { separator } => (!values.is_empty()).then(|| values.join(separator)),
        _ => return None,
    };
    Some(value.unwrap_or_else(|| "NULL".into()))
}

/// The function over the group's rows, from its definition.
fn expected(call: &AggregateCall, rows: &[Vec<String>]) -> String {
    let rows = rows.iter().filter(|row| call.filter.is_none_or(|at| row[at] == "true"));
    let Some(&at) = call.arguments.first() else { return rows.count().to_string() };
    let mut values: Vec<&str> =
        rows.map(|row| row[at].as_str()).filter(|value| *value != "NULL").collect();
    if call.distinct {
        let mut seen = std::collections::BTreeSet::new();
        values.retain(|value| seen.insert(*value));
    }
    if call.function == F::Count {
        return values.len().to_string();
    }
    if values.is_empty() {
        return "NULL".into();
    }
    match &call.function {
        F::Min | F::Max if at == 6 => text_extreme(&values, call.function == F::Max),
        function => match ARGUMENTS.iter().find(|(index, _)| *index == at) {
            Some((_, "DOUBLE")) => float(function, &values),
            Some((_, "DECIMAL(10,2)")) => decimal(function, &values),
            Some((_, "TINYINT")) => integer(function, &values, |v| i64::from(v as i8)),
            Some((_, "INT")) => integer(function, &values, |v| i64::from(v as i32)),
            _ => integer(function, &values, |v| v),
        },
    }
}

fn text_extreme(values: &[&str], is_max: bool) -> String {
    let found = if is_max { values.iter().max() } else { values.iter().min() };
    (*found.expect("some value")).to_owned()
}

fn integer(function: &F, values: &[&str], wrap: impl Fn(i64) -> i64) -> String {
    let numbers: Vec<i64> = values.iter().map(|value| value.parse().expect("a number")).collect();
    let count = numbers.len() as i64;
    let sum: i64 = numbers.iter().sum();
    let squares = numbers.iter().fold(0_i64, |sum, v| sum.wrapping_add(v.wrapping_mul(*v)));
    let deviation = squares.wrapping_sub(sum.wrapping_mul(sum) / count);
    let result = match function {
        F::Sum => wrap(sum),
        F::Avg => sum / count,
        F::Min => *numbers.iter().min().expect("some"),
        F::Max => *numbers.iter().max().expect("some"),
        F::VarPop => deviation / count,
        F::StddevPop => ((deviation / count) as f64).sqrt() as i64,
        _ if count == 1 => return "NULL".into(),
        F::VarSamp => deviation / (count - 1),
        _ => ((deviation / (count - 1)) as f64).sqrt() as i64,
    };
    result.to_string()
}

fn float(function: &F, values: &[&str]) -> String {
    let numbers: Vec<f64> = values.iter().map(|value| value.parse().expect("a number")).collect();
    let count = numbers.len() as f64;
    let sum: f64 = numbers.iter().sum();
    let squares: f64 = numbers.iter().map(|v| v * v).sum();
    let deviation = squares - sum * sum / count;
    let result = match function {
        F::Sum => sum,
        F::Avg => sum / count,
        F::Min => numbers.iter().copied().fold(f64::INFINITY, f64::min),
        F::Max => numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        F::VarPop => deviation / count,
        F::StddevPop => (deviation / count).powf(0.5),
        _ if count == 1.0 => return "NULL".into(),
        F::VarSamp => deviation / (count - 1.0),
        _ => (deviation / (count - 1.0)).powf(0.5),
    };
    format!("{result:?}")
}

/// In hundredths, divided half up.
fn decimal(function: &F, values: &[&str]) -> String {
    let cents: Vec<i64> =
        values.iter().map(|v| (v.parse::<f64>().expect("a number") * 100.0) as i64).collect();
    let sum: i64 = cents.iter().sum();
    let shown = |unscaled: i64, scale: u32| {
        let unit = 10_i64.pow(scale);
        let sign = if unscaled < 0 { "-" } else { "" };
        let (whole, rest) = (unscaled.abs() / unit, unscaled.abs() % unit);
        format!("{sign}{whole}.{rest:0width$}", width = scale as usize)
    };
    match function {
        F::Sum => shown(sum, 2),
        F::Min => shown(*cents.iter().min().expect("some"), 2),
        F::Max => shown(*cents.iter().max().expect("some"), 2),
        _ => {
            let (scaled, count) = (sum.abs() * 10_000, cents.len() as i64);
            shown(sum.signum() * ((2 * scaled + count) / (2 * count)), 6)
        }
    }
}

fn output(calls: &[AggregateCall]) -> Schema {
    let mut fields = vec![Field::new("k", data_type("STRING"))];
    let columns = calls.iter().enumerate();
    fields.extend(columns.map(|(at, call)| Field::new(format!("c{at}"), call.output.clone())));
    Schema::new(fields)
}

pub(super) fn spec(calls: &[AggregateCall], retracts: bool) -> Spec {
    Spec {
        node: Node::GroupAggregate(GroupAggregate {
            keys: vec![0],
            aggregates: calls.to_vec(),
            retracts,
            emit_update_before: true,
            state_ttl_ms: 0,
            mini_batch: None,
            merges: false,
        }),
        inputs: vec![schema(COLUMNS)],
        output: output(calls),
        changelog: ChangelogMode::ALL,
        keys: vec![vec![0]],
    }
}

/// Feeds a random changelog with random restores; after every batch the table that
/// the output makes is the aggregates of the rows that are there.
fn compare(seed: u64, calls: &[AggregateCall], retracts: bool, mini_batches: bool) {
    let mut dice = Dice::new(seed);
    let mut stage = Stage::new(&spec(calls, retracts));
    if mini_batches {
        stage = Stage::new(&gathering(stage.spec, 1 + dice.roll(40) as usize));
    }
    let mut live = Live::default();
    let mut table = KeyedTable::default();
    for at in 0..40 {
        let mut changes = String::new();
        for step in 0..1 + dice.roll(12) {
            if retracts && !live.rows.is_empty() && dice.roll(5) < 2 {
                let gone = live.take(dice.roll(live.rows.len() as u64) as usize);
                changes += &format!("-D[{}]", gone.join(", "));
            } else {
                let new = row(&mut dice, at * 100 + step as i64);
                changes += &format!("+I[{}]", new.join(", "));
                live.add(new);
            }
        }
        stage.rows(0, &changes);
        if dice.one_in(6) {
            // A savepoint taken with mini-batches is restored without, and back.
            match dice.roll(4) {
                _ if !mini_batches => {}
                0 => stage.become_spec(&spec(calls, retracts)),
                1 => stage.become_spec(&gathering(spec(calls, retracts), 10)),
                _ => {}
            }
            stage.restore(1 + dice.roll(5) as u16);
        }
        if !mini_batches || dice.one_in(3) {
            stage.flush();
            stage.emitted().iter().for_each(|row| table.apply(row, &[0]));
            assert_eq!(table.0, recomputed(calls, &live), "seed {seed}, batch {at}");
        }
    }
}

pub(super) fn gathering(mut spec: Spec, rows: usize) -> Spec {
    if let Node::GroupAggregate(config) = &mut spec.node {
        config.mini_batch = Some(mini_batch(rows, MiniBatchMode::ProcTime));
    }
    spec
}

pub(super) fn recomputed(
    calls: &[AggregateCall],
    live: &Live,
) -> BTreeMap<Vec<String>, Vec<String>> {
    let mut groups = BTreeMap::<String, Vec<Vec<String>>>::new();
    for row in &live.rows {
        groups.entry(row[0].clone()).or_default().push(row.clone());
    }
    let rows = groups.into_iter().map(|(key, rows)| {
        let mut values = vec![key.clone()];
        values.extend(calls.iter().map(|call| {
            let column = call.arguments.first().copied().unwrap_or(0);
            expected_in_order(call, live.ordered(&key, column))
                .unwrap_or_else(|| expected(call, &rows))
        }));
        (vec![key], values)
    });
    rows.collect()
}

#[test]
pub fn every_aggregate_equals_its_recomputation_without_retraction() {
    for seed in 1..12 {
        compare(seed, &calls(), false, false);
    }
}

#[test]
pub fn every_aggregate_equals_its_recomputation_with_retraction() {
    for seed in 1..24 {
        compare(seed, &calls(), true, false);
    }
}

#[test]
fn f1_2_every_aggregate_equals_its_recomputation_in_mini_batches() {
    for seed in 1..24 {
        compare(seed, &calls(), seed % 3 > 0, true);
    }
}

/// Hopping windows of four slices: what is merged from slices equals what is counted
/// at once.
#[test]
fn every_aggregate_merges_slices_to_the_same_value() {
    let calls = calls();
    for seed in 1..12 {
        let mut dice = Dice::new(seed);
        let mut hop = spec(&calls, false);
        hop.node = Node::WindowAggregate(WindowAggregate {
            window: WindowInput::Assign(WindowAssigner {
                kind: WindowKind::Hop { slide_ms: 10, size_ms: 40 },
                offset_ms: 0,
                time: WindowTime::Rowtime(8),
                time_zone: None,
            }),
            keys: vec![0],
            aggregates: calls.clone(),
            properties: vec![],
            retracts: false,
        });
        let mut stage = Stage::new(&hop);
        let mut live = Live::default();
        for at in 0..40 {
            let row = row(&mut dice, at);
            stage.rows(0, &format!("+I[{}]", row.join(", ")));
            live.add(row);
            if dice.one_in(9) {
                stage.restore(1 + dice.roll(3) as u16);
            }
        }
        // The window from 0 to 40 holds all rows.
        stage.watermark(38);
        stage.emitted();
        stage.watermark(39);
        let mut table = KeyedTable::default();
        stage.emitted().iter().for_each(|row| table.apply(row, &[0]));
        assert_eq!(table.0, recomputed(&calls, &live), "seed {seed}");
    }
}

fn one(function: F, argument: &str, output: &str) -> Spec {
    let mut spec = spec(&[call(function, Some((1, argument)), output)], true);
    spec.inputs = vec![schema(&format!("k STRING, v {argument}"))];
    spec.output = schema(&format!("k STRING, v {output}"));
    spec
}

#[test]
fn c7_1_integer_sums_wrap() {
    check(
        &one(F::Sum, "TINYINT", "TINYINT"),
        "rows +I[a, 100] +I[a, 100] -D[a, 100]
         => +I[a, 100] -U[a, 100] +U[a, -56] -U[a, -56] +U[a, 100]",
    );
}

#[test]
fn d8_2_a_decimal_sum_beyond_38_digits_is_null() {
    let most = "9".repeat(38);
    check(
        &one(F::Sum, "DECIMAL(38,0)", "DECIMAL(38,0)"),
        &format!(
            "rows +I[a, {most}] +I[a, 1] -D[a, 1]
             => +I[a, {most}] -U[a, {most}] +U[a, NULL] -U[a, NULL] +U[a, {most}]"
        ),
    );
}

#[test]
fn d8_3_averages_truncate_integers_and_round_decimals() {
    check(&one(F::Avg, "INT", "INT"), "rows +I[a, -1] +I[a, -2] \n => +I[a, -1]");
    check(
        &one(F::Avg, "DECIMAL(10,0)", "DECIMAL(38,6)"),
        "rows +I[a, 1] +I[a, 1] +I[a, 0]
         => +I[a, 1.000000] -U[a, 1.000000] +U[a, 0.666667]",
    );
}

#[test]
fn d8_8_collect_counts_values() {
    check(
        &one(F::Collect, "STRING", "MULTISET<STRING>"),
        "rows +I[a, NULL] +I[a, x] +I[a, x] +I[a, y] -D[a, x]
         => +I[a, {}] -U[a, {}] +U[a, {x: 1}] -U[a, {x: 1}] +U[a, {x: 2}] \
            -U[a, {x: 2}] +U[a, {x: 2, y: 1}] -U[a, {x: 2, y: 1}] +U[a, {x: 1, y: 1}]",
    );
}
