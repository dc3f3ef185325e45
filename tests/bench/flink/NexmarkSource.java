package millrace.bench;

import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.java.typeutils.ResultTypeQueryable;
import org.apache.flink.runtime.state.FunctionInitializationContext;
import org.apache.flink.runtime.state.FunctionSnapshotContext;
import org.apache.flink.streaming.api.checkpoint.CheckpointedFunction;
import org.apache.flink.streaming.api.functions.source.RichParallelSourceFunction;
import org.apache.flink.table.data.RowData;

/** Numbers are dealt out to subtasks in blocks, as our connector does. */
final class NexmarkSource extends RichParallelSourceFunction<RowData>
        implements CheckpointedFunction, ResultTypeQueryable<RowData> {
    private static final int BLOCK = 1024;

    private final Events events;
    private final long count;
    private final TypeInformation<RowData> type;
    private transient ListState<Long> saved;
    private transient long next;
    private volatile boolean running = true;

    NexmarkSource(Events events, long count, TypeInformation<RowData> type) {
        this.events = events;
        this.count = count;
        this.type = type;
    }

    @Override
    public void run(SourceContext<RowData> context) {
        long stride = (long) BLOCK * (getRuntimeContext().getNumberOfParallelSubtasks() - 1);
        while (running && next < count) {
            RowData row = events.row(next);
            synchronized (context.getCheckpointLock()) {
                context.collect(row);
                next++;
                if (next % BLOCK == 0) next += stride;
            }
        }
    }

    @Override
    public void cancel() {
        running = false;
    }

    @Override
    public void initializeState(FunctionInitializationContext context) throws Exception {
        saved = context.getOperatorStateStore().getListState(
            new ListStateDescriptor<>("next", Long.class));
        next = (long) BLOCK * getRuntimeContext().getIndexOfThisSubtask();
        for (long position : saved.get()) next = position;
    }

    @Override
    public void snapshotState(FunctionSnapshotContext context) throws Exception {
        saved.clear();
        saved.add(next);
    }

    @Override
    public TypeInformation<RowData> getProducedType() {
        return type;
    }
}
