//! One attempt of a job: its threads and the channels between them.

use std::collections::{BTreeSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, unbounded};
use millrace_dataflow::graph::{self, Edge, Exchange, Operator as GraphOperator};
use millrace_dataflow::sink::WriterContext;
use millrace_dataflow::source::TaskContext;
use millrace_dataflow::{Message, Schema, Watermark};
use millrace_state::LoadedSnapshot;

use crate::alignment::{Aligner, AlignmentGroups};
use crate::backend::Backend;
use crate::chain::{Body, Chain, ChainNode};
use crate::channel::{self, Inbox};
use crate::debloat::Debloater;
use crate::error::{TaskError, TaskStop};
use crate::exchange::OutputEdge;
use crate::gate::{InputChannel, InputGate};
use crate::in_flight::{self, Receiving};
use crate::job::JobSpec;
use crate::lookup::{FullTable, LookupTables};
use crate::memory::{Account, StateMemory};
use crate::metrics::{OperatorMetrics, SubtaskMetrics};
use crate::operator::Operator;
use crate::operators::lookup_join::{Asked, AskedJoin, FullJoin};
use crate::restored_state;
use crate::sink_node::SinkNode;
use crate::source_coordinator::{Commands, SourceCoordinator};
use crate::source_task::{Preparation, ReadState, SourceTask};
use crate::split_watermarks::{Lead, SplitWatermarks};
use crate::task::{self, SourceCommand, TaskDriver, TaskEnvironment, TaskEvent, TaskId};
use crate::topology::{Topology, is_connected};
use crate::view::TaskStatus;
use crate::wake::Wake;

/// What the channels into one subtask may hold together, in bytes: enough to keep both
/// ends busy, little enough that a barrier does not wait long behind it.
const INPUT_BYTES: usize = 4 * 1024 * 1024;
/// Of that each channel has this much at least.
const LEAST_CHANNEL_BYTES: usize = 64 * 1024;

/// What an attempt starts from.
pub struct AttemptSpec {
    pub spec: Arc<JobSpec>,
    pub topology: Arc<Topology>,
    pub max_parallelism: u16,
    /// In the names that writers give.
    pub writer_attempt: u32,
    pub restored: Option<Arc<LoadedSnapshot>>,
    pub backend: Arc<Backend>,
    pub lookups: LookupTables,
}

/// The running threads. Dropping it without [`Execution::cancel`] leaves them to end
/// by themselves.
pub struct Execution {
    pub events: Receiver<TaskEvent>,
    pub sources: Vec<SourceCoordinator>,
    pub tasks: Vec<TaskId>,
    /// Per chain, per subtask.
    pub metrics: Vec<Vec<Arc<SubtaskMetrics>>>,
    /// Keeps the events' channel open when all tasks have ended.
    _events: Sender<TaskEvent>,
    wakes: Vec<Arc<Wake>>,
    threads: Vec<JoinHandle<()>>,
}

/// The channel ends of one task.
struct Wiring {
    wake: Arc<Wake>,
    inbox: Arc<Inbox>,
    inputs: Vec<InputChannel>,
    /// Node and edge.
    outputs: Vec<(usize, OutputEdge)>,
    source: Option<SourceWiring>,
}

impl Default for Wiring {
    fn default() -> Wiring {
        let wake = Wake::shared();
        let inbox = Inbox::new(Arc::clone(&wake));
        Wiring { wake, inbox, inputs: vec![], outputs: vec![], source: None }
    }
}

/// What a source's subtask shares with others.
struct SourceWiring {
    commands: Receiver<SourceCommand>,
    lead: Lead,
    groups: AlignmentGroups,
}

