CREATE TABLE bids (id BIGINT, auction BIGINT, price INT, name STRING, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
  WITH ('connector' = 'filesystem', 'path' = '$DATA/bids.csv', 'format' = 'csv', 'csv.null-literal' = 'NULL');
SELECT a.id AS id FROM bids a WHERE NOT EXISTS (SELECT * FROM bids b WHERE b.auction = a.auction AND b.price > a.price);
