-- tables: bids
-- parallelism: 2
-- mini-batch: both
SELECT a.id AS a, b.id AS b FROM (SELECT * FROM bids WHERE id < 60) a
LEFT JOIN (SELECT * FROM bids WHERE id >= 60 AND id < 120) b ON a.name IS NOT DISTINCT FROM b.name AND a.auction = b.auction;