impl Execution {
    /// # Errors
    /// A source's enumerator cannot be made.
    pub fn start(attempt: AttemptSpec, now_ms: i64) -> Result<Execution, TaskError> {
        let attempt = Arc::new(attempt);
        let (event_sender, events) = unbounded();
        let mut wirings = wire(&attempt);
        let mut sources = coordinate_sources(&attempt, &mut wirings)?;
        for source in &mut sources {
            // The first splits are there before the readers ask.
            source
                .discover_when_due(now_ms)
                .map_err(|error| TaskError::from_error(&source.name, &error))?;
        }
        let mut execution = Execution {
            events,
            sources,
            tasks: vec![],
            metrics: vec![],
            _events: event_sender.clone(),
            wakes: vec![],
            threads: vec![],
        };
        let memory = state_memory(&attempt);
        for (chain, wirings) in wirings.into_iter().enumerate() {
            execution.metrics.push(vec![]);
            for (subtask, wiring) in wirings.into_iter().enumerate() {
                let id = TaskId { chain, subtask: subtask as u16 };
                let metrics = SubtaskMetrics::shared();
                let environment = TaskEnvironment {
                    id,
                    subtask: id.subtask,
                    parallelism: attempt.topology.chains[chain].parallelism,
                    max_parallelism: attempt.max_parallelism,
                    clock: Arc::clone(&attempt.spec.clock),
                    wake: Arc::clone(&wiring.wake),
                    metrics: Arc::clone(&metrics),
                    memory: Arc::clone(&memory),
                    events: event_sender.clone(),
                    linger_ns: attempt.spec.settings.linger_ns,
                };
                execution.tasks.push(id);
                execution.wakes.push(Arc::clone(&wiring.wake));
                execution.metrics[chain].push(metrics);
                execution.threads.push(spawn(Arc::clone(&attempt), environment, wiring));
            }
        }
        Ok(execution)
    }

    /// Ends every thread and waits for it.
    pub fn cancel(&mut self) {
        self.sources.clear();
        self.wakes.iter().for_each(|wake| wake.cancel());
        for thread in std::mem::take(&mut self.threads) {
            let _ = thread.join();
        }
    }
}

impl Drop for Execution {
    fn drop(&mut self) {
        self.wakes.iter().for_each(|wake| wake.cancel());
    }
}

/// The accounts of the attempt, with room for as many page stores as operators with
/// state may have.
fn state_memory(attempt: &AttemptSpec) -> Arc<StateMemory> {
    let nodes =
        attempt.spec.graph.nodes.iter().enumerate().filter(|(_, node)| node.state.is_some());
    let subtasks = nodes.map(|(index, _)| u64::from(attempt.topology.parallelism_of(index)));
    let stores = if attempt.backend.has_pages() { subtasks.sum() } else { 0 };
    StateMemory::with_stores(attempt.spec.memory, stores, attempt.backend.store_bytes() as u64)
}

fn wire(attempt: &AttemptSpec) -> Vec<Vec<Wiring>> {
    let (graph, topology) = (&attempt.spec.graph, &attempt.topology);
    let mut wirings: Vec<Vec<Wiring>> = topology
        .chains
        .iter()
        .map(|chain| (0..chain.parallelism).map(|_| Wiring::default()).collect())
        .collect();
    for (index, edge) in graph.edges.iter().enumerate() {
        if !topology.is_chained(edge) {
            wire_edge(attempt, index, &mut wirings);
        }
    }
    wirings
}

fn wire_edge(attempt: &AttemptSpec, index: usize, wirings: &mut [Vec<Wiring>]) {
    let (topology, edge) = (&attempt.topology, &attempt.spec.graph.edges[index]);
    let parallelisms = (topology.parallelism_of(edge.from), topology.parallelism_of(edge.to));
    // No other subtask could take the rows of a forward edge (Flink: as well).
    let overtakes = edge.exchange != Exchange::Forward;
    let limit = (INPUT_BYTES / usize::from(parallelisms.0).max(1))
        .clamp(LEAST_CHANNEL_BYTES, channel::LIMIT);
    for from in 0..parallelisms.0 {
        let wake = Arc::clone(&wirings[topology.chain_of[edge.from]][usize::from(from)].wake);
        let mut senders = vec![];
        for to in (0..parallelisms.1).filter(|to| is_connected(edge, parallelisms, from, *to)) {
            let target = &mut wirings[topology.chain_of[edge.to]][usize::from(to)];
            let inbox = Arc::clone(&target.inbox);
            let (sender, receiver) = channel::channel(Arc::clone(&wake), inbox, limit);
            senders.push(sender);
            let (input, edge) = (edge.input, index);
            target.inputs.push(InputChannel { input, edge, from, overtakes, receiver });
        }
        let output = OutputEdge::new(
            edge.exchange.clone(),
            senders,
            attempt.max_parallelism,
            usize::from(from),
        );
        let source = &mut wirings[topology.chain_of[edge.from]][usize::from(from)];
        source.outputs.push((edge.from, output));
    }
}

