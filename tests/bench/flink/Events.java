package millrace.bench;

import java.io.Serializable;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.data.TimestampData;

/**
 * The events of our own nexmark connector (engine/connectors/src/nexmark), number for number:
 * the same draws from the same seeds, so that both engines get the same rows.
 */
final class Events implements Serializable {
    private static final long SEED = 0x6d696c6c72616365L;
    private static final long CHANNEL_SEED = 0x6e65786d61726b00L;
    private static final long GAMMA = 0x9e3779b97f4a7c15L;
    private static final int COLD_CHANNELS = 10_000;
    private static final int PERSONS = 1, AUCTIONS = 3, TOTAL = 50;
    private static final String[] STATES = {"AZ", "CA", "ID", "OR", "WA", "WY"};
    private static final String[] CITIES = {"Phoenix", "Los Angeles", "San Francisco", "Boise",
        "Portland", "Bend", "Redmond", "Seattle", "Kent", "Cheyenne"};
    private static final String[] FIRST_NAMES = {"Peter", "Paul", "Luke", "John", "Saul", "Vicky",
        "Kate", "Julie", "Sarah", "Deiter", "Walter"};
    private static final String[] LAST_NAMES = {"Shultz", "Abrams", "Spencer", "White", "Bartels",
        "Walton", "Smith", "Jones", "Noris"};

    private final long rate;
    private final long baseMs;
    private transient StringData[] channels;
    private transient StringData[] urls;
    private transient byte[] buffer;
    private transient int length;
    private transient long dice;

    Events(long rate, long baseMs) {
        this.rate = rate;
        this.baseMs = baseMs;
    }

    /** Columns of one row: event_type, person, auction, bid. */
    RowData row(long number) {
        int place = (int) (number % TOTAL);
        GenericRowData row = new GenericRowData(4);
        if (place < PERSONS) {
            row.setField(0, 0);
            row.setField(1, person(number));
        } else if (place < PERSONS + AUCTIONS) {
            row.setField(0, 1);
            row.setField(2, auction(number));
        } else {
            row.setField(0, 2);
            row.setField(3, bid(number));
        }
        return row;
    }

    private long timeMs(long number) {
        return baseMs + number * 1000 / rate;
    }

    private static long lastPerson(long number) {
        return number / TOTAL * PERSONS + Math.min(number % TOTAL, PERSONS - 1);
    }

    private static long lastAuction(long number) {
        long begun = Math.max(-1, Math.min(AUCTIONS - 1, number % TOTAL - PERSONS));
        return Math.max(0, number / TOTAL * AUCTIONS + begun);
    }

    private long anyPerson(long number) {
        long people = lastPerson(number) + 1;
        long active = Math.min(people, 1000);
        return people - active + below(active + 10);
    }

    private long anyAuction(long number) {
        long last = lastAuction(number);
        long first = Math.max(0, last - 100);
        return first + below(last - first + 11);
    }

    private GenericRowData person(long number) {
        begin(number);
        String name = FIRST_NAMES[(int) below(11)] + " " + LAST_NAMES[(int) below(9)];
        word(7, (byte) ' ');
        String email = taken() + "@";
        word(5, (byte) ' ');
        email += taken() + ".com";
        String card = digits() + " " + digits() + " " + digits() + " " + digits();
        String city = CITIES[(int) below(10)];
        String state = STATES[(int) below(6)];
        letters(extra(8 + name.length() + email.length() + card.length() + city.length()
            + state.length(), 200));
        return GenericRowData.of(lastPerson(number) + 1000, StringData.fromString(name),
            StringData.fromString(email), StringData.fromString(card), StringData.fromString(city),
            StringData.fromString(state), TimestampData.fromEpochMillis(timeMs(number)), text());
    }

    private String digits() {
        return String.valueOf(10_000 + below(10_000)).substring(1);
    }

    private GenericRowData auction(long number) {
        begin(number);
        long seller =
            below(4) > 0 ? lastPerson(number) / 100 * 100 : anyPerson(number);
        long category = 10 + below(5);
        long initial = price();
        long reserve = initial + price();
        long now = number * 1000 / rate;
        long horizon = (number + 100L * TOTAL / AUCTIONS) * 1000 / rate - now;
        long expires = baseMs + now + 1 + below(Math.max(1, horizon * 2));
        word(20, (byte) ' ');
        StringData item = text();
        word(100, (byte) ' ');
        StringData description = text();
        letters(extra(48 + item.toBytes().length + description.toBytes().length, 500));
        return GenericRowData.of(lastAuction(number) + 1000, item, description, initial, reserve,
            TimestampData.fromEpochMillis(timeMs(number)), TimestampData.fromEpochMillis(expires),
            seller + 1000, category, text());
    }

