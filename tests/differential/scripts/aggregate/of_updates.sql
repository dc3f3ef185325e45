-- tables: bids
-- parallelism: 2
-- mini-batch: both
SELECT n, COUNT(*) AS c, MIN(lo) AS lo, MAX(hi) AS hi, COUNT(DISTINCT lo) AS d, SUM(s) AS s, AVG(hi) AS a
FROM (SELECT auction, name, COUNT(*) / 10 AS n, MIN(price) AS lo, MAX(price) AS hi, SUM(price) AS s
  FROM bids GROUP BY auction, name)
GROUP BY n;
