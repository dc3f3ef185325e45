-- tables: nexmark
-- parallelism: 1 2
-- flink: JOIN side_input FOR SYSTEM_TIME AS OF b.p_time AS s => JOIN side_input AS s
-- note: Flink's own filesystem tables cannot be looked up; the table does not change, so a regular join gives the same rows
CREATE TABLE side_input (key BIGINT, `value` STRING)
  WITH ('connector' = 'filesystem', 'path' = '$DATA/side.csv', 'format' = 'csv', 'csv.null-literal' = 'NULL');
SELECT b.auction, b.bidder, b.price, CAST(b.dateTime AS STRING) AS t, s.`value`
FROM (SELECT *, PROCTIME() AS p_time FROM bid) b
JOIN side_input FOR SYSTEM_TIME AS OF b.p_time AS s ON MOD(b.auction, 10000) = s.key;
