-- tables: bids
-- parallelism: 2
-- mini-batch: both
SELECT auction, id, rn FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY auction ORDER BY price DESC, id) AS rn FROM bids)
WHERE rn > 2 AND rn <= 5;