/// What a restored checkpoint had in flight to this subtask, by channel.
fn backlog(
    attempt: &AttemptSpec,
    environment: &TaskEnvironment,
    inputs: &[InputChannel],
) -> Result<VecDeque<(usize, Message)>, TaskError> {
    let mut backlog = VecDeque::new();
    let Some(snapshot) = &attempt.restored else { return Ok(backlog) };
    let (graph, topology) = (&attempt.spec.graph, &attempt.topology);
    let edges: BTreeSet<usize> = inputs.iter().map(|input| input.edge).collect();
    for index in edges {
        let edge = &graph.edges[index];
        let place = Receiving {
            subtask: environment.subtask,
            parallelism: (topology.parallelism_of(edge.from), topology.parallelism_of(edge.to)),
            max_parallelism: attempt.max_parallelism,
        };
        for (from, message) in in_flight::restored(snapshot, graph, edge, place)? {
            let channel = inputs.iter().position(|i| i.edge == index && i.from == from);
            backlog.extend(channel.map(|channel| (channel, message)));
        }
    }
    Ok(backlog)
}

fn coordinate_sources(
    attempt: &AttemptSpec,
    wirings: &mut [Vec<Wiring>],
) -> Result<Vec<SourceCoordinator>, TaskError> {
    let (mut sources, groups) = (vec![], AlignmentGroups::default());
    for (node, source) in &attempt.spec.connections.sources {
        let chain = attempt.topology.chain_of[*node];
        let (mut commands, lead) = (vec![], Lead::default());
        for wiring in &mut wirings[chain] {
            // Bounded by its use: splits on demand, or each split once; one barrier.
            let (sender, receiver) = unbounded();
            commands.push(Commands { sender, wake: Arc::clone(&wiring.wake) });
            let (lead, groups) = (lead.clone(), groups.clone());
            wiring.source = Some(SourceWiring { commands: receiver, lead, groups });
        }
        let graph_node = &attempt.spec.graph.nodes[*node];
        let restored = attempt
            .restored
            .as_ref()
            .and_then(|snapshot| snapshot.operator(&graph_node.id))
            .and_then(|state| state.source.as_ref());
        let place = (*node, graph_node.name.clone(), chain);
        let coordinator = SourceCoordinator::new(place, source.as_ref(), restored, commands)
            .map_err(|error| TaskError::from_error(&graph_node.name, &error))?;
        sources.push(coordinator);
    }
    Ok(sources)
}

fn spawn(
    attempt: Arc<AttemptSpec>,
    environment: TaskEnvironment,
    wiring: Wiring,
) -> JoinHandle<()> {
    let name = format!("task-{}-{}", environment.id.chain, environment.subtask);
    let body = move || {
        let result = catch_unwind(AssertUnwindSafe(|| {
            environment.metrics.set_status(TaskStatus::Initializing);
            let driver = build(&attempt, &environment, wiring)?;
            // What was restored need not stay in memory while the job runs.
            drop(attempt);
            task::run(driver, &environment)
        }));
        end(&environment, result.unwrap_or_else(|panic| Err(panicked(panic.as_ref()))));
    };
    std::thread::Builder::new()
        .name(name)
        .spawn(body)
        .expect("the system has room for one more thread")
}

