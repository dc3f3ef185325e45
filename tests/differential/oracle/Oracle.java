import java.math.BigDecimal;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.table.api.TableResult;
import org.apache.flink.types.Row;
import org.apache.flink.util.CloseableIterator;

/**
 * Runs SQL scripts on Apache Flink, many in one JVM: PATIENCE_SECONDS, then PARALLELISM FILE for
 * each. For each FILE it writes FILE.rows, the changelog of the script's last statement as
 * {"op":"+I","row":{...}} lines (of an INSERT: nothing), or FILE.error. Statements end with ";"
 * at the end of a line.
 */
public final class Oracle {
    private static final Pattern SET = Pattern.compile("\\s*SET\\s+'([^']*)'\\s*=\\s*'([^']*)'\\s*");

    public static void main(String[] arguments) throws Exception {
        long patience = Long.parseLong(arguments[0]);
        ExecutorService threads = Executors.newCachedThreadPool();
        for (int i = 1; i < arguments.length; i += 2) {
            String parallelism = arguments[i];
            String file = arguments[i + 1];
            Future<List<String>> rows =
                threads.submit(() -> rows(Files.readString(Path.of(file)), parallelism));
            try {
                Files.write(Path.of(file + ".rows"), rows.get(patience, TimeUnit.SECONDS));
            } catch (TimeoutException late) {
                rows.cancel(true);
                Files.writeString(Path.of(file + ".error"), "timeout");
            } catch (Throwable failure) {
                Throwable cause = failure;
                while (cause.getCause() != null) cause = cause.getCause();
                Files.writeString(Path.of(file + ".error"), String.valueOf(cause));
            }
        }
        System.exit(0);
    }

    private static List<String> rows(String script, String parallelism) throws Exception {
        Configuration settings = new Configuration();
        settings.setString("parallelism.default", parallelism);
        settings.setString("table.local-time-zone", "UTC");
        settings.setString("pipeline.auto-watermark-interval", "0");
        TableEnvironment tables = TableEnvironment.create(
            EnvironmentSettings.newInstance().inStreamingMode().withConfiguration(settings).build());
        TableResult last = null;
        for (String statement : script.split(";\\s*\\n")) {
            Matcher set = SET.matcher(statement);
            if (set.matches()) tables.getConfig().set(set.group(1), set.group(2));
            else if (!statement.isBlank()) last = tables.executeSql(statement);
        }
        List<String> lines = new ArrayList<>();
        if (script.contains("INSERT INTO")) {
            last.await();
            return lines;
        }
        List<String> names = last.getResolvedSchema().getColumnNames();
        try (CloseableIterator<Row> all = last.collect()) {
            while (all.hasNext()) lines.add(line(names, all.next()));
        }
        return lines;
    }

    private static String line(List<String> names, Row row) {
        StringBuilder text = new StringBuilder("{\"op\":\"" + row.getKind().shortString() + "\",\"row\":{");
        for (int i = 0; i < names.size(); i++) {
            if (i > 0) text.append(',');
            text.append(quoted(names.get(i))).append(':').append(value(row.getField(i)));
        }
        return text.append("}}").toString();
    }

    private static String value(Object value) {
        if (value instanceof BigDecimal) return ((BigDecimal) value).toPlainString();
        if (value == null || value instanceof Number || value instanceof Boolean) return String.valueOf(value);
        if (value instanceof String) return quoted((String) value);
        throw new IllegalArgumentException("cast this column to STRING in the script: " + value.getClass());
    }

    private static String quoted(String text) {
        return '"' + text.replace("\\", "\\\\").replace("\"", "\\\"") + '"';
    }
}
