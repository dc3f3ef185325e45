CREATE TABLE bids (id BIGINT, auction BIGINT, price INT, name STRING, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
  WITH ('connector' = 'filesystem', 'path' = '$DATA/bids.csv', 'format' = 'csv', 'csv.null-literal' = 'NULL');
SELECT name, CAST(TUMBLE_START(ts, INTERVAL '7' SECOND) AS STRING) AS s, CAST(TUMBLE_ROWTIME(ts, INTERVAL '7' SECOND) AS STRING) AS t, COUNT(DISTINCT auction) AS n FROM bids GROUP BY name, TUMBLE(ts, INTERVAL '7' SECOND);
