CREATE TABLE bids (id BIGINT, auction BIGINT, price INT, name STRING, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
  WITH ('connector' = 'filesystem', 'path' = '$DATA/bids.csv', 'format' = 'csv', 'csv.null-literal' = 'NULL');
SELECT a.id AS a, a.name AS name, b.id AS b FROM bids a LEFT JOIN (SELECT * FROM bids WHERE price > 900) b ON a.name = b.name AND a.id > b.id;
