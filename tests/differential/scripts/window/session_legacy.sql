CREATE TABLE bids (id BIGINT, auction BIGINT, price INT, name STRING, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
  WITH ('connector' = 'filesystem', 'path' = '$DATA/bids.csv', 'format' = 'csv', 'csv.null-literal' = 'NULL');
SELECT auction, CAST(SESSION_START(ts, INTERVAL '1' SECOND) AS STRING) AS s, CAST(SESSION_END(ts, INTERVAL '1' SECOND) AS STRING) AS e, COUNT(*) AS n, SUM(price) AS total FROM bids GROUP BY auction, SESSION(ts, INTERVAL '1' SECOND);
