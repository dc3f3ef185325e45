CREATE TABLE bids (id BIGINT, auction BIGINT, price INT, name STRING, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
  WITH ('connector' = 'filesystem', 'path' = '$DATA/bids.csv', 'format' = 'csv', 'csv.null-literal' = 'NULL');
SELECT id, DATE_FORMAT(ts, 'yyyy-MM-dd HH:mm') AS f, EXTRACT(SECOND FROM ts) AS s, CAST(FLOOR(ts TO MINUTE) AS STRING) AS m FROM bids;
