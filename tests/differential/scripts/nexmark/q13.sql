-- tables: nexmark
-- refused: lookup joins are not offered yet, and Flink's own filesystem tables cannot be looked up
CREATE TABLE side_input (key BIGINT, `value` STRING)
  WITH ('connector' = 'filesystem', 'path' = '$DATA/side', 'format' = 'csv');
SELECT b.auction, b.bidder, b.price, CAST(b.dateTime AS STRING) AS t, s.`value`
FROM (SELECT *, PROCTIME() AS p_time FROM bid) b
JOIN side_input FOR SYSTEM_TIME AS OF b.p_time AS s ON MOD(b.auction, 10000) = s.key;
