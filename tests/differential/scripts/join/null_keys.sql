-- tables: bids
-- parallelism: 2
-- mini-batch: both
SELECT a.id AS a, b.id AS b FROM (SELECT * FROM bids WHERE id < 60) a
FULL JOIN (SELECT * FROM bids WHERE id >= 60 AND id < 120) b ON a.name = b.name AND a.price < b.price;
