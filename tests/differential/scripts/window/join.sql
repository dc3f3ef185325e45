CREATE TABLE bids (id BIGINT, auction BIGINT, price INT, name STRING, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
  WITH ('connector' = 'filesystem', 'path' = '$DATA/bids.csv', 'format' = 'csv', 'csv.null-literal' = 'NULL');
SELECT CAST(a.window_start AS STRING) AS s, a.auction AS auction, a.n AS n, b.top AS top FROM (SELECT auction, window_start, window_end, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY auction, window_start, window_end) a LEFT JOIN (SELECT name, window_start, window_end, MAX(price) AS top FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY name, window_start, window_end) b ON a.window_start = b.window_start AND a.window_end = b.window_end AND a.n * 100 < b.top;
