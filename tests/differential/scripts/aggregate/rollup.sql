-- tables: bids
-- parallelism: 2
SELECT price / 500 AS p, auction, name, COUNT(*) AS n FROM bids WHERE id < 100 GROUP BY price / 500, ROLLUP (auction, name)
HAVING COUNT(*) > 1;
