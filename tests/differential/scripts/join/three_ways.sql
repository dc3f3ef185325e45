-- tables: bids
-- parallelism: 2
-- mini-batch: both
SELECT a.id AS a, b.n AS n, c.top AS top FROM bids a
JOIN (SELECT auction, COUNT(*) AS n FROM bids GROUP BY auction) b ON a.auction = b.auction
LEFT JOIN (SELECT name, MAX(price) AS top FROM bids GROUP BY name) c ON a.name = c.name;
