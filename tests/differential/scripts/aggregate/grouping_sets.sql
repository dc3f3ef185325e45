-- tables: bids
-- parallelism: 2
SELECT auction, name, COUNT(*) AS n, SUM(price) AS s, GROUPING(auction) AS ga, GROUPING(name) AS gn, GROUPING_ID(auction, name) AS g
FROM bids GROUP BY GROUPING SETS ((auction, name), (auction), ());
