package millrace.bench;

import java.util.Set;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ConfigOptions;
import org.apache.flink.configuration.ReadableConfig;
import org.apache.flink.table.connector.ChangelogMode;
import org.apache.flink.table.connector.source.DynamicTableSource;
import org.apache.flink.table.connector.source.ScanTableSource;
import org.apache.flink.table.connector.source.SourceFunctionProvider;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.factories.DynamicTableSourceFactory;
import org.apache.flink.table.factories.FactoryUtil;
import org.apache.flink.table.types.DataType;

/** 'connector' = 'nexmark', with those options of our connector that the benchmark uses. */
public final class NexmarkFactory implements DynamicTableSourceFactory {
    private static final ConfigOption<Long> EVENTS =
        ConfigOptions.key("events.num").longType().noDefaultValue();
    private static final ConfigOption<Long> RATE =
        ConfigOptions.key("first-event.rate").longType().defaultValue(10_000L);
    private static final ConfigOption<Long> NEXT_RATE =
        ConfigOptions.key("next-event.rate").longType().defaultValue(10_000L);
    private static final ConfigOption<Long> BASE =
        ConfigOptions.key("base-time").longType().noDefaultValue();
    private static final ConfigOption<Boolean> UNTHROTTLED =
        ConfigOptions.key("max-emit-speed").booleanType().defaultValue(false);

    @Override
    public String factoryIdentifier() {
        return "nexmark";
    }

    @Override
    public Set<ConfigOption<?>> requiredOptions() {
        return Set.of(EVENTS, BASE);
    }

    @Override
    public Set<ConfigOption<?>> optionalOptions() {
        return Set.of(RATE, NEXT_RATE, UNTHROTTLED);
    }

    @Override
    public DynamicTableSource createDynamicTableSource(Context context) {
        FactoryUtil.TableFactoryHelper helper = FactoryUtil.createTableFactoryHelper(this, context);
        helper.validate();
        ReadableConfig options = helper.getOptions();
        Events events = new Events(options.get(RATE), options.get(BASE));
        return new Table(events, options.get(EVENTS), context.getPhysicalRowDataType());
    }

    private static final class Table implements ScanTableSource {
        private final Events events;
        private final long count;
        private final DataType type;

        Table(Events events, long count, DataType type) {
            this.events = events;
            this.count = count;
            this.type = type;
        }

        @Override
        public ChangelogMode getChangelogMode() {
            return ChangelogMode.insertOnly();
        }

        @Override
        public ScanRuntimeProvider getScanRuntimeProvider(ScanContext context) {
            TypeInformation<RowData> rows = context.createTypeInformation(type);
            return SourceFunctionProvider.of(new NexmarkSource(events, count, rows), true);
        }

        @Override
        public DynamicTableSource copy() {
            return new Table(events, count, type);
        }

        @Override
        public String asSummaryString() {
            return "nexmark";
        }
    }
}
