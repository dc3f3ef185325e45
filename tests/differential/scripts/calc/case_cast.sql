CREATE TABLE bids (id BIGINT, auction BIGINT, price INT, name STRING, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
  WITH ('connector' = 'filesystem', 'path' = '$DATA/bids.csv', 'format' = 'csv', 'csv.null-literal' = 'NULL');
SELECT id, CASE WHEN price < 100 THEN 'low' WHEN price < 600 THEN 'mid' END AS c, CAST(price AS STRING) AS p, CAST(CAST(price AS DECIMAL(10, 2)) / 3 AS STRING) AS d FROM bids;
