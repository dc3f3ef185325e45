-- tables: bids
-- parallelism: 2
SELECT auction, a.auction AS l, b.auction AS r, n, top FROM (SELECT auction, COUNT(*) AS n FROM bids WHERE auction > 1 GROUP BY auction) a
FULL JOIN (SELECT auction, MAX(price) AS top FROM bids WHERE auction < 4 GROUP BY auction) b USING (auction);
