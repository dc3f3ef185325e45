//! The jobs: one for each kind of state, with results that do not depend on the order
//! in which subtasks run.

/// A job.
#[derive(Debug)]
pub struct Script {
    pub name: &'static str,
    /// Columns of the sink.
    pub columns: &'static str,
    /// After `INSERT INTO results`.
    pub query: &'static str,
}

impl Script {
    /// The whole text.
    pub fn text(&self) -> String {
        format!(
            "CREATE TABLE events ({EVENTS}) WITH ('connector' = 'sim');\n\
             CREATE TABLE others ({EVENTS}) WITH ('connector' = 'sim');\n\
             CREATE TABLE ordered ({EVENTS}) WITH ('connector' = 'sim');\n\
             {VIEWS}\n\
             CREATE TABLE results ({}) WITH ('connector' = 'sim');\n\
             INSERT INTO results {};\n",
            self.columns, self.query
        )
    }
}

/// Of all inputs. `id` and `ts` are unique, and no row is late. Those of `ordered` come in
/// order of time: an earlier version that comes after a later one is no version.
pub const EVENTS: &str = "id BIGINT, k INT, v BIGINT, s STRING, ts TIMESTAMP(3), \
     WATERMARK FOR ts AS ts - INTERVAL '3' SECOND";

const VIEWS: &str = "CREATE VIEW versions AS SELECT k, v, s, ts FROM (\
     SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts DESC) AS n FROM ordered) WHERE n = 1;";

