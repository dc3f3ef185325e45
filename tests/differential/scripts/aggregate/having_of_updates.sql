-- tables: bids
-- parallelism: 2
-- mini-batch: both
SELECT c, COUNT(*) AS n FROM (SELECT name, auction, COUNT(*) AS c FROM bids GROUP BY name, auction HAVING COUNT(*) > 5)
GROUP BY c HAVING COUNT(*) < 4;