fn end(environment: &TaskEnvironment, result: Result<(), TaskStop>) {
    let task = environment.id;
    let (status, event) = match result {
        Ok(()) => (TaskStatus::Finished, Some(TaskEvent::Ended(task))),
        Err(TaskStop::Cancelled) => (TaskStatus::Canceled, None),
        Err(TaskStop::Failed(error)) => {
            (TaskStatus::Failed, Some(TaskEvent::Failed { task, error }))
        }
    };
    environment.metrics.set_status(status);
    environment.metrics.end(environment.clock.monotonic_ns());
    if let Some(event) = event {
        // The coordinator may be gone already.
        let _ = environment.events.send(event);
    }
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> TaskStop {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    TaskStop::Failed(TaskError::new("task", format!("internal error, please report it: {text}")))
}

fn build(
    attempt: &AttemptSpec,
    environment: &TaskEnvironment,
    wiring: Wiring,
) -> Result<TaskDriver, TaskStop> {
    let nodes = &attempt.topology.chains[environment.id.chain].nodes;
    let mut outputs = wiring.outputs;
    let mut chain_nodes = Vec::with_capacity(nodes.len());
    for node in nodes {
        let (own, others) = outputs.into_iter().partition(|(from, _)| from == node);
        outputs = others;
        let edges: Vec<(usize, OutputEdge)> = own;
        let (body, account) = build_body(attempt, environment, *node)?;
        let metrics = OperatorMetrics::shared(&attempt.spec.graph.nodes[*node].name);
        if let Body::Operator(operator) = &body {
            metrics.looks_up(operator.lookup_metrics());
        }
        chain_nodes.push(ChainNode {
            node: *node,
            name: attempt.spec.graph.nodes[*node].name.clone(),
            body,
            account,
            metrics,
            watermark: Watermark::MIN,
            passed: Watermark::MIN,
            children: children(attempt, nodes, *node),
            outputs: edges.into_iter().map(|(_, edge)| edge).collect(),
        });
    }
    let chain = Chain::new(chain_nodes, environment.clone());
    match wiring.source {
        Some(shared) => {
            let source = build_source(attempt, environment, nodes[0], shared, chain)?;
            Ok(TaskDriver::Source(Box::new(source)))
        }
        None => {
            let backlog = backlog(attempt, environment, &wiring.inputs)?;
            let most = wiring.inputs.iter().map(|input| input.receiver.limit()).max();
            let debloater = Debloater::new(
                attempt.spec.settings.debloat,
                most.unwrap_or(channel::LIMIT),
                environment.clock.monotonic_ns(),
            );
            let gate = InputGate::new(wiring.inputs, wiring.inbox, backlog, debloater);
            Ok(TaskDriver::Gate(Box::new(gate), chain))
        }
    }
}

/// Positions in the chain that `node` calls.
fn children(attempt: &AttemptSpec, nodes: &[usize], node: usize) -> Vec<usize> {
    let edges = attempt.spec.graph.edges.iter();
    edges
        .filter(|edge| edge.from == node && edge.exchange == Exchange::Forward)
        .filter(|edge| attempt.topology.is_chained(edge))
        .filter_map(|edge| nodes.iter().position(|other| *other == edge.to))
        .collect()
}

fn build_body(
    attempt: &AttemptSpec,
    environment: &TaskEnvironment,
    index: usize,
) -> Result<(Body, Option<Arc<Account>>), TaskStop> {
    let node = &attempt.spec.graph.nodes[index];
    let body = match &node.operator {
        GraphOperator::Source(_) | GraphOperator::Values { .. } => Body::Head,
        GraphOperator::Collect => Body::Collect(Arc::clone(&attempt.spec.on_rows)),
        GraphOperator::Sink(_) => Body::Sink(Box::new(build_sink(attempt, environment, index)?)),
        _ => {
            let (operator, account) = build_operator(attempt, environment, index)?;
            return Ok((Body::Operator(operator), Some(account)));
        }
    };
    Ok((body, None))
}

fn build_operator(
    attempt: &AttemptSpec,
    environment: &TaskEnvironment,
    index: usize,
) -> Result<(Box<dyn Operator>, Arc<Account>), TaskStop> {
    let node = &attempt.spec.graph.nodes[index];
    let inputs = input_schemas(attempt, index);
    let mut operator = match &node.operator {
        GraphOperator::LookupJoin(join) => {
            let input = inputs.first().cloned().unwrap_or_default();
            build_lookup(attempt, environment, index, join, &input)?
        }
        _ => (attempt.spec.create_operator)(node, &inputs)
            .map_err(|error| TaskError::from_operator(&node.name, &error))?,
    };
    let keeps_pages = attempt.backend.has_pages() && operator.keeps_pages();
    let account = environment.memory.open(&node.name, keeps_pages);
    operator.account_for(&account);
    restored_state::restore(attempt, environment, index, operator.as_mut())?;
    Ok((operator, account))
}

fn build_lookup(
    attempt: &AttemptSpec,
    environment: &TaskEnvironment,
    index: usize,
    join: &graph::LookupJoin,
    input: &Schema,
) -> Result<Box<dyn Operator>, TaskStop> {
    let node = &attempt.spec.graph.nodes[index];
    if let Some(source) = attempt.spec.connections.lookups.get(&index) {
        let (source, clock) = (Arc::clone(source), Arc::clone(&environment.clock));
        let asked = Asked { source, clock, wake: Arc::clone(&environment.wake) };
        return Ok(Box::new(AskedJoin::new(join, input, &node.output, &node.name, &asked)));
    }
    let table = lookup_table(attempt, environment, index, join)?;
    Ok(Box::new(FullJoin::new(join, input, &node.output, &node.name, table)))
}

/// The table of a lookup join, once it was read.
fn lookup_table(
    attempt: &AttemptSpec,
    environment: &TaskEnvironment,
    index: usize,
    join: &graph::LookupJoin,
) -> Result<Arc<FullTable>, TaskStop> {
    let name = &attempt.spec.graph.nodes[index].name;
    let source = attempt.spec.connections.sources_of_lookups.get(&index);
    let source = source.ok_or_else(|| TaskError::new(name, "its table was not opened"))?;
    let table = attempt.lookups.table(index, || {
        let clock = Arc::clone(&environment.clock);
        FullTable::new(name, Arc::clone(source), join, clock, &environment.memory)
    });
    table.ready(&|| environment.wake.is_cancelled())?;
    Ok(table)
}

fn input_schemas(attempt: &AttemptSpec, index: usize) -> Vec<Schema> {
    let mut edges: Vec<&Edge> =
        attempt.spec.graph.edges.iter().filter(|edge| edge.to == index).collect();
    edges.sort_by_key(|edge| edge.input);
    edges.iter().map(|edge| attempt.spec.graph.nodes[edge.from].output.clone()).collect()
}

fn build_sink(
    attempt: &AttemptSpec,
    environment: &TaskEnvironment,
    index: usize,
) -> Result<SinkNode, TaskStop> {
    let node = &attempt.spec.graph.nodes[index];
    let GraphOperator::Sink(operator) = &node.operator else {
        return Err(TaskError::new(&node.name, "it is no sink").into());
    };
    let sink = attempt.spec.connections.sinks.get(&index);
    let sink = sink.ok_or_else(|| TaskError::new(&node.name, "its table was not opened"))?;
    let restored = attempt.restored.as_ref();
    let states: Vec<serde_json::Value> = restored
        .and_then(|snapshot| snapshot.operator(&node.id)?.sink.as_ref())
        .map(|sink| share(&sink.writers, environment))
        .unwrap_or_default();
    let ctx = WriterContext {
        task: TaskContext { subtask: environment.subtask, parallelism: environment.parallelism },
        generation: attempt.spec.generation,
        attempt: attempt.writer_attempt,
        restored: restored.map(|snapshot| snapshot.manifest.checkpoint),
    };
    let writer = sink
        .create_writer(ctx, &states)
        .map_err(|error| TaskError::from_error(&node.name, &error))?;
    let columns = input_schemas(attempt, index).into_iter().next().unwrap_or_default();
    Ok(SinkNode::new(node.name.clone(), operator.clone(), columns, writer))
}

/// Every `parallelism`-th, starting with the subtask's own number (row H5.11).
fn share(values: &[serde_json::Value], environment: &TaskEnvironment) -> Vec<serde_json::Value> {
    let (first, step) = (usize::from(environment.subtask), usize::from(environment.parallelism));
    values.iter().skip(first).step_by(step).cloned().collect()
}

fn build_source(
    attempt: &AttemptSpec,
    environment: &TaskEnvironment,
    index: usize,
    shared: SourceWiring,
    chain: Chain,
) -> Result<SourceTask, TaskStop> {
    let node = &attempt.spec.graph.nodes[index];
    let source = attempt.spec.connections.sources.get(&index);
    let source = source.ok_or_else(|| TaskError::new(&node.name, "its table was not opened"))?;
    let (compute, watermark, watermark_step_ms) = match &node.operator {
        GraphOperator::Source(source) => {
            (source.compute.clone(), source.watermark.clone(), source.watermark_step_ms)
        }
        _ => (None, None, None),
    };
    let task = TaskContext { subtask: environment.subtask, parallelism: environment.parallelism };
    let reader =
        source.create_reader(task).map_err(|error| TaskError::from_error(&node.name, &error))?;
    let restored = attempt
        .restored
        .as_ref()
        .and_then(|snapshot| snapshot.operator(&node.id)?.source.as_ref()?.watermark_ms);
    let aligner =
        watermark.as_ref().and_then(|spec| spec.alignment.clone()).map(|config| Aligner {
            groups: shared.groups,
            member: (index, environment.subtask),
            config,
            next_look_ms: i64::MIN,
        });
    let idle_timeout = watermark.as_ref().and_then(|spec| spec.idle_timeout_ms);
    Ok(SourceTask {
        node: index,
        reader,
        assignment: source.assignment(),
        preparation: Preparation {
            name: node.name.clone(),
            compute,
            watermark,
            watermark_step_ms,
            output: node.output.to_arrow(),
        },
        watermarks: SplitWatermarks::new(
            (environment.subtask, shared.lead),
            idle_timeout,
            restored,
        ),
        watermark_interval_ms: attempt.spec.settings.watermark_interval_ms,
        aligner,
        commands: shared.commands,
        chain,
        environment: environment.clone(),
        state: ReadState::default(),
    })
}
