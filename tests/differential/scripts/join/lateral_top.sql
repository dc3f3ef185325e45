-- tables: bids
-- parallelism: 2
SELECT k.auction, t.id, t.price FROM (SELECT DISTINCT auction FROM bids) k,
LATERAL (SELECT id, price FROM bids WHERE auction = k.auction ORDER BY price DESC, id LIMIT 3) AS t;
