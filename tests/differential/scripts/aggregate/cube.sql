-- tables: bids
-- parallelism: 2
SELECT auction, name, SUM(auction) AS s, COUNT(DISTINCT price) AS d FROM bids GROUP BY CUBE (auction, name);
