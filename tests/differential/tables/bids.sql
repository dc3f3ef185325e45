CREATE TABLE bids (id BIGINT, auction BIGINT, price INT, name STRING, ts TIMESTAMP(3),
  pt AS PROCTIME(),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
  WITH ('connector' = 'filesystem', 'path' = '$DATA/bids.csv', 'format' = 'csv', 'csv.null-literal' = 'NULL');
