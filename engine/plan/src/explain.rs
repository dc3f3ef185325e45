//! The plan as Flink's EXPLAIN CHANGELOG_MODE shows it (rows A6.1, A6.2).

use std::collections::BTreeMap;

use millrace_dataflow::JobGraph;
use millrace_dataflow::graph::Exchange;

use crate::changelog::Changelog;
use crate::graph::distribution;
use crate::mini_batch::MiniBatches;
use crate::names;
use crate::physical::{PhysicalOperator, Plan};

/// One tree for each sink; what several use is shown once and referred to.
pub(crate) fn explain(
    plan: &Plan,
    changelog: &Changelog,
    mini_batches: &MiniBatches,
    graph: &JobGraph,
) -> String {
    let mut text = String::from("== Optimized Execution Plan ==\n");
    let mut printer =
        Printer { plan, changelog, mini_batches, graph, text: &mut text, reused: BTreeMap::new() };
    printer.number_reused();
    for (index, node) in plan.nodes.iter().enumerate() {
        if matches!(node.operator, PhysicalOperator::Sink(_) | PhysicalOperator::Collect) {
            printer.node(index, 0);
            printer.text.push('\n');
        }
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

struct Printer<'a> {
    plan: &'a Plan,
    changelog: &'a Changelog,
    mini_batches: &'a MiniBatches,
    graph: &'a JobGraph,
    text: &'a mut String,
    /// Node to its number, and whether it was printed.
    reused: BTreeMap<usize, (usize, bool)>,
}

impl Printer<'_> {
    fn number_reused(&mut self) {
        let consumers = self.plan.consumers();
        for (node, users) in consumers.iter().enumerate() {
            if users.len() > 1 {
                let number = self.reused.len() + 1;
                self.reused.insert(node, (number, false));
            }
        }
    }

    fn line(&mut self, depth: usize, text: &str) {
        match depth {
            0 => {}
            depth => {
                self.text.push_str(&"   ".repeat(depth - 1));
                self.text.push_str("+- ");
            }
        }
        self.text.push_str(text);
        self.text.push('\n');
    }

    fn node(&mut self, index: usize, depth: usize) {
        if let Some((number, printed)) = self.reused.get_mut(&index) {
            if *printed {
                let text = format!("Reused(reference_id=[{number}])");
                return self.line(depth, &text);
            }
            *printed = true;
        }
        let depth = self.assigner(index, depth);
        let text = self.described(index);
        self.line(depth, &text);
        for (input, from) in self.plan.nodes[index].inputs.iter().enumerate() {
            let depth = self.exchange(index, input, *from, depth + 1);
            self.node(*from, depth);
        }
    }

    // No operator of ours: what it does, the source and the operators do (row E.23).
    fn assigner(&mut self, index: usize, depth: usize) -> usize {
        let Some(assigner) = self.mini_batches.assigner(index) else { return depth };
        let mode = self.changelog.text(index);
        let text = format!("{}, changelogMode={mode}){}", assigner.text(), self.reuse(index));
        self.line(depth, &text);
        depth + 1
    }

    // `Name(..., changelogMode=[I])(reuse_id=[1])`
    fn described(&self, index: usize) -> String {
        let mut name = names::node(self.plan, index);
        if let millrace_dataflow::graph::Operator::Source(source) =
            &self.graph.nodes[index].operator
            && let Some(watermark) = &source.watermark
        {
            let rowtime = &self.plan.nodes[index].output.fields[watermark.rowtime].name;
            name.truncate(name.len() - 1);
            name.push_str(&format!(", watermark=[{rowtime}: {}])", watermark.expression.digest));
        }
        let mode = match self.plan.nodes[index].operator {
            PhysicalOperator::Sink(_) => "[NONE]".to_owned(),
            PhysicalOperator::Collect => "[NONE]".to_owned(),
            _ => self.changelog.text(index),
        };
        name.truncate(name.len() - 1);
        let reuse = match self.mini_batches.assigner(index) {
            Some(_) => String::new(),
            None => self.reuse(index),
        };
        format!("{name}, changelogMode={mode}){reuse}")
    }

    fn reuse(&self, index: usize) -> String {
        let number = self.reused.get(&index).map(|(number, _)| number);
        number.map_or_else(String::new, |number| format!("(reuse_id=[{number}])"))
    }

    /// A sink's is the job graph's own decision.
    fn distribution(&self, index: usize, input: usize) -> Option<Vec<usize>> {
        let operator = &self.plan.nodes[index].operator;
        if !matches!(operator, PhysicalOperator::Sink(_)) {
            return distribution(operator, input);
        }
        let edge = self.graph.edges.iter().find(|edge| edge.to == index && edge.input == input);
        match &edge?.exchange {
            Exchange::Hash(keys) => Some(keys.clone()),
            _ => None,
        }
    }

    fn exchange(&mut self, index: usize, input: usize, from: usize, depth: usize) -> usize {
        let Some(keys) = self.distribution(index, input) else { return depth };
        let text = if keys.is_empty() {
            "single".to_owned()
        } else {
            format!("hash[{}]", names::columns(&keys, &self.plan.nodes[from].output))
        };
        let mode = self.changelog.text(from);
        self.line(depth, &format!("Exchange(distribution=[{text}], changelogMode={mode})"));
        depth + 1
    }
}