    private GenericRowData bid(long number) {
        begin(number);
        long auction = below(2) > 0 ? lastAuction(number) / 100 * 100 : anyAuction(number);
        long bidder = below(4) > 0 ? lastPerson(number) / 100 * 100 + 1 : anyPerson(number);
        long price = price();
        long random = next();
        int channel = (random & 1) == 1
            ? (int) (random >>> 1 & 3) : 4 + (int) below(COLD_CHANNELS);
        letters(extra(32, 100));
        return GenericRowData.of(auction + 1000, bidder + 1000, price, channels[channel],
            urls[channel], TimestampData.fromEpochMillis(timeMs(number)), text());
    }

    private static final int STEPS = 1024;
    private static final double[] POWERS = new double[STEPS];

    static {
        for (int at = 0; at < STEPS; at++) POWERS[at] = Math.pow(10, at * 6.0 / STEPS);
    }

    private long price() {
        double steps = (next() >>> 11) / (double) (1L << 53) * STEPS;
        int at = (int) steps;
        double rest = (steps - at) * (6.0 * 2.302585092994046 / STEPS);
        double factor = 1.0 + rest * (1.0 + rest * (0.5 + rest * (1.0 / 6.0)));
        return (long) (POWERS[Math.min(at, STEPS - 1)] * factor * 100.0 + 0.5);
    }

    private int extra(int size, int wished) {
        int missing = Math.max(0, wished - size);
        int delta = (2 * missing + 5) / 10;
        return missing - delta + (int) below(2L * delta);
    }

    private void begin(long number) {
        if (channels == null) makeChannels();
        dice = mix(SEED, number);
    }

    private long next() {
        dice += GAMMA;
        return scrambled(dice);
    }

    private static long scrambled(long value) {
        value = (value ^ value >>> 30) * 0xbf58476d1ce4e5b9L;
        value = (value ^ value >>> 27) * 0x94d049bb133111ebL;
        return value ^ value >>> 31;
    }

    private static long mix(long seed, long number) {
        return scrambled(seed + (number + 1) * GAMMA);
    }

    /** The high half of an unsigned product; the bound is never negative. */
    private long below(long bound) {
        long random = next();
        return Math.multiplyHigh(random, bound) + (random >> 63 & bound);
    }

    private void word(int most, byte blank) {
        length = 0;
        long wanted = 3 + below(most - 3);
        long random = 0;
        for (int at = 0; at < wanted; at++) {
            if (at % 4 == 0) random = next();
            long outcome = (random & 0xffff) * 338 >>> 16;
            random >>>= 16;
            byte character = outcome < 26 ? blank : (byte) ('a' + outcome % 26);
            if (character != ' ' || length > 0) buffer[length++] = character;
        }
        while (length > 0 && buffer[length - 1] == ' ') length--;
    }

    private void letters(int wanted) {
        length = 0;
        while (length < wanted) {
            long random = next();
            for (int at = 0; at < 8 && length < wanted; at++, random >>>= 8) {
                buffer[length++] = (byte) ('a' + ((random & 0xff) * 26 >>> 8));
            }
        }
    }

    private String taken() {
        return new String(buffer, 0, length, StandardCharsets.US_ASCII);
    }

    private StringData text() {
        return StringData.fromBytes(Arrays.copyOf(buffer, length));
    }

    private void makeChannels() {
        buffer = new byte[4096];
        channels = new StringData[4 + COLD_CHANNELS];
        urls = new StringData[4 + COLD_CHANNELS];
        String[] hot = {"Google", "Facebook", "Baidu", "Apple"};
        for (int at = 0; at < channels.length; at++) {
            boolean cold = at >= 4;
            int number = cold ? at - 4 : at + COLD_CHANNELS;
            dice = mix(CHANNEL_SEED, number);
            StringBuilder url = new StringBuilder("https://www.nexmark.com/");
            for (int part = 0; part < 3; part++) {
                word(5, (byte) '_');
                url.append(taken()).append('/');
            }
            url.append("item.htm?query=1");
            if (cold && below(10) > 0) {
                url.append("&channel_id=").append(Math.abs(Integer.reverse(number)));
            }
            channels[at] = StringData.fromString(cold ? "channel-" + number : hot[at]);
            urls[at] = StringData.fromString(url.toString());
        }
    }
}
