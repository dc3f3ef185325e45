-- tables: bids
-- parallelism: 2
-- mini-batch: both
SELECT auction, name, n, rn FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY auction ORDER BY n DESC, name) AS rn
  FROM (SELECT auction, name, COUNT(*) AS n FROM bids GROUP BY auction, name))
WHERE rn <= 2;
