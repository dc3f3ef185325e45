-- tables: bids
-- parallelism: 2
SELECT id, price - (SELECT MIN(price) FROM bids WHERE price > 10) AS d FROM bids WHERE id < 50;
