-- tables: bids
-- parallelism: 2
-- mini-batch: both
SELECT k, SUM(n) AS n FROM (
  SELECT auction AS k, COUNT(*) AS n FROM bids GROUP BY auction
  UNION ALL SELECT CAST(CHAR_LENGTH(name) AS BIGINT), MAX(price) FROM bids GROUP BY CHAR_LENGTH(name))
GROUP BY k;
