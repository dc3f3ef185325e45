-- tables: bids
-- parallelism: 2
-- mini-batch: both
SELECT id, name FROM bids b WHERE NOT EXISTS (
  SELECT 1 FROM (SELECT name, auction, COUNT(*) AS c FROM bids GROUP BY name, auction) t
  WHERE t.name = b.name AND t.auction = b.auction AND t.c > 15);
