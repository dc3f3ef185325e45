//! Compiled plans (rows A6.5, A6.6, H3.1 to H3.6): the time-to-live of each state by itself,
//! under levels that have no hint for it.

mod common;

use common::{Connectors, TABLES, options};
use millrace_dataflow::RuntimeLevel;
use millrace_dataflow::graph::Operator;
use millrace_plan::{
    CompiledPlan, Diagnostic, PlanOptions, PlannedScript, compile_script, plan_script,
};

const JOB: &str = "
CREATE TABLE o (origin STRING, n BIGINT, PRIMARY KEY (origin) NOT ENFORCED)
  WITH ('connector' = 'blackhole');
SET 'table.exec.state.ttl' = '1 h';
INSERT INTO o SELECT f.origin, COUNT(*) FROM flights AS f JOIN weather AS w ON f.origin = w.station
GROUP BY f.origin;
";

fn at(level: RuntimeLevel) -> PlanOptions {
    options(level)
}

fn compiled(level: RuntimeLevel) -> CompiledPlan {
    let text = compile_script(&format!("{TABLES}{JOB}"), &at(level), &Connectors::new()).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn run(plan: &CompiledPlan, level: RuntimeLevel) -> Result<PlannedScript, Vec<Diagnostic>> {
    let text = serde_json::to_string(plan).unwrap();
    plan_script(&text, &at(level), &Connectors::new())
}

fn states(plan: &CompiledPlan) -> Vec<(String, String, String)> {
    let states = plan.nodes.iter().flat_map(|node| {
        node.state
            .iter()
            .map(|state| (node.kind.clone(), state.name.clone(), state.ttl.clone()))
            .collect::<Vec<_>>()
    });
    states.collect()
}

fn ttls(planned: &PlannedScript) -> Vec<i64> {
    let of = |operator: &Operator| match operator {
        Operator::Join(join) => join.state_ttl_ms.to_vec(),
        Operator::GroupAggregate(aggregate) => vec![aggregate.state_ttl_ms],
        _ => vec![],
    };
    planned.graph.nodes.iter().flat_map(|node| of(&node.operator)).collect()
}

#[test]
fn h3_6_a_plan_lists_the_states_of_its_operators_with_the_jobs_time() {
    let plan = compiled(RuntimeLevel::Flink1_18);
    assert_eq!(plan.flink_version, "1.18");
    let expected = [
        ("stream-exec-join_1", "leftState", "3600000 ms"),
        ("stream-exec-join_1", "rightState", "3600000 ms"),
        ("stream-exec-group-aggregate_1", "groupAggregateState", "3600000 ms"),
    ];
    let expected = expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned()));
    assert_eq!(states(&plan), expected);
    assert!(plan.edges.iter().any(|edge| edge.shuffle.kind == "HASH"));
}

#[test]
fn b6_1_each_side_of_a_join_expires_by_itself_under_1_18() {
    let mut plan = compiled(RuntimeLevel::Flink1_18);
    let same = run(&plan, RuntimeLevel::Flink1_18).unwrap();
    assert_eq!(ttls(&same), [3_600_000; 3]);
    let join = plan.nodes.iter_mut().find(|node| node.kind.contains("join")).unwrap();
    join.state[0].ttl = "5 min".to_owned();
    join.state[1].ttl = "0 ms".to_owned();
    let planned = run(&plan, RuntimeLevel::Flink1_18).unwrap();
    assert_eq!(ttls(&planned), [300_000, 0, 3_600_000]);
    // A later level runs it, and the operators keep their names, so their state is found.
    let later = run(&plan, RuntimeLevel::Flink1_20).unwrap();
    assert_eq!(ttls(&later), [300_000, 0, 3_600_000]);
    let ids = |planned: &PlannedScript| -> Vec<String> {
        planned.graph.nodes.iter().map(|node| node.id.to_string()).collect()
    };
    assert_eq!(ids(&planned), ids(&same));
    let layout = |planned: &PlannedScript| -> Vec<String> {
        planned.graph.nodes.iter().filter_map(|n| Some(n.state.as_ref()?.layout.clone())).collect()
    };
    assert_eq!(layout(&planned), layout(&same), "another time above nothing is no other state");
    let join = plan.nodes.iter_mut().find(|node| node.kind.contains("join")).unwrap();
    join.state[0].ttl = "0".to_owned();
    assert_ne!(layout(&run(&plan, RuntimeLevel::Flink1_18).unwrap()), layout(&same));
}

#[test]
fn a6_6_a_plan_that_does_not_fit_is_refused_by_name() {
    let check = |change: &dyn Fn(&mut CompiledPlan), parts: &[&str]| {
        let mut plan = compiled(RuntimeLevel::Flink1_18);
        change(&mut plan);
        let problems = run(&plan, RuntimeLevel::Flink1_18).unwrap_err();
        parts.iter().for_each(|part| assert!(problems[0].message.contains(part), "{problems:?}"));
    };
    check(&|plan| plan.flink_version = "1.20".into(), &["Flink 1.20", "FLINK-1_18"]);
    check(&|plan| plan.nodes[0].operator.0.push('0'), &["does not fit its script"]);
    check(&|plan| drop(plan.nodes.pop()), &["does not fit its script", "sink"]);
    check(
        &|plan| plan.script = plan.script.replace("JOIN weather AS w ON f.origin = w.station", ""),
        &["does not fit its script"],
    );
    let join = |plan: &CompiledPlan| plan.nodes.iter().position(|n| !n.state.is_empty()).unwrap();
    check(
        &|plan| {
            let at = join(plan);
            plan.nodes[at].state[1].ttl = "soon".into();
        },
        &["rightState", "'soon' is not a duration"],
    );
    check(
        &|plan| {
            let at = join(plan);
            plan.nodes[at].state.pop();
        },
        &["does not list the states", "leftState, rightState"],
    );
    let text = "{ \"flinkVersion\": \"1.18\",\n \"nodes\": 3 }";
    let problems = plan_script(text, &at(RuntimeLevel::Flink1_18), &Connectors::new()).unwrap_err();
    assert!(problems[0].message.starts_with("this is no compiled plan"), "{problems:?}");
    assert_eq!(problems[0].line, 2);
}

#[test]
fn h3_10_a_select_is_not_compiled() {
    let check = |script: &str, part: &str| {
        let text = format!("{TABLES}{script}");
        let problems =
            compile_script(&text, &at(RuntimeLevel::Flink1_18), &Connectors::new()).unwrap_err();
        assert!(problems[0].message.contains(part), "{problems:?}");
    };
    check("SELECT origin FROM flights", "SELECT at top level");
    check("SHOW TABLES", "nothing to compile");
    check("INSERT INTO nowhere SELECT origin FROM flights", "nowhere");
}
