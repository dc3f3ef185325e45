CREATE TABLE bids (id BIGINT, auction BIGINT, price INT, name STRING, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
  WITH ('connector' = 'filesystem', 'path' = '$DATA/bids.csv', 'format' = 'csv', 'csv.null-literal' = 'NULL');
SELECT a.id AS a, b.id AS b FROM (SELECT * FROM bids WHERE id < 30) a RIGHT JOIN (SELECT * FROM bids WHERE id > 370) b ON a.price = b.price OR a.name = b.name;
