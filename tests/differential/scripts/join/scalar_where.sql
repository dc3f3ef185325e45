-- tables: bids
-- parallelism: 2
SELECT id, price FROM bids WHERE price > (SELECT AVG(price) FROM bids);
