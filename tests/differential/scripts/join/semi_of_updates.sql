-- tables: bids
-- parallelism: 2
-- mini-batch: both
SELECT id, auction FROM bids WHERE auction IN (SELECT MAX(auction) FROM bids WHERE price IS NOT NULL GROUP BY name, price / 250);