pub const SCRIPTS: &[Script] = &[
    Script {
        name: "filter",
        columns: "id BIGINT, u STRING",
        query: "SELECT id, UPPER(s) FROM events WHERE MOD(v, 3) <> 0",
    },
    Script {
        name: "aggregate",
        columns: "k INT, n BIGINT, total BIGINT, least STRING, kinds BIGINT",
        query: "SELECT k, COUNT(*), SUM(v), MIN(s), COUNT(DISTINCT s) FROM events GROUP BY k",
    },
    Script {
        name: "aggregate of an aggregate",
        columns: "n BIGINT, ks BIGINT, greatest BIGINT",
        query: "SELECT n, COUNT(*), MAX(total) FROM (\
                SELECT k, s, COUNT(*) AS n, SUM(v) AS total FROM events GROUP BY k, s) GROUP BY n",
    },
    Script {
        name: "tumble",
        columns: "k INT, w TIMESTAMP(3), n BIGINT, total BIGINT",
        query: "SELECT k, window_end, COUNT(*), SUM(v) FROM TABLE(\
                TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '10' SECOND)) \
                GROUP BY k, window_start, window_end",
    },
    Script {
        name: "hop",
        columns: "k INT, w TIMESTAMP(3), kinds BIGINT, greatest BIGINT",
        query: "SELECT k, window_end, COUNT(DISTINCT s), MAX(v) FROM TABLE(\
                HOP(TABLE events, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '15' SECOND)) \
                GROUP BY k, window_start, window_end",
    },
    Script {
        name: "session",
        columns: "k INT, w TIMESTAMP(3), n BIGINT, total BIGINT",
        query: "SELECT k, SESSION_END(ts, INTERVAL '2' SECOND), COUNT(*), SUM(v) FROM events \
                GROUP BY k, SESSION(ts, INTERVAL '2' SECOND)",
    },
    Script {
        name: "window top",
        columns: "k INT, id BIGINT, v BIGINT, w TIMESTAMP(3), n BIGINT",
        query: "SELECT k, id, v, window_end, n FROM (SELECT *, ROW_NUMBER() OVER (\
                PARTITION BY window_start, window_end, k ORDER BY v DESC, id) AS n FROM TABLE(\
                TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '10' SECOND))) WHERE n <= 2",
    },
    Script {
        name: "window join",
        columns: "l BIGINT, r BIGINT, w TIMESTAMP(3)",
        query: "SELECT l.id, r.id, l.window_end FROM (SELECT * FROM TABLE(\
                TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '10' SECOND))) AS l JOIN (\
                SELECT * FROM TABLE(TUMBLE(TABLE others, DESCRIPTOR(ts), INTERVAL '10' SECOND))) \
                AS r ON l.window_start = r.window_start AND l.window_end = r.window_end \
                AND l.k = r.k",
    },
    Script {
        name: "join",
        columns: "l BIGINT, r BIGINT, s STRING",
        query: "SELECT e.id, o.id, o.s FROM events AS e JOIN others AS o \
                ON e.k = o.k AND e.v = o.v",
    },
    Script {
        name: "full join of aggregates",
        columns: "k1 INT, n1 BIGINT, k2 INT, n2 BIGINT",
        query: "SELECT l.k, l.n, r.k, r.n FROM \
                (SELECT k, COUNT(*) AS n FROM events GROUP BY k) AS l FULL JOIN \
                (SELECT k, MAX(v) AS n FROM others WHERE v > 20 GROUP BY k) AS r ON l.k = r.k",
    },
    Script {
        name: "semi and anti join",
        columns: "id BIGINT, s STRING",
        query: "SELECT id, s FROM events WHERE k IN (SELECT k FROM others WHERE v > 35) \
                AND NOT EXISTS (SELECT 1 FROM others WHERE others.v = events.v AND others.v < 9)",
    },
    Script {
        name: "interval join",
        columns: "l BIGINT, r BIGINT",
        query: "SELECT e.id, o.id FROM events AS e LEFT JOIN others AS o ON e.k = o.k \
                AND e.ts BETWEEN o.ts - INTERVAL '2' SECOND AND o.ts + INTERVAL '1' SECOND",
    },
    Script {
        name: "temporal join",
        columns: "id BIGINT, v BIGINT, s STRING",
        query: "SELECT e.id, o.v, o.s FROM events AS e LEFT JOIN versions \
                FOR SYSTEM_TIME AS OF e.ts AS o ON e.k = o.k",
    },
    Script {
        name: "top",
        columns: "k INT, id BIGINT, v BIGINT",
        query: "SELECT k, id, v FROM (SELECT *, ROW_NUMBER() OVER (\
                PARTITION BY k ORDER BY v DESC, id) AS n FROM events) WHERE n <= 3",
    },
    Script {
        name: "top of an aggregate",
        columns: "s STRING, k INT, total BIGINT, n BIGINT",
        query: "SELECT s, k, total, n FROM (SELECT *, ROW_NUMBER() OVER (\
                PARTITION BY s ORDER BY total DESC, k) AS n FROM (\
                SELECT s, k, SUM(v) AS total FROM events GROUP BY s, k)) WHERE n <= 2",
    },
    Script {
        name: "last row",
        columns: "k INT, id BIGINT, v BIGINT",
        query: "SELECT k, id, v FROM (SELECT *, ROW_NUMBER() OVER (\
                PARTITION BY k ORDER BY ts DESC) AS n FROM events) WHERE n = 1",
    },
    Script {
        name: "first row",
        columns: "k INT, id BIGINT, v BIGINT",
        query: "SELECT k, id, v FROM (SELECT *, ROW_NUMBER() OVER (\
                PARTITION BY k ORDER BY ts) AS n FROM events) WHERE n = 1",
    },
    Script {
        name: "over rows",
        columns: "id BIGINT, total BIGINT, greatest BIGINT",
        query: "SELECT id, SUM(v) OVER w, MAX(v) OVER w FROM events WINDOW w AS (\
                PARTITION BY k ORDER BY ts ROWS BETWEEN 4 PRECEDING AND CURRENT ROW)",
    },
    Script {
        name: "over range",
        columns: "id BIGINT, n BIGINT, total BIGINT",
        query: "SELECT id, COUNT(*) OVER w, SUM(v) OVER w FROM events WINDOW w AS (\
                PARTITION BY k ORDER BY ts RANGE BETWEEN INTERVAL '4' SECOND PRECEDING \
                AND CURRENT ROW)",
    },
    Script {
        name: "union",
        columns: "k INT, n BIGINT",
        query: "SELECT k, COUNT(*) FROM (SELECT k FROM events UNION ALL SELECT k FROM others) \
                GROUP BY k",
    },
];
