-- tables: bids
-- mini-batch: both
-- flink: JOIN named FOR SYSTEM_TIME AS OF c.pt AS s => JOIN named AS s
-- note: the table does not change, so a regular join gives the same rows
CREATE TABLE side (key BIGINT, v STRING, up AS UPPER(v))
  WITH ('connector' = 'filesystem', 'path' = '$DATA/side.csv', 'format' = 'csv', 'csv.null-literal' = 'NULL');
CREATE VIEW named AS SELECT key + 0 AS other, v || '!' AS loud, key FROM side WHERE v IS NOT NULL;
SELECT c.auction, c.n, s.loud, s.other
FROM (SELECT auction, n, PROCTIME() AS pt FROM
       (SELECT auction, COUNT(*) AS n FROM bids GROUP BY auction)) AS c
JOIN named FOR SYSTEM_TIME AS OF c.pt AS s ON s.key = c.auction AND c.n > 10;
