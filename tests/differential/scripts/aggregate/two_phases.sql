-- tables: bids
-- parallelism: 1 2
-- mini-batch: both
-- note: with mini-batches on, each subtask adds up its rows before they are sent
SELECT name, COUNT(*) AS n, COUNT(price) AS p, SUM(price) AS s, AVG(price) AS a, MIN(price) AS lo, MAX(price) AS hi,
  COUNT(DISTINCT auction) AS d, COUNT(DISTINCT auction) FILTER (WHERE price > 500) AS f, SUM(DISTINCT price) AS sd
FROM bids GROUP BY name;
