CREATE TABLE bids (id BIGINT, auction BIGINT, price INT, name STRING, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
  WITH ('connector' = 'filesystem', 'path' = '$DATA/bids.csv', 'format' = 'csv', 'csv.null-literal' = 'NULL');
SELECT id, UPPER(name) AS u, SUBSTRING(name, 2, 2) AS s, CHAR_LENGTH(name) AS n, COALESCE(name, '-') || 'x' AS c FROM bids;
