CREATE TABLE bids (id BIGINT, auction BIGINT, price INT, name STRING, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
  WITH ('connector' = 'filesystem', 'path' = '$DATA/bids.csv', 'format' = 'csv', 'csv.null-literal' = 'NULL');
SELECT a.auction AS auction, a.n AS n, b.name AS name, b.top AS top FROM (SELECT auction, COUNT(*) AS n FROM bids GROUP BY auction) a FULL JOIN (SELECT name, MAX(price) AS top, COUNT(*) AS n FROM bids GROUP BY name) b ON a.n < b.n;
