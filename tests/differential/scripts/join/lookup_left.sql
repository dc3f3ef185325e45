-- tables: bids
-- flink: LEFT JOIN side FOR SYSTEM_TIME AS OF b.pt AS s => LEFT JOIN side AS s
-- note: the table does not change, so a regular join gives the same rows
CREATE TABLE side (key BIGINT, v STRING, up AS UPPER(v))
  WITH ('connector' = 'filesystem', 'path' = '$DATA/side.csv', 'format' = 'csv', 'csv.null-literal' = 'NULL');
SELECT b.id, b.auction, b.name, s.v, s.up
FROM bids AS b LEFT JOIN side FOR SYSTEM_TIME AS OF b.pt AS s
  ON b.auction = s.key AND (s.v <> 'second' OR b.price > 500) AND b.id <> 7;
