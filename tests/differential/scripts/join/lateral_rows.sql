-- tables: bids
-- parallelism: 2
SELECT a.id, t.id AS other FROM bids a, LATERAL (SELECT id FROM bids b WHERE b.auction = a.auction AND b.price = a.price) AS t;
