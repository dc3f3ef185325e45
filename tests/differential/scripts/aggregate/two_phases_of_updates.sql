-- tables: bids
-- parallelism: 1 2
-- mini-batch: both
-- note: rows that are taken back are added up, too: in another mini-batch than they came in
SELECT COUNT(*) AS n, COUNT(DISTINCT lo) AS d, COUNT(DISTINCT lo) FILTER (WHERE n > 1) AS f, MIN(lo) AS lo,
  MAX(hi) AS hi, SUM(s) AS s
FROM (SELECT auction, COUNT(*) AS n, MIN(price) AS lo, MAX(price) AS hi, SUM(price) AS s
  FROM bids GROUP BY auction);
