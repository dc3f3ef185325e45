CREATE TABLE bids (id BIGINT, auction BIGINT, price INT, name STRING, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
  WITH ('connector' = 'filesystem', 'path' = '$DATA/bids.csv', 'format' = 'csv', 'csv.null-literal' = 'NULL');
SELECT a.id AS a, b.id AS b FROM (SELECT * FROM bids WHERE price < 200) a JOIN (SELECT * FROM bids WHERE price >= 700) b ON a.auction = b.auction AND a.price + 550 < b.price;
