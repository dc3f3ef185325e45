-- tables: bids
-- parallelism: 2
SELECT auction, name FROM bids WHERE price < 900 EXCEPT SELECT auction, name FROM bids WHERE price > 500 AND id < 200;
