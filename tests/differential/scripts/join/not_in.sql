CREATE TABLE bids (id BIGINT, auction BIGINT, price INT, name STRING, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
  WITH ('connector' = 'filesystem', 'path' = '$DATA/bids.csv', 'format' = 'csv', 'csv.null-literal' = 'NULL');
SELECT id FROM bids WHERE price NOT IN (SELECT price FROM bids WHERE id < 100 AND price IS NOT NULL);
