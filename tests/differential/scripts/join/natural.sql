-- tables: bids
-- parallelism: 2
SELECT * FROM (SELECT auction, COUNT(*) AS n FROM bids WHERE auction > 1 GROUP BY auction)
NATURAL FULL JOIN (SELECT auction, MAX(price) AS top FROM bids WHERE auction < 4 GROUP BY auction);
