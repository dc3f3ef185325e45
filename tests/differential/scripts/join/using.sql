CREATE TABLE bids (id BIGINT, auction BIGINT, price INT, name STRING, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
  WITH ('connector' = 'filesystem', 'path' = '$DATA/bids.csv', 'format' = 'csv', 'csv.null-literal' = 'NULL');
SELECT auction, a.n AS n, b.total AS total FROM (SELECT auction, COUNT(*) AS n FROM bids GROUP BY auction) a JOIN (SELECT auction, SUM(price) AS total FROM bids GROUP BY auction) b USING (auction);
