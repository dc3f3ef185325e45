-- tables: bids
-- parallelism: 2
-- mini-batch: both
SELECT DISTINCT top FROM (SELECT auction, MAX(price) / 100 AS top FROM bids GROUP BY auction, name);
