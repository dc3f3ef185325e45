-- tables: bids
-- parallelism: 2
SELECT b.id, (SELECT COUNT(*) FROM bids x WHERE x.auction = b.price) AS n FROM bids b;
