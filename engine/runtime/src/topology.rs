//! Which operators run in one task, and which tasks are joined: pure.

use millrace_dataflow::JobGraph;
use millrace_dataflow::graph::{Edge, Exchange, Node, Operator};

/// The tasks of a job.
#[derive(Clone, Debug)]
pub struct Topology {
    pub chains: Vec<Chain>,
    /// Per node: its chain.
    pub chain_of: Vec<usize>,
}

/// Operators fused by direct calls; one thread runs each subtask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Nodes in topological order, the head first.
    pub nodes: Vec<usize>,
    pub parallelism: u16,
}

impl Topology {
    /// Chains every forward edge into an operator that has this input only.
    pub fn of(graph: &JobGraph, default_parallelism: u16) -> Topology {
        let mut topology = Topology { chains: vec![], chain_of: vec![] };
        for (index, node) in graph.nodes.iter().enumerate() {
            let parallelism = node_parallelism(node, default_parallelism);
            let chain = topology.chain_to_join(graph, index, parallelism).unwrap_or_else(|| {
                topology.chains.push(Chain { nodes: vec![], parallelism });
                topology.chains.len() - 1
            });
            topology.chains[chain].nodes.push(index);
            topology.chain_of.push(chain);
        }
        topology
    }

    fn chain_to_join(&self, graph: &JobGraph, node: usize, parallelism: u16) -> Option<usize> {
        let mut inputs = graph.edges.iter().filter(|edge| edge.to == node);
        let (first, second) = (inputs.next()?, inputs.next());
        let chain = self.chain_of[first.from];
        let joins = second.is_none()
            && first.exchange == Exchange::Forward
            && self.chains[chain].parallelism == parallelism;
        joins.then_some(chain)
    }

    /// Whether the edge is a direct call within a task.
    pub fn is_chained(&self, edge: &Edge) -> bool {
        self.chain_of[edge.from] == self.chain_of[edge.to]
    }

    pub fn parallelism_of(&self, node: usize) -> u16 {
        self.chains[self.chain_of[node]].parallelism
    }

    /// Flink shows a chain as its operators joined by arrows.
    pub fn chain_name(&self, graph: &JobGraph, chain: usize) -> String {
        let names: Vec<&str> =
            self.chains[chain].nodes.iter().map(|node| graph.nodes[*node].name.as_str()).collect();
        names.join(" -> ")
    }
}

fn node_parallelism(node: &Node, default: u16) -> u16 {
    match &node.operator {
        // One constant table, not one a subtask.
        Operator::Values { .. } => 1,
        _ => node.parallelism.unwrap_or(default).max(1),
    }
}

/// Whether sender `from` and receiver `to` of an edge have a channel.
pub fn is_connected(edge: &Edge, parallelisms: (u16, u16), from: u16, to: u16) -> bool {
    match edge.exchange {
        Exchange::Forward if parallelisms.0 == parallelisms.1 => from == to,
        // All rows of a global exchange go to subtask 0; the others still need the
        // barriers and the end.
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use millrace_dataflow::{OperatorId, RuntimeLevel, Schema};

    use super::*;

    fn graph(parallelisms: &[Option<u16>], edges: Vec<Edge>) -> JobGraph {
        let nodes = parallelisms.iter().enumerate().map(|(index, parallelism)| Node {
            id: OperatorId(index.to_string()),
            name: format!("n{index}"),
            operator: Operator::Union,
            output: Schema::default(),
            parallelism: *parallelism,
            state: None,
        });
        JobGraph { level: RuntimeLevel::Flink1_18, nodes: nodes.collect(), edges }
    }

    fn edge(from: usize, to: usize, input: usize, exchange: Exchange) -> Edge {
        Edge { from, to, input, exchange }
    }

    #[test]
    fn forward_edges_chain_and_others_cut() {
        let check = |parallelisms: &[Option<u16>], edges: Vec<Edge>, chains: &[&[usize]]| {
            let topology = Topology::of(&graph(parallelisms, edges), 2);
            let found: Vec<&[usize]> = topology.chains.iter().map(|c| c.nodes.as_slice()).collect();
            assert_eq!(found, chains);
        };
        use Exchange::{Forward, Hash};
        let all = [None; 4];
        check(
            &all,
            vec![edge(0, 1, 0, Forward), edge(1, 2, 0, Hash(vec![0])), edge(2, 3, 0, Forward)],
            &[&[0, 1], &[2, 3]],
        );
        // One source with two consumers: a tree in one task.
        check(
            &all,
            vec![edge(0, 1, 0, Forward), edge(0, 2, 0, Forward), edge(2, 3, 0, Forward)],
            &[&[0, 1, 2, 3]],
        );
        // Two inputs are never chained.
        check(
            &all,
            vec![edge(0, 2, 0, Forward), edge(1, 2, 1, Forward), edge(2, 3, 0, Forward)],
            &[&[0], &[1], &[2, 3]],
        );
        // Nor is another parallelism.
        check(
            &[None, Some(1), None, None],
            vec![edge(0, 1, 0, Forward), edge(1, 2, 0, Forward), edge(2, 3, 0, Forward)],
            &[&[0], &[1], &[2, 3]],
        );
    }
}
