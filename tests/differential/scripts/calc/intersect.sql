-- tables: bids
-- parallelism: 2
SELECT auction, name FROM bids WHERE price < 300 INTERSECT SELECT auction, name FROM bids WHERE price > 700;
