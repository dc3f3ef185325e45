package millrace.bench;

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.table.api.TableResult;

/**
 * Runs SQL scripts one after another in one JVM, in a cluster inside it, and prints for each
 * one line: wall milliseconds, CPU milliseconds of the process, its greatest resident size in
 * KB. Arguments: a file of settings (key: value), then scripts; all but the last warm up.
 */
public final class Bench {
    public static void main(String[] arguments) throws Exception {
        Configuration settings = new Configuration();
        for (String line : Files.readAllLines(Path.of(arguments[0]))) {
            String[] pair = line.split(": ", 2);
            if (pair.length == 2) settings.setString(pair[0], pair[1]);
        }
        OperatingSystemMXBean process =
            (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        for (int at = 1; at < arguments.length; at++) {
            long cpu = process.getProcessCpuTime(), wall = System.nanoTime();
            run(settings, Files.readString(Path.of(arguments[at])));
            System.out.println("measured " + (System.nanoTime() - wall) / 1_000_000 + " "
                + (process.getProcessCpuTime() - cpu) / 1_000_000 + " " + peakKb());
        }
        System.exit(0);
    }

    private static void run(Configuration settings, String script) throws Exception {
        TableEnvironment tables = TableEnvironment.create(EnvironmentSettings.newInstance()
            .inStreamingMode().withConfiguration(settings).build());
        TableResult last = null;
        for (String statement : script.split(";\\s*\\n")) {
            if (!statement.isBlank()) last = tables.executeSql(statement);
        }
        last.await();
    }

    private static long peakKb() throws Exception {
        List<String> status = Files.readAllLines(Path.of("/proc/self/status"));
        for (String line : status) {
            if (line.startsWith("VmHWM:")) return Long.parseLong(line.replaceAll("\\D", ""));
        }
        return 0;
    }
}
