-- tables: bids
-- parallelism: 2
-- mini-batch: both
SELECT auction, name, s FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY name ORDER BY s, auction) AS rn
  FROM (SELECT auction, name, SUM(price) AS s FROM bids GROUP BY auction, name))
WHERE rn <= 3;
