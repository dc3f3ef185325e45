CREATE TABLE bids (id BIGINT, auction BIGINT, price INT, name STRING, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
  WITH ('connector' = 'filesystem', 'path' = '$DATA/bids.csv', 'format' = 'csv', 'csv.null-literal' = 'NULL');
SELECT auction, CAST(HOP_END(ts, INTERVAL '3' SECOND, INTERVAL '9' SECOND) AS STRING) AS e, MIN(price) AS low FROM bids GROUP BY auction, HOP(ts, INTERVAL '3' SECOND, INTERVAL '9' SECOND);
